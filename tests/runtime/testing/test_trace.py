import os
import subprocess
import sys
from pathlib import Path

import trio

from dogwatch.runtime.testing.network import MemoryNetwork
from dogwatch.runtime.testing.trace import Trace, first_difference
from dogwatch.runtime.testing.virtual_time import run_virtual


async def echo_for_three_clients(trace: Trace) -> None:
    """Tasks, timers, cancellation and a network with random pieces: what a simulation is made of."""
    network = MemoryNetwork(delay_s=0.01)
    listener = network.listen("exchange", 443)

    async def serve(stream: trio.abc.Stream) -> None:
        async for data in stream:
            trace.note("echoed", data.decode())
            await stream.send_all(data)

    async def ask(name: str) -> None:
        stream = await network.connect("exchange", 443)
        network.connections[-1].split_randomly(seed=1)
        async with stream:
            for number in range(5):
                await stream.send_all(f"{name} asks {number}".encode())
                await stream.receive_some()
                await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        with trio.move_on_after(0.45):
            async with trio.open_nursery() as clients:
                for name in ("one", "two", "three"):
                    clients.start_soon(ask, name)
        nursery.cancel_scope.cancel()


def trace_of(seed: int, *, capacity: int = 10_000) -> Trace:
    trace = Trace(capacity=capacity)
    run_virtual(echo_for_three_clients, trace, seed=seed, instruments=[trace])
    return trace


def test_the_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    one, again, other = trace_of(1), trace_of(1), trace_of(2)
    assert one.digest() == again.digest() != other.digest()
    assert list(one.records) == list(again.records)
    assert first_difference(one, again) == ""
    assert "record " in first_difference(one, other)


def test_another_process_with_other_hashes_gives_the_same_trace() -> None:
    script = f"from {__name__} import trace_of; print(trace_of(1).digest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[3],
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert digests == {trace_of(1).digest()}


def test_the_digest_covers_what_the_records_have_dropped() -> None:
    whole, short = trace_of(1), trace_of(1, capacity=5)
    assert short.digest() == whole.digest()
    assert list(short.records) == list(whole.records)[-5:]
    assert first_difference(short, trace_of(2, capacity=5))
