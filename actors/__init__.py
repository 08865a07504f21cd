"""Binance Spot as supervised actors: one actor, one file, one concern."""

if __name__ == "actors":  # imported from the checkout's top level instead of as a part of dogwatch
    raise ImportError("import 'dogwatch.actors', not 'actors': the folder is a part of the dogwatch package")
