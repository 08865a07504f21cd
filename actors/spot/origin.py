"""Where an order came from, as its client order id says (`client_order_id.py`)."""

import msgspec

__all__ = ["Origin"]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a client order id of ours says. `run` tells two runs of the process apart; `life` counts restarts from 1."""

    strategy: str
    run: str
    life: int
    sequence: int
