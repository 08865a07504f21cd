"""Several accounts over one connection: each hears its own events, places its own orders and stands or falls by itself,
through rotations and drops; and nothing of one is ever another's.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import msgspec
import pytest
import trio
import trio.testing

from dogwatch.actors.link import ApiLink, api_link
from dogwatch.actors.paper.config import PaperConfig, RandomWalkFeed
from dogwatch.actors.paper.exchange import ACCOUNT, PaperExchange
from dogwatch.actors.paper.faults import Cut, EndSubscriptions, RefuseLogon, SilentSubscription
from dogwatch.actors.rotation_messages import Rotated, RotateNow
from dogwatch.actors.session import Call, KeyRefused, SessionLost, SessionReady, SessionState, SessionTopics
from dogwatch.actors.spot.envelope import MalformedFrame, UserEvent
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.instant import in_us
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order_requests import OrderCancel
from dogwatch.actors.spot.overlap import identity
from dogwatch.actors.spot.results import OrderReport, decode_result
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer
from dogwatch.actors.spot.user_events import (
    AnyUserEvent,
    BalanceUpdate,
    EventStreamTerminated,
    ExecutionReport,
)
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError, DogwatchError, alone
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.testing.network import MemoryConnection, MemoryNetwork
from tests.actors.api_stage import ED25519, NEWS, fail, staged
from tests.actors.fake_server import FakeServer
from tests.actors.paper_link import HOST, PORT, an_order
from tests.stories.scene import until

pytestmark = pytest.mark.usefixtures("virtual_clock")

WALK = RandomWalkFeed(symbol="BTCUSDT", price=Decimal(40_000), step=Decimal(1))
RICHES = {"BTC": Decimal(10), "USDT": Decimal(1_000_000)}
OWN, HEDGE, SHARED = "", "hedge", "shared"
ACCOUNTS = {OWN: ACCOUNT, HEDGE: "hedge", SHARED: "shared"}
"""What the session calls them, and what the exchange does."""


class Listener:
    """Everything that is published of one account."""

    def __init__(self, topics: SessionTopics) -> None:
        self.states: list[SessionState] = []
        self.events: list[AnyUserEvent] = []
        topics.states.tap(self.states.append, on_error=fail)
        topics.user_events.tap(self._hear, on_error=fail)

    def _hear(self, frame: UserEvent) -> None:
        if not isinstance(frame.event, EventStreamTerminated):
            self.events.append(frame.event)


class Market:
    """A paper exchange and one link for three accounts of it, who all name their orders alike."""

    def __init__(self, network: MemoryNetwork, *, twice: bool = False) -> None:
        self.clock = Clock.virtual()
        self.exchange = PaperExchange(PaperConfig(feed=WALK), clock=self.clock, seed=1)
        self.signers = self._make_signers()
        if twice:
            another = self.exchange.keys.issue_hmac(HEDGE)
            self.signers["twin"] = HmacSigner(another.api_key, another.secret)
        self.link: ApiLink = api_link(
            "link",
            dial=lambda: network.connect(HOST, PORT),
            host=HOST,
            resource="/ws-api/v3",
            clock=self.clock,
            signer=self.signers[OWN],
            further={name: signer for name, signer in self.signers.items() if name},
            random=Random(1),
        )
        self.heard = {OWN: Listener(self.link.topics)}
        self.heard |= {name: Listener(topics) for name, topics in self.link.further.items()}
        self.rotated: list[Rotated] = []
        self.link.rotation.rotated.tap(self.rotated.append, on_error=fail)
        self.is_trading = True
        self.placed: dict[str, list[int]] = {account: [] for account in ACCOUNTS}
        self.failed: list[tuple[str, Exception]] = []
        self.system: System

    def _make_signers(self) -> dict[str, Signer]:
        """One account logs on, one has the same kind of key, and one a shared secret."""
        for name in (HEDGE, SHARED):
            self.exchange.open_account(name, RICHES)
        hedge, shared = self.exchange.keys.issue_ed25519(HEDGE), self.exchange.keys.issue_hmac(SHARED)
        return {
            OWN: Ed25519Signer(self.exchange.api_key, load_ed25519_private_key(self.exchange.private_key_pem)),
            HEDGE: Ed25519Signer(hedge.api_key, load_ed25519_private_key(hedge.private_key_pem)),
            SHARED: HmacSigner(shared.api_key, shared.secret),
        }

    async def place(self, account: str, name: str) -> None:
        call = Call(method=Method.ORDER_PLACE, params=an_order(name), account=account)
        response = await self.link.session.ask(call, within_s=10)
        if response.error is not None:
            raise Rejected(response.error.code, response.error.message)
        self.placed[account].append(decode_result(response.result, OrderReport).order_id)

    async def trade(self, account: str) -> None:
        """Place and cancel orders, one after the other, until it is enough."""
        number = 0
        while self.is_trading:
            number += 1
            try:
                await self.place(account, f"order-{number}")
                await trio.sleep(0.1)
                cancel = OrderCancel(symbol="BTCUSDT", orig_client_order_id=f"order-{number}")
                await self.link.session.ask(Call.of(cancel, account=account), within_s=10)
            except DogwatchError as error:
                self.failed.append((account, error))
            await trio.sleep(0.1)

    async def settle(self) -> None:
        self.is_trading = False
        await trio.sleep(15)

    def rotate(self) -> None:
        self.link.rotation.wanted.publish(RotateNow(reason="the test wants it"))

    def told(self, account: str) -> list[AnyUserEvent]:
        """What the exchange has told this account, whoever was there to hear it."""
        texts = (
            msgspec.json.encode({"subscriptionId": 0, "event": told.event})
            for told in self.exchange.record.events
            if told.account == ACCOUNTS[account]
        )
        return [frame.event for frame in map(decode_frame, texts) if isinstance(frame, UserEvent)]

    def check_events(self, *accounts: str) -> None:
        """Each has heard all of its own events once, in order, and nothing else."""
        for account in accounts or ACCOUNTS:
            assert self.heard[account].events == self.told(account)
            assert len(self.heard[account].events) > 1

    def check_order_of_events(self) -> None:
        """Each has heard nothing but its own events, in order and without doubles."""
        for account, listener in self.heard.items():
            told = iter([identity(event) for event in self.told(account)])
            assert all(identity(event) in told for event in listener.events)

    def states(self, account: str) -> list[type[SessionState]]:
        return [type(state) for state in self.heard[account].states]


@asynccontextmanager
async def open_market(
    network: MemoryNetwork, *, revoked: str | None = None, twice: bool = False
) -> AsyncIterator[Market]:
    market = Market(network, twice=twice)
    if revoked is not None:
        market.exchange.revoke_key(market.signers[revoked].api_key)
    async with trio.open_nursery() as nursery:
        await nursery.start(market.exchange.serve, [network.listen(HOST, PORT)])
        async with run_system(SupervisorSpec("top", [market.link.spec])) as market.system:
            with trio.fail_after(100_000):
                await until(lambda: all(listener.states for listener in market.heard.values()))
                yield market
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def trading_market(network: MemoryNetwork) -> AsyncIterator[Market]:
    """All three trade until the block ends."""
    network.delay_s = 0.01
    async with open_market(network) as market, trio.open_nursery() as nursery:
        for account in ACCOUNTS:
            nursery.start_soon(market.trade, account)
        await trio.sleep(0.3)
        yield market
        await market.settle()


async def test_each_account_trades_as_itself_and_hears_of_itself_over_one_connection(network: MemoryNetwork) -> None:
    async with open_market(network) as market:
        for account in ACCOUNTS:
            await market.place(account, "the-same-name")
        await trio.sleep(1)
        orders = [market.exchange.orders(account=name) for name in ACCOUNTS.values()]
        assert [[order["clientOrderId"] for order in of_one] for of_one in orders] == [["the-same-name"]] * 3
        assert len({of_one[0]["orderId"] for of_one in orders}) == 3
        market.check_events()
        assert len(network.connections) == 1
        assert all(market.states(account) == [SessionReady] for account in ACCOUNTS)


async def test_a_rotation_under_load_loses_doubles_mixes_and_refuses_nothing(network: MemoryNetwork) -> None:
    async with trading_market(network) as market:
        for number in (1, 2):
            market.rotate()
            await until(lambda number=number: len(market.rotated) == number, step_s=0.05)  # type: ignore[misc]
            await trio.sleep(1)
        await market.settle()
        market.check_events()
        assert market.failed == []
        assert all(len(placed) > 10 for placed in market.placed.values())
        assert all(done.is_seamless for done in market.rotated)
        assert all(market.states(account) == [SessionReady] for account in ACCOUNTS)


async def test_a_drop_is_told_to_each_and_each_hears_again_on_the_next_socket(network: MemoryNetwork) -> None:
    async with trading_market(network) as market:
        network.cut_all()
        await until(lambda: all(market.states(account)[-2:] == [SessionLost, SessionReady] for account in ACCOUNTS))
        assert all(market.states(account) == [SessionReady, SessionLost, SessionReady] for account in ACCOUNTS)
        before = {account: len(market.told(account)) for account in ACCOUNTS}
        await trio.sleep(1)
        await market.settle()
        market.check_order_of_events()
        for account, listener in market.heard.items():
            newest = market.told(account)[before[account] :]
            assert newest
            assert listener.events[-len(newest) :] == newest


@pytest.mark.parametrize("moment_s", [0.1, 0.3, 1.5])
@pytest.mark.parametrize("dies", ["old", "new"])
async def test_whenever_a_socket_dies_all_of_them_stand_again_and_lose_only_where_a_loss_is_told(
    network: MemoryNetwork, dies: str, moment_s: float
) -> None:
    async with trading_market(network) as market:
        (old,) = network.connections
        market.rotate()
        await until(lambda: len(network.connections) > 1)
        await trio.sleep(moment_s)
        (old if dies == "old" else network.connections[-1]).cut()
        await trio.sleep(3)
        await market.settle()
        market.check_order_of_events()
        for account in ACCOUNTS:
            assert market.states(account)[-1] is SessionReady
            if market.states(account) == [SessionReady]:
                market.check_events(account)


async def test_the_end_of_one_stream_is_told_to_its_account_alone(network: MemoryNetwork) -> None:
    async with trading_market(network) as market:
        call = Call(method=Method.USER_DATA_STREAM_UNSUBSCRIBE, params={"subscriptionId": 1})
        assert (await market.link.session.ask(call, within_s=5)).is_ok
        await trio.sleep(2)
        await market.settle()
        (ended,) = [account for account in ACCOUNTS if SessionLost in market.states(account)]
        assert ended in (HEDGE, SHARED)
        assert market.states(ended) == [SessionReady, SessionLost, SessionReady]
        others = [account for account in ACCOUNTS if account != ended]
        assert all(market.states(account) == [SessionReady] for account in others)
        assert {account for account, _ in market.failed} <= {ended}
        market.check_events(*others)
        market.check_order_of_events()


async def test_when_all_streams_end_each_account_subscribes_again(network: MemoryNetwork) -> None:
    async with trading_market(network) as market:
        assert market.exchange.faults.now(EndSubscriptions()) == 1
        await trio.sleep(2)
        assert all(market.states(account) == [SessionReady, SessionLost, SessionReady] for account in ACCOUNTS)
        await market.settle()
        market.check_order_of_events()
        assert len(network.connections) == 1


async def test_a_key_that_is_revoked_stops_its_account_and_no_other_and_the_link_moves_on(
    network: MemoryNetwork,
) -> None:
    async with trading_market(network) as market:
        market.exchange.revoke_key(market.signers[HEDGE].api_key)
        await until(lambda: KeyRefused in market.states(HEDGE), step_s=0.05)
        market.rotate()
        await until(lambda: bool(market.rotated), step_s=0.05)
        await trio.sleep(1)
        with pytest.raises(NotSent, match="refuses the API key"):
            await market.place(HEDGE, "too-late")
        await market.settle()
        for account in (OWN, SHARED):
            assert market.states(account) == [SessionReady]
            market.check_events(account)
        assert {account for account, _ in market.failed} == {HEDGE}
        market.exchange.restore_key(market.signers[HEDGE].api_key)
        await until(lambda: market.states(HEDGE)[-1] is SessionReady, within_s=400, step_s=1)
        await market.place(HEDGE, "in-time")


async def test_a_refusal_that_passes_delays_its_account_alone(network: MemoryNetwork) -> None:
    async with trading_market(network) as market:
        market.exchange.faults.add(RefuseLogon(method="userDataStream.subscribe.signature"), times=1)
        market.rotate()
        await until(lambda: bool(market.rotated), step_s=0.05)
        await trio.sleep(1)
        await market.settle()
        market.check_events()
        assert market.failed == []


async def test_a_subscription_that_is_deaf_to_one_account_is_found_as_the_socket_is_new(network: MemoryNetwork) -> None:
    async with trading_market(network) as market:
        market.exchange.faults.add(SilentSubscription(), after=2, times=1)
        market.rotate()
        await until(lambda: bool(market.rotated), step_s=0.05)
        await trio.sleep(4)
        await market.settle()
        market.check_events()
        assert market.failed == []
        assert all(market.states(account) == [SessionReady] for account in ACCOUNTS)


@pytest.mark.parametrize("deaf", [0, 2])
async def test_a_socket_that_stands_alone_and_is_deaf_to_one_account_is_replaced(
    network: MemoryNetwork, deaf: int
) -> None:
    async with trading_market(network) as market:
        market.exchange.faults.add(SilentSubscription(), after=deaf, times=1)
        network.cut_all()
        await trio.sleep(25)
        assert [len(market.states(account)) for account in ACCOUNTS] == [5, 5, 5], "twice lost and ready again"
        before = {account: len(market.told(account)) for account in ACCOUNTS}
        await trio.sleep(0.5)
        await market.settle()
        market.check_order_of_events()
        for account, listener in market.heard.items():
            newest = market.told(account)[before[account] :]
            assert listener.events[-len(newest) :] == newest


async def test_a_key_that_was_never_good_is_a_mistake_at_its_place(network: MemoryNetwork) -> None:
    with pytest.raises(ExceptionGroup) as failure:
        async with open_market(network, revoked=HEDGE):
            pytest.fail("it has opened")
    problem = alone(failure.value)
    assert isinstance(problem, ConfigError)
    assert str(problem).startswith("accounts.hedge: the exchange refuses the API key")


async def test_a_call_for_an_account_that_is_not_there_is_not_sent(network: MemoryNetwork) -> None:
    async with open_market(network) as market:
        with pytest.raises(NotSent, match="no account of this session is called 'hedgd'") as failure:
            await market.place("hedgd", "order")
        assert failure.value.hint == "known: hedge, shared"
        with pytest.raises(NotSent, match="only an Ed25519 key"):
            await market.link.session.ask(Call(method=Method.SESSION_LOGON, account=HEDGE), within_s=5)


async def test_one_account_under_two_names_is_a_mistake_for_its_events_would_go_to_one_of_them(
    network: MemoryNetwork,
) -> None:
    with pytest.raises(ExceptionGroup) as failure:
        async with open_market(network, twice=True):
            pytest.fail("it has opened")
    problem = alone(failure.value)
    assert isinstance(problem, ConfigError)
    assert problem.where in ("accounts.hedge", "accounts.twin")
    assert "an account that this session speaks for already" in str(problem)


async def answer_all(server: FakeServer, now_ms: int) -> None:
    """Answer what the session asks to become ready with one further account."""
    ids = iter(range(2))
    for _ in range(9):
        request = await server.next_request()
        if request["method"] == "time":
            await server.answer(request, {"serverTime": now_ms})
        elif "subscribe" in request["method"]:
            await server.answer(request, {"subscriptionId": next(ids)})
        else:
            await server.answer(request)
    await trio.testing.wait_all_tasks_blocked()


async def test_an_event_that_may_be_anybody_s_is_given_to_nobody_and_the_socket_to_another(
    network: MemoryNetwork,
) -> None:
    async with staged(network, further={HEDGE: ED25519}) as stage:
        server = await stage.accept()
        await answer_all(server, stage.server_time.unix_ms())
        await server.send_json({"subscriptionId": 7, "event": NEWS})
        await stage.accept()
        assert stage.events == []
        assert [type(state) for state in stage.states] == [SessionReady, SessionLost]


async def test_what_nobody_can_read_is_told_to_every_account_for_it_may_be_about_any(network: MemoryNetwork) -> None:
    async with staged(network, further={HEDGE: ED25519}) as stage:
        of_hedge: list[object] = []
        stage.link.further[HEDGE].unmatched.tap(of_hedge.append, on_error=fail)
        server = await stage.accept()
        await answer_all(server, stage.server_time.unix_ms())
        await server.send_json({"subscriptionId": 1, "event": {**NEWS, "E": "no time"}})
        await trio.testing.wait_all_tasks_blocked()
        assert [type(frame) for frame in of_hedge] == [MalformedFrame]
        assert stage.unmatched == of_hedge


async def test_what_is_sent_again_for_its_timestamp_is_signed_for_its_account_again(network: MemoryNetwork) -> None:
    signer = HmacSigner("h" * 64, "secret")
    async with staged(network, further={HEDGE: signer}) as stage:
        server = await stage.accept()
        await answer_all(server, stage.server_time.unix_ms())
        call = Call(method=Method.ORDER_PLACE, params=an_order("order"), account=HEDGE)
        stage.session.request(call, reply_to=stage.asker.ref, tag="order", within_s=10)
        order = await stage.expect(server, "order.place")
        await server.answer(order, status=400, code=-1021, msg="Timestamp for this request was 1000ms ahead")
        again = await server.next_request()
        while again["method"] == "time":
            await server.answer(again, {"serverTime": stage.server_time.unix_ms()})
            again = await server.next_request()
        assert again["id"] != order["id"]
        unsigned = {name: value for name, value in again["params"].items() if name not in ("apiKey", "signature")}
        assert signer.sign(unsigned) == again["params"]
        await server.answer(again, {"done": True})
        assert (await stage.answer_to("order")).error is None


async def test_times_in_microseconds_are_known_as_such_on_a_connection_that_asks_for_them(
    network: MemoryNetwork,
) -> None:
    async with staged(network, resource="/ws-api/v3?timeUnit=MICROSECOND") as stage:
        server = await stage.establish()
        await server.send_json({"subscriptionId": 0, "event": {**NEWS, "E": 1_767_225_600_123_456}})
        await trio.testing.wait_all_tasks_blocked()
        (frame,) = stage.events
        assert isinstance(frame.event, BalanceUpdate)
        assert frame.event.event_time_ms == 1_767_225_600_123
        assert in_us(frame.event.event_time_ms) == 1_767_225_600_123_456


def cut(lines: Iterable[MemoryConnection]) -> None:
    for line in lines:
        line.cut()


def misfortunes(market: Market, network: MemoryNetwork, random: Random) -> list[Callable[[], object]]:
    """What may happen to a link and its accounts."""
    exchange = market.exchange
    further = random.choice([HEDGE, SHARED])
    key = market.signers[further].api_key
    return [
        market.rotate,
        market.rotate,
        lambda: cut(network.connections[-1:]),
        lambda: cut(network.connections[:1]),
        lambda: exchange.faults.now(EndSubscriptions()),
        lambda: exchange.faults.add(RefuseLogon(method="userDataStream.subscribe.signature"), times=2),
        lambda: exchange.faults.add(Cut(on="userDataStream.subscribe.signature"), after=random.randrange(2), times=1),
        lambda: exchange.revoke_key(key),
        lambda: exchange.restore_key(key),
        lambda: market.link.session.mailbox.fail_consumer(RuntimeError("a mistake of ours")),
    ]


@pytest.mark.parametrize("number", range(int(os.environ.get("MISFORTUNES", "3"))))
async def test_whatever_happens_and_in_whatever_order_nothing_is_mixed_and_all_stand_again(
    network: MemoryNetwork, number: int, seed: int
) -> None:
    """`MISFORTUNES=150` in the environment plays so many."""
    random = Random(f"{seed} {number}")
    network.delay_s = 0.01
    async with open_market(network) as market, trio.open_nursery() as nursery:
        for account in ACCOUNTS:
            nursery.start_soon(market.trade, account)
        for _ in range(8):
            await trio.sleep(random.choice([0.05, 0.2, 0.5, 1.0, 3.0]))
            random.choice(misfortunes(market, network, random))()
        market.exchange.faults.clear()
        for account in (HEDGE, SHARED):
            market.exchange.restore_key(market.signers[account].api_key)
        await market.settle()
        await trio.sleep(400)
        market.check_order_of_events()
        for account, name in ACCOUNTS.items():
            assert {order["orderId"] for order in market.exchange.orders(account=name)} >= set(market.placed[account])
            assert market.states(account)[-1] is SessionReady
            if market.states(account) == [SessionReady]:
                market.check_events(account)
            before = len(market.heard[account].events)
            await market.place(account, "afterwards")
            await trio.sleep(0.1)
            news = [event for event in market.heard[account].events[before:] if isinstance(event, ExecutionReport)]
            assert [event.order_id for event in news] == market.placed[account][-1:]
