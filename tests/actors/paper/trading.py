"""Short words for tests of the engine: an exchange with two accounts, orders by name, events as small tuples."""

from decimal import Decimal
from typing import Any

from dogwatch.actors.paper.engine import Engine, EngineError, Switches
from dogwatch.actors.paper.symbols import SYMBOLS, SymbolDefinition

NOW_MS = 1_610_064_000_000
START = {"BTC": Decimal(10), "ETH": Decimal(100), "USDT": Decimal(1_000_000)}


class Floor:
    """An engine with accounts `alice` and `bob`, last price 100.00 and an outside quote of 5 at 99 to 5 at 101."""

    def __init__(self, *symbols: SymbolDefinition, switches: Switches | None = None, quoted: bool = True) -> None:
        self.engine = Engine(symbols or tuple(SYMBOLS.values()), switches=switches)
        self.now_ms = NOW_MS
        for account in ("alice", "bob"):
            self.engine.open_account(account, START)
        self.trade("100")
        if quoted:
            self.quote("99", "5", "101", "5")
        else:
            self.quote("0", "0", "0", "0")
        self.engine.take_market_events()

    def trade(self, price: str, quantity: str = "1", *, symbol: str = "BTCUSDT") -> None:
        self.engine.apply_trade(symbol, Decimal(price), Decimal(quantity), self.now_ms, buyer_is_maker=False)

    def quote(self, bid: str, bid_quantity: str, ask: str, ask_quantity: str) -> None:
        amounts = (Decimal(bid), Decimal(bid_quantity), Decimal(ask), Decimal(ask_quantity))
        self.engine.apply_quote("BTCUSDT", *amounts, self.now_ms)

    def place(self, account: str = "alice", **params: Any) -> dict[str, Any]:
        return self.engine.place(account, {"symbol": "BTCUSDT", **params}, self.now_ms)

    def limit(self, account: str, side: str, price: str, quantity: str, **params: Any) -> dict[str, Any]:
        params = {"timeInForce": "GTC", **params}
        return self.place(account, side=side, type="LIMIT", price=price, quantity=quantity, **params)

    def market(self, account: str, side: str, quantity: str, **params: Any) -> dict[str, Any]:
        return self.place(account, side=side, type="MARKET", quantity=quantity, **params)

    def cancel(self, account: str, **params: Any) -> dict[str, Any]:
        return self.engine.cancel(account, {"symbol": "BTCUSDT", **params}, self.now_ms)

    def amend(self, account: str, quantity: str, **params: Any) -> dict[str, Any]:
        return self.engine.amend(account, {"symbol": "BTCUSDT", "newQty": quantity, **params}, self.now_ms)

    def replace(self, account: str, *, over_limit: EngineError | None = None, **params: Any) -> dict[str, Any]:
        """Cancel-replace with a buy of 1 at 98, in mode STOP_ON_FAILURE, unless `params` say otherwise."""
        placing = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "98", "quantity": "1"}
        sent = {"symbol": "BTCUSDT", "cancelReplaceMode": "STOP_ON_FAILURE", **placing, **params}
        sent = {name: value for name, value in sent.items() if value is not None}
        return self.engine.cancel_replace(account, sent, self.now_ms, over_limit=over_limit)

    def refusal(self, account: str = "alice", **params: Any) -> tuple[int, str]:
        """Code and text of the refusal; a placement that is accepted fails the test."""
        try:
            reply = self.place(account, **params)
        except EngineError as error:
            return error.code, error.msg
        raise AssertionError(f"accepted: {reply}")

    def events(self, account: str | None = None) -> list[dict[str, Any]]:
        return [event for owner, event in self.engine.take_events() if account in (None, owner)]

    def story(self, account: str | None = None) -> list[str]:
        """Events in short: `NEW/NEW`, `TRADE/FILLED`, or `position`."""
        return [
            f"{event['x']}/{event['X']}" if event["e"] == "executionReport" else "position"
            for event in self.events(account)
        ]

    def free(self, account: str, asset: str) -> Decimal:
        return self.engine.balances(account)[asset].free

    def locked(self, account: str, asset: str) -> Decimal:
        return self.engine.balances(account)[asset].locked
