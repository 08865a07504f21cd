"""The fixture `exchange` by itself: where its clients come from, and what that changes."""

from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.testing import StagedExchange


async def test_clients_may_come_from_several_addresses(exchange: StagedExchange) -> None:
    elsewhere = exchange.from_address("192.0.2.7")
    for staged in (exchange, elsewhere):
        await staged.api.dial()
    await wait_all_tasks_blocked()  # until both are accepted
    assert [attempt.address for attempt in exchange.paper.record.attempts] == [exchange.address, "192.0.2.7"]
    assert elsewhere.orders() == exchange.orders() == []
