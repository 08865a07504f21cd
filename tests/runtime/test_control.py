import json
import os
import socket
import stat
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from dogwatch.runtime import control
from dogwatch.runtime.control import Commands, ControlError, Instruction, NobodyServes, ask_control, serve_control


@pytest.fixture
def path() -> Iterator[Path]:
    """Short, because the address of a socket is; pytest's own folders may be too deep."""
    with tempfile.TemporaryDirectory(prefix="dw") as folder:
        yield Path(folder) / "control"


def tree() -> object:
    return {"name": "dogwatch", "children": [{"name": "orders", "life": 2}]}


def fail() -> object:
    raise RuntimeError("no tree yet")


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def exists(path: Path) -> bool:
    return path.exists()


class Times(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments."""

    number: int
    of: str = "minutes"


async def wait(times: Times) -> object:
    if times.number < 0:
        raise ValueError("time does not go back")
    await trio.sleep(times.number)
    return f"{times.number} {times.of}"


COMMANDS: Commands = {"tree": tree, "fail": fail, "nothing": lambda: None, "wait": Instruction(Times, wait)}


@asynccontextmanager
async def served(path: Path, commands: Commands = COMMANDS) -> AsyncGenerator[None, None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, commands)
        yield
        nursery.cancel_scope.cancel()


async def error_of(path: Path, command: str = "tree") -> str:
    with pytest.raises(ControlError) as caught:
        await ask_control(path, command)
    return str(caught.value)


async def test_a_command_is_answered_by_what_the_server_calls(path: Path) -> None:
    async with served(path):
        assert await ask_control(path, "tree") == tree()
        assert await ask_control(path, "nothing") is None


async def test_an_unknown_or_failing_command_is_an_error_there_and_here(path: Path) -> None:
    async with served(path):
        assert await error_of(path, "halt") == "there is no command 'halt', only fail, nothing, tree, wait"
        assert await error_of(path, "fail") == "'fail' failed: RuntimeError: no tree yet"
        assert await ask_control(path, "tree") == tree()


async def test_an_answer_that_json_cannot_hold_is_told_in_words(path: Path) -> None:
    async with served(path, {"odd": lambda: {"path": Path("x")}}):
        assert await ask_control(path, "odd") == {"path": "x"}


async def test_the_socket_belongs_to_its_user_alone_and_is_gone_afterwards(path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with served(path):
            assert permissions(path) == 0o600
        assert not exists(path)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


async def test_what_a_dead_process_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with served(path):
        assert await ask_control(path, "tree") == tree()


async def test_a_socket_that_somebody_serves_is_left_alone(path: Path) -> None:
    async with served(path):
        with pytest.raises(ControlError, match="another process serves"):
            await serve_control(path, COMMANDS)
        assert await ask_control(path, "tree") == tree()


def test_a_file_at_the_path_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ControlError, match="exists and is no socket"):
        trio.run(serve_control, path, COMMANDS)
    assert path.read_text() == "precious"


async def test_a_path_that_cannot_be_a_socket_is_refused(path: Path) -> None:
    with pytest.raises(ControlError, match="No such file or directory"):
        await serve_control(path / "no" / "folder", COMMANDS)
    with pytest.raises(ControlError, match="too long for a socket"):
        await serve_control(Path("/" + "x" * 200), COMMANDS)


async def test_asking_where_nobody_serves_says_so(path: Path) -> None:
    with pytest.raises(NobodyServes, match="nobody serves at"):
        await ask_control(path, "tree")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NobodyServes, match="nobody serves at"):
        await ask_control(path, "tree")


async def test_a_command_with_arguments_takes_its_time_and_holds_nobody_up(
    path: Path, virtual_clock: MockClock
) -> None:
    answers: list[object] = []

    async def ask() -> None:
        answers.append(await ask_control(path, "wait", Times(300, of="seconds"), within_s=400))

    async with served(path), trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(200)
        assert await ask_control(path, "tree") == tree()
        assert not answers
        await trio.sleep(101)
        assert answers == ["300 seconds"]


async def test_arguments_that_do_not_fit_are_refused_in_words(path: Path) -> None:
    def line(command: str, **arguments: object) -> bytes:
        return json.dumps({"command": command, "arguments": arguments}).encode() + b"\n"

    async with served(path):
        answers = await talk(
            path,
            line("wait"),
            line("wait", number="many"),
            line("wait", number=1, at="noon"),
            line("wait", number=-1),
            line("tree", number=1),
            b'{"command": "wait", "arguments": 3}\n',
            line("wait", number=0),
        )
        assert [answer.get("error") for answer in answers] == [
            "'wait' cannot be asked for like this: Object missing required field `number`",
            "'wait' cannot be asked for like this: Expected `int`, got `str` - at `$.number`",
            "'wait' cannot be asked for like this: Object contains unknown field `at`",
            "'wait' failed: ValueError: time does not go back",
            "'tree' cannot be asked for like this: it takes no arguments",
            "this is no request: Expected `object`, got `int` - at `$.arguments`",
            None,
        ]
        assert answers[-1]["answer"] == "0 minutes"


async def test_a_server_that_does_not_answer_is_given_up(path: Path, virtual_clock: MockClock) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ControlError, match=r"no answer from .* within 5 s"):
            await ask_control(path, "tree")


async def talk(path: Path, *lines: bytes) -> list[dict[str, object]]:
    """What a client of any kind gets back for these lines, until the server closes."""
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        await stream.send_all(b"".join(lines))
        await stream.send_eof()
        received = b"".join([piece async for piece in stream])
    return [json.loads(line) for line in received.splitlines()]


async def test_several_requests_on_one_connection_are_answered_in_order(path: Path) -> None:
    async with served(path):
        answers = await talk(path, b'{"command":"nothing"}\n{"command":"no', b'ne"}\n', b'{"command":"tree"}\n')
        assert [answer.get("answer") for answer in answers] == [None, None, tree()]


@pytest.mark.parametrize("line", [b"tree\n", b"\n", b"[]\n", b'{"command": 3}\n', b"\xff\n"])
async def test_what_is_no_request_is_answered_with_what_is_wrong(path: Path, line: bytes) -> None:
    async with served(path):
        [answer, again] = await talk(path, line, b'{"command":"tree"}\n')
        assert str(answer["error"]).startswith("this is no request")
        assert again["answer"] == tree()


async def test_a_line_without_end_is_refused(path: Path) -> None:
    async with served(path):
        [answer] = await talk(path, bytes(control.REQUEST_BYTES_MAX + 1))
        assert "a line of more than" in str(answer["error"])


async def test_a_client_too_many_is_told_so_and_the_rest_go_on(path: Path) -> None:
    async with served(path):
        streams = [await trio.open_unix_socket(str(path)) for _ in range(control.CLIENTS_MAX)]
        await wait_all_tasks_blocked(0.01)
        assert "clients are connected already" in await error_of(path)
        await streams.pop().aclose()
        await wait_all_tasks_blocked(0.01)
        assert await ask_control(path, "tree") == tree()
        for stream in streams:
            await stream.aclose()


async def test_what_speaks_another_protocol_is_named(path: Path) -> None:
    async def answer(stream: trio.SocketStream, reply: bytes) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(reply)

    for reply, problem in [(b"HTTP/1.1 400\r\n", "does not speak this protocol"), (b"", "gave no answer")]:
        other_path = path.with_name(f"{len(reply)}")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(other_path))
            other.listen()
            other.setblocking(False)
            async with trio.open_nursery() as nursery:
                listener = trio.SocketListener(trio.socket.from_stdlib_socket(other))
                nursery.start_soon(trio.serve_listeners, partial(answer, reply=reply), [listener])
                assert problem in await error_of(other_path)
                nursery.cancel_scope.cancel()


async def test_a_client_too_many_that_is_gone_before_its_answer_disturbs_nobody(path: Path) -> None:
    async with served(path):
        streams = [await trio.open_unix_socket(str(path)) for _ in range(control.CLIENTS_MAX)]
        await wait_all_tasks_blocked(0.01)
        await (await trio.open_unix_socket(str(path))).aclose()
        await wait_all_tasks_blocked(0.01)
        for stream in streams:
            await stream.aclose()
        await wait_all_tasks_blocked(0.01)
        assert await ask_control(path, "tree") == tree()


async def test_an_answer_that_cannot_be_written_is_an_error_and_the_server_goes_on(path: Path) -> None:
    endless: list[object] = []
    endless.append(endless)
    async with served(path, {"endless": lambda: endless, "tree": tree}):
        assert "the answer cannot be written as JSON: RecursionError" in await error_of(path, "endless")
        assert await ask_control(path, "tree") == tree()
