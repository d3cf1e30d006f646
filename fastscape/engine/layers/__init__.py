"""Evaluates single layers faster if many points share the samples: one method per file."""

from fastscape.engine.layers.absent import Absent
from fastscape.engine.layers.hoisting import Hoist
from fastscape.engine.layers.losses import BatchedFunctions
from fastscape.engine.layers.patches import Patches, worthwhile
from fastscape.engine.layers.small_images import skip_padding

__all__ = ["Absent", "BatchedFunctions", "Hoist", "Patches", "skip_padding", "worthwhile"]
