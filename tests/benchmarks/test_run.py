"""A run of the comparison that is interrupted, with clients that only tell which turn they had."""

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest

RUN = Callable[..., ModuleType]


class NoExchange:
    """Answers nobody."""

    def job(self, **wishes: object) -> dict[str, object]:
        return wishes


@pytest.fixture
def interrupted_in(parts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RUN:
    """Run it with Ctrl-C in this turn. Each round of two has four: two contestants, two jobs."""
    program = parts["run"]
    monkeypatch.setattr(program, "ExchangeProcess", lambda *, tls: nullcontext(NoExchange()))
    monkeypatch.setattr(program, "peers_python", lambda: (sys.executable, {}))
    monkeypatch.setattr(program, "compiled_build", lambda: ("build/compiled", ""))
    monkeypatch.setattr(program, "versions", lambda _python: {})
    wishes = ["--rounds=2", "--jobs", "hmac", "ed25519", "--only", "Dogwatch", "official SDK", f"--out={tmp_path}"]

    def until(turn: int, *more: str) -> ModuleType:
        turns = iter(range(1, turn))

        def figures(*_: object) -> dict[str, float]:
            for number in turns:
                return {"p50_us": float(number)}
            raise KeyboardInterrupt

        monkeypatch.setattr(program.Bench, "_client", figures)
        monkeypatch.setattr(sys, "argv", ["run.py", *wishes, *more])
        with pytest.raises(SystemExit) as ended:
            program.main()
        assert ended.value.code == 130
        return parts["report"]

    return until


@pytest.mark.parametrize(
    ("turn", "plain", "tls"), [(5, {0}, set()), (8, {0}, set()), (9, {0, 1}, set()), (15, {0, 1}, {0})]
)
def test_a_run_that_is_interrupted_reports_the_rounds_that_were_whole(
    interrupted_in: RUN, turn: int, plain: set[int], tls: set[int], tmp_path: Path
) -> None:
    results, _ = interrupted_in(turn).read_again(tmp_path)
    assert results.whole == {"plain": len(plain), "tls": len(tls)}
    for transport, rounds in (("plain", plain), ("tls", tls)):
        found = [set(of) for (at, *_), of in results.values.items() if at == transport]
        assert found == [rounds] * len(found)
        assert len(found) == (4 if rounds else 0), "two contestants, two jobs"
    assert (tmp_path / "report.svg").exists()


def test_without_a_whole_round_nothing_is_written_and_what_was_there_stays(
    interrupted_in: RUN, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "figures.json").write_text("of the run before")
    interrupted_in(4)
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]
    assert (tmp_path / "figures.json").read_text() == "of the run before"
    assert "nothing is written" in capsys.readouterr().err


def test_figures_of_a_part_of_a_run_are_not_put_into_the_documentation(interrupted_in: RUN, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: begin -->of a whole run<!-- figures: end -->")
    interrupted_in(6, f"--note={page}")
    assert "of a whole run" in page.read_text()


def test_what_another_run_took_under_load_is_left_out(
    interrupted_in: RUN, parts: dict[str, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "under_load.json").write_text("{}")
    os.utime(tmp_path / "under_load.json", (1, 1))
    interrupted_in(15, "--jobs", *parts["contestants"].JOBS)
    assert not (tmp_path / "under_load.json").exists()


def test_without_a_c_compiler_the_compiled_build_is_missing_and_the_others_are_measured(
    interrupted_in: RUN, parts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(parts["run"], "compiled_build", lambda: ("", "The compiled build needs a C compiler."))
    results, _ = interrupted_in(4).read_again(tmp_path)
    assert results.missing == {"Dogwatch": "The compiled build needs a C compiler."}
    assert {name for _, name, _, _ in results.values} == {"official SDK"}
