"""Options that are written once: signature, documentation, defaults, and what is no option."""

import inspect
from typing import Annotated, TypedDict

import pytest

from fastscape.results import Option, documented, options_of, with_defaults


class Base(TypedDict, total=False):
    size: Annotated[int, Option(3, "How large it is. At least 1. Default 3.")]
    colour: Annotated["Colour | None", Option(None, "Its colour, in words. " + 30 * "Many more. ")]  # noqa: F821


class Wide(Base, total=False):
    sharp: Annotated[bool, Option(False, "Whether it is sharp", formerly="acute")]
    width: Annotated[float, Option(1.0, "How wide it is.", beside="size")]


@documented(Wide)
def draw(name: str, /, place: int = 0, **given) -> dict:
    """Draws something.

    Args:
        name: Of what is drawn.
        place: Where.
        **given: As `Wide` says.
            And this goes on.

    Returns:
        The options.
    """
    return dict(with_defaults(Wide, given, "draw"))


def test_the_signature_has_every_option():
    parameters = inspect.signature(draw).parameters
    assert list(parameters) == ["name", "place", "size", "width", "colour", "sharp"]
    assert parameters["size"].default == 3
    assert parameters["size"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["colour"].annotation == "Colour | None"
    assert list(options_of(Wide)) == ["size", "width", "colour", "sharp"]


def test_so_has_the_documentation():
    lines = inspect.getdoc(draw).splitlines()
    assert "    size: How large it is. At least 1. Default 3." in lines
    assert "    sharp: Whether it is sharp" in lines
    assert all(len(line) <= 119 - 4 for line in lines)
    first = next(k for k, line in enumerate(lines) if line.startswith("    colour: "))
    assert lines[first + 1].startswith("        more.")
    assert "given" not in inspect.getdoc(draw)
    assert "goes on" not in inspect.getdoc(draw)
    assert lines[-2:] == ["Returns:", "    The options."]


def test_defaults_fill_what_is_not_given():
    assert draw("a") == {"size": 3, "width": 1.0, "colour": None, "sharp": False}
    assert draw("a", sharp=True, width=2.0) == {"size": 3, "width": 2.0, "colour": None, "sharp": True}


@pytest.mark.parametrize(
    ("name", "instead"),
    [("acute", "write sharp="), ("widht", "write width="), ("zzz", "give one of size, width, colour, sharp")],
)
def test_other_names_are_refused(name, instead):
    with pytest.raises(TypeError, match=f"draw has no option '{name}'; {instead}"):
        draw("a", **{name: 1})


def test_the_brief_text_is_the_first_sentence_and_the_default():
    size, colour = (option for _, option in options_of(Base).values())
    assert size.brief == "How large it is. Default 3."
    assert colour.brief == "Its colour, in words."
    assert options_of(Wide)["sharp"][1].brief == "Whether it is sharp."
    assert Option(False, "Whether. Default False.").brief == "Whether."
    assert Option(None, 'A. B. C. Default: "a", b.', sentences=2).brief == 'A. B. Default: "a", b.'


def test_what_is_computed_again_has_defaults_of_its_own():
    class Again(TypedDict, total=False):
        size: Annotated[int, Option(3, "How large it is. Default 3.", again="that of the report")]
        sharp: Annotated[bool, Option(False, "Whether it is sharp. Default False.")]

    @documented(Again, again=True)
    def redraw(**given) -> None:
        """Draws again.

        Args:
            **given: As `Again` says.
        """

    assert {name: p.default for name, p in inspect.signature(redraw).parameters.items()} == {
        "size": None,
        "sharp": False,
    }
    assert "size: How large it is. Default: that of the report.\n" in inspect.getdoc(redraw)
    assert "sharp: Whether it is sharp. Default False." in inspect.getdoc(redraw)


def test_an_argument_that_had_another_name_is_named():
    with pytest.raises(TypeError, match="draw has no option 'colours'; write paint="):
        with_defaults(Wide, {"colours": 1}, "draw", formerly={"colours": "paint"})


def test_a_field_that_is_no_option_is_a_mistake():
    class Bare(TypedDict):
        size: int

    with pytest.raises(AssertionError, match="size has no Option"):
        options_of(Bare)
