"""Pytest fixtures for strategies and actors: loaded by itself wherever dogwatch is installed."""
