"""The dogwatch command line: one file per command."""
