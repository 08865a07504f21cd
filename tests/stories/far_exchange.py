"""An exchange on a port at which a real process trades: what the process is told, and how long to be patient."""

from pathlib import Path

import msgspec

from dogwatch.actors.paper.rate_limits import RateLimitRules

PATIENCE_S = 60.0
"""How long anything may take on a machine that is very busy."""
PLENTY = RateLimitRules(
    request_weight_per_minute=10_000_000,
    orders_per_10_seconds=1_000_000,
    orders_per_day=100_000_000,
    connections_per_5_minutes=1_000_000,
)
"""Limits for whoever starts, trades and ends all the time."""

ACCESS = """
[venue]
name = "paper"
ws_api = "{ws_api}"
streams = "{streams}"
[account]
api_key = {{ file = "key.txt" }}
private_key = {{ file = "{private_key_file}" }}
"""


def write_access(folder: Path, ready: Path) -> str:
    """The tables of a configuration that lead to the exchange of a ready file; its key is put into the folder."""
    venue = msgspec.json.decode(ready.read_bytes())
    (folder / "key.txt").write_text(venue["api_key"], encoding="utf-8")
    return ACCESS.format(**venue)
