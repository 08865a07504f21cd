"""`dogwatch resume`: the end of a halt, told to the running process, or to the journal where none runs."""

import argparse
import time
from pathlib import Path

import msgspec

from dogwatch.actors.commands.halt import asked_or_recorded
from dogwatch.actors.commands.json_output import print_json
from dogwatch.actors.halting import Resumed, ResumeNow, resume_journal

ANSWER_WITHIN_S = 10.0


def main(options: argparse.Namespace) -> int:
    """Let new orders through again and say so. The exit code is 1 if that could not be recorded.

    Raises ControlError or JournalError when nobody could be told.
    """
    command = ResumeNow(until_ms=_now_ms() + round(ANSWER_WITHIN_S * 1000))
    resumed = asked_or_recorded(options.config, "resume", command, Resumed, _record, within_s=ANSWER_WITHIN_S)
    if options.json:
        print_json(msgspec.json.encode(resumed))
    else:
        print(render_resumed(resumed))
    return 1 if resumed.trouble else 0


def render_resumed(resumed: Resumed) -> str:
    """What a person is told."""
    text = f"Trading goes on. It was halted: {resumed.reason}" if resumed.was_halted else "Trading was not halted."
    trouble = [f"The next process would be halted all the same: {resumed.trouble}"] if resumed.trouble else []
    return "\n".join([text, *trouble, f"Source: {resumed.source}"])


def _record(journal: Path) -> Resumed:
    return resume_journal(journal, now_ms=_now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
