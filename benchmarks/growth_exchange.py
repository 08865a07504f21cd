"""The benchmarks' exchange with many symbols, room for many orders, and an event now and then: see growth.py.

`python growth_exchange.py SYMBOLS` is otherwise what `exchange.py` is.
"""

import sys
import time
from typing import Any

import exchange
import exchange_texts
import msgspec
from exchange_wire import text_frame

ORDERS_MAX = 10_000_000
EVENT_EVERY = 200
"""Of so many answered orders one is told of by an event: a session that hears none gives its socket up after 10 s."""
ROOM = {"MAX_NUM_ORDERS": "maxNumOrders", "MAX_NUM_ALGO_ORDERS": "maxNumAlgoOrders"}
POSITION = {"filterType": "MAX_POSITION", "maxPosition": "900000000.00000000"}
HEARD = b'{"subscriptionId":0,"event":{"e":"balanceUpdate","E":%d,"a":"ETH","d":"0.00000000","T":%d}}'


def symbols(count: int) -> tuple[str, ...]:
    """BTCUSDT and others like it."""
    return "BTCUSDT", *(f"S{number:04}USDT" for number in range(1, count))


class Answers(exchange_texts.Answers):
    """The same answers, and an event after some of them."""

    def to_request(self, text: bytes, out: list[bytes]) -> None:
        super().to_request(text, out)
        if self.count % EVENT_EVERY == 0:
            now_ms = time.time_ns() // 1_000_000
            out.append(text_frame(HEARD % (now_ms, now_ms)))


def result_of(method: str, now_ms: int, depth_id: int) -> bytes:
    result = plain_result_of(method, now_ms, depth_id)
    return INFO if method == "exchangeInfo" else result


def exchange_info(count: int) -> bytes:
    info: dict[str, Any] = msgspec.json.decode(plain_result_of("exchangeInfo", 0, 0))
    (entry,) = info["symbols"]
    for rule in entry["filters"]:
        if rule["filterType"] in ROOM:
            rule[ROOM[rule["filterType"]]] = ORDERS_MAX
    entry["filters"] = [rule for rule in entry["filters"] if rule["filterType"] != "MAX_POSITION"] + [POSITION]
    info["symbols"] = [entry | {"symbol": name, "baseAsset": name.removesuffix("USDT")} for name in symbols(count)]
    return msgspec.json.encode(info)


plain_result_of = exchange_texts.result_of
if __name__ == "__main__":
    INFO = exchange_info(int(sys.argv.pop()))
    exchange_texts.result_of = result_of
    exchange.Answers = Answers  # type: ignore[misc]
    exchange.main()
