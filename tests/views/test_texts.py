"""Texts that others wrote."""

import pytest

from fastscape.views.texts import cleaned, literal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a name", "a name"),
        ("", "(unnamed)"),
        (" \n\x00\u202e", "(unnamed)"),
        (None, "(unnamed)"),
        ([["deep"]], "(unnamed)"),
        ("two\nlines\tand\u202eturned", "two lines and turned"),
        ("\ud800half", "half"),
        ("\u6a21\u578b", "\u6a21\u578b"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "\u2026"),
        ("x" + " " * 100_000 + "y", "x\u2026"),
    ],
    ids=repr,
)
def test_one_line_that_is_not_too_long(text, shown):
    assert cleaned(text, 40) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no dollar", "no dollar"),
        ("$\\theta$", "$\\theta$"),
        ("$x^{", r"\$x^{"),
        ("$\\frac$", r"\$\frac\$"),
        (r"a\$ and $\frac$", r"a\$ and \$\frac\$"),
    ],
)
def test_formulas_stay_and_what_is_none_is_literal(text, shown):
    from matplotlib.mathtext import MathTextParser

    assert literal(text) == shown
    MathTextParser("path").parse(literal(text))
