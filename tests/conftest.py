"""Runs before any test module is imported."""

import os
import signal

import torch

# Triton reads the variable when a kernel module is imported; without a GPU its interpreter runs the kernels.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
else:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic algorithms ask for it

import matplotlib
import pytest
from hypothesis import settings

matplotlib.use("Agg")

# A shell starts what runs in the background with Ctrl-C ignored, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The examples of a property are the same on every run, and a slow machine is no failure.
settings.register_profile("fastscape", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("fastscape")


def pytest_addoption(parser):
    parser.addoption("--fuzz-count", type=int, default=300, help="how many broken and hostile inputs are tried")
    parser.addoption("--fuzz-seed", type=int, default=0, help="what they follow from, besides their number")


def pytest_collectstart(collector):
    """What a test module draws when it is imported does not depend on the modules before it."""
    if isinstance(collector, pytest.Module):
        torch.manual_seed(0)


LONG = (
    "test_benchmarks",
    "test_docs",
    "test_distributed",
    "test_waiting",
    "test_kernels_compile",
    "test_gpu_day",
    "test_explorer_page",
    "test_surface_values",
)


def pytest_collection_modifyitems(items):
    """The files that take minutes come first: each is run by one process, which nobody should wait for at the end."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(autouse=True)
def _random_numbers_are_the_same_on_every_run():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _fresh_memory_is_poisoned():
    """Memory that nobody has written to holds NaN, so that a kernel which forgets an entry is caught."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(before)


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
