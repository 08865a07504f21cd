"""Books over streams and a session that the test plays: kept while they are followed, asked for anew when lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.book_table import LINGER_S, BookTable
from dogwatch.actors.feeds import BookLost, Books, Broken
from dogwatch.actors.following import Following
from dogwatch.actors.interest import Interests
from dogwatch.actors.order_books import DEEPER_EVERY_S, LOOK_EVERY_S, PAUSE_S_MIN, QUIET_S, OrderBooks, limit_for
from dogwatch.actors.session import SessionTopics
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from tests.actors.fake_session import FakeSession, refusal, result
from tests.actors.spot.test_book import diff, shown

pytestmark = pytest.mark.usefixtures("virtual_clock")

STREAM = "btcusdt@depth@100ms"
BOOK = Books("BTCUSDT", 5)


class Desk:
    """What the test sees. `interest.links[0].is_served` says that every stream is subscribed."""

    def __init__(self) -> None:
        self.interest = Interests()
        self.interest.links[0].is_served = lambda _stream: True
        self.table = BookTable()
        self.session: FakeSession
        self.actors: list[OrderBooks] = []
        self.system: System

    def follow(self, feed: Books) -> Following[Any]:
        topic = self.table.follow(feed)
        return Following(feed, feed.subscription(topic), lambda: self.table.release(feed))

    async def bring(self, *events: Any, stream: str = STREAM) -> None:
        topic = self.interest.topic(stream)
        assert topic is not None
        for event in events:
            topic.publish(event)
        await wait_all_tasks_blocked()

    async def answer(self, last_id: int, bids: dict[int, int], asks: dict[int, int]) -> dict[str, Any]:
        """Send the snapshot that was asked for; returns what was asked."""
        sides = [[[str(price), str(amount)] for price, amount in side.items()] for side in (bids, asks)]
        call = self.session.answer(result({"lastUpdateId": last_id, "bids": sides[0], "asks": sides[1]}))
        await wait_all_tasks_blocked()
        return dict(call.params)

    def statistics(self) -> dict[str, Any]:
        return dict(next(node for node in self.system.tree().walk() if node.name == "order_books").statistics)


@asynccontextmanager
async def books() -> AsyncIterator[Desk]:
    desk, topics = Desk(), SessionTopics("fake")

    def start_session() -> FakeSession:
        desk.session = FakeSession(topics)
        return desk.session

    def start_books() -> OrderBooks:
        made = OrderBooks(speaker=ref, session_topics=topics, interest=desk.interest, table=desk.table)
        desk.actors.append(made)
        return made

    session = ChildSpec("session", start_session, actor=FakeSession)
    ref: ActorRef[Any] = session.ref
    spec = ChildSpec("order_books", start_books, actor=OrderBooks)
    async with run_system(SupervisorSpec("root", [session, spec])) as desk.system:
        yield desk


async def a_whole_book(desk: Desk) -> Following[Any]:
    """Bids at 9 and 8, asks at 11 and 12, as of change 10, and nothing beyond."""
    following = desk.follow(BOOK)
    await wait_all_tasks_blocked()
    await desk.bring(diff(10, 10, {9: 1}))
    await desk.answer(9, {8: 2}, {11: 1, 12: 2})
    assert shown((await anext(following)).bids) == [(9, 1), (8, 2)]
    return following


async def test_a_book_is_asked_for_when_its_stream_has_begun_and_shown_at_every_change() -> None:
    async with books() as desk:
        with desk.follow(BOOK) as following:
            await wait_all_tasks_blocked()
            assert desk.session.methods() == []
            await desk.bring(diff(10, 11, {9: 1}), diff(12, 12, {8: 5}))
            assert await desk.answer(11, {9: 1, 8: 2}, {11: 1}) == {"symbol": "BTCUSDT", "limit": 100}
            book = await anext(following)
            assert (book.update_id, shown(book.bids), shown(book.asks)) == (12, [(9, 1), (8, 5)], [(11, 1)])
            await desk.bring(diff(13, 13, asks={10: 1}))
            assert (await anext(following)).best_ask.price == 10


async def test_a_slow_reader_sees_the_newest_book_only() -> None:
    async with books() as desk:
        with await a_whole_book(desk) as following:
            await desk.bring(*(diff(number, number, {7: number}) for number in range(11, 50)))
            assert (await anext(following)).update_id == 49


async def test_followers_of_one_symbol_share_a_book_and_each_gets_its_depth() -> None:
    async with books() as desk:
        with await a_whole_book(desk) as deep, desk.follow(Books("BTCUSDT", 1)) as shallow:
            await wait_all_tasks_blocked()
            assert shown((await anext(shallow)).bids) == [(9, 1)]  # without a change: it is there already
            await desk.bring(diff(11, 11, {9: 3}))
            assert [shown((await anext(reader)).bids) for reader in (deep, shallow)] == [[(9, 3), (8, 2)], [(9, 3)]]
            assert desk.session.methods() == []
            assert desk.statistics() == {"books": 1, "whole": 1, "snapshots": 1, "losses": 0, "levels_max": 2}


async def test_a_missing_change_loses_the_book_until_a_new_snapshot() -> None:
    async with books() as desk:
        with await a_whole_book(desk) as following:
            await desk.bring(diff(12, 12, {9: 3}))
            assert await anext(following) == BookLost(
                symbol="BTCUSDT", depth=5, reason="the changes 11 to 11 are missing"
            )
            await desk.answer(10, {8: 2}, {11: 1})  # older than the hole
            await trio.sleep(PAUSE_S_MIN + 0.1)
            assert desk.statistics()["whole"] == 0
            await desk.answer(11, {8: 2}, {11: 1})
            assert shown((await anext(following)).bids) == [(9, 3), (8, 2)]


async def test_a_lost_connection_loses_the_book_and_its_numbers() -> None:
    async with books() as desk:
        with await a_whole_book(desk) as following:
            await desk.bring(Broken(stream=STREAM, reason="cut"))
            assert (await anext(following)).reason == "cut"
            await desk.bring(diff(2, 2, {9: 7}))  # another exchange, which counts anew
            await desk.answer(1, {9: 5}, {11: 1})
            assert shown((await anext(following)).bids) == [(9, 7)]


async def test_an_unseen_book_gives_way_to_the_news_that_it_is_lost_and_that_to_the_next_book() -> None:
    async with books() as desk:
        with await a_whole_book(desk) as following:
            await desk.bring(diff(11, 11, {9: 3}), Broken(stream=STREAM, reason="cut"))
            await desk.bring(diff(20, 20, {9: 7}))
            await desk.answer(20, {9: 7}, {11: 1})
            assert isinstance(await anext(following), OrderBook)
            await desk.bring(diff(21, 21, {9: 3}), Broken(stream=STREAM, reason="cut"))
            assert isinstance(await anext(following), BookLost)


async def test_a_snapshot_that_comes_after_its_stream_was_lost_is_not_used() -> None:
    async with books() as desk:
        with desk.follow(BOOK):
            await wait_all_tasks_blocked()
            await desk.bring(diff(10, 10, {9: 1}))
            await desk.bring(Broken(stream=STREAM, reason="cut"))
            await desk.answer(10, {9: 1}, {11: 1})
            assert desk.statistics()["whole"] == 0
            await desk.bring(diff(2, 2, {9: 1}))
            await trio.sleep(PAUSE_S_MIN + 0.1)
            await desk.answer(2, {9: 1}, {11: 1})
            assert desk.statistics()["whole"] == 1


async def test_a_quiet_symbol_needs_no_change_but_a_stream_that_is_subscribed() -> None:
    async with books() as desk:
        link = desk.interest.links[0]
        link.is_served = lambda _stream: False
        with desk.follow(BOOK) as following:
            await trio.sleep(100)
            assert desk.session.methods() == []
            link.is_served = lambda _stream: True
            await trio.sleep(2 * QUIET_S + 1)
            await desk.answer(10, {9: 1}, {})
            book = await anext(following)
            assert (book.best_ask, book.has_all_asks, book.event_time_ms) == (None, True, None)


async def test_who_cannot_answer_is_asked_again_less_and_less_often() -> None:
    async with books() as desk:
        with desk.follow(BOOK):
            await wait_all_tasks_blocked()
            asked_s: list[float] = []

            def refuse(_call: Any) -> Exception:
                asked_s.append(trio.current_time())
                return NotSent("no session", retry_after_s=45.0 if len(asked_s) == 3 else None)

            desk.session.automatic = refuse
            await desk.bring(diff(10, 10, {9: 1}))
            await trio.sleep(200)
            pauses = [later - earlier for earlier, later in pairwise(asked_s)]
            assert pauses[:8] == [0.5, 1.0, 45.0, 4.0, 8.0, 16.0, 30.0, 30.0]
            desk.session.ready()
            await wait_all_tasks_blocked()
            assert asked_s[-1] == trio.current_time()  # a new session is asked at once


async def test_books_that_do_not_last_are_asked_for_less_and_less_often() -> None:
    async with books() as desk:
        with desk.follow(BOOK):
            await wait_all_tasks_blocked()
            asked_s: list[float] = []

            def answer(_call: Any) -> Any:
                asked_s.append(trio.current_time())
                return result({"lastUpdateId": 10**9, "bids": [["9", "1"]], "asks": [["11", "1"]]})

            desk.session.automatic = answer
            for number in range(100, 200):
                await desk.bring(diff(10**9 + number, 10**9 + number))
                await trio.sleep(0.1)
            assert [round(later - earlier, 1) for earlier, later in pairwise(asked_s)] == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("answer", [refusal(-1121, "Invalid symbol."), result({"lastUpdateId": "?"})])
async def test_an_answer_that_is_no_snapshot_ends_nothing(answer: Any) -> None:
    async with books() as desk:
        with desk.follow(BOOK) as following:
            await wait_all_tasks_blocked()
            await desk.bring(diff(10, 10, {9: 1}))
            desk.session.answer(answer)
            await trio.sleep(PAUSE_S_MIN + 0.1)
            await desk.answer(10, {9: 1}, {11: 1})
            assert isinstance(await anext(following), OrderBook)


async def test_a_book_that_has_become_too_shallow_is_asked_for_anew_while_it_goes_on() -> None:
    async with books() as desk:
        with desk.follow(Books("BTCUSDT", 60)) as following:
            await wait_all_tasks_blocked()
            await desk.bring(diff(1, 1))
            bids = {10_000 - step: 1 for step in range(500)}
            asks = {10_001 + step: 1 for step in range(500)}
            assert (await desk.answer(1, bids, asks))["limit"] == 500
            assert len((await anext(following)).bids) == 60
            await trio.sleep(DEEPER_EVERY_S)
            await desk.bring(diff(2, 2, {10_000 - step: 0 for step in range(450)}))
            book = await anext(following)
            assert (len(book.bids), book.has_all_bids) == (50, False)
            await desk.bring(diff(3, 3, {9_000: 5, 9_550: 7}))
            assert shown((await anext(following)).bids)[0] == (9_550, 7)
            await desk.answer(2, {9_550 - step: 1 for step in range(500)}, asks)
            book = await anext(following)
            assert (book.update_id, len(book.bids), shown(book.bids)[0]) == (3, 60, (9_550, 7))
            assert desk.statistics()["losses"] == 0
            await desk.bring(diff(4, 4, {9_550 - step: 0 for step in range(490)}))
            assert desk.session.methods() == []  # not more often than that
            await trio.sleep(DEEPER_EVERY_S + LOOK_EVERY_S)
            assert len(desk.session.methods()) == 1


async def test_who_wants_more_levels_has_a_deeper_snapshot_asked_for_at_once() -> None:
    async with books() as desk:
        with desk.follow(BOOK) as following:
            await wait_all_tasks_blocked()
            await desk.bring(diff(1, 1))
            sides = {9_000 - step: 1 for step in range(100)}, {9_001 + step: 1 for step in range(100)}
            await desk.answer(1, *sides)
            assert isinstance(await anext(following), OrderBook)
            await trio.sleep(PAUSE_S_MIN)
            with desk.follow(Books("BTCUSDT", 400)):
                await wait_all_tasks_blocked()
                assert (await desk.answer(1, *sides))["limit"] == 1000


async def test_a_book_that_nobody_follows_is_kept_for_a_moment_and_then_given_up() -> None:
    async with books() as desk:
        (await a_whole_book(desk)).close()
        await trio.sleep(LINGER_S / 2)
        with desk.follow(BOOK) as following:
            await wait_all_tasks_blocked()
            assert (await anext(following)).update_id == 10
        await trio.sleep(LINGER_S + 2 * LOOK_EVERY_S)
        assert desk.statistics()["books"] == 0
        assert desk.interest.links[0].wanted(trio.current_time() + 60, linger_s=1) == {STREAM}
        assert desk.interest.links[0].wanted(trio.current_time() + 62, linger_s=1) == frozenset()


async def test_after_a_crash_books_are_made_anew_and_their_followers_are_told() -> None:
    async with books() as desk:
        with await a_whole_book(desk) as following:
            await desk.bring("what no stream brings")
            await trio.sleep(5)
            assert len(desk.actors) == 2
            assert (await anext(following)).reason == "the order books were restarted"
            await desk.bring(diff(11, 11, {9: 3}))
            await desk.answer(11, {9: 3}, {11: 1})
            assert shown((await anext(following)).bids) == [(9, 3)]
            assert desk.interest.links[0]._followers == {STREAM: 1}


@pytest.mark.parametrize(("depth", "limit"), [(1, 100), (50, 100), (51, 500), (500, 1000), (501, 5000), (5000, 5000)])
def test_more_levels_are_asked_for_than_are_shown(depth: int, limit: int) -> None:
    assert limit_for(depth) == limit
