"""`dogwatch check`: every mistake in a configuration, without keys and without network."""

import argparse

from dogwatch.actors.settings import load_plan


def main(options: argparse.Namespace) -> int:
    """Say that a configuration is right. Raises ConfigErrors with all that is wrong in it."""
    plan = load_plan(options.config)
    names = ", ".join(entry.settings.name for entry in plan.strategies)
    print(f"{options.config}: no mistakes. Venue {plan.settings.venue.name}, strategies: {names}.")
    return 0
