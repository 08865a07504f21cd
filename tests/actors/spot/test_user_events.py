"""User data events: the wire's letters become names, numbers become exact, additions are survived."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot.enums import (
    ContingencyType,
    ExecutionType,
    ExpiryReason,
    ListOrderStatus,
    ListStatusType,
    MatchType,
    OrderStatus,
    OrderType,
    PegOffsetType,
    PegPriceType,
    RejectReason,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
    WorkingFloor,
)
from dogwatch.actors.spot.user_events import (
    AccountPosition,
    AnyUserEvent,
    BalanceUpdate,
    EventStreamTerminated,
    ExecutionReport,
    ExternalLockUpdate,
    ListedOrder,
    ListStatus,
    PositionBalance,
    ServerShutdown,
)

# A taker's last fill, with every field that is always there.
TRADE: dict[str, Any] = {
    "e": "executionReport",
    "E": 1735689600003,
    "s": "BTCUSDT",
    "c": "dw-quoter-r-1-7",
    "S": "SELL",
    "o": "LIMIT",
    "f": "GTC",
    "q": "0.50000000",
    "p": "61000.10000000",
    "P": "0.00000000",
    "F": "0.00000000",
    "g": -1,
    "C": "",
    "x": "TRADE",
    "X": "FILLED",
    "r": "NONE",
    "i": 9007199254740993,
    "l": "0.20000000",
    "z": "0.50000000",
    "L": "61000.20000000",
    "n": "0.01220004",
    "N": "USDT",
    "T": 1735689600002,
    "t": 88,
    "I": 4711,
    "w": False,
    "m": True,
    "M": True,
    "O": 1735689500000,
    "Z": "30500.08000000",
    "Y": "12200.04000000",
    "Q": "0.00000000",
    "W": 1735689500000,
    "V": "EXPIRE_MAKER",
}


def decode(event: dict[str, Any]) -> AnyUserEvent:
    result: AnyUserEvent = msgspec.json.decode(msgspec.json.encode(event), type=AnyUserEvent)
    return result


def decode_report(**changes: Any) -> ExecutionReport:
    report = decode({name: value for name, value in {**TRADE, **changes}.items() if value is not ...})
    assert isinstance(report, ExecutionReport)
    return report


def test_every_field_of_an_execution_report_gets_its_own_name() -> None:
    assert decode_report() == ExecutionReport(
        event_time_ms=1735689600003,
        symbol="BTCUSDT",
        client_order_id="dw-quoter-r-1-7",
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal("0.50000000"),
        price=Decimal("61000.10000000"),
        stop_price=Decimal(0),
        iceberg_quantity=Decimal(0),
        order_list_id=-1,
        original_client_order_id="",
        execution_type=ExecutionType.TRADE,
        status=OrderStatus.FILLED,
        reject_reason=RejectReason.NONE,
        order_id=9007199254740993,
        last_executed_quantity=Decimal("0.2"),
        executed_quantity=Decimal("0.5"),
        last_executed_price=Decimal("61000.2"),
        commission=Decimal("0.01220004"),
        commission_asset="USDT",
        transaction_time_ms=1735689600002,
        trade_id=88,
        execution_id=4711,
        is_on_book=False,
        is_maker=True,
        order_creation_time_ms=1735689500000,
        cumulative_quote_quantity=Decimal("30500.08"),
        last_quote_quantity=Decimal("12200.04"),
        quote_order_quantity=Decimal(0),
        working_time_ms=1735689500000,
        self_trade_prevention_mode=SelfTradePreventionMode.EXPIRE_MAKER,
    )


def test_numbers_keep_every_digit_that_the_exchange_sent() -> None:
    report = decode_report(q="12345678901234567890.12345678", p="0.10")
    assert str(report.quantity) == "12345678901234567890.12345678"
    assert str(report.price) == "0.10"


def test_a_report_without_a_trade_has_no_commission_asset() -> None:
    report = decode_report(x="NEW", X="NEW", n="0", N=None, t=-1, W=...)
    assert report.commission_asset is None
    assert report.trade_id == -1
    assert report.working_time_ms is None


def test_what_self_trade_prevention_prevented_is_read() -> None:
    report = decode_report(
        X="EXPIRED_IN_MATCH", x="TRADE_PREVENTION", v=3, A="0.3", B="0.1", u=1, U=37, Cs="BTCUSDC", pl="2.1", pL="0.5",
        pY="1.05",
    )  # fmt: skip
    assert (report.prevented_match_id, report.prevented_quantity) == (3, Decimal("0.3"))
    assert (report.last_prevented_quantity, report.trade_group_id) == (Decimal("0.1"), 1)
    assert (report.counter_order_id, report.counter_symbol) == (37, "BTCUSDC")
    assert report.prevented_execution_quantity == Decimal("2.1")
    assert report.prevented_execution_price == Decimal("0.5")
    assert report.prevented_execution_quote_quantity == Decimal("1.05")


def test_fields_that_come_only_sometimes_are_read() -> None:
    report = decode_report(j=5, J=1000001, d=4, D=17)
    assert (report.strategy_id, report.strategy_type) == (5, 1000001)
    assert (report.trailing_delta, report.trailing_time_ms) == (4, 17)
    assert decode_report(X="EXPIRED", eR="OCO_TRIGGER").expiry_reason is ExpiryReason.OCO_TRIGGER


def test_an_allocation_and_where_an_order_works_are_read() -> None:
    report = decode_report(b="ONE_PARTY_TRADE_REPORT", a=1234, k="SOR", uS=True)
    assert (report.match_type, report.allocation_id) == (MatchType.ONE_PARTY_TRADE_REPORT, 1234)
    assert (report.working_floor, report.used_sor) == (WorkingFloor.SOR, True)


def test_what_an_order_is_pegged_to_is_read() -> None:
    report = decode_report(gP="PRIMARY_PEG", gOT="PRICE_LEVEL", gOV=5, gp="1.5")
    assert (report.peg_price_type, report.peg_offset_type) == (PegPriceType.PRIMARY_PEG, PegOffsetType.PRICE_LEVEL)
    assert (report.peg_offset_value, report.pegged_price) == (5, Decimal("1.5"))


def test_a_field_that_the_exchange_adds_later_is_ignored() -> None:
    assert decode_report(newField={"deep": [1, 2]}) == decode_report()


def test_a_status_that_the_exchange_adds_later_is_no_reason_to_lose_the_report() -> None:
    report = decode_report(X="FROZEN")
    assert report.status == "FROZEN"
    assert not report.status.is_known


@pytest.mark.parametrize("name", ["s", "c", "S", "X", "x", "i", "z", "Z", "l", "L", "I", "t", "T", "m"])
def test_a_report_without_what_decides_is_not_guessed_at(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_report(**{name: ...})


def test_an_account_position_lists_balances() -> None:
    event = decode(
        {
            "e": "outboundAccountPosition",
            "E": 2,
            "u": 1,
            "B": [{"a": "BTC", "f": "1.0", "l": "0.25"}, {"a": "１２３", "f": "0", "l": "0"}],
        }
    )
    assert event == AccountPosition(
        event_time_ms=2,
        last_update_ms=1,
        balances=(
            PositionBalance(asset="BTC", free=Decimal("1.0"), locked=Decimal("0.25")),
            PositionBalance(asset="１２３", free=Decimal(0), locked=Decimal(0)),
        ),
    )


def test_the_smaller_events_are_read() -> None:
    assert decode({"e": "balanceUpdate", "E": 2, "a": "BTC", "d": "-1.5", "T": 1}) == BalanceUpdate(
        event_time_ms=2, asset="BTC", delta=Decimal("-1.5"), clear_time_ms=1
    )
    assert decode({"e": "externalLockUpdate", "E": 2, "a": "NEO", "d": "10", "T": 1}) == ExternalLockUpdate(
        event_time_ms=2, asset="NEO", delta=Decimal(10), transaction_time_ms=1
    )
    assert decode({"e": "eventStreamTerminated", "E": 2}) == EventStreamTerminated(event_time_ms=2)
    assert decode({"e": "serverShutdown", "E": 2}) == ServerShutdown(event_time_ms=2)


def test_a_list_status_names_its_orders() -> None:
    event = decode(
        {
            "e": "listStatus",
            "E": 5,
            "s": "BTCUSDT",
            "g": 2,
            "c": "OCO",
            "l": "EXEC_STARTED",
            "L": "EXECUTING",
            "r": "NONE",
            "C": "list",
            "T": 4,
            "O": [{"s": "BTCUSDT", "i": 17, "c": "a"}, {"s": "BTCUSDT", "i": 18, "c": "b"}],
        }
    )
    assert event == ListStatus(
        event_time_ms=5,
        symbol="BTCUSDT",
        order_list_id=2,
        contingency_type=ContingencyType.OCO,
        list_status_type=ListStatusType.EXEC_STARTED,
        list_order_status=ListOrderStatus.EXECUTING,
        reject_reason=RejectReason.NONE,
        list_client_order_id="list",
        transaction_time_ms=4,
        orders=(
            ListedOrder(symbol="BTCUSDT", order_id=17, client_order_id="a"),
            ListedOrder(symbol="BTCUSDT", order_id=18, client_order_id="b"),
        ),
    )
