"""Pure rules of Binance Spot: no trio, no clock, no randomness, no I/O."""
