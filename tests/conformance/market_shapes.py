"""What the documentation says of the shape of market data beyond trades and books, and of what is asked of an account.

In the words of shapes.py, where `answered` and `differences` stand.
"""

from tests.conformance.shapes import Shape

AGGREGATE: Shape = {
    "a": "int",
    "p": "decimal",
    "q": "decimal",
    "f": "int",
    "l": "int",
    "T": "int",
    "m": "bool",
    "M": "bool",
}
AVERAGE_PRICE: Shape = {"mins": "int", "price": "decimal", "closeTime": "int"}
MINI: Shape = {
    "symbol": "text",
    "openPrice": "decimal",
    "highPrice": "decimal",
    "lowPrice": "decimal",
    "lastPrice": "decimal",
    "volume": "decimal",
    "quoteVolume": "decimal",
    "openTime": "int",
    "closeTime": "int",
    "firstId": "int",
    "lastId": "int",
    "count": "int",
}
FULL: Shape = {**MINI, "priceChange": "decimal", "priceChangePercent": "decimal", "weightedAvgPrice": "decimal"}
DAY: Shape = {
    **FULL,
    "prevClosePrice": "decimal",
    "lastQty": "decimal",
    "bidPrice": "decimal",
    "bidQty": "decimal",
    "askPrice": "decimal",
    "askQty": "decimal",
}
EXECUTION_RULES: Shape = {
    "symbolRules": [
        {
            "symbol": "text",
            "rules": [
                {
                    "ruleType": "text",
                    "bidLimitMultUp?": "decimal",
                    "bidLimitMultDown?": "decimal",
                    "askLimitMultUp?": "decimal",
                    "askLimitMultDown?": "decimal",
                }
            ],
        }
    ]
}
REFERENCE_PRICE: Shape = {"symbol": "text", "referencePrice": "decimal|null", "timestamp": "int"}
CALCULATION: Shape = {"symbol": "text", "calculationType": "text", "externalCalculationId": "int"}

RATES: Shape = {"maker": "decimal", "taker": "decimal", "buyer": "decimal", "seller": "decimal"}
COMMISSION: Shape = {
    "symbol": "text",
    "standardCommission": RATES,
    "specialCommission": RATES,
    "taxCommission": RATES,
    "discount": {
        "enabledForAccount": "bool",
        "enabledForSymbol": "bool",
        "discountAsset": "text",
        "discount": "decimal",
    },
}
AMENDMENT: Shape = {
    "symbol": "text",
    "orderId": "int",
    "executionId": "int",
    "origClientOrderId": "text",
    "newClientOrderId": "text",
    "origQty": "decimal",
    "newQty": "decimal",
    "time": "int",
}
PREVENTED_MATCH: Shape = {
    "symbol": "text",
    "preventedMatchId": "int",
    "takerOrderId": "int",
    "makerSymbol": "text",
    "makerOrderId": "int",
    "tradeGroupId": "int",
    "selfTradePreventionMode": "text",
    "price": "decimal",
    "takerPreventedQuantity?": "decimal",
    "makerPreventedQuantity?": "decimal",
    "transactTime": "int",
}

# Streams.
AGGREGATE_TRADE: Shape = {"e": "text", "E": "int", "s": "text", **AGGREGATE}
MINI_TICKER: Shape = {
    "e": "text",
    "E": "int",
    "s": "text",
    "c": "decimal",
    "o": "decimal",
    "h": "decimal",
    "l": "decimal",
    "v": "decimal",
    "q": "decimal",
}
ROLLING_TICKER: Shape = {
    **MINI_TICKER,
    "p": "decimal",
    "P": "decimal",
    "w": "decimal",
    "O": "int",
    "C": "int",
    "F": "int",
    "L": "int",
    "n": "int",
}
TICKER: Shape = {
    **ROLLING_TICKER,
    "x": "decimal",
    "Q": "decimal",
    "b": "decimal",
    "B": "decimal",
    "a": "decimal",
    "A": "decimal",
}
AVERAGE: Shape = {"e": "text", "E": "int", "s": "text", "i": "text", "w": "decimal", "T": "int"}
REFERENCE: Shape = {"e": "text", "s": "text", "r": "decimal|null", "t": "int"}
