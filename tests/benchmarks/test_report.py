"""The report of the comparison: medians, ratios pair by pair, targets, and a picture."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

P50, RATE = ("hmac", "p50_us"), ("hmac", "requests_s")


@pytest.fixture
def results(parts: dict[str, ModuleType]) -> Any:
    """Three rounds, the second of which was disturbed for everybody."""
    results = parts["results"].Results(rounds=3)
    for number, (ours_us, theirs_us) in enumerate([(100.0, 200.0), (900.0, 3_000.0), (120.0, 300.0)]):
        results.add("plain", "Dogwatch", "hmac", number, {"p50_us": ours_us, "requests_s": 9_000.0, "rss_mib": 40.0})
        results.add("plain", "official SDK", "hmac", number, {"p50_us": theirs_us, "requests_s": 2_000.0})
    return results


def column(parts: dict[str, ModuleType], key: tuple[str, str]) -> Any:
    return next(one for one in parts["contestants"].COLUMNS if (one.job, one.figure) == key)


def test_a_ratio_is_the_median_of_the_ratios_of_pairs_and_not_the_ratio_of_medians(
    parts: dict[str, ModuleType], results: Any
) -> None:
    assert results.median("plain", "Dogwatch", column(parts, P50)) == 120
    assert results.ratio("plain", "Dogwatch", "official SDK", column(parts, P50)) == 0.4


def test_a_round_in_which_one_of_the_two_failed_makes_no_pair(parts: dict[str, ModuleType], results: Any) -> None:
    del results.values["plain", "official SDK", "hmac", "p50_us"][2]
    assert results.ratio("plain", "Dogwatch", "official SDK", column(parts, P50)) == pytest.approx(0.4, abs=0.11)
    assert results.ratio("plain", "Dogwatch", "ccxt.pro", column(parts, P50)) is None


def test_a_cost_has_to_be_below_its_bound_and_a_rate_above(
    parts: dict[str, ModuleType], results: Any, tmp_path: Path
) -> None:
    rows = {row[0]: row[1:] for row in parts["targets"].rows(results, tmp_path)}
    assert rows["HMAC p50 to the official SDK"] == ["≤ 0.55 ×", "0.4 × ✓", "–"]
    assert rows["HMAC requests/s to the official SDK"] == ["≥ 4.5 ×", "4.5 × ✓", "–"]
    results.values["plain", "official SDK", "hmac", "requests_s"] = dict.fromkeys(range(3), 2_100.0)
    rows = {row[0]: row[1:] for row in parts["targets"].rows(results, tmp_path)}
    assert rows["HMAC requests/s to the official SDK"] == ["≥ 4.5 ×", "4.29 × ✗", "–"]


def test_figures_under_load_are_read_from_the_program_that_takes_them(
    parts: dict[str, ModuleType], results: Any, tmp_path: Path
) -> None:
    imports = {"import dogwatch": {"wall_ms": 90.0, "cpu_ms": 30.0}}
    (tmp_path / "footprint.json").write_text(json.dumps({"imports": imports}))
    (tmp_path / "under_load.json").write_text(json.dumps({"plain": {"order_p99_ratio": 2.5}, "tls": {}}))
    rows = {row[0]: row[1:] for row in parts["targets"].rows(results, tmp_path)}
    assert rows["order p99 at 20,000 market events/s to unloaded"] == ["≤ 3 ×", "2.5 × ✓", "–"]
    assert rows["import dogwatch, a fresh process, ms"] == ["≤ 200", "90 ✓", "–"]


def test_what_a_run_has_found_can_be_reported_again(parts: dict[str, ModuleType], results: Any, tmp_path: Path) -> None:
    results.missing["ccxt.pro"] = "it could not be installed"
    setting = parts["report"].Setting(minutes=1.0, cores=[0, 1], versions={"ccxt": "4"}, is_quick=True)
    parts["report"].keep(results, setting, tmp_path)
    assert parts["report"].read_again(tmp_path) == (results, setting)


def test_what_was_found_before_runs_could_be_interrupted_is_reported_still(
    parts: dict[str, ModuleType], results: Any
) -> None:
    told = json.loads(json.dumps(results.as_plain()))
    del told["whole"], told["is_interrupted"]
    assert parts["results"].Results.from_plain(told) == results


@pytest.fixture
def interrupted(results: Any) -> Any:
    """Two rounds of three were whole over plain sockets, and none over TLS."""
    results.add("tls", "Dogwatch", "hmac", 0, {"p50_us": 150.0})
    results.whole = {"plain": 2, "tls": 0}
    results.interrupt()
    return results


def test_an_interrupted_run_has_the_figures_of_its_whole_rounds_and_no_others(
    parts: dict[str, ModuleType], interrupted: Any
) -> None:
    assert interrupted.of("plain", "Dogwatch", column(parts, P50)) == {0: 100.0, 1: 900.0}
    assert interrupted.of("plain", "official SDK", column(parts, P50)) == {0: 200.0, 1: 3_000.0}
    assert parts["report"].present(interrupted) == ["plain"]


def test_an_interrupted_run_says_how_many_rounds_it_had_also_when_it_is_reported_again(
    parts: dict[str, ModuleType], interrupted: Any, tmp_path: Path
) -> None:
    said = "2 of 3 rounds over plain sockets and 0 of 3 rounds over TLS"
    setting = parts["report"].Setting(minutes=6.0, cores=[0, 1], versions={}, is_quick=False)
    parts["report"].write(interrupted, setting, tmp_path)
    again, setting = parts["report"].read_again(tmp_path)
    assert again == interrupted
    (line, *others) = parts["report"].remarks(again, setting)
    assert line == f"interrupted after {said}, 6 minutes; figures of a round that was not whole are left out"
    assert not any("3 rounds" in other for other in others)
    assert line in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert said in (tmp_path / "report.svg").read_text(encoding="utf-8")


def test_the_picture_is_well_formed_and_shows_what_there_is(parts: dict[str, ModuleType], results: Any) -> None:
    root = ET.fromstring(parts["plot"].svg(results))
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Dogwatch" in texts
    assert "official SDK" in texts
    assert any(text.startswith("HMAC: p50") for text in texts)
    assert not any(text.startswith("quotes/s") for text in texts), "nobody has a figure there"


def test_figures_are_noted_between_the_marks_of_a_page_and_nowhere_else(
    parts: dict[str, ModuleType], results: Any, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures: begin, so -->\nold\n<!-- figures: end -->\nafter\n")
    setting = parts["report"].Setting(minutes=1.0, cores=(0, 1), versions={}, is_quick=False)
    for _ in range(2):  # a second time replaces the first
        parts["report"].note(results, setting, tmp_path, page)
    told = page.read_text()
    assert told.startswith("before\n<!-- figures: begin, so -->\n")
    assert told.endswith("<!-- figures: end -->\nafter\n")
    assert "old" not in told
    assert told.count("HMAC: p50") == 1


def test_the_targets_are_told_once_more_for_dogwatch_without_its_compiled_build(
    parts: dict[str, ModuleType], results: Any, tmp_path: Path
) -> None:
    for number, ours_us in enumerate([150.0, 1_500.0, 240.0]):
        results.add("plain", "Dogwatch in Python", "hmac", number, {"p50_us": ours_us})
    rows = {row[0]: row[1:] for row in parts["targets"].python_rows(results)}
    assert rows["HMAC p50 to the official SDK"] == ["≤ 0.55 ×", "0.75 × ✗", "–"]
    assert not any("bare link" in text or "pong" in text for text in rows)
    own = {row[0]: row[1:] for row in parts["targets"].rows(results, tmp_path)}
    assert own["HMAC p50 to the official SDK"] == ["≤ 0.55 ×", "0.4 × ✓", "–"]
