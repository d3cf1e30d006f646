"""The options of `surface`, `line`, `Landscape.reproduce` and the commands, each once: name, type, default, meaning.

One room for each thing that a user thinks of: what is measured, where, how exactly, how it runs. A function shows the
options through `fastscape.results.documented`, a command through `fastscape.cli.options`.
"""

from fastscape.runs.options.exactly import Exactly, Tolerance
from fastscape.runs.options.measured import Functions, Measured
from fastscape.runs.options.running import Here, Running
from fastscape.runs.options.where import Along, Towards, Upwards, Where

__all__ = ["LineOptions", "ReproduceOptions", "SurfaceOptions"]


class SurfaceOptions(Measured, Where, Upwards, Exactly, Tolerance, Running, total=False):
    """The options of a surface."""


class LineOptions(Measured, Where, Towards, Exactly, Running, total=False):
    """The options of a line."""


class ReproduceOptions(Functions, Along, Here, total=False):
    """What the report of a landscape cannot hold."""
