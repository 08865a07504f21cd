"""How deep the JSON of a stranger may nest. Nothing is decoded here."""

BRACKETS_MAX = 200


def is_too_nested(frame: bytes | str) -> bool:
    """Whether decoding, repeating or signing this text could run out of stack.

    Brackets are counted, not levels: no request of the API comes near that many.
    """
    if isinstance(frame, str):
        return frame.count("[") + frame.count("{") > BRACKETS_MAX
    return frame.count(b"[") + frame.count(b"{") > BRACKETS_MAX
