"""What the exchange says about orders: replies, query rows, user-data events, as the dicts that go on the wire.

Shapes: WebSocket API, Place new order, Cancel order, Query order, Account trade history; User Data Streams, Order
Update and Account Update. Nothing is decided here. Events carry E equal to T: the engine takes no time.
"""

from typing import Any

from dogwatch.actors.paper.decimals import ZERO, ZERO_TEXT, text
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.ledger import Wallet
from dogwatch.actors.paper.order import Amendment, Fill, PaperOrder, Prevention

Report = dict[str, Any]


def execution_report(
    order: PaperOrder,
    execution_type: str,
    execution_id: int,
    now_ms: int,
    *,
    fill: Fill | None = None,
    prevention: Prevention | None = None,
    renamed_from: str = "",
    reject_reason: str = "NONE",
) -> Report:
    """User Data Streams, Order Update. `w` says whether the order stands on the book after this; `M` marks a trade.

    `renamed_from` is what the order was called before a cancel or an amend.
    """
    report: Report = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": order.quantity_text,
        "p": order.price_text,
        "P": ZERO_TEXT,
        "F": ZERO_TEXT,
        "g": -1,
        "C": renamed_from,
        "x": execution_type,
        "X": order.status,
        "r": reject_reason,
        "i": order.order_id,
        "l": text(fill.quantity) if fill else ZERO_TEXT,
        "z": text(order.executed),
        "L": text(fill.price) if fill else ZERO_TEXT,
        "n": text(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": now_ms,
        "t": fill.trade_id if fill else -1,
        "I": execution_id,
        "w": execution_type == "NEW" or (order.is_open and order.can_rest),
        "m": fill.is_maker if fill else False,
        "M": fill is not None,
        "O": order.created_ms,
        "Z": text(order.executed_quote),
        "Y": text(fill.quote_quantity) if fill else ZERO_TEXT,
        "Q": order.quote_quantity_text,
        "W": order.working_ms,
        "V": order.self_trade_prevention,
    }
    if order.status == "REJECTED":
        del report["W"]  # it never worked
    if order.strategy_id is not None:
        report["j"] = order.strategy_id
    if order.strategy_type is not None:
        report["J"] = order.strategy_type
    if prevention is not None:
        report |= _prevention_fields(order, prevention)
    if order.expiry_reason is not None:
        report["eR"] = order.expiry_reason
    return report


def account_position(wallet: Wallet, assets: tuple[str, ...], now_ms: int) -> Report:
    """User Data Streams, Account Update: every asset that may have been touched, unchanged ones included."""
    balances = []
    for asset in assets:
        holding = wallet.holding(asset)
        balances.append({"a": asset, "f": text(holding.free), "l": text(holding.locked)})
    return {"e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": balances}


def order_reply(order: PaperOrder, response_type: str) -> Report:
    """The result of `order.place` in the form that was asked for: ACK, RESULT or FULL."""
    reply: Report = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_ms,
    }
    if response_type == "ACK":
        return reply
    reply |= _state_fields(order)
    reply["workingTime"] = order.working_ms
    if response_type == "FULL":
        reply["fills"] = [_fill_entry(fill) for fill in order.fills]
        if order.preventions:
            reply["preventedMatches"] = [_prevented_match(prevention) for prevention in order.preventions]
    reply["selfTradePreventionMode"] = order.self_trade_prevention
    if order.prevented:
        reply["preventedQuantity"] = text(order.prevented)
    if order.expiry_reason is not None:
        reply["expiryReason"] = order.expiry_reason
    return reply


def cancel_reply(order: PaperOrder) -> Report:
    """The result of `order.cancel`, and an entry of `openOrders.cancelAll`."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.original_client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_ms,
        **_state_fields(order),
        "selfTradePreventionMode": order.self_trade_prevention,
    }


def amend_reply(order: PaperOrder, execution_id: int, renamed_from: str) -> Report:
    """The result of `order.amend.keepPriority`, whose fields have names of their own."""
    amended: Report = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "origClientOrderId": renamed_from,
        "clientOrderId": order.client_order_id,
        "price": order.price_text,
        "qty": order.quantity_text,
        "executedQty": text(order.executed),
        "preventedQty": text(order.prevented),
        "quoteOrderQty": order.quote_quantity_text,
        "cumulativeQuoteQty": text(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        **_strategy_fields(order),
        "workingTime": order.working_ms,
        "selfTradePreventionMode": order.self_trade_prevention,
    }
    if order.expiry_reason is not None:
        amended["expiryReason"] = order.expiry_reason
    return {"transactTime": order.updated_ms, "executionId": execution_id, "amendedOrder": amended}


def amendment_row(order: PaperOrder, amendment: Amendment) -> Report:
    """A row of `order.amendments`."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "executionId": amendment.execution_id,
        "origClientOrderId": amendment.old_name,
        "newClientOrderId": amendment.new_name,
        "origQty": text(amendment.old_quantity),
        "newQty": text(amendment.new_quantity),
        "time": amendment.time_ms,
    }


def prevention_row(symbol: str, prevention: Prevention) -> Report:
    """A row of `myPreventedMatches`."""
    row: Report = {
        "symbol": symbol,
        "preventedMatchId": prevention.prevented_match_id,
        "takerOrderId": prevention.taker_order_id,
        "makerSymbol": symbol,
        "makerOrderId": prevention.maker_order_id,
        "tradeGroupId": -1,
        "selfTradePreventionMode": prevention.mode,
        "price": text(prevention.price),
    }
    if prevention.taker_prevented:
        row["takerPreventedQuantity"] = text(prevention.taker_prevented)
    if prevention.maker_prevented:
        row["makerPreventedQuantity"] = text(prevention.maker_prevented)
    row["transactTime"] = prevention.time_ms
    return row


def replacement_parts(
    canceled: PaperOrder | EngineError, placed: PaperOrder | EngineError | None, response_type: str
) -> Report:
    """What became of both halves of `order.cancelReplace`: its result, or the `data` of its error.

    `placed` is None for an order that was not attempted.
    """
    return {
        "cancelResult": _part_result(canceled),
        "newOrderResult": _part_result(placed),
        "cancelResponse": cancel_reply(canceled) if isinstance(canceled, PaperOrder) else _part_error(canceled),
        "newOrderResponse": (
            order_reply(placed, response_type) if isinstance(placed, PaperOrder) else _part_error(placed)
        ),
    }


def _part_result(part: PaperOrder | EngineError | None) -> str:
    if part is None:
        return "NOT_ATTEMPTED"
    return "SUCCESS" if isinstance(part, PaperOrder) else "FAILURE"


def _part_error(part: EngineError | None) -> Report | None:
    return None if part is None else {"code": part.code, "msg": part.msg}


def order_row(order: PaperOrder) -> Report:
    """An order as the queries show it (`order.status`, `openOrders.status`, `allOrders`)."""
    row: Report = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        **_state_fields(order),
        "stopPrice": ZERO_TEXT,
        "icebergQty": ZERO_TEXT,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.working_ms,
        "selfTradePreventionMode": order.self_trade_prevention,
    }
    if order.prevented_match_id is not None:
        row["preventedMatchId"] = order.prevented_match_id
        row["preventedQuantity"] = text(order.prevented)
    if order.expiry_reason is not None:
        row["expiryReason"] = order.expiry_reason
    return row


def trade_row(fill: Fill) -> Report:
    """A trade as `myTrades` shows it."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": text(fill.price),
        "qty": text(fill.quantity),
        "quoteQty": text(fill.quote_quantity),
        "commission": text(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_ms,
        "isBuyer": fill.side == "BUY",
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def _state_fields(order: PaperOrder) -> Report:
    return {
        "price": order.price_text,
        "origQty": order.quantity_text,
        "executedQty": text(order.executed),
        "origQuoteOrderQty": order.quote_quantity_text,
        "cummulativeQuoteQty": text(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        **_strategy_fields(order),
    }


def _strategy_fields(order: PaperOrder) -> Report:
    fields: Report = {}
    if order.strategy_id is not None:
        fields["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        fields["strategyType"] = order.strategy_type
    return fields


def _fill_entry(fill: Fill) -> Report:
    return {
        "price": text(fill.price),
        "qty": text(fill.quantity),
        "commission": text(fill.commission),
        "commissionAsset": fill.commission_asset,
        "tradeId": fill.trade_id,
    }


def _prevented_match(prevention: Prevention) -> Report:
    """Only a side that lost quantity is named with it (STP FAQ, scenario B)."""
    entry: Report = {
        "preventedMatchId": prevention.prevented_match_id,
        "makerOrderId": prevention.maker_order_id,
        "price": text(prevention.price),
    }
    if prevention.taker_prevented:
        entry["takerPreventedQuantity"] = text(prevention.taker_prevented)
    if prevention.maker_prevented:
        entry["makerPreventedQuantity"] = text(prevention.maker_prevented)
    return entry


def _prevention_fields(order: PaperOrder, prevention: Prevention) -> Report:
    is_maker = order.order_id == prevention.maker_order_id
    lost = prevention.maker_prevented if is_maker else prevention.taker_prevented
    return {
        "v": prevention.prevented_match_id,
        "A": text(order.prevented),
        "B": text(lost),
        "U": prevention.taker_order_id if is_maker else prevention.maker_order_id,
        "Cs": order.symbol,
        "pl": text(prevention.quantity),
        "pL": text(prevention.price),
        "pY": text(prevention.price * prevention.quantity or ZERO),
    }
