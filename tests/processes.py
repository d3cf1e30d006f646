"""Several processes that compute one landscape, each with one thread."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

import ranks
import stored_runs
from fastscape.runs.distributed import Ranks
from fastscape.runs.waiting import Waiting

TESTS = Path(__file__).parent


def one_of(size, rank, store, timeout=60.0):
    """One of several processes with a common store, played by a test."""
    return Ranks(store, Waiting(store, rank, size, timeout))


def torchrun(folder, *doing, restarts):
    """Two processes that torchrun starts, and starts again."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [f"--max-restarts={restarts}", str(TESTS / "ranks.py"), str(folder), *doing]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


class Done(NamedTuple):
    """How processes have ended, and what they have said."""

    returncodes: list[int]
    stderr: str


def several(folder, doing, processes, told=None):
    """Processes that are told of each other as torchrun tells its own, copied from one that has imported torch."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    place |= {"TORCHELASTIC_RUN_ID": "tests", "TORCHELASTIC_RESTART_COUNT": "0", "WORLD_SIZE": str(processes)}
    started = [stored_runs.started(told or _told, place | {"RANK": str(k)}, folder, doing) for k in range(processes)]
    ended = time.monotonic() + 180
    for process in started:
        process.join(max(0.0, ended - time.monotonic()))
        process.kill()  # does nothing to one that has ended
        process.join()
    said = "".join((folder / f"stderr-{k}").read_text() for k in range(processes))
    return Done([process.exitcode for process in started], said)


def take_part(environment, folder):
    """What a process is told of the others, and where it says what goes wrong."""
    os.environ.update(environment)
    with (folder / f"stderr-{environment['RANK']}").open("w") as file:
        os.dup2(file.fileno(), 2)


def _told(environment, folder, doing):
    take_part(environment, folder)
    ranks.main(folder, doing)


@contextmanager
def one_thread():
    """As the processes have here."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
