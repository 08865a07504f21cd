"""executionRules as values: what a symbol's engine allows of executions (WebSocket API, Execution rules)."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.open_unions import OpenDecoder, OpenUnion
from dogwatch.actors.spot.wire_names import wire_names


class PriceRange(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="ruleType",
    tag="PRICE_RANGE",
    rename=wire_names(
        bid_multiplier_up="bidLimitMultUp",
        bid_multiplier_down="bidLimitMultDown",
        ask_multiplier_up="askLimitMultUp",
        ask_multiplier_down="askLimitMultDown",
    ),
):
    """A taker's executions stay between multiples of the reference price: those of the bid for a buyer, those of the
    ask for a seller. What would go beyond expires. A multiple that is None sets no bound."""

    bid_multiplier_up: Decimal | None = None
    bid_multiplier_down: Decimal | None = None
    ask_multiplier_up: Decimal | None = None
    ask_multiplier_down: Decimal | None = None


class UnknownRule(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="ruleType", tag="UnknownRule"):
    """A rule that the exchange added later: `name` is its ruleType on the wire, `raw` its JSON."""

    name: str
    raw: bytes


ExecutionRule = PriceRange | UnknownRule


class SymbolExecutionRules(msgspec.Struct, frozen=True, kw_only=True):
    """The execution rules of one symbol."""

    symbol: str
    rules: tuple[ExecutionRule, ...]


class ExecutionRules(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """The execution rules of the symbols that have any (executionRules)."""

    symbol_rules: tuple[SymbolExecutionRules, ...]

    def of(self, symbol: str) -> tuple[ExecutionRule, ...]:
        """The rules of one symbol; none if it is not listed."""
        return next((listed.rules for listed in self.symbol_rules if listed.symbol == symbol), ())


_RULES = OpenUnion(tag_field="ruleType", known=frozenset({"PRICE_RANGE"}), unknown="UnknownRule")
decode_execution_rules = OpenDecoder(ExecutionRules, _RULES).decode
