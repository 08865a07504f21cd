import os
import pickle
import sys
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from dogwatch.runtime.config import ConfigErrors, Secret, SecretReference, convert, load_toml
from dogwatch.runtime.errors import ConfigError


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Mood(StrEnum):
    CALM = "calm"
    BRISK = "brisk"


class Walk(Table, frozen=True, tag_field="kind", tag="walk"):
    step: Decimal


class Replay(Table, frozen=True, tag_field="kind", tag="replay"):
    file: Path


class Quoter(Table, frozen=True):
    symbol: str
    size: Decimal
    mood: Mood = Mood.CALM

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError("size must be positive")


class Trading(Table, frozen=True, rename={"strategies": "strategy"}):
    venue: Literal["paper", "mainnet"]
    key: SecretReference | None = None
    feed: Walk | Replay | None = None
    strategies: tuple[Quoter, ...] = ()
    balances: dict[str, Decimal] = {}
    weights: list[int] = []
    levels: float = 0.0
    raw: dict[str, Any] = {}


def problems_in(text: str, folder: Path) -> list[tuple[str, str, str]]:
    path = folder / "trade.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigErrors) as caught:
        load_toml(path, Trading)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [(problem.where, problem.problem, problem.hint) for problem in caught.value.problems]


def test_a_correct_file_is_read_with_every_digit_and_paths_from_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "trade.toml"
    path.write_text(
        """
        venue = "paper"
        feed = { kind = "replay", file = "data/trades.csv" }
        key = { file = "/keys/one.pem" }
        balances = { BTC = 0.12345678901234567890123, USDT = "10", BNB = 3 }
        levels = 2.5
        raw = { anything = [1, { goes = true }] }
        [[strategy]]
        symbol = "BTCUSDT"
        size = 0.10
        mood = "brisk"
        """,
        encoding="utf-8",
    )
    settings = load_toml(path, Trading)
    assert settings.feed == Replay(file=tmp_path / "data/trades.csv")
    assert settings.key == SecretReference(file=Path("/keys/one.pem"))
    assert settings.balances == {"BTC": Decimal("0.12345678901234567890123"), "USDT": Decimal(10), "BNB": Decimal(3)}
    assert settings.strategies == (Quoter(symbol="BTCUSDT", size=Decimal("0.10"), mood=Mood.BRISK),)
    assert settings.levels == 2.5
    assert settings.raw == {"anything": [1, {"goes": True}]}


def test_every_mistake_is_found_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """
        venu = "paper"
        feed = { kind = "wlak", step = 1 }
        balances = { BTC = "much", "a b" = nan, ETH = "inf" }
        weights = [1, "two", 3.5]
        surprise = 1
        [[strategy]]
        symbl = "BTCUSDT"
        size = 1
        mood = "brsk"
        [[strategy]]
        symbol = 7
        [[strategy]]
        symbol = "BTCUSDT"
        size = 0
    """
    assert problems_in(text, tmp_path) == [
        ("venu", "unknown key", "did you mean 'venue'?"),
        ("surprise", "unknown key", "known: balances, feed, key, levels, raw, strategy, venue, weights"),
        ("feed.kind", "this value does not exist here", "one of walk, replay"),
        ("strategy[0].symbl", "unknown key", "did you mean 'symbol'?"),
        ("strategy[0].mood", "this value does not exist here", "did you mean 'brisk'?"),
        ("strategy[1].symbol", "expected a string, got an integer", ""),
        ("strategy[1].size", "is missing", ""),
        ("strategy[2]", "size must be positive", ""),
        ("balances.BTC", "this text is not a number", 'a number such as "0.001"'),
        ('balances."a b"', "expected a finite number", ""),
        ("balances.ETH", "expected a finite number", ""),
        ("weights[1]", "expected an integer, got a string", ""),
        ("weights[2]", "expected an integer, got a number with a fraction", ""),
    ]


def test_a_table_of_a_union_is_read_by_its_kind(tmp_path: Path) -> None:
    assert problems_in('venue = "paper"\nfeed = { kind = "replay", fiel = "x" }', tmp_path) == [
        ("feed.fiel", "unknown key", "did you mean 'file'?")
    ]
    assert problems_in('venue = "paper"\nfeed = { kind = "replay", file = 3 }', tmp_path) == [
        ("feed.file", "expected a string: the path of a file", "")
    ]
    assert problems_in('venue = "paper"\nfeed = { step = 3 }', tmp_path) == [
        ("feed.kind", "is missing", "one of walk, replay")
    ]


@pytest.mark.parametrize("text", ["venue = [", 'venue = "paper"\n\nkey == 3', "a = 1\na = 2", '[x]\ny = "z'])
def test_a_syntax_error_names_line_and_column(text: str, tmp_path: Path) -> None:
    [(where, problem, _)] = problems_in(text, tmp_path)
    file, line, column = where.split(", ")
    assert file == str(tmp_path / "trade.toml")
    assert line.removeprefix("line ") == str(text.count("\n") + 1)
    assert int(column.removeprefix("column ")) > 1
    assert problem.startswith("this is not TOML: ")
    assert "line" not in problem


def test_a_file_that_is_not_utf_8_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "trade.toml"
    path.write_bytes(b'venue = "paper"\n# caf\xe9')
    with pytest.raises(ConfigErrors, match=r"trade\.toml, line 2, column 6: this is not UTF-8"):
        load_toml(path, Trading)


def test_a_missing_file_names_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "quoter.toml").touch()
    with pytest.raises(ConfigErrors, match=r"qouter\.toml: there is no such file \(did you mean 'quoter\.toml'\?\)"):
        load_toml(tmp_path / "qouter.toml", Trading)
    with pytest.raises(ConfigErrors, match="there is no such file"):
        load_toml(tmp_path / "no" / "folder.toml", Trading)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="this is a folder"):
        load_toml(tmp_path, Trading)


def test_a_file_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigErrors, match="may not be read"):
        load_toml(tmp_path / "trade.toml", Trading)


def test_a_secret_in_the_file_is_refused_and_never_shown(tmp_path: Path) -> None:
    mistakes = [
        ('key = "hunter2"', "key", "a secret does not stand in the file"),
        ('key = { enf = "hunter2" }', "key.enf", "unknown key"),
        ("key = {}", "key", 'a secret has one source: write { env = "NAME" }, { file = "path" } or { prompt = true }'),
        (
            'key = { env = "A", file = "b" }',
            "key",
            'a secret has one source: write { env = "NAME" }, { file = "path" } or { prompt = true }',
        ),
        ('venue = "hunter2"', "venue", "this value does not exist here"),
    ]
    for text, where, problem in mistakes:
        found = problems_in(text, tmp_path)
        assert (where, problem) in [(place, what) for place, what, _ in found]
        assert "hunter2" not in repr(found)


def test_a_part_is_converted_later_with_its_place_before_every_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        convert({"symbol": 1, "size": 2, "zise": 3}, Quoter, base=tmp_path, where="strategy[0].config")
    assert [problem.where for problem in caught.value.problems] == [
        "strategy[0].config.zise",
        "strategy[0].config.symbol",
    ]
    with pytest.raises(ConfigErrors) as caught:
        convert({"symbol": "B", "size": -2}, Quoter, base=tmp_path, where="strategy[0].config")
    assert str(caught.value) == "strategy[0].config: size must be positive"


def test_a_document_that_is_nested_without_end_is_a_mistake_not_a_crash(tmp_path: Path) -> None:
    depth = 2 * sys.getrecursionlimit()
    [(_, problem, _)] = problems_in(f"venue = {'[' * depth}{']' * depth}", tmp_path)
    assert "nested" in problem


def test_a_secret_is_read_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOGWATCH_TEST_KEY", "hunter2")
    (tmp_path / "key").write_bytes(b"line one\nline two\r\n")
    assert SecretReference(env="DOGWATCH_TEST_KEY").resolve(where="key").reveal() == b"hunter2"
    assert SecretReference(file=tmp_path / "key").resolve(where="key").reveal() == b"line one\nline two"


def test_a_secret_that_is_missing_empty_or_huge_is_named_by_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOGWATCH_TEST_KEY", raising=False)
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "huge").write_bytes(bytes(100_000))
    for reference, problem in [
        (SecretReference(env="DOGWATCH_TEST_KEY"), "environment variable DOGWATCH_TEST_KEY is not set"),
        (SecretReference(file=tmp_path / "none"), f"file {tmp_path / 'none'}: {os.strerror(2)}"),
        (SecretReference(file=tmp_path), f"file {tmp_path}: {os.strerror(21)}"),
        (SecretReference(file=tmp_path / "empty"), f"file {tmp_path / 'empty'} is empty"),
        (
            SecretReference(file=tmp_path / "huge"),
            f"file {tmp_path / 'huge'} is larger than 65536 bytes: that is no key",
        ),
    ]:
        with pytest.raises(ConfigError) as caught:
            reference.resolve(where="account.key")
        assert (caught.value.where, caught.value.problem) == ("account.key", problem)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(b"hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError, match="not copied out"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)
