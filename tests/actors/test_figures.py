"""The figures of a run: sums that are exact at any size, who was down at the end, and why orders were refused."""

from decimal import Decimal
from typing import NoReturn

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dogwatch import Strategy
from dogwatch.actors.auditor import Audit, positions_of
from dogwatch.actors.dialler import Door
from dogwatch.actors.figures import OTHER_WORDINGS, WORDINGS_MAX, Figures, tidy
from dogwatch.actors.order_messages import CaughtUp, GapOpened, OrderChanged
from dogwatch.actors.session import SessionLost, SessionReady
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.order import Certainty, Life, Order
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.actors.spot.stream_events import Quote
from dogwatch.actors.tree import StrategyEntry, Tree, build
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.lifecycle import Exited, Reason, Restarted, Started
from dogwatch.runtime.testing import run_virtual
from tests.actors.fake_journal import FakeJournal
from tests.actors.fake_session import rules_of

SYMBOL, PROBE = "BTCUSDT", "dogwatch/strategies/probe"


class Probe(Strategy):
    class Config(Strategy.Config, frozen=True):
        symbols: tuple[str, ...] = (SYMBOL,)

    async def run(self) -> None: ...


async def never() -> NoReturn:
    raise AssertionError("nothing is dialled here")


class Bench:
    """A tree that never runs, with the figures taken of it. What its actors would write is written by the test."""

    def __init__(self, *symbols: str) -> None:
        self.audit = Audit()
        self.told: list[Order] = []
        config = Probe.Config(symbols=symbols or (SYMBOL,))
        self.tree: Tree = build(
            api=Door(never, "exchange", "/"),
            streams=Door(never, "exchange", "/"),
            clock=Clock.virtual(),
            signer=Ed25519Signer("key", Ed25519Key(bytes(32))),
            strategies=[StrategyEntry(name="probe", strategy=Probe, config=config)],
            audit=self.audit,
        )
        self.figures = Figures(self.tree, self.audit, on_rejected=self.told.append)
        self._trades = 0

    def load(self, *names: tuple[str, str, str]) -> None:
        """The rules of symbols, each with its base and quote asset."""
        self.tree.desk.symbols.replace(rules_of(symbol, base=base, quote=quote) for symbol, base, quote in names)

    def fill(
        self,
        side: Side,
        price: str,
        quantity: str,
        *,
        fee: tuple[str, str | None] = ("0", None),
        symbol: str = SYMBOL,
        quote_quantity: Decimal | None = None,
    ) -> None:
        self._trades += 1
        fill = Fill(
            symbol=symbol,
            trade_id=self._trades,
            order_id=1,
            client_order_id="a",
            side=side,
            price=Decimal(price),
            quantity=Decimal(quantity),
            quote_quantity=quote_quantity or Decimal(price) * Decimal(quantity),
            commission=Decimal(fee[0]),
            commission_asset=fee[1],
            is_maker=True,
            traded_ms=0,
            strategy="probe",
        )
        rules = self.tree.desk.symbols.rules(symbol)
        self.tree.desk.order_table.book(fill, base_asset=rules.base_asset, quote_asset=rules.quote_asset)
        self.tree.desk.order_topics.publish_fill(fill)

    def reject(self, reason: str) -> None:
        self.tree.desk.order_topics.publish_change(OrderChanged(order=order(Life.REJECTED, reason=reason)))

    def held(self, start: dict[str, str], end: dict[str, str]) -> None:
        self.audit.at_start = {asset: Decimal(amount) for asset, amount in start.items()}
        self.audit.at_end = {asset: Decimal(amount) for asset, amount in end.items()}


def order(
    life: Life = Life.OPEN, *, name: str = "a", reason: str = "", certainty: Certainty = Certainty.KNOWN
) -> Order:
    return Order(
        client_order_id=name,
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        created_ms=0,
        quantity=Decimal(1),
        strategy="probe",
        life=life,
        order_id=1,
        reason=reason,
        certainty=certainty,
    )


@pytest.fixture
def bench() -> Bench:
    return on_the_loop()


def on_the_loop(*symbols: str) -> Bench:
    """A tree is built inside of a run, whose clock it reads."""

    async def make() -> Bench:
        return Bench(*symbols)

    return run_virtual(make)


def test_fills_make_position_volume_and_profit_and_the_ledger_is_compared(bench: Bench) -> None:
    bench.load((SYMBOL, "BTC", "USDT"))
    bench.fill(Side.BUY, "100", "2", fee=("0.002", "BTC"))
    bench.fill(Side.SELL, "110", "1", fee=("0.11", "USDT"))
    bench.held({"BTC": "5", "USDT": "500"}, {"BTC": "5.998", "USDT": "409.89"})
    report = bench.figures.report(wall_s=1.23456, virtual_s=7)
    assert (report.fills, report.volume_base, report.wall_s) == (2, Decimal(3), 1.235)
    assert report.position_base == report.ledger_position_base == Decimal("0.998")
    assert report.assets["USDT"].believed == report.assets["USDT"].ledger == Decimal("-90.11")
    assert report.pnl_quote == Decimal("-90.11") + Decimal("0.998") * 110  # marked at the last price seen
    assert report.agrees


amounts = st.decimals("0.00000001", "999999999999", places=8)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(list(Side)), amounts, amounts), max_size=12))
@example([(Side.BUY, Decimal(3), Decimal("999999999999.1")), (Side.SELL, Decimal(1), Decimal("999999999999.3"))])
def test_what_fills_have_moved_is_exact_at_any_amount(fills: list[tuple[Side, Decimal, Decimal]]) -> None:
    bench = on_the_loop()
    bench.load((SYMBOL, "BTC", "USDT"))
    base = quote = 0  # in units of 1e-8: integers do not round
    for side, quantity, quote_quantity in fills:
        bench.fill(side, "1", str(quantity), quote_quantity=quote_quantity)
        sign = 1 if side is Side.BUY else -1
        base += sign * int(quantity.scaleb(8))
        quote -= sign * int(quote_quantity.scaleb(8))
    assets = bench.figures.report(wall_s=0, virtual_s=0).assets
    assert assets["BTC"].believed.scaleb(8) == base
    assert assets["USDT"].believed.scaleb(8) == quote


def test_what_earlier_runs_have_left_counts_for_the_position_only(bench: Bench) -> None:
    bench.load((SYMBOL, "BTC", "USDT"))
    bench.fill(Side.BUY, "100", "3", fee=("0.5", "BNB"))
    bench.fill(Side.SELL, "110", "1")  # ten realised, before this run
    bench.audit.positions_at_start = positions_of(bench.tree.desk.order_table)
    now = bench.figures.snapshot(3.0)
    assert (now.fills, now.position, now.pnl_quote) == (0, Decimal(2), 2 * Decimal(10))  # what it would bring
    bench.fill(Side.SELL, "120", "1")
    bench.held({"BTC": "5", "USDT": "500"}, {"BTC": "4", "USDT": "620"})
    report = bench.figures.report(wall_s=0, virtual_s=0)
    assert (report.fills, report.volume_base) == (1, Decimal(1))
    assert report.pnl_quote == 20 + 20  # realised now, and what is held
    assert report.position_base == report.ledger_position_base == Decimal(1)
    assert {asset: entry.believed for asset, entry in report.assets.items()} == {"BTC": -1, "USDT": 120}
    assert report.agrees


def test_without_the_exchange_what_the_journal_had_is_not_this_run_s() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.load((SYMBOL, "BTC", "USDT"))
        bench.fill(Side.BUY, "100", "3")
        figures = Figures(bench.tree, bench.audit, on_rejected=bench.told.append)
        report = figures.report(wall_s=0, virtual_s=0)
        assert (report.fills, report.position_base, report.assets["BTC"].believed) == (0, Decimal(3), Decimal(0))
        assert not report.agrees

    run_virtual(scene)


def test_commission_in_a_third_asset_is_a_movement_of_that_asset(bench: Bench) -> None:
    bench.load((SYMBOL, "BTC", "USDT"))
    bench.fill(Side.BUY, "100", "1", fee=("0.5", "BNB"))
    bench.held({}, {"BTC": "1", "USDT": "-100", "BNB": "-0.5"})
    report = bench.figures.report(wall_s=0, virtual_s=0)
    assert report.assets["BNB"].believed == report.assets["BNB"].ledger == Decimal("-0.5")
    assert report.agrees


def test_an_asset_in_two_symbols_is_compared_once_for_both() -> None:
    bench = on_the_loop("BTCUSDT", "ETHBTC")
    bench.load(("BTCUSDT", "BTC", "USDT"), ("ETHBTC", "ETH", "BTC"))
    bench.fill(Side.BUY, "100", "1")
    bench.fill(Side.BUY, "0.05", "2", symbol="ETHBTC")
    bench.held({}, {"BTC": "0.9", "ETH": "2", "USDT": "-100"})
    report = bench.figures.report(wall_s=0, virtual_s=0)
    assert report.agrees
    assert report.symbols["BTCUSDT"].ledger_position_base is None  # the other symbol moves BTC too
    assert report.symbols["ETHBTC"].ledger_position_base == 2
    assert report.position_base is None


def test_a_ledger_that_differs_or_was_not_read_is_no_agreement(bench: Bench) -> None:
    bench.load((SYMBOL, "BTC", "USDT"))
    assert not bench.figures.report(wall_s=0, virtual_s=0).agrees
    bench.held({}, {"BTC": "0.00000001"})
    assert not bench.figures.report(wall_s=0, virtual_s=0).agrees
    bench.held({}, {})
    assert bench.figures.report(wall_s=0, virtual_s=0).agrees


def test_nothing_at_all_is_known_before_the_exchange_was_reached(bench: Bench) -> None:
    now = bench.figures.snapshot(3.0)
    assert (now.symbol, now.price, now.base_asset, now.notice) == (SYMBOL, None, "", "connecting")
    report = bench.figures.report(wall_s=0, virtual_s=0)
    assert (report.position_base, report.ledger_position_base, report.symbols, report.ledger_read) == (
        None,
        None,
        {},
        False,
    )


def test_a_snapshot_counts_what_is_live_and_what_is_unknown(bench: Bench) -> None:
    bench.load((SYMBOL, "BTC", "USDT"))
    bench.tree.desk.order_table.put(order(name="a"))
    bench.tree.desk.order_table.put(order(name="b", certainty=Certainty.UNKNOWN))
    bench.tree.link.topics.states.publish(SessionReady(epoch=1))
    quote = Quote(
        symbol=SYMBOL, bid=Decimal(99), bid_quantity=Decimal(1), ask=Decimal(101), ask_quantity=Decimal(1), update_id=1
    )
    bench.tree.desk.interest.follow("btcusdt@bookTicker").publish(quote)
    now = bench.figures.snapshot(3.0)
    assert (now.live, now.unknown, now.price, now.notice) == (2, 1, Decimal(100), "")
    bench.tree.link.topics.states.publish(SessionLost(epoch=1, reason="cut"))
    assert bench.figures.snapshot(3.0).notice == "connecting"
    assert bench.figures.snapshot(3.0, "stopping").notice == "stopping"


def test_a_snapshot_says_that_the_key_is_refused_or_the_address_banned(bench: Bench) -> None:
    bench.tree.link.topics.key_refusal = "the exchange refuses the API key"
    assert bench.figures.snapshot(3.0).notice == "KEY REFUSED"

    async def banned() -> str:
        bench.tree.link.limiter.silence(120.0, "Way too many requests", is_ban=True)
        return bench.figures.snapshot(3.0).notice

    assert run_virtual(banned) == "BANNED"


def test_a_snapshot_says_that_it_is_being_found_out_what_was_missed(bench: Bench) -> None:
    topics = bench.tree.desk.order_topics
    bench.tree.link.topics.states.publish(SessionReady(epoch=1))

    def closed(gap: int | None) -> CaughtUp:
        return CaughtUp(gap=gap, began_ms=0, orders=0, trades=0, took_s=0)

    topics.gaps.publish(GapOpened(number=1, reason="a new session"))
    assert bench.figures.snapshot(3.0).notice == "catching up"
    topics.gaps.publish(GapOpened(number=2, reason="a new session"))
    for gap in (None, 1):
        topics.caught_up.publish(closed(gap))
        assert bench.figures.snapshot(3.0).notice == "catching up"
    topics.caught_up.publish(closed(2))
    assert bench.figures.snapshot(3.0).notice == ""


def test_a_snapshot_says_that_nothing_is_sent_because_nothing_can_be_recorded() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.tree.link.topics.states.publish(SessionReady(epoch=1))
        bench.tree.desk.order_table.journal = journal = FakeJournal()
        journal.failure = JournalError("the disk is full")
        assert bench.figures.snapshot(3.0).notice == "journal failing"

    run_virtual(scene)


def test_a_strategy_is_down_from_its_crash_until_it_starts_again(bench: Bench) -> None:
    def crashed() -> dict[str, str]:
        return bench.figures.report(wall_s=0, virtual_s=0).crashed

    tell = bench.tree.lifecycle.publish
    tell(Exited(path=PROBE, at_s=1, life=1, reason=Reason.CRASHED, error=RuntimeError("boom"), ran_s=1))
    tell(Exited(path="dogwatch/orders", at_s=1, life=1, reason=Reason.CRASHED, error=RuntimeError("x"), ran_s=1))
    assert crashed() == {"probe": "RuntimeError: boom"}
    tell(Restarted(path=PROBE, at_s=2, life=2, took_s=0))
    assert crashed() == {}
    tell(Exited(path=PROBE, at_s=3, life=2, reason=Reason.STOPPED, error=None, ran_s=1))
    tell(Started(path="dogwatch/orders", at_s=1, life=1, took_s=0))
    assert crashed() == {}
    assert bench.figures.restarts == 1


def test_refusals_are_counted_by_their_words_told_once_and_bounded(bench: Bench) -> None:
    for _ in range(3):
        bench.reject("no money")
    bench.reject("no lot")
    assert bench.figures.report(wall_s=0, virtual_s=0).rejections == {"no money": 3, "no lot": 1}
    assert [entry.reason for entry in bench.told] == ["no money", "no lot"]
    for number in range(100):
        bench.reject(f"at {number}")
    rejections = bench.figures.report(wall_s=0, virtual_s=0).rejections
    assert len(rejections) == WORDINGS_MAX + 1
    assert rejections[OTHER_WORDINGS] == 100 - (WORDINGS_MAX - 2)
    assert len(bench.told) == WORDINGS_MAX


@pytest.mark.parametrize(
    ("amount", "text"), [("1.500", "1.5"), ("100", "100"), ("1E+3", "1000"), ("0.00", "0"), ("-0.0010", "-0.001")]
)
def test_tidy_amounts_have_neither_exponent_nor_idle_zeros(amount: str, text: str) -> None:
    assert str(tidy(Decimal(amount))) == text
    assert msgspec.json.encode(tidy(Decimal(amount))) == f'"{text}"'.encode()
