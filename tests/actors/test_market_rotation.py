"""Market data moves from one socket to another: nothing is lost, nothing comes twice, and what is missing is told."""

from itertools import count, pairwise
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.feeds import Broken, Depth, DepthDiffs, Klines, Quotes, Trades
from dogwatch.actors.following import Following
from dogwatch.actors.handover_times import OVERLAP_S_MAX, OVERLAP_S_MIN, OWED_S_MAX, REMEMBER_S
from dogwatch.actors.interest import STREAMS_MAX
from dogwatch.actors.market_data import LINGER_S, LOOK_EVERY_S
from dogwatch.actors.probe import Probe
from dogwatch.actors.rotation_messages import Adopt, Carrying, NotAdopted, NotReleased, Release
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.silence import SHORTEST_S as SILENCE_S
from dogwatch.actors.spot.stream_events import BookDiff, Trade
from dogwatch.actors.spot.stream_overlap import SETTLE_S
from dogwatch.actors.stream_socket import ANSWER_WITHIN_S
from dogwatch.runtime.messages import Gap
from tests.actors.test_market_data import Desk, diff, kline, market, quote, trade

pytestmark = pytest.mark.usefixtures("virtual_clock")

SYMBOL = "BTCUSDT"
TRADES, QUOTES, DIFFS = Trades(SYMBOL), Quotes(SYMBOL), DepthDiffs(SYMBOL)


async def adopt(desk: Desk, epoch: int = 2) -> None:
    with trio.fail_after(100):
        await desk.data.ask(Adopt(epoch=epoch), within_s=90)


async def release(desk: Desk, epoch: int = 1) -> None:
    with trio.fail_after(100):
        await desk.data.ask(Release(epoch=epoch), within_s=90)


async def carrying(desk: Desk) -> int | None:
    return await desk.data.ask(Carrying(), within_s=1)


async def read(following: Following[Any], events: int) -> list[str]:
    """What comes next, as a number, a gap or a break."""
    words = []
    with trio.fail_after(1):
        for _ in range(events):
            event = await anext(following)
            match event:
                case Gap():
                    words.append(f"gap of {event.dropped}")
                case Broken():
                    words.append(f"broken: {event.reason}")
                case Trade():
                    words.append(str(event.trade_id))
                case BookDiff():
                    words.append(f"{event.first_update_id}-{event.final_update_id}")
    return words


async def assert_that_no_more_comes(following: Following[Any]) -> None:
    with trio.move_on_after(0.01) as waiting:
        assert await anext(following) is None
    assert waiting.cancelled_caught


def changes(first: int, final: int) -> dict[str, Any]:
    frame = diff(final)
    frame["data"]["U"] = first
    return frame


@pytest.mark.parametrize("streams", [1, 200, STREAMS_MAX])
async def test_a_new_socket_is_subscribed_and_checked_before_it_carries_within_five_messages_a_second(
    streams: int,
) -> None:
    async with market() as desk:
        desk.connect()
        feeds = [Quotes(f"S{number}") for number in range(streams)]
        kept = [desk.follow(feed) for feed in feeds]
        await trio.sleep(10)
        desk.connect(2)
        desk.sent_on.clear()
        desk.sent.clear()
        await adopt(desk)
        times = [at_s for (at_s, _), on in zip(desk.sent, desk.sent_on, strict=True) if on == 2]
        asked = desk.requests(2)
        assert [method for method, _ in asked] == ["SUBSCRIBE"] * -(-streams // 200) + ["LIST_SUBSCRIPTIONS"]
        assert {stream for _, params in asked for stream in params} == {feed.stream for feed in feeds}
        assert len(kept) == streams
        assert all(later - earlier > 1 for earlier, later in zip(times, times[4:], strict=False)), "one for a pong"
        assert desk.requests(1) == [("LIST_SUBSCRIPTIONS", [])]
        assert await carrying(desk) == 2


async def test_pongs_count_among_the_five_messages_of_a_second() -> None:
    async with market() as desk:
        desk.connect()
        kept = [desk.follow(Quotes(f"S{number}")) for number in range(STREAMS_MAX)]
        await wait_all_tasks_blocked()
        for _ in range(2):
            desk.ping()
        await trio.sleep(10)
        times = [at_s for at_s, _ in desk.sent]
        assert len(kept) == STREAMS_MAX
        assert times[2] - times[0] > 1, "two requests and two pongs are four"


async def test_what_is_followed_in_the_middle_of_a_move_is_subscribed_on_both() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES):
            desk.connect(2)
            await adopt(desk)
            with desk.follow(QUOTES) as quotes:
                await trio.sleep(1)
                assert desk.listed[1].keys() == desk.listed[2].keys() == {TRADES.stream, QUOTES.stream}
                desk.receive(quote(5), epoch=2)
                desk.receive(quote(5), quote(6), epoch=1)
                assert [(await anext(quotes)).update_id for _ in range(1)] == [6]
                desk.receive(trade(1), epoch=1)
                desk.receive(trade(1), epoch=2)
                await release(desk)


async def test_events_of_both_sockets_come_once_and_in_order_through_the_whole_move() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades, desk.follow(DIFFS) as diffs, desk.follow(Klines(SYMBOL)) as klines:
            await trio.sleep(1)
            desk.answers = False
            desk.connect(2)
            async with trio.open_nursery() as nursery:
                desk.receive(trade(1), changes(1, 4), kline(0, "1"))
                nursery.start_soon(adopt, desk)
                await wait_all_tasks_blocked()
                desk.receive(trade(3), changes(7, 8), epoch=2)  # held: the old socket has still something to say
                desk.receive(trade(2), changes(5, 6))
                assert await read(trades, 2) == ["1", "2"]
                await assert_that_no_more_comes(trades)
                assert await carrying(desk) == 1
                desk.answer_all()
                await trio.sleep(1)
            assert await carrying(desk) == 2
            assert await read(trades, 1) == ["3"]
            desk.receive(trade(3), trade(4), changes(7, 8), changes(9, 9), epoch=1)
            desk.receive(trade(4), trade(5), changes(9, 9), changes(10, 12), epoch=2)
            await trio.sleep(2 * OVERLAP_S_MIN)
            await release(desk)
            desk.receive(trade(99), epoch=1)  # nobody listens there any more
            desk.disconnect(1)
            desk.receive(trade(5), trade(6), changes(10, 12), changes(13, 13), kline(60_000, "2"), epoch=2)
            await trio.sleep(REMEMBER_S + LOOK_EVERY_S)
            desk.receive(trade(7), changes(14, 14), epoch=2)
            assert await read(trades, 4) == ["4", "5", "6", "7"]
            assert await read(diffs, 7) == ["1-4", "5-6", "7-8", "9-9", "10-12", "13-13", "14-14"]
            assert [str((await anext(klines)).close_price) for _ in range(2)] == ["1", "2"]
            assert not desk.data_statistics()["is_moving"]
            assert desk.reconnects == []


async def test_a_new_socket_that_is_not_subscribed_is_not_adopted() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades:
            await trio.sleep(1)
            desk.connect(2)
            desk.forgets.add(TRADES.stream)
            with pytest.raises(NotAdopted, match="does not subscribe the new socket to btcusdt@trade"):
                await adopt(desk)
            assert await carrying(desk) == 1
            desk.receive(trade(1))
            desk.receive(trade(1), epoch=2)
            assert await read(trades, 1) == ["1"]
            await release(desk, 2)
            desk.disconnect(2)
            desk.forgets.clear()
            desk.connect(4)
            await adopt(desk, 4)
            assert await carrying(desk) == 4


async def test_a_new_socket_that_refuses_what_the_old_one_has_is_not_adopted() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES):
            await trio.sleep(1)
            desk.connect(2)
            desk.refuses = True
            with pytest.raises(NotAdopted, match="btcusdt@trade"):
                await adopt(desk)
            assert await carrying(desk) == 1


async def test_a_new_socket_that_does_not_answer_is_not_adopted_and_is_given_up() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades:
            await trio.sleep(1)
            desk.answers = False
            desk.connect(2)
            began_s = trio.current_time()
            with pytest.raises(NotAdopted, match="SUBSCRIBE was not answered within 10 s"):
                await adopt(desk)
            assert trio.current_time() == began_s + ANSWER_WITHIN_S
            assert desk.reconnects == ["SUBSCRIBE was not answered within 10 s"]
            desk.receive(trade(1))
            assert await read(trades, 1) == ["1"]


async def test_an_old_socket_that_does_not_answer_is_left_and_what_is_missing_is_told() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades, desk.follow(DIFFS) as diffs:
            await trio.sleep(1)
            desk.receive(trade(1), changes(1, 4))
            desk.connect(2)
            desk.deaf.add(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(adopt, desk)
                await trio.sleep(1)
                desk.receive(trade(4), changes(5, 6), epoch=2)
            assert desk.reconnects == ["LIST_SUBSCRIPTIONS was not answered within 10 s"]
            assert await carrying(desk) == 2
            assert await read(trades, 3) == ["1", "gap of 2", "4"]
            assert await read(diffs, 2) == ["1-4", "5-6"]
            await release(desk, 1)


@pytest.mark.parametrize("has_brought", [True, False])
async def test_when_the_old_socket_dies_before_the_join_the_new_one_takes_over_and_tells_what_it_cannot_know(
    has_brought: bool,
) -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades, desk.follow(DIFFS) as diffs:
            await trio.sleep(1)
            desk.receive(trade(1), changes(1, 4))
            desk.connect(2)
            desk.deaf.add(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(adopt, desk)
                await trio.sleep(1)
                if has_brought:
                    desk.receive(trade(2), changes(5, 6), epoch=2)
                desk.disconnect(1)
            assert await carrying(desk) == 2
            desk.receive(trade(2), trade(3), changes(5, 6), changes(9, 9), epoch=2)
            assert await read(trades, 3) == ["1", "2", "3"]
            broken = "broken: the changes 7 to 8 are missing"
            expected = ["1-4", "5-6", broken, "9-9"] if has_brought else ["1-4", "broken: cut", "5-6", broken, "9-9"]
            assert await read(diffs, len(expected)) == expected
            await trio.sleep(REMEMBER_S + LOOK_EVERY_S)
            desk.receive(trade(7), epoch=2)
            assert await read(trades, 2) == ["gap of 3", "7"]


async def test_when_the_new_socket_dies_the_old_one_carries_again_and_nothing_is_lost() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades, desk.follow(DIFFS) as diffs:
            await trio.sleep(1)
            desk.receive(trade(1), changes(1, 4))
            desk.connect(2)
            await adopt(desk)
            desk.receive(trade(2), changes(5, 6), epoch=2)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_to_go_back, desk, "cut")
                await wait_all_tasks_blocked()
                desk.disconnect(2)
            desk.receive(trade(2), trade(3), changes(5, 6), changes(7, 7))
            assert await read(trades, 3) == ["1", "2", "3"]
            assert await read(diffs, 3) == ["1-4", "5-6", "7-7"]
            assert await carrying(desk) == 1


async def test_a_new_socket_that_dies_in_the_very_step_of_the_last_answer_is_not_adopted() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades:
            await trio.sleep(1)
            desk.connect(2)
            desk.deaf.add(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_not_to_adopt, desk, "the socket is gone: cut")
                await trio.sleep(1)
                desk.answer(desk.sent[-1][1], epoch=1)
                desk.disconnect(2)
            assert await carrying(desk) == 1
            desk.receive(trade(1))
            assert await read(trades, 1) == ["1"]


async def expect_not_to_adopt(desk: Desk, reason: str) -> None:
    with pytest.raises(NotAdopted, match=reason):
        await adopt(desk)


async def expect_to_go_back(desk: Desk, reason: str) -> None:
    with pytest.raises(NotReleased, match=f"comes over the former socket again: {reason}"):
        await release(desk)


async def test_a_new_socket_that_is_deaf_is_left_again() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades, desk.follow(QUOTES):
            await trio.sleep(1)
            desk.connect(2)
            await adopt(desk)
            joined_s = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_to_go_back, desk, "nothing more of btcusdt@trade comes over the new socket")
                for number in range(10):
                    desk.receive(trade(number + 1), quote(number + 1))
                    desk.receive(quote(number + 1), epoch=2)
                    await trio.sleep(1)
            assert joined_s + OWED_S_MAX < trio.current_time() <= joined_s + 10
            assert await carrying(desk) == 1
            assert await read(trades, 10) == [str(number + 1) for number in range(10)]
            await release(desk, 2)
            desk.disconnect(2)
            desk.connect(4)
            await adopt(desk, 4)
            assert await carrying(desk) == 4


async def test_a_stream_that_nobody_follows_any_more_proves_nothing_against_the_new_socket() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(QUOTES):
            with desk.follow(TRADES):
                await trio.sleep(1)
            await trio.sleep(LINGER_S - 3)
            desk.connect(2)
            await adopt(desk)
            await trio.sleep(SETTLE_S)
            for number in count(2):
                if desk.interest.topic(TRADES.stream) is None:
                    break
                desk.receive(trade(number), epoch=1)
                desk.receive(trade(number - 1), epoch=2)  # the last one never comes
                await trio.sleep(0.1)
            await trio.sleep(OWED_S_MAX + 1)
            await release(desk)
            assert await carrying(desk) == 2


@pytest.mark.parametrize(("is_busy", "listened_s"), [(True, OVERLAP_S_MIN), (False, OVERLAP_S_MAX)])
async def test_the_old_socket_is_listened_to_until_the_new_one_is_known_to_hear(
    is_busy: bool, listened_s: float
) -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES):
            await trio.sleep(1)
            desk.connect(2)
            await adopt(desk)
            joined_s = trio.current_time()
            if is_busy:
                desk.receive(trade(1))
                desk.receive(trade(1), epoch=2)
            await release(desk)
            assert listened_s - 0.01 < trio.current_time() - joined_s < listened_s + 0.5


async def test_nothing_is_waited_for_when_nothing_is_followed() -> None:
    async with market() as desk:
        desk.connect()
        desk.connect(2)
        await adopt(desk)
        joined_s = trio.current_time()
        await release(desk)
        assert trio.current_time() - joined_s <= OVERLAP_S_MIN + 0.5


async def test_what_rotation_asks_at_other_times_has_an_answer_as_well() -> None:
    async with market() as desk:
        assert await carrying(desk) is None
        with pytest.raises(NotAdopted, match="gone already"):
            await adopt(desk, 7)
        desk.connect()
        assert await carrying(desk) == 1
        await adopt(desk, 1)
        await release(desk, 7)
        with pytest.raises(NotReleased, match="comes over this socket"):
            await release(desk, 1)
        desk.connect(2)
        desk.answers = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(adopt, desk)
            await wait_all_tasks_blocked()
            with pytest.raises(NotAdopted, match="moving between two sockets already"):
                await adopt(desk)
            desk.answer_all()


async def test_when_the_only_socket_is_lost_another_that_stands_carries_at_once() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades:
            await trio.sleep(1)
            desk.receive(trade(1))
            desk.connect(2)
            desk.receive(trade(2), epoch=2)  # nobody's: it was not subscribed, and is not listened to
            desk.disconnect(1)
            assert await carrying(desk) == 2
            await trio.sleep(1)
            assert desk.requests(2) == [("SUBSCRIBE", [TRADES.stream])]
            desk.receive(trade(4), epoch=2)
            assert await read(trades, 3) == ["1", "gap of 2", "4"]


async def test_an_old_socket_far_behind_the_new_one_is_left() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(QUOTES):
            await trio.sleep(1)
            desk.connect(2)
            desk.deaf.add(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(adopt, desk)
                await trio.sleep(1)
                desk.receive(*(quote(number) for number in range(1, 70_000)), epoch=2)
                assert await carrying(desk) == 2
            assert desk.reconnects == ["it is too far behind the new socket"]


# Probes, and silence.


async def test_a_probe_is_answered_when_the_socket_has_answered() -> None:
    async with market() as desk:
        with pytest.raises(NotSent, match="gone"):
            await desk.data.ask(Probe(epoch=1, since_s=0), within_s=5)
        desk.connect()
        with desk.follow(TRADES):
            await trio.sleep(2)
            answered_s = await desk.data.ask(Probe(epoch=1, since_s=trio.current_time() - 3), within_s=5)
            assert answered_s == trio.current_time() - 2, "the subscription's answer is as good"
            assert await desk.data.ask(Probe(epoch=1, since_s=answered_s), within_s=5) == answered_s + 2
            assert desk.requests()[1:] == [("LIST_SUBSCRIPTIONS", [])]
            desk.connect(2)
            await desk.data.ask(Probe(epoch=2, since_s=0), within_s=5)
            assert desk.requests(2) == [("LIST_SUBSCRIPTIONS", [])]


async def test_a_list_of_streams_that_cannot_be_read_proves_that_somebody_is_there_and_no_more() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES):
            await trio.sleep(2)
            desk.list_says = "all of them"
            asked_s = trio.current_time()
            assert await desk.data.ask(Probe(epoch=1, since_s=asked_s - 1), within_s=5) == asked_s
            await trio.sleep(2)
            assert [method for method, _ in desk.requests()] == ["SUBSCRIBE", "LIST_SUBSCRIPTIONS"]
            assert desk.reconnects == []


async def test_a_probe_finds_what_is_not_subscribed_any_more_and_what_should_not_be() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades, desk.follow(DIFFS) as diffs:
            await trio.sleep(1)
            desk.receive(trade(1), changes(1, 2))
            desk.listed[1] = {"other@trade": None}
            await desk.data.ask(Probe(epoch=1, since_s=trio.current_time()), within_s=5)
            await trio.sleep(2)
            assert desk.listed[1].keys() == {TRADES.stream, DIFFS.stream}
            desk.receive(trade(4), changes(7, 9))
            assert await read(trades, 3) == ["1", "gap of 2", "4"]
            assert await read(diffs, 3) == ["1-2", "broken: it was not subscribed any more", "7-9"]


async def test_a_market_that_is_silent_has_another_socket_tried_and_later_each_time() -> None:
    async with market() as desk:
        desk.connect()
        await trio.sleep(10 * SILENCE_S)
        assert desk.rotations_wanted == [], "nobody follows anything"
        with desk.follow(TRADES):
            followed_s = trio.current_time()
            await trio.sleep(8 * SILENCE_S)
            for (before_s, at_s), silence_s in zip(
                pairwise([followed_s, *desk.rotations_wanted_s]), [SILENCE_S, 2 * SILENCE_S, 4 * SILENCE_S], strict=True
            ):
                assert 0 <= at_s - before_s - silence_s <= 2 * LOOK_EVERY_S
            assert [wish.epoch for wish in desk.rotations_wanted] == [1, 1, 1]
            assert desk.rotations_wanted[0].reason.startswith("no market data for 6")
            desk.receive(trade(1))
            await trio.sleep(10 * SILENCE_S)
            assert len(desk.rotations_wanted) == 3, "the market makes such pauses"


async def test_a_life_after_a_crash_begins_on_new_sockets_and_tells_that_something_may_be_missing() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(TRADES) as trades, desk.follow(DIFFS) as diffs:
            await trio.sleep(1)
            desk.receive(trade(1), changes(1, 2))
            desk.crash()
            await trio.sleep(1)
            assert desk.reconnects == ["market data was restarted"]
            desk.disconnect(1)
            desk.connect(3)
            await trio.sleep(1)
            desk.receive(trade(3), changes(7, 9), epoch=3)
            assert await read(trades, 3) == ["1", "gap of 1", "3"]
            assert await read(diffs, 3) == ["1-2", "broken: market data was restarted", "7-9"]


async def test_partial_books_know_their_symbol_in_a_move_as_well() -> None:
    async with market() as desk:
        desk.connect()
        feed = Depth(SYMBOL, levels=5)
        frame = {"stream": feed.stream, "data": {"lastUpdateId": 7, "bids": [["1", "2"]], "asks": []}}
        with desk.follow(feed) as books:
            await trio.sleep(1)
            desk.connect(2)
            await adopt(desk)
            desk.receive(frame, epoch=2)
            assert (await anext(books)).symbol == SYMBOL
            desk.receive(frame, epoch=1)
            await assert_that_no_more_comes(books)
