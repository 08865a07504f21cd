"""What the listeners of an account were told during a story: states of its session, and reports of its orders."""

from typing import Any

import trio

from dogwatch.actors.session_messages import SessionLost, SessionReady, SessionState
from dogwatch.actors.spot.user_events import ExecutionReport
from tests.stories.scene import Account


class SessionWatch:
    """Listens from now on. `heard` has the execution ids in the order in which they came."""

    def __init__(self, account: Account) -> None:
        self.states: list[tuple[float, SessionState]] = []
        self.heard: list[int] = []
        account.tree.link.topics.states.tap(self._note, on_error=_fail)
        account.tree.link.topics.user_events.tap(self._hear, on_error=_fail)

    def gaps(self) -> list[tuple[float, float]]:
        """From when until when there was no session."""
        gaps: list[tuple[float, float]] = []
        lost_s: float | None = None
        for at_s, state in self.states:
            if isinstance(state, SessionLost):
                began_s = at_s - self.blind_before_s(state)
                lost_s = began_s if lost_s is None else min(lost_s, began_s)
            elif isinstance(state, SessionReady) and lost_s is not None:
                gaps.append((lost_s, at_s))
                lost_s = None
        assert lost_s is None, "the session is not ready in the end"
        return gaps

    def blind_before_s(self, loss: SessionLost) -> float:
        """How long before this loss was told events may have been missed already."""
        return 0.0

    def _note(self, state: SessionState) -> None:
        self.states.append((trio.current_time(), state))

    def _hear(self, frame: Any) -> None:
        if isinstance(frame.event, ExecutionReport):
            self.heard.append(frame.event.execution_id)


def _fail(error: Exception) -> None:
    raise error
