"""What the exchange says when it refuses, and the three ways in which a request can fail (Error codes, errors.md).

`ExchangeError` is the value that came over the wire. `Rejected`, `NotSent` and `OutcomeUnknown` are what a caller may
see raised: refused by the exchange; never left this machine; left it and nobody knows. They are never mixed up. Which
errors leave the outcome unknown is judged in `outcome.py`.
"""

import msgspec

from dogwatch.actors.spot.error_codes import CodeFacts, facts_of, hint_for
from dogwatch.actors.spot.instants import with_instants
from dogwatch.runtime.errors import DogwatchError


class ExchangeError(msgspec.Struct, frozen=True, kw_only=True, rename={"message": "msg"}):
    """The `error` object of a response, with the response's status. `data` is raw JSON, empty if there was none.

    Source: WebSocket API, Response format.
    """

    code: int
    message: str
    status: int = 0
    data: msgspec.Raw = msgspec.Raw(b"")

    @property
    def facts(self) -> CodeFacts:
        return facts_of(self.code)

    @property
    def hint(self) -> str:
        return hint_for(self.code, self.message)

    @property
    def retry_after_ms(self) -> int | None:
        """Server time before which nothing may be sent, on status 429 and 418. Not every 429 carries it."""
        return self._limits().retry_after_ms

    @property
    def server_time_ms(self) -> int | None:
        """The server's clock when it refused, on status 429 and 418."""
        return self._limits().server_time_ms

    def _limits(self) -> "_LimitData":
        if not self.data:
            return _LimitData()
        try:
            return with_instants(msgspec.json.decode(self.data, type=_LimitData))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _LimitData()  # some other code's data: no limits in it


class _LimitData(msgspec.Struct, frozen=True, rename={"retry_after_ms": "retryAfter", "server_time_ms": "serverTime"}):
    retry_after_ms: int | None = None
    server_time_ms: int | None = None


class Rejected(DogwatchError):
    """The exchange refused the request. It was not executed.

    `code` and `wording` are the exchange's own; `hint` says what to do about it.
    """

    def __init__(self, code: int, wording: str, *, hint: str = "") -> None:
        super().__init__(f"the exchange refused: {wording} [{code}]", hint=hint or hint_for(code, wording))
        self.code = code
        self.wording = wording


class NotSent(DogwatchError):
    """Nothing left this machine, so the request cannot have been executed. It may be made again.

    `retry_after_s`, where it is known: in how many seconds the exchange's limits have room for it.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(DogwatchError):
    """The request left this machine and it is not known whether it was executed. Never repeat it blindly.

    `code` and `wording` are the exchange's if it answered at all, else None and empty.
    """

    def __init__(self, reason: str, *, code: int | None = None, wording: str = "", hint: str = "") -> None:
        said = f": {wording} [{code}]" if code is not None else ""
        super().__init__(f"{reason}{said}", hint=hint or "ask for the order's status before doing anything else")
        self.reason = reason
        self.code = code
        self.wording = wording


class MalformedResult(DogwatchError):
    """A response arrived whose result is not what the documentation says. The request was answered, so it was read."""
