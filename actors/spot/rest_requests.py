"""Requests to the REST API: what a method's declaration and its parameters become over HTTP (REST API, General
information on endpoints; Endpoint security type; SIGNED endpoint security). Pure.

One declaration serves both transports, so parameters come under the exchange's names, as `Request.params()` gives them.
Getting the time right and sending is `rest.py`'s business.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from dogwatch.actors.spot.endpoints import TimeUnit
from dogwatch.actors.spot.methods import ParamValue, Security
from dogwatch.actors.spot.request import Declaration
from dogwatch.actors.spot.request_frames import stamp
from dogwatch.actors.spot.signing import Signer

__all__ = ["FORM", "RestRequest", "rest_request"]

FORM = "application/x-www-form-urlencoded"
FORM_VERBS = frozenset({"POST", "PUT"})
"""What these send stands in the body. DELETE may have one by the documentation, but what is in between may drop it."""
UNRESERVED = "-_.~"
"""What else than letters and digits is not percent-encoded (RFC 3986, 2.3)."""
_is_plain = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


class RestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request, complete but for the server. `target` is the path with its query, as the request line names it.

    Its repr shows neither headers nor signature.
    """

    verb: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def __repr__(self) -> str:
        return f"<RestRequest {self.verb} {self.path}>"


def rest_request(
    declaration: Declaration,
    params: Mapping[str, ParamValue],
    *,
    signer: Signer | None = None,
    timestamp_ms: int = 0,
    recv_window_ms: int | None = None,
    time_unit: TimeUnit | None = None,
) -> RestRequest:
    """Return the request that calls this method, signed where it has to be.

    `timestamp_ms` is server time, and matters only there. Raises ValueError for a method that REST does not have, and
    for one that needs a key without a `signer`.
    """
    endpoint, method = declaration.endpoint, declaration.method
    if endpoint is None:
        raise ValueError(f"{method} exists on the WebSocket API only")
    headers: list[tuple[str, str]] = [] if time_unit is None else [("X-MBX-TIME-UNIT", time_unit)]
    if declaration.security is Security.NONE:
        sent = encoded(params)
    elif signer is None:
        raise ValueError(f"{method} needs an API key")
    else:
        headers.append(("X-MBX-APIKEY", signer.api_key))
        # What is signed is the text as it is sent, so it is encoded first.
        sent = encoded(stamp(params, timestamp_ms=timestamp_ms, recv_window_ms=recv_window_ms))
        sent = f"{sent}&signature={_percent_encoded(signer.signature(sent.encode('ascii')))}"
    if endpoint.verb not in FORM_VERBS:
        return RestRequest(verb=endpoint.verb, path=endpoint.path, query=sent, headers=tuple(headers))
    headers.append(("Content-Type", FORM))
    return RestRequest(verb=endpoint.verb, path=endpoint.path, body=sent.encode("ascii"), headers=tuple(headers))


def encoded(params: Mapping[str, ParamValue]) -> str:
    """Return the parameters as a query string or form: percent-encoded UTF-8, lists as JSON text.

    E-mail addresses are lower-cased, which is how the exchange compares them. Raises TypeError for what has more than
    one spelling.
    """
    return "&".join([f"{name}={_percent_encoded(_text(name, value))}" for name, value in params.items()])


def _percent_encoded(text: str) -> str:
    return text if _is_plain(text) else quote(text, safe=UNRESERVED)


def _text(name: str, value: ParamValue) -> str:
    if isinstance(value, str):
        return value.lower() if name.lower().endswith("email") else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    raise TypeError(f"{name} cannot be sent: a {type(value).__name__} has more than one spelling, use a string")
