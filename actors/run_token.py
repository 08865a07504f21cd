"""The mark of a run of the process in its client order ids. Which run it is, and that no two have the same, is kept in
`order_journal.py`; how the mark becomes part of an id in `spot/client_order_id.py`.
"""

import string

TENTH_MS = 100

_DIGITS = string.digits + string.ascii_letters


def run_number(unix_ms: int) -> int:
    """The number of a run that begins now: tenths of seconds since 1970."""
    return unix_ms // TENTH_MS


def token_of(number: int) -> str:
    """The number in base 62: six characters until 2149."""
    token = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        token = _DIGITS[digit] + token
    return token or _DIGITS[0]


def run_token(unix_ms: int) -> str:
    """The mark of a run that begins now and keeps no journal."""
    return token_of(run_number(unix_ms))
