"""The author's vocabulary: every word is there, and none is loaded before it is used."""

import subprocess
import sys

import pytest

import dogwatch


@pytest.mark.parametrize("word", dogwatch.__all__)
def test_every_word_is_there(word: str) -> None:
    assert getattr(dogwatch, word).__name__ == word
    assert word in dir(dogwatch)


def test_another_word_says_which_there_are() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Qoutes': it offers AggTrades, "):
        dogwatch.Qoutes  # type: ignore[attr-defined] # noqa: B018 # the mistake under test


def test_the_runtime_is_imported_without_the_exchange() -> None:
    code = "import sys, dogwatch.runtime; print([name for name in sys.modules if name.startswith('dogwatch.actors')])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
