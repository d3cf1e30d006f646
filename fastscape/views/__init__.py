"""Pictures, the interactive page, animations, walks of optimizers, and the display of landscapes in notebooks.

Everything here takes plain values and draws the marks, labels and paths that they carry. matplotlib and plotly are
imported when the first picture is drawn.
"""

from fastscape.views.alignment_table import alignment_html, alignment_text
from fastscape.views.animation import animate
from fastscape.views.barrier_matrix import barriers
from fastscape.views.barrier_picture import barrier
from fastscape.views.barrier_table import barrier_html, barrier_text, barriers_html, barriers_text
from fastscape.views.basin_picture import basin
from fastscape.views.basin_table import basin_text
from fastscape.views.captions import caption, refinement_said, repeats_said
from fastscape.views.comparison import common_scale, compare, drawn_by
from fastscape.views.explorer import page, to_html
from fastscape.views.line_picture import plot
from fastscape.views.live import shown_by
from fastscape.views.map_picture import contour
from fastscape.views.notebook import PageInNotebook, displayed, displayed_report
from fastscape.views.overview import overview
from fastscape.views.sections_picture import sections
from fastscape.views.sharpness_picture import sharpness
from fastscape.views.sharpness_table import (
    sharpness_html,
    sharpness_text,
    side_by_side_html,
    side_by_side_text,
)
from fastscape.views.smooth import Smooth
from fastscape.views.spectrum_picture import spectrum
from fastscape.views.surface_picture import surface3d
from fastscape.views.topology_picture import topologies, topology
from fastscape.views.topology_table import topology_text
from fastscape.views.walks import OPTIMIZERS, Walk, descend

__all__ = [
    "OPTIMIZERS",
    "PageInNotebook",
    "Smooth",
    "Walk",
    "alignment_html",
    "alignment_text",
    "animate",
    "barrier",
    "barrier_html",
    "barrier_text",
    "barriers",
    "barriers_html",
    "barriers_text",
    "basin",
    "basin_text",
    "caption",
    "common_scale",
    "compare",
    "contour",
    "descend",
    "displayed",
    "displayed_report",
    "drawn_by",
    "overview",
    "page",
    "plot",
    "refinement_said",
    "repeats_said",
    "sections",
    "sharpness",
    "sharpness_html",
    "sharpness_text",
    "shown_by",
    "side_by_side_html",
    "side_by_side_text",
    "spectrum",
    "surface3d",
    "to_html",
    "topologies",
    "topology",
    "topology_text",
]
