"""Says what to write instead of options that only other calls have."""

from fastscape.results import options_of
from fastscape.runs.options.exactly import ToleranceOptions

__all__ = ["NOT_OF_BARRIER", "NOT_OF_LINE", "NOT_OF_SURFACE"]

NOT_OF_LINE = {
    **dict.fromkeys(
        options_of(ToleranceOptions),
        "a line evaluates every point and predicts none; for a shorter run write fewer points, for example "
        "x=(-1, 1, 21); surface and volume have tolerance=",
    ),
    **dict.fromkeys("yz", "a line has one axis, x; use surface for two and volume for more"),
    "axes": "a line has one axis, x; use volume for more",
}
"""For `line`."""

NOT_OF_SURFACE = {
    "to": "line leads to a different model; for a plane of three models write "
    "directions=fastscape.through(model, b, c)",
    "along": "line follows a curve; for the plane of a curve write directions=curve.plane()",
    **dict.fromkeys(("z", "axes"), "a surface has two axes, x and y; use volume for more"),
}
"""For `surface`."""

NOT_OF_BARRIER = {
    **dict.fromkeys(
        options_of(ToleranceOptions),
        "a barrier evaluates every point of the line and predicts none; for a shorter run write fewer points, for "
        "example points=11",
    ),
    "x": "the line leads from one model at 0 to the other at 1; write points=, their number",
}
"""For `barrier` and `barriers`."""
