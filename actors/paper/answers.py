"""What a frame from a client brings about: payloads to send back, perhaps the end of its connection. Only values."""

import msgspec


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange ends the connection, with this WebSocket close code and reason."""

    code: int
    reason: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Payloads for the client, in this order, and then perhaps the end of its connection."""

    payloads: tuple[bytes, ...] = ()
    close: Close | None = None


DISCONNECTED = Close(code=1008, reason="disconnected")
"""How the exchange drops a client that breaks the rules."""
