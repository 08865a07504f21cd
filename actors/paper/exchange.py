"""The paper exchange as a whole: engine, keys, API, streams and price feed behind one door.

What it decides is decided in the pure parts; bytes come and go in server.py. This file wires them and owns the time.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import trio
from trio.abc import Listener, Stream

from dogwatch.actors.paper.armed_faults import Faults
from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.config import Feed, KlinesFeed, PaperConfig, TradesFeed, check_config
from dogwatch.actors.paper.engine import Engine, Switches
from dogwatch.actors.paper.exchange_clock import ExchangeClock
from dogwatch.actors.paper.gate import Gate
from dogwatch.actors.paper.handlers import Handlers
from dogwatch.actors.paper.interference import Interference
from dogwatch.actors.paper.key_ring import KeyRing
from dogwatch.actors.paper.keys import IssuedKey
from dogwatch.actors.paper.ledger import Balance
from dogwatch.actors.paper.market_streams import MarketStreams
from dogwatch.actors.paper.order import Fill
from dogwatch.actors.paper.price_feed import KlineFile, MarketTick, RandomWalk, TradeDump, apply_tick
from dogwatch.actors.paper.protocol import EnvelopeProtocol
from dogwatch.actors.paper.rate_limits import AccountLimits, AddressLimits
from dogwatch.actors.paper.record import Record
from dogwatch.actors.paper.request_service import RequestService
from dogwatch.actors.paper.rest_door import RestDoor
from dogwatch.actors.paper.rest_protocol import RestProtocol
from dogwatch.actors.paper.server import Server
from dogwatch.actors.paper.streams import StreamControl, StreamHub
from dogwatch.actors.paper.terms import ConnectionRules, ConnectionStatistics
from dogwatch.actors.paper.timetable import Timetable
from dogwatch.actors.paper.user_streams import UserStreams
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport

    from dogwatch.actors.paper.rest_app import RestApp

ACCOUNT = "main"
"""The one account that the exchange opens by itself."""
ADDRESS = "memory"
"""The address of clients in memory, unless they say otherwise."""

TICKS_PER_TURN = 64

PLACING_METHODS = ("order.place", "order.cancelReplace")
INTENTS_MAX = 1_000_000


class PaperExchange:
    """A Binance-shaped exchange for one account: WebSocket API, user data, market streams, prices from a feed.

    `api_key` with `private_key_pem` (Ed25519, PKCS#8) and `hmac_api_key` with `hmac_secret` are keys of the account;
    the same seed gives the same keys and the same random walk. `keys` gives out more of them, with fewer permissions or
    for further accounts (`open_account`). `feed` replaces the one of the configuration.
    `finished` is set when a feed has come to its end. Raises ConfigError for the first mistake in the configuration.

    `clock` is the right time; the exchange reads its own `clock` beside it, which can be made to jump and to drift.
    `faults` is what goes wrong on purpose, `record` what the exchange remembers of its own doings. `intents` counts, by
    client order id, how often the engine was asked to place that order, whatever came of it; the newest million ids are
    kept.
    """

    def __init__(
        self, config: PaperConfig, *, clock: Clock, seed: int, feed: Iterable[MarketTick] | None = None
    ) -> None:
        mistakes = check_config(config)
        if mistakes:
            raise mistakes[0]
        self.config = config
        self.keys = KeyRing(seed=seed)
        pair, shared = self.keys.issue_ed25519(ACCOUNT), self.keys.issue_hmac(ACCOUNT)
        self.api_key = pair.api_key
        self.private_key_pem = pair.private_key_pem
        self.hmac_api_key = shared.api_key
        self.hmac_secret = shared.secret
        self.finished = trio.Event()
        self.intents: dict[str, int] = {}
        self.clock = clock = ExchangeClock(clock)
        self.record = Record(now_s=clock.now_s)
        self.faults = Faults(now_ms=clock.unix_ms, break_all=lambda *meant: self._gate.break_all(*meant))
        self.faults.seeded(config.faults, Random(seed))
        self.engine = Engine(
            config.definitions,
            switches=Switches(maker_rate=config.commission.maker, taker_rate=config.commission.taker),
            filters=config.exchange_filters,
        )
        # Another number for each exchange that begins: who keeps a record must not take a new one for the old.
        self._uids = count(clock.unix_ms())
        self.open_account(ACCOUNT, config.balances)
        self._ticks = feed if feed is not None else open_feed(config.feed, seed=seed)
        hub = StreamHub()
        self._user_streams = UserStreams()
        self._market_streams = MarketStreams(hub, config.traded_symbols, self.engine)
        self._service = self._open_service()
        self._timetable = Timetable()
        self._interference = Interference(
            self.faults,
            user_streams=self._user_streams,
            clock=clock,
            settle=self.settle,
            later=self._timetable.later,
            events_first=config.events_before_replies,
        )
        self._gate = Gate(
            EnvelopeProtocol(self._service),
            user_streams=self._user_streams,
            hub=hub,
            control=StreamControl(hub),
            clock=clock,
            settle=self.settle,
            interference=self._interference,
            record=self.record,
            events_first=config.events_before_replies,
        )
        rules = ConnectionRules(
            life_s_max=config.connection_life_h * 3600,
            queued_bytes_max=config.queued_bytes_max,
            latency_s=config.latency_ms / 1000,
        )
        self._server = Server(self._gate, clock=clock, rules=rules)
        self._rest_door = RestDoor(self._gate, RestProtocol(self._service), latency_s=rules.latency_s)
        self._tick_scope: trio.CancelScope | None = None

    def _open_service(self) -> RequestService:
        handlers = Handlers(
            self.engine,
            user_streams=self._user_streams,
            markets=self._market_streams.symbols,
            limits_of=lambda account: self._service.account_limits(account),
            rules=self.config.rate_limits,
        )
        table = handlers.table()
        table.update({method: self._counted(table[method]) for method in PLACING_METHODS})
        return RequestService(
            handlers=table, keys=self.keys.valid, rules=self.config.rate_limits, user_streams=self._user_streams
        )

    @cached_property
    def rest_app(self) -> "RestApp":
        """The REST API as an ASGI application, over the same accounts, keys and limits; `serve` has to run beside it.

        Raises ConfigError where `starlette` is not installed.
        """
        try:
            from dogwatch.actors.paper.rest_app import RestApp
        except ModuleNotFoundError as error:
            hint = "install it with: pip install 'dogwatch[paper]'"
            raise ConfigError("paper", f"REST needs the package {error.name}", hint=hint) from error
        return RestApp(self._rest_door)

    def prepare_rest(self) -> None:
        """Make `rest_app` now. Raises ConfigError as it does."""
        _ = self.rest_app

    def rest_transport(self, address: str = ADDRESS) -> "AsyncBaseTransport":
        """A transport for an httpx2 client that leads to the REST API in memory, from this address."""
        app = self.rest_app  # first: it says what is not installed
        from dogwatch.actors.paper.rest_transport import MemoryTransport

        return MemoryTransport(app, address=address)

    @cached_property
    def rsa_key(self) -> IssuedKey:
        """An RSA key of the account, made when it is first asked for. Raises ConfigError without `cryptography`."""
        return self.keys.issue_rsa(ACCOUNT)

    # Running.

    async def serve(
        self,
        listeners: Sequence[Listener[Stream]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve clients on these listeners until cancelled; started once connections are accepted."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tick)
            nursery.start_soon(self._timetable.run)
            await nursery.start(self._server.serve, listeners)
            task_status.started()

    async def run_feed(self) -> None:
        """Play the price feed, paced by the clock at the configured speed; returns at its end and sets `finished`.

        The first tick happens at once. Recorded times are moved so that the feed starts now. Raises FeedError for a
        file that cannot be read. Without a feed it returns at once and `finished` stays unset.
        """
        if self._ticks is None:
            return
        start_s, first_ms, pending = trio.current_time(), None, 0
        for tick in self._ticks:
            first_ms = tick.time_ms if first_ms is None else first_ms
            due_s = start_s + (tick.time_ms - first_ms) / 1000 / self.config.speed
            if due_s > trio.current_time() or pending >= TICKS_PER_TURN:
                # What happens in the same moment is told together.
                self.settle()
                pending = 0
                await trio.sleep_until(due_s)
            apply_tick(self.engine, tick, self.clock.unix_ms())
            pending += 1
        self.settle()
        self.finished.set()

    def settle(self) -> None:
        """Tell everybody who listens what the engine has to report. Call it after using `engine` directly."""
        now_ms = self.clock.unix_ms()
        for account, event in self.engine.take_events():
            if event.get("x") == "TRADE" and event["l"] == event["z"]:
                self._give_credit(account, is_maker=event["m"])
            self.record.happened(account, event, self._user_streams.heard_by(account))
            if self.faults.is_armed:
                self._interference.publish(account, event)
            else:
                self._user_streams.publish(account, event)
        events = self.engine.take_market_events()
        if events:
            self._market_streams.observe(events, now_ms)
        self._schedule_tick(now_ms)

    # What happens to customers.

    def revoke_key(self, api_key: str | None = None) -> None:
        """From now on requests under this key are refused (-2015) and its sessions are logged out at their next one.

        None is every key of the account that the exchange has opened by itself.
        """
        for key in self.keys.names_of(ACCOUNT) if api_key is None else (api_key,):
            self.keys.revoke(key)

    def restore_key(self, api_key: str | None = None) -> None:
        """A revoked key is good again."""
        for key in self.keys.names_of(ACCOUNT) if api_key is None else (api_key,):
            self.keys.restore(key)

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """A further account, independent of all others; `keys` gives out keys for it. Raises ValueError for a name
        that is taken, or a negative amount.
        """
        self.engine.open_account(account, balances, uid=next(self._uids))

    def ban(self, for_s: float, *, address: str = ADDRESS) -> None:
        """Answer everything from this address with 418 for so long, and drop its connections to the WebSocket API."""
        self.limits_of_address(address).ban(self.clock.unix_ms(), round(for_s * 1000))
        self._gate.drop_address(address)

    def use_weight(self, weight: int, *, address: str = ADDRESS) -> None:
        """Somebody else behind this address has asked for so much."""
        self.limits_of_address(address).charge(weight, self.clock.unix_ms())

    def use_orders(self, orders: int, *, account: str = ACCOUNT) -> None:
        """Another program has placed so many orders that are not filled."""
        self.limits_of_account(account).placed(self.clock.unix_ms(), orders=orders)

    def limits_of_address(self, address: str = ADDRESS) -> AddressLimits:
        """The counters of an address: request weight, requests, connection attempts."""
        return self._service.address_limits(address)

    def limits_of_account(self, account: str = ACCOUNT) -> AccountLimits:
        """The counters of an account: unfilled orders."""
        return self._service.account_limits(account)

    # The ledger's view, for tests and reports.

    def balances(self, *, account: str = ACCOUNT) -> dict[str, Balance]:
        """What the account has, by asset."""
        return self.engine.balances(account)

    def orders(self, *, account: str = ACCOUNT) -> list[dict[str, Any]]:
        """Every order of the account, in the words of `order.status`."""
        return self.engine.orders(account)

    def fills(self, *, account: str = ACCOUNT) -> list[Fill]:
        """Every fill of the account, by symbol and time."""
        return self.engine.fills(account)

    def position(self, asset: str, *, account: str = ACCOUNT) -> Decimal:
        """What the account has gained of an asset since the start, commissions included."""
        return self.engine.position(account, asset)

    def net_position(self, symbol: str, *, account: str = ACCOUNT) -> Decimal:
        """Base quantity bought minus sold on a symbol, before commissions."""
        return self.engine.net_position(account, symbol)

    def last_price(self, symbol: str) -> Decimal | None:
        """The price of the symbol's last trade; None before the first."""
        price = self.engine.last_price(symbol)
        return None if price is None else Decimal(price)

    def connections(self) -> list[ConnectionStatistics]:
        """What each connection has seen: the last thousand closed ones, then the open ones."""
        return self._server.statistics()

    def _give_credit(self, account: str, *, is_maker: bool) -> None:
        """The first fill of an order has come."""
        limits = self.limits_of_account(account)
        delay_s = self.config.fill_credit_delay_ms / 1000

        def give() -> None:
            limits.first_filled(is_maker=is_maker, now_ms=self.clock.unix_ms())

        if delay_s:
            self._timetable.later(delay_s, give)
        else:
            give()

    def _counted(self, place: Handler) -> Handler:
        """Count what it is asked to place."""
        intents = self.intents

        def handle(call: Call) -> Outcome:
            client_order_id = call.params.get("newClientOrderId")
            if isinstance(client_order_id, str):
                intents[client_order_id] = intents.get(client_order_id, 0) + 1
                if len(intents) > INTENTS_MAX:
                    del intents[next(iter(intents))]
            return place(call)

        return handle

    # The market streams' clock.

    def _schedule_tick(self, now_ms: int) -> None:
        if self._tick_scope is None:
            return
        due_ms = self._market_streams.due_ms(now_ms)
        if due_ms is None:
            return
        deadline_s = trio.current_time() + (due_ms - now_ms) / 1000
        if deadline_s < self._tick_scope.deadline:
            self._tick_scope.deadline = deadline_s

    async def _tick(self) -> None:
        """Let the market streams speak when they are due; sleeps while nobody waits for anything."""
        try:
            while True:
                with trio.CancelScope() as self._tick_scope:
                    self._schedule_tick(self.clock.unix_ms())
                    await trio.sleep_forever()
                self._market_streams.tick(self.clock.unix_ms())
        finally:
            self._tick_scope = None


def open_feed(feed: Feed | None, *, seed: int) -> Iterable[MarketTick] | None:
    """The ticks that a configured feed stands for. Files are opened when they are iterated."""
    match feed:
        case None:
            return None
        case TradesFeed():
            return TradeDump(feed.file, feed.symbol)
        case KlinesFeed():
            return KlineFile(feed.file, feed.symbol)
        case _:
            return RandomWalk(feed.symbol, seed=seed, price=feed.price, step=feed.step, interval_ms=feed.interval_ms)
