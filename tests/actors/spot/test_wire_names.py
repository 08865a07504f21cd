"""Names here and at the exchange."""

import pytest

from dogwatch.actors.spot.wire_names import field_name, wire_name, wire_names


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("symbol", "symbol"),
        ("new_client_order_id", "newClientOrderId"),
        ("start_time_ms", "startTime"),
        ("end_time_ms", "endTime"),
        ("time_in_force", "timeInForce"),
        ("pending_above_iceberg_qty", "pendingAboveIcebergQty"),
    ],
)
def test_a_name_is_the_exchanges_in_another_spelling(name: str, wire: str) -> None:
    assert wire_name(name) == wire
    assert field_name(wire) == name


def test_what_does_not_follow_from_the_name_is_said() -> None:
    rename = wire_names(quantity="qty")
    assert [rename(name) for name in ("quantity", "trade_time_ms")] == ["qty", "tradeTime"]
