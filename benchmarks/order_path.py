"""The order path: from `strategy.buy()` to the exchange's answer and back, beside the floors below it.

One at a time (p50, p99 in µs) and with many in flight (requests a second), over plain sockets and over TLS, in rounds
in which the contestants take turns. The figures are medians over the rounds; in brackets the ratio to trio-websocket.
What a journal costs is the median of the differences between neighbours of one round; it needs an idle machine.
"""

import logging
from functools import partial

from measuring import Column, PeerProcess, arguments, percentile, run, table
from order_clients import Load, frames_alone, link_alone, trio_websocket_alone, whole, whole_with_journal

from dogwatch.runtime.journal import Durability

WHOLE = "Dogwatch, whole"
JOURNALS = {f"Dogwatch, journal at {durability}": durability for durability in Durability}
CONTESTANTS = {
    WHOLE: whole,
    **{name: partial(whole_with_journal, durability) for name, durability in JOURNALS.items()},
    "Dogwatch, link alone": link_alone,
    "Dogwatch, frames alone": frames_alone,
    "trio-websocket": trio_websocket_alone,
}


def main() -> None:
    sizes = arguments(__doc__ or "", rounds=9, alone=250, in_flight=100, together=1000)
    logging.disable(logging.WARNING)  # the end of each connection is expected
    for tls in (False, True):
        columns = (Column("p50 µs"), Column("p99 µs"), Column(f"requests/s, {sizes.in_flight} in flight"))
        with PeerProcess(tls=tls) as peer:
            for _ in range(sizes.rounds):
                for name, measure in CONTESTANTS.items():
                    load = Load(alone=sizes.alone, in_flight=sizes.in_flight, together=sizes.together)
                    run(measure, peer, load)
                    columns[0].add(name, percentile(load.latencies_us, 0.50))
                    columns[1].add(name, percentile(load.latencies_us, 0.99))
                    columns[2].add(name, load.per_second)
        print(table("TLS" if tls else "plain", columns, base="trio-websocket"))
        print(*(cost_of(name, *columns) for name in JOURNALS), sep="\n", end="\n\n")


def cost_of(name: str, p50: Column, _p99: Column, per_second: Column) -> str:
    """What a journal at this level costs an order: alone, and among many."""
    many = f"{per_second.cell(name, WHOLE)} requests/s"
    return f"At level {JOURNALS[name]} the journal costs {p50.more(name, WHOLE):.0f} µs p50; in flight: {many}"


if __name__ == "__main__":
    main()
