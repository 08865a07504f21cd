"""The header `Retry-After` of an HTTP answer: for how long the server wants to be left alone (RFC 9110, 10.2.3).

The exchange sends it in seconds with 429 and 418 (REST API, IP limits); what stands in front of it may send a date.
"""

from email.utils import parsedate_to_datetime

__all__ = ["RETRY_AFTER_S_MAX", "retry_after_s"]

RETRY_AFTER_S_MAX = 3 * 86_400.0
"""The longest ban (REST API, IP limits). A wish beyond that is taken for this one."""


def retry_after_s(value: str | None, *, date: str | None = None) -> float:
    """What the header's `value` asks for, 0 when it is absent or says nothing readable.

    A point in time counts from `date`, the answer's own header `Date`: no clock of this machine is needed.
    """
    if value is None:
        return 0.0
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_S_MAX)
    until_s, now_s = _unix_s(text), _unix_s(date)
    if until_s is None or now_s is None:
        return 0.0
    return min(max(0.0, until_s - now_s), RETRY_AFTER_S_MAX)


def _unix_s(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
