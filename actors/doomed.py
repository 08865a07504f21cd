"""Orders that have to be ended: when the next cancel of each may be sent. Who sends it is `sender.py`."""

from collections.abc import Iterable

CANCEL_AGAIN_S, CANCEL_AGAIN_S_MAX = 1.0, 10.0
"""How long after a cancel that came to nothing the next one is sent: doubling."""


class Doomed:
    """The names of the orders that are canceled again and again until their end is known."""

    def __init__(self) -> None:
        self._due_s: dict[str, tuple[float, float]] = {}  # name → when the next may be sent, how long after it another

    def __len__(self) -> int:
        return len(self._due_s)

    def add(self, names: Iterable[str]) -> None:
        """They have to be ended, and may be canceled at once."""
        for name in names:
            self._due_s.setdefault(name, (0.0, CANCEL_AGAIN_S))

    def discard(self, name: str) -> None:
        """It has ended, or is forgotten."""
        self._due_s.pop(name, None)

    def hurry(self) -> None:
        """A new session: all may be canceled at once."""
        self._due_s = dict.fromkeys(self._due_s, (0.0, CANCEL_AGAIN_S))

    def due(self, now_s: float) -> list[str]:
        """Those of which a cancel may be sent now."""
        return [name for name, (due_s, _) in self._due_s.items() if due_s <= now_s]

    def put_off(self, name: str, now_s: float) -> None:
        """A cancel is sent now: the next one later, ever later."""
        again_s = self._due_s[name][1]
        self._due_s[name] = now_s + again_s, min(2 * again_s, CANCEL_AGAIN_S_MAX)
