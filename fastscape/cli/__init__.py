"""The command line: one command per job, each a thin layer over the library."""

from fastscape.cli.app import main

__all__ = ["main"]
