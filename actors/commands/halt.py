"""`dogwatch halt`: no new order is sent any more, open ones are canceled, and what came of it is told.

A running process is asked over its control socket; where none runs, the journal takes the halt for the next one.
"""

import argparse
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from dogwatch.actors.commands.json_output import encode, print_json
from dogwatch.actors.commands.orders import no_source
from dogwatch.actors.commands.tree import default_control_path
from dogwatch.actors.halting import REASON_CHARS_MAX, WITHIN_S_MAX, Halted, HaltNow, halt_journal
from dogwatch.actors.order_listing import COLUMNS, render_orders
from dogwatch.actors.settings import load_control_path, load_journal_path
from dogwatch.runtime.control import ControlError, NobodyServes, ask_control
from dogwatch.runtime.errors import ConfigError, JournalInUse

A = TypeVar("A", bound=msgspec.Struct)

ANSWER_GRACE_S = 10.0
"""How much longer than its time for the orders a process is listened to: it also waits for the disk."""
HANDOVER_S = 10.0
"""How long a process that has just begun, or is about to end, may have the journal and not serve its socket."""
AGAIN_S = 0.2


def main(options: argparse.Namespace) -> int:
    """Halt and say what came of it. The exit code is 0 only if every order is known to have ended and the halt holds.

    Raises ConfigError for arguments that make no sense, ControlError or JournalError when nobody could be told.
    """
    command = command_of(options)
    record = partial(_halt_journal, command=command)
    within_s = command.within_s + ANSWER_GRACE_S
    halted = asked_or_recorded(options.config, "halt", command, Halted, record, within_s=within_s)
    if options.json:
        document = {**msgspec.structs.asdict(halted), "is_done": halted.is_done}
        print_json(encode({**document, "live": [msgspec.structs.asdict(order) for order in halted.live]}))
    else:
        print(render_halted(halted, options.config, now_ms=_now_ms()))
    return 0 if halted.is_done and not halted.trouble else 1


def command_of(options: argparse.Namespace) -> HaltNow:
    """What is asked for. Raises ConfigError."""
    if options.within > WITHIN_S_MAX:
        raise ConfigError("--within", f"at most {WITHIN_S_MAX:g} seconds")
    reason = options.reason.strip()
    if not 0 < len(reason) <= REASON_CHARS_MAX or not reason.isprintable():
        raise ConfigError("--reason", f"one line of 1 to {REASON_CHARS_MAX} printable characters")
    return HaltNow(reason=reason, within_s=options.within)


def asked_or_recorded(
    config: Path, name: str, arguments: msgspec.Struct, kind: type[A], record: Callable[[Path], A], *, within_s: float
) -> A:
    """The answer of the process that runs this configuration; where none runs, what `record` does to its journal.

    Raises ControlError, ConfigErrors, JournalError.
    """
    control = load_control_path(config) or default_control_path(config)
    journal = load_journal_path(config)
    patience_s = time.monotonic() + HANDOVER_S
    while True:
        try:
            return _read(trio.run(partial(ask_control, control, name, arguments, within_s=within_s)), kind)
        except NobodyServes as silence:
            if not journal.exists():
                raise no_source(journal) from silence
        try:
            return record(journal)
        except JournalInUse as failure:
            if time.monotonic() > patience_s:
                hint = "is its runtime.control another one? SIGTERM ends it in order, and its orders with it"
                raise ControlError(f"{failure.message}, and nobody serves at {control}", hint=hint) from failure
        time.sleep(AGAIN_S)


def render_halted(halted: Halted, config: Path, *, now_ms: int) -> str:
    """What a person is told, no line wider than 80 columns."""
    since = f"{datetime.fromtimestamp(halted.at_ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    verb = "is" if halted.is_new else "was already"
    lines = [*_wrapped(f"Trading {verb} halted, since {since}: {halted.reason}"), *_wrapped(_lasting(halted, config))]
    lines += _wrapped(_fate(halted))
    if halted.live:
        lines += ["", render_orders(halted.live, now_ms=now_ms), ""]
    if halted.obstacle:
        what = "Their cancels have to wait" if halted.live else "There may be others that nobody knows of yet"
        lines += _wrapped(f"{what}: {halted.obstacle}.")
    if halted.live:
        lines += _wrapped(f"They are canceled until their end is known; `dogwatch orders {config}` lists them.")
    return "\n".join([*lines, f"Source: {halted.source}"])


def _lasting(halted: Halted, config: Path) -> str:
    end = f"until `dogwatch resume {config}`"
    if not halted.is_lasting:
        return f"It holds {end}, or until the process ends: there is no journal."
    if halted.trouble:
        return f"It holds {end}, but NOT over a restart yet, for it could not be recorded: {halted.trouble}"
    return f"It is recorded and holds over restarts, {end}."


def _fate(halted: Halted) -> str:
    if not halted.ended and not halted.live:
        return "No order was live."
    ended = ", ".join(f"{number} {life}" for life, number in halted.ended.items())
    fate = f"Orders that ended: {ended}." if ended else ""
    unknown = sum(order.is_unknown for order in halted.live)
    doubt = f", {unknown} of them UNKNOWN" if unknown else ""
    rest = f"{len(halted.live)} not known to have ended{doubt}:" if halted.live else "None is open or unknown."
    return f"{fate} {rest}".strip()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS)


def _halt_journal(journal: Path, *, command: HaltNow) -> Halted:
    halted = halt_journal(journal, command, now_ms=_now_ms())
    sys.stderr.write("dogwatch: no process runs this configuration: its journal takes the halt for the next one\n")
    return halted


def _read(answer: object, kind: type[A]) -> A:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        hint = "both sides should be the same version"
        raise ControlError("the answer cannot be understood", hint=hint) from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
