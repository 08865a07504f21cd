"""`dogwatch keygen` makes a key pair that the signer reads, and never overwrites one."""

import stat
from pathlib import Path

import pytest

from dogwatch.actors.cli import main
from dogwatch.actors.spot.keys import load_ed25519_private_key


def test_the_private_key_can_be_read_back_and_only_by_its_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dogwatch.pem"
    assert main(["keygen", str(file)]) == 0
    key = load_ed25519_private_key(file.read_bytes())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = capsys.readouterr().out
    assert key.public_pem().decode() in shown
    assert "PRIVATE" not in shown


def test_two_keys_are_different(tmp_path: Path) -> None:
    assert main(["keygen", str(tmp_path / "one.pem")]) == main(["keygen", str(tmp_path / "two.pem")]) == 0
    assert (tmp_path / "one.pem").read_bytes() != (tmp_path / "two.pem").read_bytes()


def test_a_key_that_exists_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dogwatch.pem"
    file.write_text("precious", encoding="utf-8")
    assert main(["keygen", str(file)]) == 2
    assert file.read_text(encoding="utf-8") == "precious"
    assert "exists already" in capsys.readouterr().err


def test_a_missing_folder_is_named_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", str(tmp_path / "nowhere" / "dogwatch.pem")]) == 2
    assert "cannot be written" in capsys.readouterr().err
