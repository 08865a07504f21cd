"""The argument parser of the `dogwatch` command, and how a failure ends: one clear line, never a traceback."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, machinery, metadata, util
from pathlib import Path
from typing import Any, TypeAlias

from dogwatch.actors.spot.endpoints import VENUES
from dogwatch.runtime.config import ConfigErrors
from dogwatch.runtime.errors import ConfigError, DogwatchError

# argparse gives the type no public name.
Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"  # noqa: SLF001

DONE = 0
FAILED = 1
WRONG_INPUT = 2  # argparse's own code for a mistake on the command line
INTERRUPTED = 130  # what shells report for SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    prepare_standard_streams()
    options = parser().parse_args(arguments)
    try:
        return run_command(options)
    except ConfigError as mistake:
        complain(mistake)
        return WRONG_INPUT
    except DogwatchError as failure:
        complain(failure)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as failure:
        # Python flushes once more at exit, and must not fail then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        with contextlib.suppress(OSError):  # the terminal may have gone: then nobody is left to tell
            if not isinstance(failure, BrokenPipeError):
                sys.stderr.write(f"dogwatch: {failure}\n")
        return FAILED


def run_command(options: argparse.Namespace) -> int:
    # A command's module is imported when it is called: `dogwatch --help` answers at once.
    command: Callable[[argparse.Namespace], int] = import_module(options.module).main
    code = command(options)
    sys.stdout.flush()  # here, where a reader that has gone can still be noticed
    return code


def prepare_standard_streams() -> None:
    """Make sure that output goes where it belongs, and that no character in it can end a command."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Started without it: a socket would get this number, and what is meant for people would be sent there.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sys.stderr = sys.stderr or io.StringIO()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def complain(failure: DogwatchError) -> None:
    """A failure on standard error, or several: what is wrong, and below it what to do."""
    for problem in failure.problems if isinstance(failure, ConfigErrors) else [failure]:
        sys.stderr.write(f"dogwatch: {problem.message}\n")
        if problem.hint:
            sys.stderr.write(f"  hint: {problem.hint}\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="dogwatch", description="Trading strategies as supervised actors on Binance Spot.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=CommandParser)
    _add_run(commands)
    _add_check(commands)
    _add_tree(commands)
    _add_orders(commands)
    _add_halt(commands)
    _add_resume(commands)
    _add_call(commands)
    _add_decode(commands)
    _add_paper(commands)
    _add_keygen(commands)
    return top


def _version() -> str:
    """Which one, and whether it is the compiled build: one of its modules is as good a witness as another."""
    witness = util.find_spec("dogwatch.runtime.reply")
    is_compiled = witness is not None and isinstance(witness.loader, machinery.ExtensionFileLoader)
    return f"dogwatch {metadata.version('dogwatch')}{' (compiled)' if is_compiled else ''}"


class CommandParser(argparse.ArgumentParser):
    """Takes options between words too: argparse by itself gives up on an optional word that comes after one."""

    _is_intermixed = False

    # pyright misses a form in which `namespace` can only be named.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._is_intermixed:
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False


def _command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(module=f"dogwatch.actors.commands.{name}")
    return command


def _add_run(commands: Commands) -> None:
    run = _command(commands, "run", "Run the strategies of a configuration and report what they did.")
    run.add_argument("config", type=Path, metavar="CONFIG.toml")
    run.add_argument(
        "--trades", type=Path, metavar="FILE.csv", help="feed the paper exchange from a public trade dump; ends with it"
    )
    run.add_argument(
        "--seconds", type=positive_number, metavar="N", help="stop after N seconds (virtual ones with --virtual)"
    )
    run.add_argument("--virtual", action="store_true", help="virtual time: as fast as it goes (paper exchange only)")
    run.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="of all chance: feed, scheduling, jitter (default 0)"
    )
    run.add_argument("--report", type=Path, metavar="FILE.json", help="write the report as JSON")
    run.add_argument("--mainnet", action="store_true", help="allow venue mainnet: real orders with real money")


def _add_check(commands: Commands) -> None:
    check = _command(commands, "check", "Find every mistake in a configuration, without keys and without network.")
    check.add_argument("config", type=Path, metavar="CONFIG.toml")


def _add_tree(commands: Commands) -> None:
    tree = _command(
        commands, "tree", "Show every actor of a running configuration: life, state, mailbox, restarts, last error."
    )
    tree.add_argument("config", type=Path, metavar="CONFIG.toml")
    tree.add_argument("--json", action="store_true", help="as JSON")


def _add_orders(commands: Commands) -> None:
    orders = _command(
        commands, "orders", "List orders with state, certainty and evidence, of a running or of a stopped process."
    )
    orders.add_argument("config", nargs="?", metavar="CONFIG.toml")
    orders.add_argument(
        "id", nargs="?", metavar="ID", help="the history of this order: its id, or the exchange's orderId"
    )
    orders.add_argument("--journal", type=Path, metavar="FILE", help="of this journal instead of a configuration's")
    orders.add_argument("--all", action="store_true", help="those that have ended too, the newest 1,000")
    orders.add_argument("--json", action="store_true", help="as JSON")


def _add_halt(commands: Commands) -> None:
    halt = _command(commands, "halt", "Stop trading: send no new order, cancel the open ones, say what came of it.")
    halt.add_argument("config", type=Path, metavar="CONFIG.toml")
    halt.add_argument("--reason", default="by hand", metavar="TEXT", help="kept with the halt (default: by hand)")
    halt.add_argument(
        "--within",
        type=positive_number,
        default=10.0,
        metavar="N",
        help="how many seconds the end of the orders is waited for (default 10)",
    )
    halt.add_argument("--json", action="store_true", help="as JSON")


def _add_resume(commands: Commands) -> None:
    resume = _command(commands, "resume", "End a halt: new orders are sent again.")
    resume.add_argument("config", type=Path, metavar="CONFIG.toml")
    resume.add_argument("--json", action="store_true", help="as JSON")


def _add_call(commands: Commands) -> None:
    call = _command(commands, "call", "Send one request to the exchange and print its typed answer.")
    call.add_argument("method", metavar="METHOD", help="such as depth or order.status")
    call.add_argument("parameters", nargs="*", default=[], metavar="NAME=VALUE", help="such as symbol=BTCUSDT")
    call.add_argument("--config", type=Path, metavar="CONFIG.toml", help="venue and account of this configuration")
    call.add_argument("--venue", choices=tuple(VENUES), help="this venue, without an account (default mainnet)")
    call.add_argument("--rest", action="store_true", help="over REST instead of the WebSocket API")
    call.add_argument("--yes", action="store_true", help="allow what changes anything, such as order.place")
    call.add_argument("--within", type=positive_number, default=10.0, metavar="N", help="seconds to wait (default 10)")
    call.add_argument("--json", action="store_true", help="as JSON, in the exchange's names")


def _add_decode(commands: Commands) -> None:
    decode = _command(commands, "decode", "Print captured frames, one JSON text a line, each as the type that it is.")
    decode.add_argument("file", metavar="FILE", help="the capture; - is the standard input")
    kind = decode.add_mutually_exclusive_group()
    kind.add_argument("--method", metavar="NAME", help="answers to this method, or its results alone, as of REST")
    kind.add_argument(
        "--user-data", dest="kind", action="store_const", const="user-data", help="events of a user data stream"
    )
    kind.add_argument("--stream", dest="kind", action="store_const", const="stream", help="frames of market streams")
    decode.add_argument("--json", action="store_true", help="as JSON, one text a line")


def _add_paper(commands: Commands) -> None:
    paper = _command(commands, "paper", "Stand as a paper exchange on a port, for any client.")
    paper.add_argument("--port", type=whole_number, default=0, metavar="N", help="0 picks a free one (default)")
    paper.add_argument("--rest-port", type=whole_number, metavar="N", help="the same for REST; needs dogwatch[paper]")
    paper.add_argument(
        "--ready-file",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON with addresses and keys, written when it is ready",
    )
    paper.add_argument(
        "--trades", type=Path, metavar="FILE.csv", help="prices from a public trade dump; default: a random walk"
    )
    paper.add_argument(
        "--speed",
        type=positive_number,
        default=1.0,
        metavar="X",
        help="of the feed, against recorded time (default 1)",
    )
    paper.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of keys and prices (default 0)")
    paper.add_argument(
        "--public-key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.pem",
        help="register a key of yours, Ed25519 or RSA; may be given several times",
    )


def _add_keygen(commands: Commands) -> None:
    keygen = _command(commands, "keygen", "Make an Ed25519 key pair; the public half goes to the exchange.")
    keygen.add_argument(
        "file", type=Path, metavar="FILE.pem", help="where the private key is written (mode 600, never overwritten)"
    )


def positive_number(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def whole_number(text: str) -> int:
    """An integer, for argparse."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
