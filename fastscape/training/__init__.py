"""What stands beside a training while it runs: the recorder of its weights, and callbacks that drive it.

`lightning.py` and `transformers.py` have a callback each. They need the package of that name, so they are imported by
whoever names them, `fastscape.training.lightning.RecorderCallback`, and by nobody else.
"""

from fastscape.training.optional import __getattr__ as __getattr__
from fastscape.training.recorder import Recorder

__all__ = ["Recorder"]
