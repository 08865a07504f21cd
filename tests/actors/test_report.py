"""A run's report: exact amounts, honest about what could not be read, 80 columns wide."""

import json
from decimal import Decimal

import pytest

from dogwatch.actors.report import AssetReport, Report, SymbolReport, percentile, render, round_trips, sole_amounts


def asset_report(believed: str, ledger: str | None) -> dict[str, AssetReport]:
    return {"BTC": AssetReport(believed=Decimal(believed), ledger=None if ledger is None else Decimal(ledger))}


def symbol_report() -> SymbolReport:
    return SymbolReport(
        base_asset="BTC",
        quote_asset="USDT",
        fills=3,
        volume_base=Decimal("0.00300"),
        pnl_quote=Decimal("-1.2345678901234567"),
        position_base=Decimal("0.00100"),
        ledger_position_base=Decimal("0.00100"),
    )


def report(
    symbols: dict[str, SymbolReport], *, unknown: int = 0, believed: str = "0.00100", ledger: str | None = "0.00100"
) -> Report:
    return Report(
        orders_placed=5,
        orders_filled=3,
        orders_canceled=2,
        orders_expired=0,
        orders_rejected=0,
        orders_open=0,
        orders_unknown=unknown,
        fills=3,
        **sole_amounts(symbols),
        ledger_read=ledger is not None,
        rejections={"Account has insufficient balance for requested action. [-2010]": 12},
        crashed={"quoter": "RuntimeError: boom\n" * 20},
        halted="the operator wants to look at the position first, " * 8,
        events_received=42,
        restarts=0,
        rtt_us=round_trips([100.0, 200.0, 300.0]),
        limits_used={"weight_1_minute": 0.98, "orders_10_second": 0.12},
        wall_s=1.5,
        virtual_s=86_400.0,
        symbols=symbols,
        assets=asset_report(believed, ledger),
    )


def test_json_carries_amounts_as_numbers_with_every_digit() -> None:
    document = json.loads(report({"BTCUSDT": symbol_report()}).to_json(), parse_float=Decimal)
    assert document["pnl_quote"] == Decimal("-1.2345678901234567")
    assert document["position_base"] == document["ledger_position_base"] == Decimal("0.00100")
    assert document["rtt_us"] == {"p50": Decimal("200.0"), "p99": Decimal("300.0")}


def test_amounts_of_several_symbols_are_never_added_up() -> None:
    both = report({"BTCUSDT": symbol_report(), "ETHUSDT": symbol_report()})
    assert both.position_base is None
    assert json.loads(both.to_json())["symbols"].keys() == {"BTCUSDT", "ETHUSDT"}


@pytest.mark.parametrize(
    ("ledger", "unknown", "agrees"),
    [("0.00100", 0, True), ("0.00100", 1, False), ("0.00200", 0, False), (None, 0, False)],
)
def test_a_report_agrees_only_when_the_ledger_says_the_same_and_nothing_is_unknown(
    ledger: str | None, unknown: int, agrees: bool
) -> None:
    assert report({"BTCUSDT": symbol_report()}, unknown=unknown, ledger=ledger).agrees is agrees


def test_a_difference_from_the_ledger_stands_out_in_the_text() -> None:
    assert "DIFFERENT" in render(report({"BTCUSDT": symbol_report()}, ledger="0.00200"))
    assert "DIFFERENT" not in render(report({"BTCUSDT": symbol_report()}))


def test_the_text_fits_into_80_columns() -> None:
    wide = report({"BTCUSDT": symbol_report()}, believed="-12345678.12345678", ledger="12345678.12345678")
    assert max(map(len, render(wide).splitlines())) <= 80


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7.0], 0.99, 7.0), ([3.0, 1.0, 2.0], 0.5, 2.0), (list(map(float, range(100))), 0.99, 99.0)],
)
def test_percentiles_are_values_that_were_seen(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


def test_a_limit_of_which_much_was_used_is_shown() -> None:
    lines = render(report({"BTCUSDT": symbol_report()})).splitlines()
    assert "limits      98% of weight_1_minute" in lines
