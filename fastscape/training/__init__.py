"""Records the weights of a training while it runs: the recorder, and callbacks that drive it.

`lightning.py` and `transformers.py` have one callback each and need the package of their name. They are imported only
when named, as in `fastscape.training.lightning.RecorderCallback`.
"""

from fastscape.training.optional import __getattr__ as __getattr__
from fastscape.training.recorder import Recorder

__all__ = ["Recorder"]
