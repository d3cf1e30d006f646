"""The one way in which fast results are judged.

Truth is float64. A fast result may be as far from it as plain torch in the same dtype is, plus a fraction of the
truth's range; both the largest and the root-mean-square error are held to that.
"""

from __future__ import annotations

import numpy as np

FLOAT64 = 1e-9  # of the range: fast float64 against the float64 truth
FLOAT32 = 1e-5  # of the range: what float32 may lose beyond plain float32


def scale_of(truth: np.ndarray) -> float:
    """The range of the truth; its magnitude when it is constant."""
    return float(np.ptp(truth)) or float(np.abs(truth).max()) or 1.0


def errors(result: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The largest and the root-mean-square error, as fractions of the truth's range."""
    if result.shape != truth.shape:
        raise AssertionError(f"shape {result.shape} is not the truth's {truth.shape}")
    if not (np.isfinite(truth).all() and np.isfinite(result).all()):
        raise AssertionError("a value is not finite")
    difference = np.abs(np.asarray(result, dtype=np.float64) - truth) / scale_of(truth)
    return float(difference.max()), float(np.sqrt(np.square(difference).mean()))


def assert_close(result: np.ndarray, truth: np.ndarray, tolerance: float = FLOAT64) -> None:
    """Fails when the largest error is above the tolerance, a fraction of the range."""
    largest, rms = errors(result, truth)
    assert largest <= tolerance, f"largest error {largest:.3g}, rms {rms:.3g}, of the range; allowed {tolerance:.3g}"


def assert_as_accurate(fast: np.ndarray, plain: np.ndarray, truth: np.ndarray, tolerance: float = FLOAT32) -> None:
    """Fails when `fast` is further from the truth than `plain` is, plus the tolerance, a fraction of the range."""
    for kind, of_fast, of_plain in zip(("largest", "rms"), errors(fast, truth), errors(plain, truth), strict=True):
        assert of_fast <= of_plain + tolerance, (
            f"{kind} error {of_fast:.3g} of the range; plain torch has {of_plain:.3g}, and {tolerance:.3g} is allowed"
        )
