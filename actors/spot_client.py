"""The whole API as typed calls, over whatever answers a Call: a session, or REST.

`await spot.call(Depth(symbol="BTCUSDT"))` and `await spot.depth(symbol="BTCUSDT")` are the same. There is one function
for each method, named after it, with the exchange's parameters in snake_case; only what a session does for itself
(logging on, subscribing) is not offered.

Whoever places orders here looks after them: nobody tracks, journals or ends them. A strategy places orders by `place`.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar, overload

from dogwatch.actors.session_messages import Call, Speaker
from dogwatch.actors.spot import requests
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import MalformedResult, NotSent, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.outcome import Accepted, Unknown, classify
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Request
from dogwatch.runtime.errors import ActorCrashed, ActorStopped, AskTimeout, MailboxFull
from dogwatch.runtime.ref import ActorRef

__all__ = ["MANAGED", "Spot"]

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

WITHIN_S = 10.0
MANAGED = frozenset(
    {
        Method.SESSION_LOGON,
        Method.SESSION_LOGOUT,
        Method.USER_DATA_STREAM_SUBSCRIBE,
        Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE,
        Method.USER_DATA_STREAM_UNSUBSCRIBE,
    }
)
"""What a session does for itself."""
FAILED_IN_PARTS = frozenset({-2021, -2022})


class Asks(Generic[P, ResultT]):
    """A function of `Spot` that makes one kind of request, with the request's own parameters."""

    def __init__(self, request: Callable[P, Request[ResultT]]) -> None:
        self.request = request
        self.__doc__ = request.__doc__

    @overload
    def __get__(self, spot: None, owner: type) -> "Asks[P, ResultT]": ...
    @overload
    def __get__(self, spot: "Spot", owner: type) -> Callable[P, Coroutine[Any, Any, ResultT]]: ...
    def __get__(
        self, spot: "Spot | None", owner: type
    ) -> "Asks[P, ResultT] | Callable[P, Coroutine[Any, Any, ResultT]]":
        if spot is None:
            return self

        def ask(*args: P.args, **parameters: P.kwargs) -> Coroutine[Any, Any, ResultT]:
            return spot.call(self.request(*args, **parameters))

        return ask


class Spot:
    """Typed calls to `speaker`, each answered within `within_s` seconds.

    `account`: which of a session's further accounts is meant; its own if empty. `changes_hint`: if given, what changes
    anything is refused with NotSent and this hint.

    All functions raise NotSent (it has not reached the exchange, or was turned away before that), Rejected (the
    exchange said no), OutcomeUnknown (it was sent, and nobody knows what came of it), MalformedResult (it was carried
    out, and the answer cannot be read), and ValueError or TypeError for parameters that make no request.
    """

    def __init__(
        self, speaker: ActorRef[Speaker], *, within_s: float = WITHIN_S, account: str = "", changes_hint: str = ""
    ) -> None:
        self._speaker = speaker
        self._within_s = within_s
        self._account = account
        self._changes_hint = changes_hint

    def within(self, seconds: float) -> "Spot":
        """The same, with another time to wait for answers: `await spot.within(60).all_orders(symbol=…)`."""
        return Spot(self._speaker, within_s=seconds, account=self._account, changes_hint=self._changes_hint)

    async def call(
        self, request: Request[ResultT], *, within_s: float | None = None, lane: Priority | None = None
    ) -> ResultT:
        """Make a request and return its result. `lane`: who goes first when the exchange's limits are nearly used up.

        An order.cancelReplace of which one part or both have failed returns its result all the same, if the exchange
        tells what became of each part: see `cancel_replace.judge_parts`.
        """
        declaration = request.declaration
        if declaration.method in MANAGED:
            raise NotSent(f"{declaration.method} is not called by hand", hint="the session does it by itself")
        if declaration.is_write and self._changes_hint:
            raise NotSent(f"{declaration.method} is not called here", hint=self._changes_hint)
        call = Call.of(request, lane=lane, account=self._account)
        within_s = self._within_s if within_s is None else within_s
        try:
            response = await self._speaker.ask(call, within_s=within_s)
        except MailboxFull as error:
            raise NotSent(error.message, hint=error.hint) from error
        except AskTimeout as error:
            reason = f"{declaration.method} was not answered within {within_s:g} s"
            raise OutcomeUnknown(reason, hint=_unknown_hint(request)) from error
        except (ActorCrashed, ActorStopped) as error:
            raise OutcomeUnknown(error.message, hint=_unknown_hint(request)) from error
        return _result(request, response)

    # General.

    ping = Asks(requests.Ping)
    time = Asks(requests.Time)
    exchange_info = Asks(requests.QueryExchangeInfo)
    execution_rules = Asks(requests.QueryExecutionRules)

    # Market data.

    depth = Asks(requests.Depth)
    trades_recent = Asks(requests.TradesRecent)
    trades_historical = Asks(requests.TradesHistorical)
    block_trades_historical = Asks(requests.BlockTradesHistorical)
    trades_aggregate = Asks(requests.TradesAggregate)
    klines = Asks(requests.Klines)
    ui_klines = Asks(requests.UiKlines)
    avg_price = Asks(requests.AvgPrice)
    ticker_24hr = Asks(requests.Ticker24hr)
    ticker_trading_day = Asks(requests.TickerTradingDay)
    ticker = Asks(requests.QueryTicker)
    ticker_price = Asks(requests.TickerPrice)
    ticker_book = Asks(requests.TickerBook)
    reference_price = Asks(requests.QueryReferencePrice)
    reference_price_calculation = Asks(requests.QueryReferencePriceCalculation)

    # The connection.

    session_status = Asks(requests.QuerySessionStatus)
    session_subscriptions = Asks(requests.SessionSubscriptions)

    # Trading.

    order_place = Asks(requests.OrderPlace)
    order_test = Asks(requests.OrderTest)
    order_cancel = Asks(requests.OrderCancel)
    order_cancel_replace = Asks(requests.OrderCancelReplace)
    order_amend_keep_priority = Asks(requests.OrderAmendKeepPriority)
    open_orders_cancel_all = Asks(requests.OpenOrdersCancelAll)
    order_list_place = Asks(requests.OrderListPlace)
    order_list_place_oco = Asks(requests.OrderListPlaceOco)
    order_list_place_oto = Asks(requests.OrderListPlaceOto)
    order_list_place_otoco = Asks(requests.OrderListPlaceOtoco)
    order_list_place_opo = Asks(requests.OrderListPlaceOpo)
    order_list_place_opoco = Asks(requests.OrderListPlaceOpoco)
    order_list_cancel = Asks(requests.OrderListCancel)
    sor_order_place = Asks(requests.SorOrderPlace)
    sor_order_test = Asks(requests.SorOrderTest)

    # The account.

    account_status = Asks(requests.QueryAccountStatus)
    order_status = Asks(requests.QueryOrderStatus)
    open_orders_status = Asks(requests.OpenOrdersStatus)
    all_orders = Asks(requests.AllOrders)
    order_list_status = Asks(requests.OrderListStatus)
    open_order_lists_status = Asks(requests.OpenOrderListsStatus)
    all_order_lists = Asks(requests.AllOrderLists)
    my_trades = Asks(requests.MyTrades)
    account_rate_limits_orders = Asks(requests.AccountRateLimitsOrders)
    my_prevented_matches = Asks(requests.MyPreventedMatches)
    my_allocations = Asks(requests.MyAllocations)
    account_commission = Asks(requests.QueryAccountCommission)
    order_amendments = Asks(requests.OrderAmendments)
    my_filters = Asks(requests.QueryMyFilters)


def _result(request: Request[ResultT], response: Response) -> ResultT:
    """The typed result, or the exception that says what came of the request."""
    error = response.error
    outcome = classify(response.status, error)
    if isinstance(outcome, Accepted):
        return request.decode(response.result)
    if error is not None and error.code in FAILED_IN_PARTS and 400 <= response.status < 500:
        try:
            return request.decode(error.data)
        except MalformedResult:
            pass  # it does not tell of the parts: then the error is all that is known
    if isinstance(outcome, Unknown):
        raise OutcomeUnknown(outcome.reason, code=outcome.code, wording=outcome.wording, hint=_unknown_hint(request))
    raise Rejected(outcome.code, outcome.wording, hint=outcome.hint)


def _unknown_hint(request: Request[Any]) -> str:
    """The usual one for what changes something: look before anything else is done."""
    return "" if request.declaration.is_write else "it changes nothing: ask again"
