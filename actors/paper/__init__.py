"""A Binance-shaped exchange to trade against: matching, ledger, rules. Shares no order logic with the client."""
