"""`dogwatch orders`: the orders of a configuration, as the process that runs it knows them, or as its journal does."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import trio

from dogwatch.actors.commands.json_output import encode, print_json
from dogwatch.actors.commands.tree import default_control_path
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_listing import render_history, render_orders, summary
from dogwatch.actors.settings import load_control_path, load_journal_path
from dogwatch.actors.spot import client_order_id
from dogwatch.actors.spot.order import Order
from dogwatch.runtime.config import did_you_mean
from dogwatch.runtime.control import ControlError, NobodyServes, ask_control
from dogwatch.runtime.errors import ConfigError, JournalError

ENDED_MAX = 1_000
"""How many orders that have ended are shown, the newest."""
SEARCHED_MAX = 100_000
"""Among how many of them an order is looked for by the exchange's orderId, or by a name that may be mistyped."""
PROCESS = "the running process"
NOBODY = "No process answers for this configuration: nobody looks after these orders."
NAME_ANOTHER = "name another one with --journal FILE"
DATABASE = b"SQLite format 3\0"


class Places(NamedTuple):
    """Where to ask: a process, unless a journal was named instead, and a journal, which need not be there."""

    control: Path | None
    journal: Path

    @property
    def has_journal(self) -> bool:
        return self.control is None or self.journal.exists()


class Listed(NamedTuple):
    """Orders, and who says so. `is_attended`: no, if it is known that no process looks after them."""

    orders: tuple[Order, ...]
    source: str
    is_attended: bool = True


def main(options: argparse.Namespace) -> int:
    """Print orders, or the history of one.

    Raises ConfigError for what cannot be asked for, ControlError when neither a process nor a journal can be asked.
    """
    config, name = what_is_asked(options)
    places = Places(None, options.journal) if config is None else places_of(config)
    try:
        if name is not None:
            show_history(places, name, as_json=options.json)
        else:
            show_orders(places, is_all=options.all, as_json=options.json)
    except JournalError as failure:
        raise ConfigError("", failure.message, hint=failure.hint) from failure
    return 0


def what_is_asked(options: argparse.Namespace) -> tuple[Path | None, str | None]:
    """The configuration, None when a journal is named instead of it, and the order, None for all of them."""
    if options.journal is None:
        if options.config is None:
            raise ConfigError("", "no configuration is named", hint="dogwatch orders CONFIG.toml, or --journal FILE")
        return Path(options.config), options.id
    if options.id is not None or (options.config is not None and Path(options.config).is_file()):
        raise ConfigError("", "a configuration and a journal are named", hint="leave one of them out")
    return None, options.config  # the first word is an order's id then


def places_of(config: Path) -> Places:
    if is_database(config):
        raise ConfigError("", f"{config} is no configuration", hint=f"if it is a journal: --journal {config}")
    return Places(load_control_path(config) or default_control_path(config), load_journal_path(config))


def is_database(path: Path) -> bool:
    """Whether this is the kind of file that a journal is."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(DATABASE)) == DATABASE
    except OSError:
        return False  # whoever reads it as a configuration says why


def show_orders(places: Places, *, is_all: bool, as_json: bool) -> None:
    ended_max = ENDED_MAX if is_all else 0
    orders, source, is_attended = orders_at(places, ended_max=ended_max)
    now_ms = time.time_ns() // 1_000_000
    if as_json:
        print_json(encode({"source": source, "orders": [msgspec.structs.asdict(order) for order in orders]}))
        return
    text = render_orders(orders, now_ms=now_ms)
    print(f"{text}\n\n" if text else "", summary(orders, ended_max=ended_max), sep="")
    print(f"Source: {source}")
    if not is_attended and not all(order.is_closed for order in orders):
        print(NOBODY)


def orders_at(places: Places, *, ended_max: int) -> Listed:
    """The live orders and the newest of those that have ended.

    A process knows what is live best. The journal knows more of what was, and is there when no process is.
    """
    is_attended = True
    if places.control is not None and not (ended_max and places.has_journal):
        try:
            return Listed(ask_process(places.control, ended_max=ended_max), PROCESS)
        except ControlError as silence:
            is_nobody = isinstance(silence, NobodyServes)
            if not places.has_journal:
                raise no_source(places.journal, hint=NAME_ANOTHER) if is_nobody else silence from None
            is_attended = not is_nobody
            if is_attended:
                sys.stderr.write(f"dogwatch: {silence.message}: this is what its journal says\n")
    with OrderJournal.read_only(places.journal) as journal:
        return Listed(journal.orders(closed_max=ended_max), str(places.journal), is_attended)


def no_source(journal: Path, *, hint: str = "") -> ControlError:
    """Nobody and nothing can be asked. `hint` is what else the command offers."""
    hints = ["the paper exchange in the same process leaves none", *([hint] if hint else [])]
    return ControlError(f"no process runs this configuration, and there is no journal {journal}", hint="; ".join(hints))


def show_history(places: Places, name: str, *, as_json: bool) -> None:
    snapshots, source = history_at(places, name)
    if as_json:
        print_json(encode({"source": source, "history": [msgspec.structs.asdict(order) for order in snapshots]}))
        return
    print(render_history(snapshots, now_ms=time.time_ns() // 1_000_000))
    print(f"\nSource: {source}")


def history_at(places: Places, name: str) -> tuple[Sequence[Order], str]:
    """Every snapshot of one order, and who says so. A process without a journal has the newest one only."""
    if not places.has_journal:
        orders, source, _ = orders_at(places, ended_max=ENDED_MAX)
        return [found_by(name, orders, source)], source
    source = str(places.journal)
    with OrderJournal.read_only(places.journal) as journal:
        changes = journal.history(client_order_id.original_of(name))
        if not changes:
            changes = journal.history(found_by(name, journal.orders(closed_max=SEARCHED_MAX), source).client_order_id)
    return [change.order for change in changes], source


def found_by(name: str, orders: Sequence[Order], source: str) -> Order:
    """The order with this id: ours, that of its cancel, or the exchange's orderId. Raises ConfigError for none."""
    wanted = client_order_id.original_of(name)
    for order in orders:
        if order.client_order_id == wanted or str(order.order_id) == wanted:
            return order
    hint = did_you_mean(wanted, [order.client_order_id for order in orders]) or "--all lists those that have ended too"
    raise ConfigError("", f"there is no order {name} in {source}", hint=hint)


def ask_process(control: Path, *, ended_max: int) -> tuple[Order, ...]:
    answer = trio.run(ask_control, control, "all_orders" if ended_max else "orders")
    try:
        return msgspec.convert(answer, tuple[Order, ...])
    except msgspec.ValidationError as error:
        raise ControlError("the answer is no list of orders", hint="both sides should be the same version") from error
