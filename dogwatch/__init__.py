"""Dogwatch: trading strategies as supervised actors on Binance Spot."""
