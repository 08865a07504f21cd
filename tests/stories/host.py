"""A machine on which one process after another trades the same account: killed, stopped in order, started again.

Under virtual time a process is a tree. `kill` leaves of it what `kill -9` leaves: its lines are gone, and its journal
is what was committed until then. Whatever the dying tree still does reaches nobody.
"""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.testing import MemoryNetwork
from dogwatch.runtime.testing.network import MemoryConnection
from tests.stories.hand import ASK, BID, Play, perform
from tests.stories.judge import Judge
from tests.stories.scene import SYMBOL, open_exchange


class Uplink(StagedExchange):
    """The exchange as one process reaches it, as long as that process lives."""

    def __init__(self, exchange: StagedExchange) -> None:
        super().__init__(exchange.paper, exchange.network, exchange.clock)
        self.is_dead = False
        self._lines: list[MemoryConnection] = []

    def die(self) -> None:
        """Its lines are gone, and it gets no others."""
        self.is_dead = True
        self._cut_if_dead()

    async def _dial(self) -> trio.abc.Stream:
        if self.is_dead:
            raise ConnectionRefusedError("the process is dead")
        stream = await super()._dial()
        self._lines += [line for line in self.network.connections if line.client is stream]
        self._cut_if_dead()
        return stream

    def _cut_if_dead(self) -> None:
        if self.is_dead:
            for line in self._lines:
                line.cut()


class Host:
    """Starts and kills processes, one at a time. Without a `folder` they keep no journal."""

    def __init__(
        self,
        exchange: StagedExchange,
        nursery: trio.Nursery,
        *,
        seed: int,
        folder: Path | None,
        kind: Any = OrderJournal,
    ) -> None:
        self.exchange = exchange
        self.judges: list[Judge] = []
        """Of all processes, newest last; each knows what was told in those before."""
        self.journal: Any = None
        """That of the newest process, of the kind that was asked for."""
        self._nursery = nursery
        self._seed = seed
        self._kind = kind
        self._file = None if folder is None else folder / "0.journal"
        self._uplink = Uplink(exchange)
        self._stop, self._ended = trio.Event(), trio.Event()

    @property
    def left_behind(self) -> Path:
        """The journal as the last process has left it."""
        assert self._file is not None
        return self._file

    async def start(self, **options: Any) -> Play:
        """A new process, when orders can be placed. `options` are those of `perform`."""
        play: Play = await self._nursery.start(self._prepared(options))
        return play

    async def start_and_kill(self, after_s: float, **options: Any) -> None:
        """A new process that is killed so soon that it may not have come up."""
        self._nursery.start_soon(self._prepared(options))
        await trio.sleep(after_s)
        self.kill()

    def kill(self) -> None:
        """kill -9."""
        if self._file is not None:
            following = self._file.with_name(f"{int(self._file.stem) + 1}.journal")
            for suffix in ("", "-wal"):
                source = self._file.with_name(self._file.name + suffix)
                if source.exists():
                    shutil.copyfile(source, following.with_name(following.name + suffix))
            self._file = following
        self._uplink.die()
        self._stop.set()

    async def stop(self) -> None:
        """SIGTERM: the process ends in order."""
        self._stop.set()
        await self._ended.wait()

    def _prepared(self, options: dict[str, Any]) -> partial[Any]:
        self._uplink = Uplink(self.exchange)
        self._stop, self._ended = trio.Event(), trio.Event()
        return partial(self._live, self._uplink, self._stop, self._ended, options)

    async def _live(
        self,
        uplink: Uplink,
        stop: trio.Event,
        ended: trio.Event,
        options: dict[str, Any],
        *,
        task_status: trio.TaskStatus[Play] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            with self._opened() as journal:
                self.journal = journal
                async with perform(uplink, self._seed, journal=journal, judges=self.judges, **options) as play:
                    task_status.started(play)
                    await stop.wait()
        except Exception:
            if not uplink.is_dead:  # what becomes of a dead process is nobody's concern
                raise
        finally:
            ended.set()

    @contextmanager
    def _opened(self) -> Iterator[OrderJournal | None]:
        if self._file is None:
            yield None
        else:
            with self._kind.open(self._file, in_thread=False) as journal:
                yield journal


@asynccontextmanager
async def a_host(
    seed: int,
    folder: Path | None,
    *,
    network: MemoryNetwork | None = None,
    kind: Any = OrderJournal,
) -> AsyncIterator[Host]:
    """A host beside an exchange whose market stands still. At the end its newest process is stopped in order."""
    async with open_exchange(seed=seed, network=network) as exchange, trio.open_nursery() as nursery:
        exchange.quote(SYMBOL, BID, ASK)
        host = Host(exchange, nursery, seed=seed, folder=folder, kind=kind)
        yield host
        await host.stop()
