"""The built-in symbols: their filters must agree with each other and with the assets' precision."""

import pytest

from dogwatch.actors.paper.decimals import text
from dogwatch.actors.paper.symbols import ASSET_ORDER, SYMBOLS, SymbolDefinition, describe

DEFINITIONS = pytest.mark.parametrize("definition", list(SYMBOLS.values()), ids=list(SYMBOLS))


@DEFINITIONS
def test_limits_are_multiples_of_their_steps_and_fit_the_precision(definition: SymbolDefinition) -> None:
    assert definition.price_min % definition.tick_size == 0
    assert definition.price_min < definition.price_max
    assert definition.quantity_min % definition.step_size == 0
    assert definition.quantity_min < definition.market_quantity_max < definition.quantity_max
    for amount in (definition.tick_size, definition.step_size, definition.market_quantity_max):
        assert round(amount, definition.asset_precision) == amount


@DEFINITIONS
def test_a_typical_quote_may_be_traded(definition: SymbolDefinition) -> None:
    assert definition.typical_quantity % definition.step_size == 0
    assert definition.quantity_min < definition.typical_quantity <= definition.market_quantity_max
    assert definition.spread_ticks_max >= 1


@DEFINITIONS
def test_a_description_names_the_symbol_s_own_assets(definition: SymbolDefinition) -> None:
    entry = describe(definition)
    assert entry["symbol"] == entry["baseAsset"] + entry["quoteAsset"] == definition.symbol
    assert {definition.base_asset, definition.quote_asset} <= set(ASSET_ORDER)
    lot_size = next(one for one in entry["filters"] if one["filterType"] == "LOT_SIZE")
    assert lot_size["minQty"] == text(definition.quantity_min)
    assert entry["defaultSelfTradePreventionMode"] in entry["allowedSelfTradePreventionModes"]


def test_account_events_list_base_quote_and_fee_asset_in_the_exchange_s_order() -> None:
    assert SYMBOLS["BTCUSDT"].assets == ("BTC", "BNB", "USDT")
    assert SYMBOLS["BNBUSDT"].assets == ("BNB", "USDT")
    assert SYMBOLS["ETHBTC"].assets == ("BTC", "ETH", "BNB")
