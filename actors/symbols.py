"""The rules of the symbols that are traded: loaded from exchangeInfo, kept current, readable by anybody without asking.

What the rules demand of an order is in `spot/filters.py` and `spot/filter_checks.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from dogwatch.actors.session_messages import Call, SessionReady, SessionTopics, Speaker
from dogwatch.actors.spot.account_requests import QueryMyFilters
from dogwatch.actors.spot.account_results import MyFilters
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import MalformedResult, NotSent
from dogwatch.actors.spot.exchange_info import ExchangeInfo, RateLimit
from dogwatch.actors.spot.execution_rules import ExecutionRules
from dogwatch.actors.spot.filters import SymbolRules
from dogwatch.actors.spot.general_requests import QueryExchangeInfo, QueryExecutionRules
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.results import decode_result
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.timers import Timer
from dogwatch.runtime.topic import Topic

BAD_SYMBOL = -1121
REFRESH_S = 3600.0
"""Filters change a few times a year, with a notice; an hour is soon enough."""
RETRY_S = 2.0
ANSWER_WITHIN_S = 10.0
ALL_RULES, EXECUTION_RULES = "exchange_info", "execution_rules"
"""What was asked, beside the symbols by which myFilters is told apart; no symbol has a small letter in its name."""


class RulesLoaded(Message, frozen=True, kw_only=True):
    """The rules of these symbols are known now, or known anew."""

    symbols: tuple[str, ...]


class SymbolTable:
    """Symbol → rules. Written by the Symbols actor alone, read by anybody; lives as long as the tree.

    `wanted` are the configured symbols. `also` are those of orders that an earlier process has left: their fills cannot
    be counted without rules, but they may have been delisted since.
    """

    def __init__(self, wanted: Iterable[str], *, also: Iterable[str] = ()) -> None:
        self.wanted = tuple(dict.fromkeys(wanted))
        self.also = tuple(symbol for symbol in dict.fromkeys(also) if symbol not in self.wanted)
        self.loaded: Topic[RulesLoaded] = Topic("rules_loaded")
        self._rules: Mapping[str, SymbolRules] = {}

    @property
    def is_loaded(self) -> bool:
        """Whether the rules of every wanted symbol are known."""
        return self._rules.keys() >= set(self.wanted)

    def names(self) -> tuple[str, ...]:
        """The symbols whose rules are known."""
        return tuple(self._rules)

    def get(self, symbol: str) -> SymbolRules | None:
        """The rules of a symbol, None if they are not known."""
        return self._rules.get(symbol)

    def rules(self, symbol: str) -> SymbolRules:
        """The rules of a symbol. Raises KeyError with a text if they are not known."""
        rules = self._rules.get(symbol)
        if rules is None:
            raise KeyError(f"the rules of {symbol!r} are not loaded, only those of {', '.join(self._rules) or 'none'}")
        return rules

    def replace(self, rules: Iterable[SymbolRules]) -> None:
        """Take these rules in place of all earlier ones."""
        self._rules = {entry.symbol: entry for entry in rules}
        self.loaded.publish(RulesLoaded(symbols=self.names()))


class Refresh(Message, frozen=True, kw_only=True):
    """A timer's message: load the rules (again)."""


class AskAgain(Message, frozen=True, kw_only=True):
    """A timer's message: there may be room now for the question about the account that there was none for."""

    asked: str


class Symbols(Actor):
    """Keeps the symbol table: loads exchangeInfo for the wanted symbols (WebSocket API, Exchange information).

    `learn_limits`, if given, is called with the exchange's limits that stand in it. `asks_account`: each time, it then
    asks for the execution rules (Execution rules) and, symbol by symbol, for what binds this account (myFilters).

    Raises ConfigError when the exchange does not know one of them at the start: no restart can mend that. A symbol that
    is delisted later keeps its last rules, and the exchange refuses its orders.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("messages", accepts=(Answer, SessionReady, Refresh, AskAgain), capacity=64, overflow=Overflow.STOP),
    )

    def __init__(
        self,
        *,
        session: ActorRef[Speaker],
        session_topics: SessionTopics,
        table: SymbolTable,
        learn_limits: Callable[[Sequence[RateLimit]], None] | None = None,
        asks_account: bool = False,
    ) -> None:
        self._session = session
        self._session_topics = session_topics
        self._table = table
        self._learn_limits = learn_limits
        self._asks_account = asks_account
        self._info: ExchangeInfo | None = None
        self._execution_rules = ExecutionRules(symbol_rules=())
        self._mine: dict[str, MyFilters] = {}
        self._is_asking = False
        self._retry: Timer | None = None
        self._unknown_filters: set[str] = set()
        self.loads = 0

    async def on_start(self) -> None:
        self.tap(self._session_topics.states, self._hear)
        self.tell_every(REFRESH_S, Refresh())
        if isinstance(self._session_topics.states.last, SessionReady):
            self._load()

    def statistics(self) -> dict[str, Any]:
        return {"symbols": len(self._table.names()), "wanted": len(self._table.wanted), "loads": self.loads}

    def on_refresh(self, _message: Refresh) -> None:
        if isinstance(self._session_topics.states.last, SessionReady):  # else the next session will ask
            self._load()

    def on_session_ready(self, _event: SessionReady) -> None:
        self._load()

    def on_ask_again(self, message: AskAgain) -> None:
        self._ask_of_account(message.asked)

    def on_answer(self, answer: Answer) -> None:
        response: Response | None = answer.value
        if response is None or not response.is_ok:
            self._failed(answer.tag, answer.error, response)
            return
        try:
            self._take(answer.tag, response.result)
        except MalformedResult as problem:
            self._failed(answer.tag, problem, None)

    def _take(self, asked: str, result: msgspec.Raw) -> None:
        if asked == ALL_RULES:
            self._take_info(decode_result(result, ExchangeInfo))
        elif asked == EXECUTION_RULES:
            self._execution_rules = decode_result(result, ExecutionRules)
            self._ask_about_account(self._table.wanted)
        else:
            self._mine[asked] = decode_result(result, MyFilters)
            self._ask_about_account(self._table.wanted[self._table.wanted.index(asked) + 1 :])

    def _take_info(self, info: ExchangeInfo) -> None:
        self._info = info
        self.loads += 1
        if self._learn_limits is not None:
            self._learn_limits(info.rate_limits)
        for symbol in self._table.wanted:
            if info.symbol(symbol) is None:
                self._miss(symbol)
        self._enter(info)
        if self._asks_account and self._table.wanted:
            self._ask_of_account(EXECUTION_RULES)
        else:
            self._is_asking = False

    def _enter(self, info: ExchangeInfo) -> None:
        """What the exchange says now; a symbol that it says nothing of keeps its rules."""
        known = {entry.symbol: entry for entry in info.symbols}
        rules = (
            SymbolRules.of(
                known[symbol],
                exchange_filters=info.exchange_filters,
                mine=self._mine.get(symbol),
                execution_rules=self._execution_rules.of(symbol),
            )
            if symbol in known
            else self._table.get(symbol)
            for symbol in (*self._table.wanted, *self._table.also)
        )
        self._table.replace(entry for entry in rules if entry is not None)
        self._report_unknown_filters()

    def _ask_about_account(self, symbols: tuple[str, ...]) -> None:
        """One after the other: there may be hundreds, and orders do not wait for it."""
        if symbols:
            self._ask_of_account(symbols[0])
            return
        self._is_asking = False
        if self._info is not None:
            self._enter(self._info)

    def _report_unknown_filters(self) -> None:
        """Once for each: the exchange checks them, and says so when an order fails one."""
        unknown = {
            name for symbol in self._table.names() for name in self._table.rules(symbol).unknown_filters
        } - self._unknown_filters
        if unknown:
            self._unknown_filters |= unknown
            hint = "orders are not checked for them here; a newer version may know them"
            self.log.warning("filters that are not known", filters=sorted(unknown), hint=hint)

    def _hear(self, state: object) -> None:
        if isinstance(state, SessionReady):
            self.ref.tell(state)

    def _load(self) -> None:
        asked = (*self._table.wanted, *self._table.also)
        if self._is_asking or not asked:
            return
        self._is_asking = True
        self._ask(QueryExchangeInfo(symbols=asked), ALL_RULES)

    def _ask_of_account(self, asked: str) -> None:
        """Behind everything else that is to be sent: it is much, and nobody waits for it."""
        of_all = asked == EXECUTION_RULES
        request = QueryExecutionRules(symbols=self._table.wanted) if of_all else QueryMyFilters(symbol=asked)
        self._ask(request, asked, lane=Priority.BULK)

    def _ask(self, request: Request[Any], tag: str, *, lane: Priority | None = None) -> None:
        self._session.request(Call.of(request, lane=lane), reply_to=self.ref, tag=tag, within_s=ANSWER_WITHIN_S)

    def _failed(self, asked: str, error: Exception | None, response: Response | None) -> None:
        if asked != ALL_RULES and isinstance(error, NotSent) and error.retry_after_s is not None:
            self.tell_after(error.retry_after_s, AskAgain(asked=asked))  # the limits have no room: go on from here then
            return
        self._is_asking = False
        if asked != ALL_RULES:  # the exchange checks them all the same, and the next refresh asks again
            reason = error if response is None or response.error is None else response.error.message
            self.log.warning("filters of the account not loaded", asked=asked, reason=str(reason))
            return
        if response is not None and response.error is not None:
            if response.error.code == BAD_SYMBOL:
                if self._table.also:
                    self._give_up_also()
                else:
                    self._miss(", ".join(self._table.wanted))
                return
            self.log.warning("rules not loaded", reason=response.error.message, code=response.error.code)
        else:
            self.log.warning("rules not loaded", reason=str(error))
        if self._retry is not None:
            self._retry.cancel()  # one at a time, or failures of many sessions would add up
        self._retry = self.tell_after(RETRY_S, Refresh())

    def _give_up_also(self) -> None:
        """One symbol that is not known fails the question for all of them, and does not say which it is."""
        self.log.error("one of these is no longer listed: fills of their orders stay unknown", symbols=self._table.also)
        self._table.also = ()
        self._load()

    def _miss(self, symbol: str) -> None:
        """At the start it is a mistake in the configuration; later a delisting, which must not end the others' work."""
        if not self._table.is_loaded:
            raise _unknown_symbol(symbol)
        self.log.error("no longer listed; its last rules stay", symbol=symbol)


def _unknown_symbol(symbol: str) -> ConfigError:
    return ConfigError(
        "symbol",
        f"the exchange does not know {symbol}",
        hint="symbols are in capitals without a separator, such as BTCUSDT; not every venue lists every symbol",
    )
