"""Carrying out what matching planned, on one symbol: money moves, orders change, reports are written.

The order of events is the exchange's: one execution id per report, a trade takes two (taker, maker), and after the
whole burst one account position for each account that was touched. Nothing is refused here any more.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dogwatch.actors.paper.accounts import Account
from dogwatch.actors.paper.decimals import ZERO, floor_to_step, rounded_down, rounded_half_up, rounded_up, text
from dogwatch.actors.paper.ledger import Holding, Ledger
from dogwatch.actors.paper.market import Market
from dogwatch.actors.paper.matching import BookSide, Match, is_cut_off
from dogwatch.actors.paper.order import Amendment, Fill, PaperOrder, Prevention
from dogwatch.actors.paper.reports import account_position, execution_report


class Execution:
    """The part of the engine that changes things, for one symbol."""

    def __init__(
        self,
        market: Market,
        accounts: Mapping[str, Account],
        ledger: Ledger,
        events: list[tuple[str, dict[str, Any]]],
        maker_rate: Decimal,
        taker_rate: Decimal,
    ) -> None:
        self._market = market
        self._book = market.book
        self._accounts = accounts
        self._ledger = ledger
        self._events = events
        self._maker_rate = maker_rate
        self._taker_rate = taker_rate
        self._base = market.definition.base_asset
        self._quote = market.definition.quote_asset
        self._assets = market.definition.assets

    def paying(self, owner: Account, order: PaperOrder) -> Holding:
        """The balance that the order spends: quote for a buy, base for a sell."""
        return owner.wallet.holding(self._quote if order.is_buy else self._base)

    def funds_needed(self, order: PaperOrder, matches: list[Match]) -> Decimal:
        """What is locked when the order enters: its whole quantity for a sell, its limit price for a buy; for a market
        buy what the planned trades will cost."""
        if not order.is_buy:
            return order.quantity
        if order.type == "MARKET":
            return sum(
                (rounded_down(match.price * match.quantity) for match in matches if not match.is_prevented), ZERO
            )
        return rounded_up(order.price * order.quantity)

    def enter(self, owner: Account, order: PaperOrder, matches: list[Match], now_ms: int) -> None:
        """A new order: NEW, its trades, then it rests, expires or is done."""
        order.locked = self.funds_needed(order, matches)
        self.paying(owner, order).lock(order.locked)
        owner.add(order)
        self._report(order, "NEW", now_ms)
        touched = {owner.name: owner}
        if order.time_in_force == "FOK" and sum(_traded(matches), ZERO) < order.quantity:
            matches = []
        for match in matches:
            maker = match.maker
            if maker is not None:
                touched[maker.account] = self._accounts[maker.account]
            if maker is not None and match.is_prevented:
                self._prevent(owner, order, maker, match, now_ms)
            else:
                self._take(owner, order, match, now_ms)
        if order.is_open:
            self._settle_remainder(owner, order, now_ms)
        self._report_positions(touched, now_ms)

    def cancel(self, owner: Account, order: PaperOrder, name: str, now_ms: int, *, keep_old: bool) -> None:
        """Take an open order off the book and rename it."""
        self._leave_book(order)
        self._close(owner, order, "CANCELED", now_ms)
        order.original_client_order_id = order.client_order_id
        owner.history(order.symbol).rename(order, name, keep_old=keep_old)
        self._report(order, "CANCELED", now_ms, renamed_from=order.original_client_order_id)
        self._report_positions({owner.name: owner}, now_ms)

    def amend(self, owner: Account, order: PaperOrder, name: str, quantity: Decimal, now_ms: int) -> int:
        """Lower a resting order's quantity and rename it; it keeps its place. Returns the execution id.

        What has executed already cannot be taken back: an order with nothing left after that expires.
        """
        lowered = max(quantity, order.executed + order.prevented)
        side = self._book.side_of(order)
        side.reduce(order, order.quantity - lowered)
        self._market.touch(side, order.price)
        former_quantity, renamed_from = order.quantity, order.client_order_id
        order.quantity, order.quantity_text = lowered, text(lowered)
        order.updated_ms = now_ms
        owner.rename_open(order, name)
        self._unlock_surplus(owner, order)
        execution_id = self._report(order, "REPLACED", now_ms, renamed_from=renamed_from)
        order.amendments.append(
            Amendment(
                execution_id=execution_id,
                old_name=renamed_from,
                new_name=name,
                old_quantity=former_quantity,
                new_quantity=lowered,
                time_ms=now_ms,
            )
        )
        if not order.remaining:
            side.remove(order)
            self._expire(owner, order, "EXCHANGE_CANCELED", now_ms)
        self._report_positions({owner.name: owner}, now_ms)
        return execution_id

    def reject(self, order: PaperOrder, reason: str, now_ms: int) -> None:
        """Tell of an order that never came to be; it has neither an order id nor an execution id."""
        order.status, order.order_id = "REJECTED", -1
        self._events.append((order.account, execution_report(order, "REJECTED", -1, now_ms, reject_reason=reason)))

    def fill_through(self, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Fill, by price and time, the resting orders that a trade outside went through, up to its quantity."""
        touched: dict[str, Account] = {}
        rest = quantity
        for side in (self._book.bids, self._book.asks):
            for resting in _gone_through(side, price):
                filled = min(resting.remaining, floor_to_step(rest, self._market.definition.step_size))
                if not filled:
                    break
                owner = touched[resting.account] = self._accounts[resting.account]
                self._fill_from_outside(owner, resting, filled, now_ms)
                rest -= filled
        self._report_positions(touched, now_ms)

    def _fill_from_outside(self, owner: Account, resting: PaperOrder, quantity: Decimal, now_ms: int) -> None:
        trade_id = self._market.next_trade_id()
        self._market.next_execution_id()  # the taker's, who is nobody here
        self._fill(owner, resting, resting.price, quantity, trade_id, now_ms, is_maker=True)
        self._pay_outside(resting.is_buy, resting.price, quantity)
        self._market.record_trade(trade_id, resting.price, quantity, now_ms, buyer_is_maker=resting.is_buy)

    def _take(self, owner: Account, taker: PaperOrder, match: Match, now_ms: int) -> None:
        trade_id = self._market.next_trade_id()
        self._fill(owner, taker, match.price, match.quantity, trade_id, now_ms, is_maker=False)
        if match.maker is not None:
            maker_owner = self._accounts[match.maker.account]
            self._fill(maker_owner, match.maker, match.price, match.quantity, trade_id, now_ms, is_maker=True)
        else:
            self._market.next_execution_id()  # the maker's, who is nobody here
            self._consume_outside(taker, match.quantity)
            self._pay_outside(taker.is_buy, match.price, match.quantity)
        self._market.record_trade(trade_id, match.price, match.quantity, now_ms, buyer_is_maker=not taker.is_buy)

    def _fill(
        self,
        owner: Account,
        order: PaperOrder,
        price: Decimal,
        quantity: Decimal,
        trade_id: int,
        now_ms: int,
        *,
        is_maker: bool,
    ) -> None:
        quote = rounded_down(price * quantity)
        spent, received, asset = (quote, quantity, self._base) if order.is_buy else (quantity, quote, self._quote)
        commission = rounded_half_up(received * (self._maker_rate if is_maker else self._taker_rate))
        self.paying(owner, order).locked -= spent
        order.locked -= spent
        owner.wallet.holding(asset).free += received - commission
        self._ledger.take_fee(asset, commission)
        order.executed += quantity
        order.executed_quote += quote
        order.updated_ms = now_ms
        fill = Fill(
            account=owner.name,
            symbol=order.symbol,
            trade_id=trade_id,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            side=order.side,
            price=price,
            quantity=quantity,
            quote_quantity=quote,
            commission=commission,
            commission_asset=asset,
            is_maker=is_maker,
            time_ms=now_ms,
        )
        order.fills.append(fill)
        owner.history(order.symbol).add_fill(fill)
        if is_maker:
            side = self._book.side_of(order)
            side.reduce(order, quantity)
            self._market.touch(side, order.price)
        self._settle_status(owner, order, "PARTIALLY_FILLED", "FILLED", now_ms, on_book=is_maker)
        self._report(order, "TRADE", now_ms, fill=fill)

    def _prevent(self, owner: Account, taker: PaperOrder, maker: PaperOrder, match: Match, now_ms: int) -> None:
        prevention = Prevention(
            prevented_match_id=self._market.next_prevented_match_id(),
            maker_order_id=maker.order_id,
            taker_order_id=taker.order_id,
            price=match.price,
            quantity=match.quantity,
            taker_prevented=match.taker_prevented,
            maker_prevented=match.maker_prevented,
            mode=taker.self_trade_prevention,
            time_ms=now_ms,
        )
        taker.preventions.append(prevention)
        owner.history(taker.symbol).preventions.append(prevention)
        if match.taker_prevented:
            self._lose(owner, taker, match.taker_prevented, prevention, now_ms, on_book=False)
        if match.maker_prevented:
            self._lose(owner, maker, match.maker_prevented, prevention, now_ms, on_book=True)

    def _lose(
        self,
        owner: Account,
        order: PaperOrder,
        quantity: Decimal,
        prevention: Prevention,
        now_ms: int,
        *,
        on_book: bool,
    ) -> None:
        order.prevented += quantity
        order.prevented_match_id = prevention.prevented_match_id
        order.updated_ms = now_ms
        if on_book:
            side = self._book.side_of(order)
            side.reduce(order, quantity)
            self._market.touch(side, order.price)
        self._settle_status(owner, order, order.status, "EXPIRED_IN_MATCH", now_ms, on_book=on_book)
        self._report(order, "TRADE_PREVENTION", now_ms, prevention=prevention)

    def _settle_status(
        self, owner: Account, order: PaperOrder, open_status: str, done_status: str, now_ms: int, *, on_book: bool
    ) -> None:
        """After the open quantity became smaller: still open with less locked, or done."""
        if order.remaining:
            order.status = open_status
            self._unlock_surplus(owner, order)
            return
        if on_book:
            self._book.side_of(order).remove(order)
        self._close(owner, order, done_status, now_ms)

    def _settle_remainder(self, owner: Account, order: PaperOrder, now_ms: int) -> None:
        """What the taker left over rests on the book, or expires."""
        if order.time_in_force != "FOK" and is_cut_off(self._book, order):
            self._expire(owner, order, "EXECUTION_RULE_PRICE_RANGE_EXCEEDED", now_ms)
            return
        if order.can_rest:
            side = self._book.side_of(order)
            side.add(order)
            self._market.touch(side, order.price)
            return
        reason = "INSUFFICIENT_LIQUIDITY" if order.type == "MARKET" else _EXPIRY_REASONS[order.time_in_force]
        self._expire(owner, order, reason, now_ms)

    def _expire(self, owner: Account, order: PaperOrder, reason: str, now_ms: int) -> None:
        order.expiry_reason = reason
        self._close(owner, order, "EXPIRED", now_ms)
        self._report(order, "EXPIRED", now_ms)

    def _leave_book(self, order: PaperOrder) -> None:
        side = self._book.side_of(order)
        side.remove(order)
        self._market.touch(side, order.price)

    def _close(self, owner: Account, order: PaperOrder, status: str, now_ms: int) -> None:
        order.status = status
        order.updated_ms = now_ms
        self.paying(owner, order).unlock(order.locked)
        order.locked = ZERO
        owner.finish(order)

    def _unlock_surplus(self, owner: Account, order: PaperOrder) -> None:
        """A limit order keeps locked what its remainder needs; price improvement is given back at once."""
        if order.type == "MARKET":
            return
        needed = rounded_up(order.price * order.remaining) if order.is_buy else order.remaining
        self.paying(owner, order).unlock(order.locked - needed)
        order.locked = needed

    def _consume_outside(self, taker: PaperOrder, quantity: Decimal) -> None:
        if taker.is_buy:
            self._book.outside.ask_quantity -= quantity
        else:
            self._book.outside.bid_quantity -= quantity

    def _pay_outside(self, account_buys: bool, price: Decimal, quantity: Decimal) -> None:
        quote = rounded_down(price * quantity)
        self._ledger.pay_outside(self._base, -quantity if account_buys else quantity)
        self._ledger.pay_outside(self._quote, quote if account_buys else -quote)

    def _report(
        self,
        order: PaperOrder,
        execution_type: str,
        now_ms: int,
        *,
        fill: Fill | None = None,
        prevention: Prevention | None = None,
        renamed_from: str = "",
    ) -> int:
        execution_id = self._market.next_execution_id()
        report = execution_report(
            order,
            execution_type,
            execution_id,
            now_ms,
            fill=fill,
            prevention=prevention,
            renamed_from=renamed_from,
        )
        self._events.append((order.account, report))
        return execution_id

    def _report_positions(self, touched: Mapping[str, Account], now_ms: int) -> None:
        for name, account in touched.items():
            account.updated_ms = now_ms
            self._events.append((name, account_position(account.wallet, self._assets, now_ms)))


_EXPIRY_REASONS = {"IOC": "UNFILLED_IOC_QUANTITY_EXPIRED", "FOK": "UNFILLED_FOK_ORDER_EXPIRED"}


def _traded(matches: list[Match]) -> list[Decimal]:
    return [match.quantity for match in matches if not match.is_prevented]


def _gone_through(side: BookSide, price: Decimal) -> list[PaperOrder]:
    """The resting orders with a better price than the trade's, in priority order."""
    orders: list[PaperOrder] = []
    for level in side.prices():
        if level <= price if side.is_bids else level >= price:
            break
        orders += side.orders_at(level)
    return orders
