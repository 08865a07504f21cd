"""The connection: dials, upgrades, reads, writes, and dials again when the socket is lost. A reconnect is no crash.

What arrives is published on topics, synchronously, as it arrives. What a message means, when a ping is answered and who
is logged on is decided by the actors above; the WebSocket itself is in websocket.py.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from socket import gaierror
from typing import Any, ClassVar, TypeAlias

import msgspec
import trio
from trio.abc import Stream

from dogwatch.actors.connect_errors import ConnectError, DialFailed, FailureKind, HandshakeRefused
from dogwatch.actors.dialler import Dialler, Door
from dogwatch.actors.frame_writer import FrameWriter, WriteCounts
from dogwatch.actors.progress import elapsed
from dogwatch.actors.redial import Alternation, AttemptBudget, Redial
from dogwatch.actors.transmit import Tag, Transmit
from dogwatch.actors.websocket import WebSocket, run_websocket
from dogwatch.actors.writing import keep_writing, written
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Message
from dogwatch.runtime.topic import Topic

__all__ = [
    "Close",
    "ConnectFailed",
    "Connected",
    "Connection",
    "ConnectionState",
    "ConnectionTopics",
    "Disconnected",
    "FrameBatch",
    "NotTransmitted",
    "Open",
    "PingReceived",
    "Reconnect",
    "TransmitPong",
]

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
"""exchangeInfo of all symbols is the largest message, above 10 MB."""
BANNED = 418
BARRING = {403: 60.0, BANNED: 120.0, 429: 30.0}
"""HTTP statuses by which the exchange refuses the IP address, whatever it asks for, and how many seconds to stay away
when an answer does not say. A ban lasts at least 2 minutes."""
HELD_UP_TOLD_S = 1.0


class FrameBatch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The messages that one `recv` brought, whole and in order."""

    epoch: int
    payloads: list[bytes]
    received_s: float


class PingReceived(Message, frozen=True, kw_only=True):
    """The server asks whether we are there. Answer with TransmitPong of the same epoch and payload."""

    epoch: int
    payload: bytes
    received_s: float


class Connected(Message, frozen=True, kw_only=True):
    """A new socket stands. Epochs count sockets, over all lives of the connection."""

    epoch: int


class Disconnected(Message, frozen=True, kw_only=True):
    """The socket is lost, published at the moment this is known.

    `unsent` are the tags of what was queued and never written. Whatever else was transmitted in this epoch and not
    answered was written: nobody knows whether it arrived.
    """

    epoch: int
    reason: str
    unsent: frozenset[Tag]


class NotTransmitted(Message, frozen=True, kw_only=True):
    """These came for a socket that is no more, and were never written."""

    tags: frozenset[Tag]


class ConnectFailed(Message, frozen=True, kw_only=True):
    """Attempt number `attempt` since the last socket gave none. `kind` is how far it came, `hint` what to look at."""

    attempt: int
    kind: FailureKind
    reason: str
    hint: str
    retry_in_s: float


ConnectionState: TypeAlias = Connected | Disconnected | NotTransmitted | ConnectFailed


class ConnectionTopics:
    """What a connection publishes. Made where the link is built, so that it outlives the connection's lives.

    Connections that stand in for each other share `epochs`, so that a number names one socket among all of theirs.
    """

    def __init__(self, name: str, epochs: Iterator[int] | None = None, *, is_wanted: bool = True) -> None:
        self.frames: Topic[FrameBatch] = Topic(f"{name}.frames")
        self.pings: Topic[PingReceived] = Topic(f"{name}.pings")
        self.states: Topic[ConnectionState] = Topic(f"{name}.states")
        self.epoch: int | None = None
        """The socket that stands now, for listeners that come late."""
        self.opened_s: float | None = None
        """Since when it stands, on Trio's clock."""
        self.unanswered_pings = 0
        """To how many the answer was dropped, because too many waited for the network already."""
        self.is_wanted = is_wanted
        """Whether there shall be a socket: what the last Open or Close said. A new life goes on accordingly."""
        self._epochs = itertools.count(1) if epochs is None else epochs

    def next_epoch(self) -> int:
        """The number of a new socket: never one that stale messages may carry."""
        return next(self._epochs)


class TransmitPong(Message, frozen=True, kw_only=True):
    """Answer a ping of this epoch. Goes before everything else that waits."""

    epoch: int
    payload: bytes


class Reconnect(Message, frozen=True, kw_only=True):
    """Give the socket of `epoch` up (of any epoch, if None) and dial again."""

    reason: str
    epoch: int | None = None


class Open(Message, frozen=True, kw_only=True):
    """Begin to dial, and dial again whenever the socket is lost. Harmless when this is so already."""

    reason: str = "opening"


class Close(Message, frozen=True, kw_only=True):
    """Close the socket in order, or give up dialling, and stay idle until Open."""

    reason: str = "closing"


class Connection(Actor):
    """Keeps one WebSocket to `host` and `resource` open over `dial`, from Open to Close.

    An attempt has `dial_within_s` seconds for the stream (diallers have shorter bounds of their own) and then
    `upgrade_within_s` for the answer to the upgrade. After repeated failures that may be the port's, the `alternative`
    is tried, and so on in turn. A write that the network does not take within `write_within_s` means that the socket is
    lost. A close waits `close_within_s` for the server. Attempts are spaced by `redial` and booked in `budget`, which
    all connections of this machine should share. Raises ConfigError (from the dialler) when dialling can never work;
    every other failure is a state, not a crash.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("pongs", accepts=(TransmitPong,), capacity=64, is_direct=True),
        Lane("control", accepts=(Reconnect, Open, Close), capacity=64),
        Lane("frames", accepts=(Transmit,), capacity=4096, is_direct=True),
    )

    def __init__(
        self,
        *,
        dial: Dialler,
        host: str,
        resource: str,
        topics: ConnectionTopics,
        alternative: Door | None = None,
        redial: Redial | None = None,
        budget: AttemptBudget | None = None,
        dial_within_s: float = 25.0,
        upgrade_within_s: float = 10.0,
        write_within_s: float = 10.0,
        close_within_s: float = 2.0,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        door = Door(dial, host, resource)
        self._doors = (door,) if alternative is None else (door, alternative)
        self._alternation = Alternation(len(self._doors))
        self._topics = topics
        self._redial = redial or Redial()
        self._budget = budget or AttemptBudget()
        self._dial_within_s = dial_within_s
        self._upgrade_within_s = upgrade_within_s
        self._write_within_s = write_within_s
        self._close_within_s = close_within_s
        self._message_bytes_max = message_bytes_max
        self._epoch: Epoch | None = None
        self._staying_connected: trio.CancelScope | None = None
        self._attempts = 0
        self._trouble_since_s: float | None = None
        self._write_counts = WriteCounts()
        self._not_written = 0
        self._turned_away: list[Tag] = []

    async def on_start(self) -> None:
        if self._topics.is_wanted:
            self._begin_dialling()

    def on_transmit(self, message: Transmit) -> None:
        """Write it now if that is possible, and else with those that follow: see frame_writer.py."""
        epoch = self._epoch
        if (
            epoch is None
            or message.epoch != epoch.number
            or not epoch.socket.is_open
            or not epoch.writer.write(message)
        ):
            self._turn_away(message.tag)

    def on_transmit_pong(self, message: TransmitPong) -> None:
        epoch = self._epoch
        if (
            epoch is not None
            and message.epoch == epoch.number
            and epoch.socket.is_open
            and not epoch.writer.write_pong(message.payload)
        ):
            self._topics.unanswered_pings += 1

    def on_reconnect(self, message: Reconnect) -> None:
        epoch = self._epoch
        if epoch is not None and message.epoch in (None, epoch.number):
            epoch.socket.abandon(message.reason)

    def on_open(self, message: Open) -> None:
        self._topics.is_wanted = True
        if self._staying_connected is None:
            self.log.info("opening", reason=message.reason)
            self._begin_dialling()

    async def on_close(self, message: Close) -> None:
        self._topics.is_wanted = False
        await self._close(message.reason)

    async def on_stop(self) -> None:
        await self._close("stopping")  # and wanted as before: another life may follow

    def statistics(self) -> dict[str, Any]:
        epoch = self._epoch
        return {
            "epoch": epoch.number if epoch is not None else None,
            "connected_for_s": trio.current_time() - epoch.began_s if epoch is not None else 0.0,
            "host": self._doors[self._alternation.current].host,
            "is_wanted": self._topics.is_wanted,
            "attempts": self._attempts,
            "writes": self._write_counts.writes,
            "messages_written": self._write_counts.messages,
            "messages_not_written": self._not_written,
        }

    def summary(self) -> str:
        if self._epoch is not None:
            return f"up {elapsed(trio.current_time() - self._epoch.began_s)}"
        if not self._topics.is_wanted:
            return "idle"
        return f"dialling, {self._attempts}" if self._attempts else "dialling"

    def take_back(self, lost: "Epoch", reason: str) -> None:
        """The end of an epoch, told synchronously: what still waits in the mailbox was never written."""
        if self._turned_away:
            self._tell_turned_away()  # behind the loss it would count as written
        self._epoch = None
        self._topics.epoch = self._topics.opened_s = None
        unsent = lost.writer.unsent()
        lost.writer.end()
        while (entry := self.ref.mailbox.take()) is not None:
            message = entry[0]
            if isinstance(message, Transmit):
                unsent.append(message.tag)
            elif isinstance(message, Open):
                self.on_open(message)
            elif isinstance(message, Close):
                self._topics.is_wanted = False
                self._end_dialling()
        self._not_written += len(unsent)
        is_expected = lost.socket.is_leaving and not unsent
        if not is_expected:
            self._note_trouble()
        log = self.log.info if is_expected else self.log.warning
        log("disconnected", epoch=lost.number, reason=reason, unsent=len(unsent))
        self._topics.states.publish(Disconnected(epoch=lost.number, reason=reason, unsent=frozenset(unsent)))

    def begin(self, epoch: "Epoch") -> None:
        """A socket stands: from now on it may be written to."""
        self._epoch = epoch
        epoch.writer = FrameWriter(
            epoch.socket,
            timers=self.ref.mailbox.timers,
            write_within_s=self._write_within_s,
            counts=self._write_counts,
        )
        self.tasks.start_soon(keep_writing, epoch.writer, epoch.socket)
        self._topics.epoch, self._topics.opened_s = epoch.number, epoch.began_s
        self._attempts = 0
        if self._trouble_since_s is None:
            self.log.info("connected", epoch=epoch.number)
        else:  # whoever has read of the trouble reads of its end
            after_s = round(epoch.began_s - self._trouble_since_s, 1)
            self._trouble_since_s = None
            self.log.warning("connected again", epoch=epoch.number, after_s=after_s)
        self._topics.states.publish(Connected(epoch=epoch.number))

    def _turn_away(self, tag: Tag) -> None:
        self._not_written += 1
        if not self._turned_away:
            # Not told in the step of whoever sends: it must not hear the end of what it is just beginning.
            self.ref.mailbox.timers.add(trio.current_time(), self._tell_turned_away)
        self._turned_away.append(tag)

    def _tell_turned_away(self) -> None:
        tags, self._turned_away = frozenset(self._turned_away), []
        if tags:
            self._topics.states.publish(NotTransmitted(tags=tags))

    def _begin_dialling(self) -> None:
        self._attempts = 0
        self._redial.begin_anew()
        self._staying_connected = trio.CancelScope()
        self.tasks.start_soon(self._stay_connected, self._staying_connected)

    def _end_dialling(self) -> None:
        if self._staying_connected is not None:
            self._staying_connected.cancel()
            self._staying_connected = None

    async def _close(self, reason: str) -> None:
        self._end_dialling()
        self._trouble_since_s = None
        epoch = self._epoch
        if epoch is not None:
            await written(epoch.writer, epoch.socket)
            with trio.move_on_after(self._close_within_s):
                await epoch.socket.close(reason)
            epoch.socket.abandon("the server did not answer the close")

    async def _stay_connected(self, while_wanted: trio.CancelScope) -> None:
        wait_s = 0.0
        with while_wanted:
            while True:
                await trio.sleep(wait_s)
                await self._await_budget()
                self._attempts += 1
                epoch = Epoch(self, self._topics)
                try:
                    await self._connect(epoch, self._doors[self._alternation.current])
                except ConnectError as failure:
                    wait_s = self._wait_after_s(failure)
                    self._report(failure, wait_s)
                else:
                    self._alternation.opened()
                    await epoch.ended.wait()
                    wait_s = self._redial.next_delay_s(held_s=trio.current_time() - epoch.began_s)

    async def _await_budget(self) -> None:
        """Book an attempt. Asked again after every wait: another connection may have been told to stay away."""
        while (at_s := self._budget.take(trio.current_time())) > trio.current_time():
            for_s = at_s - trio.current_time()
            if for_s > HELD_UP_TOLD_S:
                hint = "other connections of this machine have used its attempts up, or the exchange asked for quiet"
                self.log.warning("dialling is held up", for_s=round(for_s, 1), hint=hint)
            await trio.sleep_until(at_s)

    async def _connect(self, epoch: "Epoch", door: Door) -> None:
        """One attempt. Returns when the socket stands, raises ConnectError when there is none."""
        stream = await self._dial(door)
        if self._budget.barred_until_s > trio.current_time():
            await trio.aclose_forcefully(stream)
            hint = "another connection of this process was told; it is tried again when that is over"
            raise DialFailed("the exchange asked for quiet meanwhile", kind=FailureKind.HTTP_4XX, hint=hint)
        run = partial(
            run_websocket,
            stream,
            epoch,
            host=door.host,
            resource=door.resource,
            message_bytes_max=self._message_bytes_max,
            close_within_s=self._close_within_s,
        )
        try:
            with trio.fail_after(self._upgrade_within_s):
                await self.tasks.start(run)
        except trio.TooSlowError:
            raise HandshakeRefused(
                f"{door.host} did not answer the upgrade within {self._upgrade_within_s:g} s",
                hint="the connection was taken, by the server or by something in between, which then said nothing",
            ) from None

    async def _dial(self, door: Door) -> Stream:
        try:
            with trio.fail_after(self._dial_within_s):
                return await door.dial()
        except gaierror as error:
            raise DialFailed(str(error), kind=FailureKind.DNS) from error
        except OSError as error:
            raise DialFailed(str(error), kind=FailureKind.TCP) from error
        except trio.TooSlowError:
            raise DialFailed(
                f"no connection to {door.host} within {self._dial_within_s:g} s",
                hint="check this machine's network and any firewall that drops packets",
            ) from None

    def _wait_after_s(self, failure: ConnectError) -> float:
        """How long to wait after this failure; the other connections learn what concerns the whole machine."""
        asked_s = failure.retry_after_s or BARRING.get(failure.status, 0.0)
        if failure.status in BARRING:
            self._budget.bar(trio.current_time() + asked_s, is_ban=failure.status == BANNED)
        if failure.may_be_the_ports and self._alternation.failed():
            self.log.warning("trying another port", host=self._doors[self._alternation.current].host)
        return self._redial.next_delay_s(asked_s=asked_s)

    def _note_trouble(self) -> None:
        if self._trouble_since_s is None:
            self._trouble_since_s = trio.current_time()

    def _report(self, failure: ConnectError, retry_in_s: float) -> None:
        self._note_trouble()
        is_rare = self._attempts & (self._attempts - 1) == 0  # 1, 2, 4, 8, …: said at once, and not for ever as often
        log = self.log.warning if is_rare else self.log.info
        log(
            "not connected",
            attempt=self._attempts,
            kind=failure.kind.value,
            reason=failure.message,
            hint=failure.hint,
            retry_in_s=round(retry_in_s, 1),
        )
        self._topics.states.publish(
            ConnectFailed(
                attempt=self._attempts,
                kind=failure.kind,
                reason=failure.message,
                hint=failure.hint,
                retry_in_s=retry_in_s,
            )
        )


class Epoch:
    """The life of one socket: turns what the reader tells into published events."""

    def __init__(self, connection: Connection, topics: ConnectionTopics) -> None:
        self._connection = connection
        self._topics = topics
        self._now_s = connection.ref.mailbox.now
        self.ended = trio.Event()
        self.number = 0
        self.began_s = 0.0
        self.socket: WebSocket
        self.writer: FrameWriter

    def opened(self, socket: WebSocket) -> None:
        self.socket = socket
        self.number = self._topics.next_epoch()
        self.began_s = trio.current_time()
        self._connection.begin(self)

    def received(self, payloads: list[bytes]) -> None:
        self.writer.may_write_now = True
        self._topics.frames.publish(FrameBatch(epoch=self.number, payloads=payloads, received_s=self._now_s()))

    def pinged(self, payload: bytes) -> None:
        self._topics.pings.publish(PingReceived(epoch=self.number, payload=payload, received_s=self._now_s()))

    def lost(self, reason: str) -> None:
        self.ended.set()
        self._connection.take_back(self, reason)
