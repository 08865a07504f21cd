"""Every example is right as it stands, and trades in virtual time through the command that users type."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dogwatch.actors.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONFIGS = sorted(EXAMPLES.glob("*.toml"))


def run(config: Path, folder: Path, *options: str) -> dict[str, Any]:
    """The report of a virtual run that ended well."""
    assert main(["run", str(config), "--virtual", "--report", str(folder / "report.json"), *options]) == 0
    document: dict[str, Any] = json.loads((folder / "report.json").read_bytes(), parse_float=Decimal)
    return document


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_an_example_has_no_mistakes(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(config)]) == 0
    assert capfd.readouterr().out.startswith(f"{config}: no mistakes.")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_an_example_trades_and_leaves_nothing_open_or_unknown(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = run(config, tmp_path, "--seconds", "60")
    assert capfd.readouterr().err == ""
    assert report["fills"] > 0
    assert report["orders_open"] == report["orders_unknown"] == report["restarts"] == 0
    assert report["position_base"] == report["ledger_position_base"]
    assert report["crashed"] == {}


def test_the_twap_buys_its_quantity_in_its_slices_and_ends_by_itself(tmp_path: Path) -> None:
    report = run(EXAMPLES / "twap.toml", tmp_path)
    assert report["orders_placed"] == report["orders_filled"] == 10
    assert report["volume_base"] == Decimal("0.01")
    assert report["virtual_s"] == pytest.approx(Decimal(18), abs=1)  # the last slice comes one pause before the end


def test_the_quoter_stays_within_its_limit(tmp_path: Path) -> None:
    report = run(EXAMPLES / "quoter.toml", tmp_path, "--seconds", "120")
    assert abs(report["position_base"]) <= Decimal("0.011")  # one order may still fill when the limit is reached
    assert report["orders_canceled"] > 0


def test_the_quoter_trades_on_recorded_trades(tmp_path: Path) -> None:
    # Prices swing by 8 around 39440, so that whatever is quoted 2 away from the middle is traded through.
    swings = (0, 3, 6, 8, 6, 3, 0, -3, -6, -8, -6, -3)
    trades = tmp_path / "trades.csv"
    trades.write_text(
        "".join(
            f"{n},{39440 + swings[n % len(swings)]}.00,0.05,1972.0,{1610064000000 + 150 * n},{n % 2 == 0},True\n"
            for n in range(400)
        ),
        encoding="utf-8",
    )
    report = run(EXAMPLES / "quoter.toml", tmp_path, "--trades", str(trades))
    assert report["fills"] > 10
    assert report["position_base"] == report["ledger_position_base"]
    assert report["virtual_s"] == pytest.approx(Decimal(60), abs=1)
