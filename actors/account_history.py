"""What the exchange has on record of the account: its open orders, all its orders, its trades, one order, its number.

Every question is asked again, ever later, until it is answered. It goes behind everybody else's requests, and a part
of the exchange's limits is never used for it: see `rate_limiter.py`. What is asked in which order is
`recovery_pass.py`'s.
"""

from typing import TypeVar

import trio

from dogwatch.actors.session_messages import Call, Speaker
from dogwatch.actors.spot.account_requests import (
    AllOrders,
    MyTrades,
    OpenOrdersStatus,
    QueryAccountStatus,
    QueryOrderStatus,
)
from dogwatch.actors.spot.errors import ExchangeError, NotSent
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.results import AccountTrade, OrderReport
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.ref import ActorRef

R = TypeVar("R")

PAGE_ROWS = 1000
ANSWER_WITHIN_S = 15.0
AGAIN_FIRST_S, AGAIN_LONGEST_S = 0.5, 15.0

BAD_SYMBOL = -1121
NO_SUCH_ORDER = frozenset({-2013, -2026})
"""Not found; or ended without a fill so long ago that it was archived."""


class NotListed(DogwatchError):
    """The exchange does not know the symbol (any more)."""


class NoSuchOrder(DogwatchError):
    """The exchange finds no such order. By itself that proves nothing: an order may be there and not be visible yet."""


class AccountHistory:
    """Asks one question at a time (WebSocket API, Account requests) and returns with its answer only.

    Cancel it when the session is lost. Rows are as the exchange gives them, by rising id. `weight` is what all
    questions of this object have cost.
    """

    def __init__(self, *, session: ActorRef[Speaker], log: Logger) -> None:
        self._session = session
        self._log = log
        self.weight = 0

    async def uid(self) -> int | None:
        """The number of the account; None where the exchange does not tell it."""
        return (await self._ask(QueryAccountStatus(omit_zero_balances=True))).uid

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every open order of the account."""
        # Those of one symbol would weigh less, but only all of them show what was forgotten.
        return await self._ask(OpenOrdersStatus())

    async def orders(self, symbol: str, from_id: int | None, *, limit: int = PAGE_ROWS) -> tuple[OrderReport, ...]:
        """A page of all orders from an order id on; without one the newest. Raises NotListed."""
        return await self._ask(AllOrders(symbol=symbol, order_id=from_id, limit=limit))

    async def trades(
        self, symbol: str, from_id: int | None, *, order_id: int | None = None, limit: int = PAGE_ROWS
    ) -> tuple[AccountTrade, ...]:
        """A page of all trades, or of one order's, from a trade id on; without one the newest. Raises NotListed."""
        return await self._ask(MyTrades(symbol=symbol, order_id=order_id, from_id=from_id, limit=limit))

    async def order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> OrderReport | None:
        """One order; None when the exchange finds none. Raises NotListed."""
        request = QueryOrderStatus(symbol=symbol, order_id=order_id, orig_client_order_id=client_order_id)
        try:
            return await self._ask(request)
        except NoSuchOrder:
            return None

    async def _ask(self, request: Request[R]) -> R:
        call = Call.of(request, lane=Priority.BULK)
        again_s = AGAIN_FIRST_S
        while True:
            room_in_s = 0.0
            try:
                response = await self._session.ask(call, within_s=ANSWER_WITHIN_S)
                self.weight += request.declaration.weight_of(call.params)
                if response.error is None:
                    return request.decode(response.result)
                problem = self._heed(response.error)
            except (NotListed, NoSuchOrder):
                raise
            except NotSent as failure:
                problem, room_in_s = str(failure), failure.retry_after_s or 0.0
            except DogwatchError as failure:  # not sent, not answered, not understood: no answer in any case
                problem = str(failure)
            wait_s = room_in_s or again_s
            log = self._log.info if room_in_s else self._log.warning  # a long reading takes its time
            log("a question was not answered", method=call.method, reason=problem, again_in_s=round(wait_s, 1))
            await trio.sleep(wait_s)
            again_s = AGAIN_FIRST_S if room_in_s else min(2 * again_s, AGAIN_LONGEST_S)

    def _heed(self, error: ExchangeError) -> str:
        """What a refusal says. Raises where asking again would be refused again."""
        if error.code == BAD_SYMBOL:
            raise NotListed(error.message, hint=error.hint)
        if error.code in NO_SUCH_ORDER:
            raise NoSuchOrder(error.message)
        return f"{error.message} [{error.code}]"
