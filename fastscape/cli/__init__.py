"""The command line: one command a job, each a thin layer over the library."""

from fastscape.cli.app import main

__all__ = ["main"]
