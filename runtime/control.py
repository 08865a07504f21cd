"""The control socket: another process asks this one, in JSON lines over a Unix socket that only its user may open.

Which commands exist is said by who serves; `tree` is one of them. A request is `{"command": "tree"}`, with arguments
`{"command": "halt", "arguments": {…}}`; an answer is `{"answer": …}` or `{"error": "…"}`. One request at a time per
connection, any number of connections up to a bound.
"""

import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import trio

from dogwatch.runtime.encoding import plain
from dogwatch.runtime.errors import DogwatchError

LINE_BYTES_MAX = 16 * 1024 * 1024
REQUEST_BYTES_MAX = 64 * 1024
CLIENTS_MAX = 16
IDLE_S_MAX = 60.0
PATH_BYTES_MAX = 103  # what every Unix accepts as the address of a socket

Command = Callable[[], object]
"""Called on the loop, quick, returns what msgspec can write as JSON."""


class Instruction(NamedTuple):
    """A command that has arguments and may take its time. `carry_out` is awaited with the arguments, read as that type.

    It bounds its time by itself, and goes on to its end when who asked has gone.
    """

    arguments: type[msgspec.Struct]
    carry_out: Callable[[Any], Awaitable[object]]


Commands = Mapping[str, Command | Instruction]


class ControlError(DogwatchError):
    """The control socket cannot be served or asked, or the command failed over there."""


class NobodyServes(ControlError):
    """There is no process at the other end of the control socket, or it has just gone."""


class _Request(msgspec.Struct, omit_defaults=True):
    command: str
    arguments: dict[str, Any] = {}


class _Answer(msgspec.Struct, omit_defaults=True):
    answer: Any = None
    error: str | None = None


async def serve_control(
    path: Path,
    commands: Commands,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer commands at `path` until cancelled, then remove the socket.

    A socket that a dead process left behind is replaced. Raises ControlError when another process serves there, or when
    the path cannot be a socket.
    """
    listening = await _listen(path)
    ours = _inode(path)
    limit = trio.CapacityLimiter(CLIENTS_MAX)

    async def serve_client(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await _serve_or_refuse(stream, limit, commands)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the client went away

    try:
        async with listening:
            task_status.started()
            await trio.serve_listeners(serve_client, [listening])
    finally:
        _remove(path, ours)


async def ask_control(
    path: Path, command: str, arguments: msgspec.Struct | None = None, *, within_s: float = 5.0
) -> Any:
    """The answer of the process that serves at `path`, as parsed JSON.

    Raises NobodyServes, or ControlError when no answer comes in time or when the command failed.
    """
    request = _Request(command, {} if arguments is None else msgspec.to_builtins(arguments))
    try:
        with trio.fail_after(within_s):
            async with await _connect(path) as stream:
                await stream.send_all(msgspec.json.encode(request) + b"\n")
                line = await _Lines(stream, LINE_BYTES_MAX).next()
    except trio.TooSlowError:
        hint = "its process is suspended, or its loop is held up; what was asked for may still be done later"
        raise ControlError(f"no answer from {path} within {within_s:g} s", hint=hint) from None
    except trio.BrokenResourceError as error:
        raise NobodyServes(f"the process at {path} ended while it was asked") from error
    if not line:
        raise NobodyServes(f"the process at {path} gave no answer")
    try:
        answer = msgspec.json.decode(line, type=_Answer)
    except msgspec.DecodeError as error:
        raise ControlError(f"what serves at {path} does not speak this protocol") from error
    if answer.error is not None:
        raise ControlError(answer.error)
    return answer.answer


# The server


async def _listen(path: Path) -> trio.SocketListener:
    _check_path(path)
    if _is_taken_by_a_socket(path):
        await _refuse_if_served(path)
        path.unlink(missing_ok=True)  # noqa: ASYNC240  # one quick system call
    listener = _bound(path)
    listener.listen(CLIENTS_MAX)
    return trio.SocketListener(trio.socket.from_stdlib_socket(listener))


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    mask = os.umask(0o177)  # nobody else may ever open it, not even before a chmod
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise _cannot_serve(path, error) from error
    finally:
        os.umask(mask)
    return listener


def _check_path(path: Path) -> None:
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise ControlError(f"the path {path} is too long for a socket", hint=f"at most {PATH_BYTES_MAX} bytes")


def _is_taken_by_a_socket(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _cannot_serve(path, error) from error
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"{path} exists and is no socket", hint="choose another path for the socket")
    return True


async def _refuse_if_served(path: Path) -> None:
    try:
        stream = await _connect(path)
    except NobodyServes:
        return  # a dead process left it
    await stream.aclose()
    raise ControlError(f"another process serves at {path} already", hint="stop it, or choose another path")


def _cannot_serve(path: Path, error: OSError) -> ControlError:
    reason = error.strerror or str(error)
    return ControlError(f"cannot serve at {path}: {reason}", hint="choose another path for the socket")


def _inode(path: Path) -> int:
    return path.lstat().st_ino


def _remove(path: Path, inode: int) -> None:
    """Only the own socket: another process may have put its own there meanwhile."""
    try:
        if _inode(path) == inode:
            path.unlink()
    except OSError:
        pass  # it is gone already, and that is all that was wanted


async def _serve_or_refuse(stream: trio.SocketStream, limit: trio.CapacityLimiter, commands: Commands) -> None:
    try:
        limit.acquire_nowait()
    except trio.WouldBlock:
        await _send(stream, _Answer(error=f"{CLIENTS_MAX} clients are connected already"))
        return
    try:
        await _serve_requests(stream, commands)
    finally:
        limit.release()


async def _serve_requests(stream: trio.SocketStream, commands: Commands) -> None:
    lines = _Lines(stream, REQUEST_BYTES_MAX)
    line: bytes | None = b" "
    while line:
        line = None
        with trio.move_on_after(IDLE_S_MAX):
            try:
                line = await lines.next()
            except ControlError as error:
                await _send(stream, _Answer(error=str(error)))
        if line:
            answer = await _answer_to(line, commands)
            with trio.move_on_after(IDLE_S_MAX) as patience:
                await _send(stream, answer)
            if patience.cancelled_caught:
                return


async def _answer_to(line: bytes, commands: Commands) -> _Answer:
    try:
        request = msgspec.json.decode(line, type=_Request)
    except msgspec.DecodeError as error:
        return _Answer(error=f"this is no request: {error}")
    command = commands.get(request.command)
    if command is None:
        return _Answer(error=f"there is no command '{request.command}', only {', '.join(sorted(commands))}")
    try:
        return _Answer(answer=await _carried_out(command, request))
    except msgspec.ValidationError as error:
        return _Answer(error=f"'{request.command}' cannot be asked for like this: {error}")
    except Exception as error:  # noqa: BLE001  # who asks must not be able to bring the process down
        return _Answer(error=f"'{request.command}' failed: {type(error).__name__}: {error}")


async def _carried_out(command: Command | Instruction, request: _Request) -> object:
    if isinstance(command, Instruction):
        return await command.carry_out(msgspec.convert(request.arguments, command.arguments))
    if request.arguments:
        raise msgspec.ValidationError("it takes no arguments")
    return command()


def _written(value: object) -> int | str:
    """What msgspec does not encode, for people to read."""
    return plain(value) if isinstance(value, int) else str(value)


async def _send(stream: trio.SocketStream, answer: _Answer) -> None:
    try:
        line = msgspec.json.encode(answer, enc_hook=_written)
    except Exception as error:  # noqa: BLE001  # what a command returned is no reason to stop serving
        problem = f"the answer cannot be written as JSON: {type(error).__name__}: {error}"
        line = msgspec.json.encode(_Answer(error=problem))
    await stream.send_all(line + b"\n")


# Both sides


async def _connect(path: Path) -> trio.SocketStream:
    _check_path(path)
    client = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await client.connect(str(path))
    except OSError as error:
        client.close()
        raise _no_connection(path, error) from error
    except BaseException:
        client.close()
        raise
    return trio.SocketStream(client)


def _no_connection(path: Path, error: OSError) -> ControlError:
    if error.errno in {errno.ENOENT, errno.ECONNREFUSED}:
        return NobodyServes(f"nobody serves at {path}", hint="is it running, and with this path in its configuration?")
    return ControlError(f"cannot reach {path}: {error.strerror or error}")


class _Lines:
    """Splits a stream into lines of bounded length."""

    def __init__(self, stream: trio.SocketStream, bytes_max: int) -> None:
        self._stream = stream
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._searched = 0

    async def next(self) -> bytes:
        """The next line without its end; b"" when the stream has ended. Raises ControlError when it is too long."""
        while (end := self._held.find(b"\n", self._searched)) < 0:
            self._searched = len(self._held)
            if self._searched > self._bytes_max:
                raise ControlError(f"a line of more than {self._bytes_max} bytes")
            received = await self._stream.receive_some(65_536)
            if not received:
                return b""
            self._held += received
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        self._searched = 0
        return line or b" "
