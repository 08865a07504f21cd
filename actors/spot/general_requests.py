"""Requests about the exchange itself (WebSocket API, General requests)."""

from typing import ClassVar

from dogwatch.actors.spot.enums import SymbolStatus
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Declaration, Endpoint, Request
from dogwatch.actors.spot.request_checks import excludes, one_of
from dogwatch.actors.spot.results import Empty, ExchangeInfo, ExecutionRules, ServerTime
from dogwatch.actors.spot.weights import per_symbol

__all__ = ["Ping", "QueryExchangeInfo", "QueryExecutionRules", "Time"]


class Ping(Request[Empty], frozen=True, kw_only=True):
    """Whether the exchange answers."""

    declaration: ClassVar = Declaration(
        method=Method.PING,
        section="Test connectivity",
        weight=1,
        priority=Priority.CANCEL,
        endpoint=Endpoint("GET", "/api/v3/ping"),
        is_bound=True,
    )


class Time(Request[ServerTime], frozen=True, kw_only=True):
    """The exchange's clock. Over a session the answer measures that connection."""

    declaration: ClassVar = Declaration(
        method=Method.TIME,
        section="Check server time",
        weight=1,
        priority=Priority.CANCEL,
        endpoint=Endpoint("GET", "/api/v3/time"),
        is_bound=True,
    )


class QueryExchangeInfo(Request[ExchangeInfo], frozen=True, kw_only=True):
    """Symbols with their filters, and the exchange's limits. Without any parameter all symbols, several megabytes.

    `permissions` are those that an account needs, one of them being enough; `symbol_status` goes with no symbol.
    """

    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    permissions: tuple[str, ...] | None = None
    show_permission_sets: bool | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.EXCHANGE_INFO,
        section="Exchange information",
        weight=20,
        endpoint=Endpoint("GET", "/api/v3/exchangeInfo"),
    )

    def check(self, params: Params) -> None:
        one_of(params, "symbol", "symbols", "permissions", or_none=True)
        excludes(params, "symbolStatus", "symbol", "symbols")


class QueryExecutionRules(Request[ExecutionRules], frozen=True, kw_only=True):
    """The rules by which executions of a symbol are limited, such as its price range. Without a parameter of all."""

    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.EXECUTION_RULES,
        section="Query Execution Rules",
        weight=per_symbol(2, most=40),
        endpoint=Endpoint("GET", "/api/v3/executionRules"),
    )

    def check(self, params: Params) -> None:
        one_of(params, "symbol", "symbols", "symbolStatus", or_none=True)
