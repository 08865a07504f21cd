"""What a seed decides before anything happens: exchange, line, faults, strategies, and how processes end.

Every part draws from a generator of its own, so that one more draw in one place changes nothing in another.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import TypeVar

import msgspec

from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.engine import Switches
from dogwatch.actors.paper.fault_rates import ALTERNATIVES, RATES, FaultRates, SeededPlan
from dogwatch.actors.paper.faults import EventFault, Fault
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.strategy_host import OrdersOnCrash
from tests.seeds.station import StationPlan, station_of

SYMBOLS = ("BTCUSDT", "ETHUSDT")
PRICES = {"BTCUSDT": Decimal(40_000), "ETHUSDT": Decimal(3_000)}
STEPS = {"BTCUSDT": Decimal("0.00001"), "ETHUSDT": Decimal("0.0001")}
"""The grid of quantities."""
BALANCES = {"BTC": Decimal(2), "ETH": Decimal(20), "USDT": Decimal(100_000)}


class End(StrEnum):
    """How a process ends."""

    STOPPED = "stopped"
    KILLED = "killed"
    KILLED_WHILE_IT_STOPS = "killed while it stops"


ACTS = ("order.place", "order.cancel", "order.amend.keepPriority", "order.cancelReplace")
FaultT = TypeVar("FaultT", bound=Fault)

FAVOURITE_RATES = (0.05, 0.15, 0.4)
USUAL_RATES = (0.0, 0.0, 0.01, 0.03)

SILENCE = {"answer_unknown": 0.3, "lose_answer": 0.1, "lose_event": 0.7, "hide_order": 0.8, "hide_s_max": 60.0}
"""Nobody tells of what was done, and who asks does not find it."""
LATENESS = {"answer_unknown": 0.4, "lose_event": 0.3, "delay_s_max": 9.0}
"""What is done late, after its answer."""
DISORDER = {"duplicate_event": 0.2, "delay_event": 0.2, "reorder_events": 0.2, "delay_answer": 0.3, "events_first": 0.5}
A_BAD_LINE = {"cut": 0.02, "half_close": 0.01, "stall": 0.02, "shut_down": 0.01, "lose_request": 0.02}
BREAKS = ("cut", "half_close", "stall", "shut_down")
"""How a plan breaks connections. What nobody is told of for a minute would leave most processes without a word."""
THEMES = (SILENCE, LATENESS, DISORDER, A_BAD_LINE)


@dataclass(frozen=True, kw_only=True)
class StrategyPlan:
    """One strategy: so many tasks that act about every `pause_s`, and crash in `crash_share` of their acts."""

    name: str
    tasks: int
    pause_s: float
    crash_share: float
    is_patient: bool
    """Whether it leaves orders alone that are unknown."""
    orders_on_crash: OrdersOnCrash


@dataclass(frozen=True, kw_only=True)
class ProcessPlan:
    """One process: how long it lives, how it ends, how wrong its wall clock is."""

    is_given_time: bool
    """Whether its life is counted from when it has caught up."""
    lives_s: float
    end: End
    skew_ms: int
    away_s: float
    """How long nobody is there after it."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is known beforehand. Times are virtual seconds."""

    seed: int
    config: PaperConfig
    switches: Switches
    rates: FaultRates
    """What the requests that change something meet, and the events."""
    rates_of_questions: FaultRates
    """What the others meet: much less, or no process would ever have caught up."""
    network_delay_s: float
    trouble_every_s: float
    """How often something happens to the line that no request brings about."""
    crash_every_s: float
    """How often an actor below the strategies crashes."""
    market_every_s: float
    clock_every_s: float
    """How often somebody sets the exchange's clock."""
    halt_every_s: float
    """How often the operator halts trading for a moment."""
    station: StationPlan
    strategies: tuple[StrategyPlan, ...]
    processes: tuple[ProcessPlan, ...]
    has_journal: bool
    settings: OrderSettings

    def random(self, purpose: str) -> Random:
        """A generator of its own for each purpose."""
        return Random(f"{self.seed}/{purpose}")


def plan_of(seed: int) -> Plan:
    """What this seed decides."""
    random = Random(f"{seed}/plan")
    rates = _rates(random)
    has_journal = random.random() < 0.85
    processes = random.choice((1, 1, 2, 3, 4)) if has_journal else 1
    station = station_of(seed)
    return Plan(
        seed=seed,
        config=PaperConfig(
            symbols=SYMBOLS,
            balances=BALANCES,
            latency_ms=random.choice((0.0, 0.0, 3.0, 80.0)),
            events_before_replies=random.random() < 0.3,
            rate_limits=RateLimitRules(
                orders_per_10_seconds=random.choice((100, 100, 15)),
                request_weight_per_minute=random.choice((6_000, 6_000, 1_500)),
            ),
            connection_life_h=station.connection_life_h,
        ),
        switches=_switches(random),
        rates=rates,
        rates_of_questions=_divided(rates, random.choice((1, 20, 100, 100))),
        network_delay_s=random.choice((0.0, 0.001, 0.02, 0.15)),
        trouble_every_s=random.choice((6.0, 15.0, 1_000.0, 1_000.0)),
        crash_every_s=random.choice((15.0, 40.0, 1_000.0)),
        market_every_s=random.choice((0.3, 1.0)),
        clock_every_s=Random(f"{seed}/clocks").choice((2.0, 10.0, 1_000.0, 1_000.0)),
        halt_every_s=Random(f"{seed}/halts").choice((3.0, 8.0, 1_000.0, 1_000.0)),
        station=station,
        strategies=tuple(_strategy(random, name) for name in ("one", "two")[: random.choice((1, 1, 2))]),
        processes=tuple(_process(random) for _ in range(processes)),
        has_journal=has_journal,
        settings=OrderSettings(audit_every_s=random.choice((10.0, 30.0, 60.0))),
    )


def _switches(random: Random) -> Switches:
    return Switches(
        self_trade_prevention=random.choice((None, None, "NONE", "EXPIRE_BOTH", "DECREMENT")),
        cancelled_found_by_old_id=random.random() < 0.5,
        amend_may_expire=random.random() < 0.5,
        filter_failures_have_parts=random.random() < 0.5,
        over_limit_replace_status=random.choice((None, 429)),
        rejected_replacements_are_told=random.random() < 0.5,
    )


def _rates(random: Random) -> FaultRates:
    """Mostly a theme: faults of which one alone does no harm. Else in each group some that strike often."""
    longest_s = {
        "delay_s_max": random.choice((0.5, 5.0, 9.0)),
        "hide_s_max": random.choice((2.0, 20.0, 60.0)),
        "stall_s_max": random.choice((1.0, 4.0)),
    }
    theme = random.choice((*THEMES, *THEMES, None))
    if theme is not None:
        return FaultRates(**{**longest_s, **theme})
    rates: dict[str, float] = {}
    for group in (*ALTERNATIVES[:2], BREAKS, ("events_first",), ("hide_order",)):
        rates.update({name: random.choice(USUAL_RATES) for name in group})
        for name in random.sample(group, random.choice((0, 0, 1, min(2, len(group))))):
            rates[name] = random.choice(FAVOURITE_RATES)
    for name in BREAKS:
        rates[name] /= 10  # else nothing ever gets through
    return FaultRates(**rates, **longest_s)


def _divided(rates: FaultRates, by: int) -> FaultRates:
    return msgspec.structs.replace(rates, **{name: getattr(rates, name) / by for name in RATES})


def _strategy(random: Random, name: str) -> StrategyPlan:
    return StrategyPlan(
        name=name,
        tasks=random.choice((2, 4, 8)),
        pause_s=random.choice((0.05, 0.2, 0.6)),
        crash_share=random.choice((0.0, 0.0, 0.02)),
        is_patient=random.random() < 0.6,
        orders_on_crash=random.choice(tuple(OrdersOnCrash)),
    )


def _process(random: Random) -> ProcessPlan:
    return ProcessPlan(
        is_given_time=random.random() < 0.8,
        lives_s=random.choice((random.uniform(0.0, 2.0), random.uniform(3.0, 25.0), random.uniform(3.0, 25.0))),
        end=random.choice((End.STOPPED, End.KILLED, End.KILLED, End.KILLED_WHILE_IT_STOPS)),
        skew_ms=random.choice((0, 0, -700, 2_500, -3_600_000, 3_600_000)),
        away_s=random.choice((0.0, 0.5, 15.0)),
    )


class PlanOfFaults(SeededPlan):
    """Draws from one plan for requests that change something and for events, from another for questions."""

    def __init__(self, plan: Plan) -> None:
        random = plan.random("faults")
        super().__init__(plan.rates, random)
        self._questions = SeededPlan(plan.rates_of_questions, random)

    def draw(self, kind: type[FaultT], name: str) -> FaultT | None:
        if name in ACTS or kind is EventFault:
            return super().draw(kind, name)
        return self._questions.draw(kind, name)
