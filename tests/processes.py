"""Several processes that torchrun starts, each with one thread."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import torch

TESTS = Path(__file__).parent


def torchrun(folder, doing, processes, *, restarts=0):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += [f"--max-restarts={restarts}", str(TESTS / "ranks.py"), str(folder), doing]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@contextmanager
def one_thread():
    """As the processes of torchrun have here."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
