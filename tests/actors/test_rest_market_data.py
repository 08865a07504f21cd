"""Market data by asking: what is followed, as often as the limits allow, and less often while there is no answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.book_table import BookTable
from dogwatch.actors.feeds import (
    AggTrades,
    AveragePrices,
    BookLost,
    Books,
    DepthDiffs,
    MarketFeed,
    Quotes,
    Trades,
)
from dogwatch.actors.following import Following
from dogwatch.actors.interest import Interests
from dogwatch.actors.market_data import LINGER_S, LOOK_EVERY_S
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.rest_market_data import PAUSE_S_MAX, WEIGHT_SHARE, RestMarketData
from dogwatch.actors.session_messages import Call, SessionTopics
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.market_questions import why_not_asked
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.actors.spot.priority import Priority
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.messages import Gap
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from tests.actors.fake_session import FakeSession, refusal, result

pytestmark = pytest.mark.usefixtures("virtual_clock")

SYMBOL = "BTCUSDT"
UNKNOWN_SYMBOL = (-1121, "Invalid symbol.")


class Market:
    """What the exchange would answer, and what was asked: (method, parameters, when)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], float]] = []
        self.symbols = [SYMBOL, "ETHUSDT", "BNBUSDT"]
        self.bid = 9
        self.trades = 0
        self.failures: dict[str, Callable[[], Response | Exception | None]] = {}
        """Method → what it is answered with instead, or None for no answer."""

    def times(self, method: str) -> list[float]:
        """When it was asked, to the tenth of a second."""
        return [round(at_s, 1) for asked, _, at_s in self.asked if asked == method]

    def answer(self, call: Call) -> Response | Exception | None:
        assert call.lane is Priority.BULK
        method, params = str(call.method), dict[str, Any](call.params)
        self.asked.append((method, params, trio.current_time()))
        if method in self.failures:
            return self.failures[method]()
        named = params.get("symbols") or [params["symbol"]]
        if not set(named) <= set(self.symbols):
            return refusal(*UNKNOWN_SYMBOL)
        return result(self._result(method, params, named))

    def _result(self, method: str, params: dict[str, Any], named: list[str]) -> Any:
        match method:
            case "ticker.book":
                prices = {"bidPrice": str(self.bid), "bidQty": "1", "askPrice": "10", "askQty": "1"}
                rows = [{"symbol": symbol, **prices} for symbol in named]
                return rows if "symbols" in params else rows[0]
            case "avgPrice":
                return {"mins": 5, "price": str(self.bid), "closeTime": 3}
            case "depth":
                return {"lastUpdateId": self.bid, "bids": [[str(self.bid), "1"]], "asks": [["10", "1"]]}
        first_id = max(1, params.get("fromId", self.trades + 1 - params["limit"]))
        return [trade_row(method, number) for number in range(first_id, self.trades + 1)][: params["limit"]]


def trade_row(method: str, number: int) -> dict[str, Any]:
    if method == "trades.aggregate":
        return {"a": number, "p": "1", "q": "2", "f": number, "l": number, "T": 3, "m": True, "M": True}
    price = {"price": "1", "qty": "2", "quoteQty": "2"}
    return {"id": number, **price, "time": 3, "isBuyerMaker": True, "isBestMatch": True}


class Desk:
    """What the test sees of it all."""

    def __init__(self) -> None:
        self.market = Market()
        self.interest = Interests(why_not=why_not_asked)
        self.books = BookTable()
        self.limiter = RateLimiter(clock=Clock.virtual())
        self.actors: list[RestMarketData] = []
        self.system: System

    def follow(self, feed: MarketFeed[Any]) -> Following[Any]:
        topic = self.interest.follow(feed.stream)
        return Following(feed, feed.subscription(topic), lambda: self.interest.release(feed.stream))

    def follow_book(self, feed: Books) -> Following[Any]:
        topic = self.books.follow(feed)
        return Following(feed, feed.subscription(topic), lambda: self.books.release(feed))

    def statistics(self) -> dict[str, Any]:
        return self.actors[-1].statistics()


@asynccontextmanager
async def staged(*, poll_every_s: float = 1.0) -> AsyncIterator[Desk]:
    desk = Desk()

    def start_session() -> FakeSession:
        session = FakeSession(SessionTopics("fake"))
        session.automatic = desk.market.answer
        return session

    def start() -> RestMarketData:
        made = RestMarketData(
            speaker=ref,
            limiter=desk.limiter,
            interest=desk.interest.links[0],
            books=desk.books,
            poll_every_s=poll_every_s,
        )
        desk.actors.append(made)
        return made

    session = ChildSpec("session", start_session, actor=FakeSession)
    ref: ActorRef[Any] = session.ref
    spec = ChildSpec("market_data", start, actor=RestMarketData)
    async with run_system(SupervisorSpec("root", [session, spec])) as desk.system:
        yield desk


async def drained(following: Following[Any]) -> list[Any]:
    """What waits there."""
    events: list[Any] = []
    with trio.move_on_after(0.001):
        while True:
            events.append(await anext(following))
    return events


async def test_nothing_is_asked_until_somebody_follows_something() -> None:
    async with staged() as desk:
        await trio.sleep(60)
        assert desk.market.asked == []
        assert desk.actors[0].summary() == "0 feeds"


async def test_what_is_followed_is_asked_for_in_each_period_and_told_when_it_is_new() -> None:
    async with staged(poll_every_s=2.0) as desk:
        with desk.follow(Quotes(SYMBOL)) as following:
            assert (await anext(following)).bid == 9
            await trio.sleep(7)
            assert desk.market.times("ticker.book") == [0.0, 2.0, 4.0, 6.0]
            assert await drained(following) == []
            desk.market.bid = 8
            assert (await anext(following)).bid == 8
            assert desk.actors[0].summary() == "1 feed"


async def test_what_is_followed_no_longer_is_asked_for_no_longer() -> None:
    async with staged() as desk:
        with desk.follow(Quotes(SYMBOL)):
            await trio.sleep(3)
        await trio.sleep(LINGER_S + 2 * LOOK_EVERY_S)
        before = len(desk.market.asked)
        await trio.sleep(60)
        assert len(desk.market.asked) == before


async def test_those_who_follow_the_same_share_the_question() -> None:
    async with staged() as desk:
        with desk.follow(Quotes(SYMBOL)) as first, desk.follow(Quotes(SYMBOL)) as second:
            assert await anext(first) == await anext(second)
            assert len(desk.market.asked) == 1


async def test_a_stream_is_served_while_it_is_answered() -> None:
    async with staged() as desk:
        feed = AveragePrices(SYMBOL)
        with desk.follow(feed) as following:
            assert not desk.interest.is_served(feed.stream)
            await anext(following)
            assert desk.interest.is_served(feed.stream)
            desk.market.failures["avgPrice"] = lambda: NotSent("no connection")
            await trio.sleep(2)
            assert not desk.interest.is_served(feed.stream)
            assert desk.actors[0].summary() == "1 feed, 1 silent"


async def test_all_of_it_is_asked_for_less_often_when_a_part_of_the_limits_would_not_do() -> None:
    async with staged(poll_every_s=0.1) as desk:
        symbols = desk.market.symbols = [f"S{number}USDT" for number in range(40)]
        followings = [desk.follow(Trades(symbol)) for symbol in symbols]
        await trio.sleep(100)
        bulk = desk.limiter.budget.address.windows[0].caps[Priority.BULK]
        every_s = 40 * 25 / (bulk * WEIGHT_SHARE / 60)
        assert every_s > 20
        for times in by_symbol(desk.market).values():
            assert [after - before for before, after in pairwise(times)] == pytest.approx([every_s] * 3)
        assert desk.statistics()["every_s"] == round(every_s, 3)
        del followings[1:]
        await trio.sleep(LINGER_S + 2 * LOOK_EVERY_S)
        assert desk.statistics()["every_s"] == round(every_s / 40, 3)


def by_symbol(market: Market) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for _, params, at_s in market.asked:
        times.setdefault(params["symbol"], []).append(at_s)
    return times


async def test_a_question_without_an_answer_is_asked_less_and_less_often_and_the_others_go_on() -> None:
    async with staged() as desk:
        desk.market.failures["avgPrice"] = lambda: NotSent("no connection")
        with desk.follow(AveragePrices(SYMBOL)) as average, desk.follow(Quotes(SYMBOL)):
            await trio.sleep(100)
            assert desk.market.times("avgPrice") == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 61.0, 91.0]
            assert len(desk.market.times("ticker.book")) == 100
            del desk.market.failures["avgPrice"]
            await trio.sleep(PAUSE_S_MAX)
            assert (await anext(average)).price == 9
            before = len(desk.market.times("avgPrice"))
            await trio.sleep(10)
            assert len(desk.market.times("avgPrice")) == before + 10


async def test_a_question_that_nobody_answers_delays_no_other() -> None:
    async with staged() as desk:
        desk.market.failures["avgPrice"] = lambda: None
        with desk.follow(AveragePrices(SYMBOL)), desk.follow(Quotes(SYMBOL)):
            await trio.sleep(9.5)
            assert len(desk.market.times("avgPrice")) == 1
            assert len(desk.market.times("ticker.book")) == 10
            await trio.sleep(3)
            assert len(desk.market.times("avgPrice")) == 2


ODD_ANSWERS = [b"[" * 10_000, b"null", b"", b"[1]", b'{"symbol":7}', b'{"symbol":"BTCUSDT"}', b"\xff"]


@pytest.mark.parametrize("feed", [Quotes(SYMBOL), Trades(SYMBOL), AggTrades(SYMBOL), AveragePrices(SYMBOL)], ids=str)
async def test_an_answer_that_makes_no_sense_ends_nothing(feed: MarketFeed[Any]) -> None:
    async with staged() as desk:
        left = iter(ODD_ANSWERS)
        answered_oddly = {"trades.historical", "trades.recent", "trades.aggregate", "ticker.book", "avgPrice"}
        for method in answered_oddly:
            desk.market.failures[method] = lambda: Response(id=1, status=200, result=msgspec.Raw(next(left)))
        with desk.follow(feed) as following:
            await trio.sleep(1 + 2 + 4 + 8 + 16 + 30)
            desk.market.failures.clear()
            await trio.sleep(PAUSE_S_MAX)
            desk.market.bid, desk.market.trades = 8, 3
            with trio.fail_after(PAUSE_S_MAX):
                assert type(await anext(following)) in feed.events
        assert len(desk.actors) == 1


async def test_nothing_is_asked_before_the_limits_have_room_for_it() -> None:
    async with staged() as desk:
        desk.market.failures["ticker.book"] = lambda: NotSent("no room", retry_after_s=40)
        with desk.follow(Quotes(SYMBOL)):
            await trio.sleep(79)
            assert desk.market.times("ticker.book") == [0.0, 40.0]


async def test_nothing_is_asked_while_the_exchange_wants_silence() -> None:
    async with staged() as desk:
        with desk.follow(Quotes(SYMBOL)):
            await trio.sleep(1.5)
            desk.limiter.silence(30, "too much")
            desk.market.failures["ticker.book"] = lambda: NotSent("it wants silence")
            await trio.sleep(20)
            assert desk.market.times("ticker.book") == [0.0, 1.0, 2.0]


async def test_a_symbol_that_nobody_knows_costs_the_others_nothing() -> None:
    async with staged() as desk:
        known = [desk.follow(Quotes(symbol)) for symbol in desk.market.symbols]
        with desk.follow(Quotes("NONESUCH")) as unknown:
            for following in known:
                assert (await anext(following)).bid == 9
            await trio.sleep(2 * LOOK_EVERY_S)
            desk.market.asked.clear()
            await trio.sleep(10)
            together = [params["symbols"] for _, params, _ in desk.market.asked if "symbols" in params]
            assert len(together) == 10
            assert {tuple(symbols) for symbols in together} == {("BNBUSDT", "BTCUSDT", "ETHUSDT")}
            desk.market.symbols.append("NONESUCH")
            with trio.fail_after(PAUSE_S_MAX + 1):
                assert (await anext(unknown)).symbol == "NONESUCH"
            await trio.sleep(LOOK_EVERY_S + 1)
            desk.market.asked.clear()
            await trio.sleep(10)
            assert {len(params["symbols"]) for _, params, _ in desk.market.asked} == {4}


@pytest.mark.parametrize("feed", [Trades(SYMBOL), AggTrades(SYMBOL)], ids=str)
async def test_trades_go_on_where_they_ended_when_the_actor_begins_a_new_life(feed: MarketFeed[Any]) -> None:
    async with staged() as desk:
        desk.market.trades = 7
        with desk.follow(feed) as following:
            await trio.sleep(1.5)
            desk.market.trades = 10
            await trio.sleep(1.5)
            desk.actors[0].tasks.start_soon(crash)
            desk.market.trades = 12
            await trio.sleep(5)
            assert len(desk.actors) == 2
            ids = [getattr(event, "trade_id", None) or event.aggregate_trade_id for event in await drained(following)]
            assert ids == [8, 9, 10, 11, 12]


async def crash() -> None:
    raise RuntimeError("the test wants it")


async def test_trades_that_one_answer_cannot_hold_are_a_gap() -> None:
    async with staged() as desk:
        with desk.follow(Trades(SYMBOL)) as following:
            await trio.sleep(0.5)
            desk.market.trades = 2_010
            await trio.sleep(1)
            events = await drained(following)
            (gap,) = (event for event in events if isinstance(event, Gap))
            assert (gap, events.index(gap), len(events)) == (Gap(lane="btcusdt@trade", dropped=10), 1_000, 2_001)
            assert desk.statistics()["missed"] == 10


async def test_a_book_is_lost_while_it_cannot_be_asked_for_and_said_so_once() -> None:
    async with staged() as desk:
        heard: list[Any] = []
        with desk.follow_book(Books(SYMBOL, 5)) as following:
            assert isinstance(await anext(following), OrderBook)
            topic = desk.books.follow(Books(SYMBOL, 5))
            topic.tap(heard.append, on_error=fail)
            await wait_all_tasks_blocked()
            heard.clear()
            desk.market.failures["depth"] = lambda: NotSent("no connection")
            await trio.sleep(10)
            del desk.market.failures["depth"]
            await trio.sleep(10)
            assert heard[0] == BookLost(symbol=SYMBOL, depth=5, reason="no connection")
            assert [book.best_bid.price for book in heard[1:]] == [Decimal(9)]


async def test_who_follows_a_book_that_stands_still_sees_it_at_once() -> None:
    async with staged() as desk:
        with desk.follow_book(Books(SYMBOL, 5)) as first:
            await anext(first)
            await trio.sleep(5)
            with desk.follow_book(Books(SYMBOL, 5)) as second, desk.follow_book(Books(SYMBOL, 3)) as third:
                with trio.fail_after(0.5):
                    assert (await anext(second)).depth == 5
                    assert (await anext(third)).depth == 3
            desk.market.asked.clear()
            await trio.sleep(2.5)
            assert [params["limit"] for _, params, _ in desk.market.asked] == [5, 5]


def fail(error: Exception) -> None:
    raise error


async def test_what_cannot_be_asked_for_is_refused_with_the_reason() -> None:
    async with staged() as desk:
        with pytest.raises(ConfigError) as refused:
            desk.follow(DepthDiffs(SYMBOL))
        assert refused.value.where == "connection.market"
        assert "the changes of a book are told by streams alone" in refused.value.problem
        assert "websocket" in refused.value.hint
