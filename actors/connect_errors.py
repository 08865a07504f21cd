"""Why an attempt to connect gave no WebSocket, told apart by how far it came. What follows from it is decided by the
connection."""

from enum import StrEnum

from dogwatch.runtime.errors import DogwatchError

__all__ = ["ConnectError", "DialFailed", "FailureKind", "HandshakeRefused"]

HINTS = {
    400: "check the path and the parameters of the address",
    403: "the exchange's firewall refused: check where from and how often you connect",
    404: "check the path of the address",
    418: "this IP address is banned for a while: stay away until it lifts",
    429: "too many attempts: wait before the next one",
    451: "the exchange does not serve the place where this machine seems to be",
}
NO_WEBSOCKET_HINT = "check that the address leads to the exchange's WebSocket, and any proxy or login page in between"
SERVER_TROUBLE_HINT = "the server has a trouble of its own: try again later"


class FailureKind(StrEnum):
    """How far an attempt came, in the order of the way."""

    DNS = "dns"
    """The name of the host could not be resolved."""
    TCP = "tcp"
    """No address of the host has accepted the connection."""
    TLS = "tls"
    """The server did not agree on TLS, did not convince, or did not answer."""
    UPGRADE = "upgrade"
    """What answered the upgrade is no WebSocket, or nothing did."""
    HTTP_4XX = "http_4xx"
    """The server refused the upgrade for a reason on this side."""
    HTTP_5XX = "http_5xx"
    """The server refused the upgrade for a reason on its side."""


class ConnectError(DogwatchError):
    """An attempt to connect failed. Trying again may help; `retry_after_s` is what the server asked for, or 0."""

    status = 0
    retry_after_s = 0.0

    def __init__(self, message: str, *, kind: FailureKind, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind

    @property
    def may_be_the_ports(self) -> bool:
        """Whether another port of the same host may do better: not when the name or this side is the reason."""
        return self.kind not in (FailureKind.DNS, FailureKind.HTTP_4XX)


class DialFailed(ConnectError):
    """No stream could be opened. The message says what happened, the hint what to look at."""

    def __init__(self, message: str, *, kind: FailureKind = FailureKind.TCP, hint: str = "") -> None:
        super().__init__(message, kind=kind, hint=hint)


class HandshakeRefused(ConnectError):
    """The server was reached but gave no WebSocket. `status` is the HTTP status of its answer, 0 without one."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float = 0.0, hint: str = "") -> None:
        super().__init__(message, kind=kind_of(status), hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s


def refused_with(status: int, text: str, retry_after_s: float) -> HandshakeRefused:
    """The refusal that an HTTP answer with this status, body and wish amounts to."""
    said = f": {text}" if text else ""
    return HandshakeRefused(
        f"the server refused the upgrade with HTTP status {status}{said}",
        status=status,
        retry_after_s=retry_after_s,
        hint=HINTS.get(status) or hint_for(kind_of(status)),
    )


def kind_of(status: int) -> FailureKind:
    return {4: FailureKind.HTTP_4XX, 5: FailureKind.HTTP_5XX}.get(status // 100, FailureKind.UPGRADE)


def hint_for(kind: FailureKind) -> str:
    """What to look at when the status itself says no more than its class."""
    return {FailureKind.HTTP_5XX: SERVER_TROUBLE_HINT, FailureKind.UPGRADE: NO_WEBSOCKET_HINT}.get(kind, "")
