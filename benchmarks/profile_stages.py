"""The stages that an order, a fill and a quote go through, and which of them a call stack is in.

A stage is some files, on the way out to the exchange or back from it. A stack is in the stage of its innermost file
that belongs to one: what libraries and helpers take is their caller's. A file that is gone is an error here, so that
no stage is lost in silence.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType

from profile_sampler import Stack

ROOT = Path(__file__).resolve().parent.parent
TRIO, OTHER = "Trio itself, and what it stands on", "elsewhere"
WAITING = "waiting for the server"
EPOLL = "get_events"


@dataclass(frozen=True)
class Stage:
    """Files without `.py`. `is_back`: on which way; None is both."""

    name: str
    files: str
    is_back: bool | None = None


STAGES = (
    Stage("strategy.place", "strategy intents desk spot_client spot/order_types"),
    Stage(
        "orders: draft the order",
        "orders drafting placing order_messages spot/client_order_id spot/order_requests spot/request_checks "
        "spot/request halt",
        is_back=False,
    ),
    Stage(
        "orders: filters",
        "filter_guard spot/filter_bounds spot/filter_checks spot/filter_context spot/filters spot/grid"
        " exposure symbols",
    ),
    Stage(
        "orders: state and table",
        "order_table bookkeeper order_topics "
        "spot/order_state spot/order spot/order_events spot/order_evidence spot/fill spot/fills",
        is_back=False,
    ),
    Stage("orders: hand on, remember who waits", "sender waiting outgoing session_messages doomed", is_back=False),
    Stage(
        "orders: journal",
        "outbox outbox_messages order_journal order_journal_rows order_journal_upkeep "
        "../runtime/journal ../runtime/journal_ahead ../runtime/journal_threads ../runtime/journal_bulk",
    ),
    Stage(
        "rate limiter",
        "turnstile rate_limiter spot/rate_budget spot/rate_windows spot/booking spot/request_costs",
        is_back=False,
    ),
    Stage(
        "session: complete, sign, encode",
        "session conversation terms pending standings resync hearing server_clock server_time spot/parameters "
        "spot/request_frames spot/signing "
        "spot/wire_form spot/keys spot/ed25519_key spot/clock_estimate",
        is_back=False,
    ),
    Stage(
        "connection: frame, mask, write",
        "connection transmit frame_writer outlet writing websocket upgrade tls_stream tcp_stream dialler spot/frames",
        is_back=False,
    ),
    Stage(
        "connection: read, unframe",
        "connection frame_writer websocket upgrade tls_stream tcp_stream dialler spot/frames pong",
        is_back=True,
    ),
    Stage(
        "decode",
        "spot/frame_decoder spot/stream_frames spot/results spot/user_events spot/stream_events spot/amounts "
        "spot/instants spot/instant",
    ),
    Stage(
        "session: settle",
        "session intake conversation terms pending answers standings resync hearing server_clock server_time "
        "turnstile rate_limiter spot/rate_budget spot/rate_windows spot/request_costs spot/clock_estimate",
        is_back=True,
    ),
    Stage(
        "orders: settle",
        "orders outcomes order_answers sender waiting placing spot/outcome order_messages spot/client_order_id",
        is_back=True,
    ),
    Stage(
        "orders: state and table, back",
        "order_table bookkeeper order_topics spot/order_state spot/order spot/order_events spot/order_evidence "
        "spot/order_trade spot/order_acceptance spot/fills spot/position spot/marks spot/mark account balance_table",
        is_back=True,
    ),
    Stage(
        "market data: decode, route",
        "market_data market_publisher interest book_table feeds stream_socket following market_handover spot/captured",
    ),
    Stage("strategy's host", "strategy_host dispatch voices"),
    Stage(
        "delivery between actors, deadlines",
        "../runtime/mailbox ../runtime/life ../runtime/reception ../runtime/reply ../runtime/ref ../runtime/asking "
        "../runtime/handlers ../runtime/handler ../runtime/topic ../runtime/tap ../runtime/subscription "
        "../runtime/parking ../runtime/parked_until ../runtime/timers ../runtime/sweep ../runtime/actor",
    ),
    Stage("the strategy's own code", "../benchmarks/profile_path"),
)
BACK = {"actors/websocket.py": {"read"}, "actors/orders.py": {"on_answer", "on_user_event"}}
"""Functions below which everything is on the way back."""


def stage_table() -> dict[tuple[str, bool], str]:
    """(file, is_back) → stage. Raises FileNotFoundError and LookupError for what has gone from the sources."""
    table = {}
    for stage in STAGES:
        for name in stage.files.split():
            file = (ROOT / "actors" / f"{name}.py").resolve(strict=True).relative_to(ROOT).as_posix()
            for is_back in (False, True):
                if stage.is_back in (None, is_back):
                    table[file, is_back] = stage.name
    for file, functions in BACK.items():
        text = (ROOT / file).read_text()
        for function in functions:
            if f"def {function}(" not in text:
                raise LookupError(f"there is no function {function} in {file} any more: what is on the way back?")
    return table


TABLE = stage_table()


def stage_of(stack: Stack) -> str:
    """The stage of one stack."""
    if stack and stack[0].co_name == EPOLL:
        return WAITING
    is_back = any(code.co_name in BACK.get(file_of(code), ()) for code in stack)
    for code in stack:
        file = file_of(code)
        stage = TABLE.get((file, is_back))
        if stage is not None:
            return stage
    return OTHER if any(file_of(code) for code in stack) else TRIO


@cache
def file_of(code: CodeType) -> str:
    """Relative to the project, "" for what is not of it."""
    path = Path(code.co_filename).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
