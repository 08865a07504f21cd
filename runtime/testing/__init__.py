"""Virtual time, a seeded scheduler, an in-memory network and pytest fixtures."""
