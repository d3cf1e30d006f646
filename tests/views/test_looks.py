"""Pictures that one prints: colours that everybody tells apart, letters for a column and a slide, and vector files."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from noted import noted, notes

from fastscape import Landscape
from fastscape.cli.pictures import save_picture
from fastscape.views.basin_map import offsets_of
from fastscape.views.levels import SEQUENTIAL
from fastscape.views.path_looks import look_of

# What protanopes, deuteranopes and tritanopes see, in linear RGB: Machado, Oliveira and Fernandes 2009, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", severity 1.0.
VISIONS = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
WHITE = [0.95047, 1.0, 1.08883]  # D65


def lab(colours, vision) -> np.ndarray:
    """CIELAB [n, 3] of what an eye sees of sRGB colours [n, 3]."""
    srgb = np.asarray(colours, float)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    x, y, z = ((one > (6 / 29) ** 3) * np.cbrt(one) + (one <= (6 / 29) ** 3) * (one / (3 * (6 / 29) ** 2) + 4 / 29)
               for one in (seen @ np.transpose(TO_XYZ) / WHITE).T)  # fmt: skip
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def steps(name: str, vision: str) -> np.ndarray:
    """How far 16 levels of a colour map are apart, each from the next: 2 can just be told apart."""
    levels = colormaps[name](np.linspace(0, 1, 16))[:, :3]
    return np.linalg.norm(np.diff(lab(levels, vision), axis=0), axis=1)


@pytest.mark.parametrize("vision", VISIONS)
def test_the_colours_of_heights_rise_evenly_in_lightness_for_every_eye(vision):
    lightness = lab(colormaps[SEQUENTIAL](np.linspace(0, 1, 256))[:, :3], vision)[:, 0]
    rise = np.diff(lightness)
    assert rise.min() > 0
    assert lightness[-1] - lightness[0] > 65
    assert rise.max() < 3 * rise.mean()
    assert steps(SEQUENTIAL, vision).min() > 4.5


def test_of_two_even_maps_the_one_whose_levels_are_farther_apart_is_taken():
    worst = {name: min(steps(name, vision).min() for vision in VISIONS) for name in ("viridis", "cividis")}
    whole = {name: sum(steps(name, vision).sum() for vision in VISIONS) for name in worst}
    assert max(worst, key=worst.get) == max(whole, key=whole.get) == SEQUENTIAL


@pytest.mark.parametrize("vision", VISIONS)
def test_paths_differ_for_every_eye(vision):
    looks = [look_of(number) for number in range(5)]
    last, first = (lab([to_rgb(getattr(look, end)) for look in looks], vision) for end in ("last", "first"))
    apart = np.linalg.norm(last[:, None] - last[None], axis=-1)
    assert apart[np.triu_indices(5, 1)].min() > 30
    assert np.linalg.norm(last - first, axis=-1).min() > 30


AXIS = np.linspace(-1, 1, 31)
REFINED = {"rms": 0.004, "at_most": 0.006, "met": True, "tolerance": 0.01, "scale": "log10", "widest_gap": 3}
REPORT = {"marks": {"the model": [0.0, 0.0]}, "refinement": REFINED}
SOME = np.arange(961).reshape(31, 31) % 7 == 0
PLANE = Landscape(AXIS, AXIS, 0.1 + AXIS[:, None] ** 2 + 2 * AXIS**2, report=REPORT, evaluated=SOME)
LINE = Landscape(AXIS, None, 0.1 + AXIS**2, {"accuracy": 1 - AXIS**2})
DRAW = {
    "contour": lambda **options: PLANE.contour(**options),
    "surface3d": lambda **options: PLANE.surface3d(**options),
    "plot": lambda **options: LINE.plot(metric=["loss", "accuracy"], **options),
}


@pytest.mark.parametrize("draw", ["contour", "surface3d"])
def test_maps_and_surfaces_have_one_map_of_colours(draw):
    shades = {
        one.cmap.name for one in DRAW[draw]().collections if one.get_array() is not None and len(one.get_array())
    }
    assert shades - {"unnamed"} == {SEQUENTIAL}  # lines have one colour, in a map without a name


def texts_of(figure) -> list:
    shown = [text for text in figure.findobj(mpl.text.Text) if text.get_text().strip() and text.get_visible()]
    ticks = [t for ax in figure.axes for axis in ax._axis_map.values() for t in axis.get_ticklabels()]
    return [text for text in shown if text not in ticks]


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize(("size", "wide", "points"), [("column", 3.4, 8), ("slide", 10.0, 18)])
def test_letters_fit_a_column_and_a_slide(draw, size, wide, points):
    before = mpl.rcParams.copy()
    ax = draw(size=size)
    assert mpl.rcParams == before
    figure = ax.figure
    figure.canvas.draw()
    assert figure.get_figwidth() == wide if size == "column" else figure.get_figwidth() <= wide
    assert ax.xaxis.label.get_size() == points
    ticks = [label for one in figure.axes for label in one.get_yticklabels()]
    assert {round(label.get_size(), 1) for label in ticks} == {round(0.833 * points, 1)}
    assert min(text.get_size() for text in texts_of(figure)) >= 5.5
    box = figure.bbox
    for text in texts_of(figure):
        extent = text.get_window_extent()
        assert box.x0 - 1 <= extent.x0 < extent.x1 <= box.x1 + 1, text
        assert box.y0 - 1 <= extent.y0 < extent.y1 <= box.y1 + 1, text


def test_sizes_of_ones_own_and_those_that_are_none():
    assert PLANE.contour(size=(5, 4)).figure.get_size_inches().tolist() == [5, 4]
    for odd in ("poster", (3,), (0, 4), "ab", 7):
        with pytest.raises(ValueError, match=r'size must be "column", "slide" or \(width, height\) in inches, got'):
            PLANE.contour(size=odd)
    with pytest.raises(ValueError, match="size cannot be combined with ax, whose figure has a size; write"):
        LINE.plot(ax=plt.figure().add_subplot(), size="column")


def test_the_letters_of_matplotlib_count():
    with mpl.rc_context({"font.size": 14}):
        ax = PLANE.contour()
    assert ax.xaxis.label.get_size() == 14


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize("size", [None, "column", "slide"])
def test_a_note_is_one_line_within_the_page(draw, size):
    ax = draw(size=size)
    ax.figure.canvas.draw()
    for text in notes(ax):
        assert text.get_window_extent().x1 <= ax.figure.bbox.x1
    if ax.get_xlabel().startswith("x (along direction 1"):
        assert noted(ax) == "138 of 961 points computed; rms error 0.4 % of the range"


def test_a_prediction_beyond_its_tolerance_is_said():
    missed = PLANE.with_report({**PLANE.report, "refinement": {**REFINED, "rms": 0.03, "met": False}})
    assert noted(missed.contour()).endswith("rms error 3 % of the range, above the tolerance of 1 %")


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_vector_files_are_small_and_hold_their_letters(tmp_path, ending):
    fine = np.linspace(-1, 1, 201)
    large = Landscape(fine, fine, 0.1 + fine[:, None] ** 2 + 2 * fine**2)
    before = mpl.rcParams.copy()
    for draw in (large.contour, large.surface3d):
        content = save_picture(draw, tmp_path / f"picture.{ending}").read_bytes()
        assert len(content) < 1_500_000
        assert b"/Type3" not in content
        assert ending == "svg" or b"/FontFile2" in content  # TrueType: publishers refuse Type 3
    assert mpl.rcParams == before


def test_no_number_of_a_height_stands_below_the_surface():
    ax = PLANE.surface3d()
    ticks = ax.get_zticks()
    low = np.log10(PLANE.loss.min())
    assert len(ticks) >= 2
    assert ticks.min() >= low
    assert ax.get_zlim()[0] < low - 0.1  # where the contours are


def test_models_have_names_and_are_seen_below_the_surface():
    assert [text.get_text() for text in PLANE.contour().texts] == ["the model"]
    ax = PLANE.surface3d()
    assert [text.get_text() for text in ax.texts] == ["the model"]
    (below,) = (line for line in ax.lines if line.get_label() == "_below")
    assert below.get_data_3d()[2] == [ax.get_zlim()[0]]
    assert not [line for line in PLANE.surface3d(floor=False).lines if line.get_label() == "_below"]


def test_a_corner_that_takes_the_colours_is_named_and_changes_nothing():
    corner = Landscape(AXIS, AXIS, PLANE.loss + 1e7 * np.maximum(0, AXIS[:, None] + AXIS - 1.8) ** 2)
    ax = corner.contour(log=False)
    assert "2 % of the points take 100 % of the colours; try clip=2.7" in noted(ax)
    assert ax.collections[0].levels[-1] > 1e5
    assert "of the colours" not in noted(corner.contour(log=False, clip=2.7))
    assert "of the colours" not in noted(PLANE.contour())
    for draw in (corner.contour, corner.surface3d):
        extends = [draw(clip=clip).figure.axes[1]._colorbar.extend for clip in (None, 2.7, 1e9)]
        assert extends == ["neither", "max", "neither"]


def test_numbers_of_minima_that_are_close_stand_apart():
    places = np.array([[0, 0], [5, 0], [0, 5], [5, 5], [100, 100]])
    offsets = np.array(offsets_of(places, 14.0))
    numbers = places + offsets
    apart = np.linalg.norm(numbers[:, None] - numbers[None], axis=-1)
    assert apart[np.triu_indices(5, 1)].min() >= 14
    assert offsets[0].tolist() == offsets[4].tolist() == [0, 0]
    assert offsets_of(np.empty((0, 2)), 14.0) == []


def test_loops_that_may_be_noise_have_a_name_and_the_lowest_leaf_its_circle():
    found = Landscape(AXIS, AXIS, 2 + np.cos(9 * AXIS[:, None]) * np.cos(9 * AXIS)).topology(
        log=False, error=3.0, threshold=0.01, dimensions=(0, 1)
    )
    for kind in ("diagram", "barcode"):
        (ax,) = found.plot(kind=kind)
        assert "loops, may be noise" in [text.get_text() for text in ax.get_legend().get_texts()]
    (tree,) = found.plot(kind="tree")
    bottom, top = tree.get_ylim()
    assert found.basins[0].minimum - bottom >= 0.03 * (top - bottom)


def test_a_picture_is_saved_as_it_was_drawn(tmp_path):
    content = io.BytesIO(save_picture(lambda: PLANE.contour(size="column"), tmp_path / "a.png").read_bytes())
    assert plt.imread(content).shape[1] == round(3.4 * 150)
