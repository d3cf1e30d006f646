"""Several processes that compute one landscape together: each takes the next block of the grid.

All communication goes through one key-value store of torch.distributed, never through collectives. So it works alike
on CPUs and GPUs with any backend, and a slow process delays no other process before the end.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from fastscape.results import warn
from fastscape.runs.waiting import Waiting

__all__ = ["Ranks", "joined"]

ONE_REQUEST = 5.0, 86400.0  # least and largest timeout of a single request to the store, in seconds
MOST_SAID = 500  # number of characters kept of the error of another process
PIECE = 4 << 20  # bytes of a value: torch's store closes the connection above 8 MiB

_calls = itertools.count()  # every process calls surface and line in the same order, so the numbers agree


class Ranks(AbstractContextManager["Ranks"]):
    """The processes of one call.

    Args:
        store: Shared by all, empty at the beginning.
        waiting: How this process waits for the other processes.
        teams: The processes that evaluate the same points together, and so take blocks together; in increasing order,
            starting with the team of the first process. Default: every process is its own team.
    """

    def __init__(self, store: Any, waiting: Waiting, teams: Sequence[Sequence[int]] | None = None) -> None:
        self.store, self.waiting = store, waiting
        self.rank, self.size = waiting.rank, waiting.size
        self.teams = [[rank] for rank in self.every] if teams is None else teams
        self._claims, self._agreed = itertools.count(), itertools.count()

    @property
    def leads(self) -> bool:
        """Whether this is the first process, which plans, and begins a store."""
        return self.rank == 0

    @property
    def team(self) -> Sequence[int]:
        """The processes that evaluate the same points as this process, including it."""
        return self.teams[self.number]

    @property
    def number(self) -> int:
        """The number of this process's team."""
        return next(k for k, team in enumerate(self.teams) if self.rank in team)

    @property
    def speaks(self) -> bool:
        """Whether this process reports the results of its team: the first process of a team does."""
        return self.rank == self.team[0]

    @property
    def every(self) -> range:
        """The numbers of all processes."""
        return range(self.size)

    def shared(self, name: str, value: Any = None) -> Any:
        """Sends a value from the first process to all.

        Args:
            name: Name of the value; each name is used once.
            value: A plain value; only the value of the first process counts.

        Returns:
            The value, after a way through JSON.
        """
        if self.leads:
            self._send(name, json.dumps(value).encode())
        return json.loads(self._received(name, 0))

    def agreed(self, value: Any) -> Any:
        """Sends a value from the first process to all, which must call in the same order.

        Args:
            value: A plain value; only the value of the first process counts.

        Returns:
            The value, after a way through JSON.
        """
        return self.shared(f"agreed {next(self._agreed)}", value)

    def collected(self, name: str, value: Any) -> list[Any]:
        """Collects a value from every process, on all processes.

        Args:
            name: Name of the value; each name is used once.
            value: A plain value.

        Returns:
            The values in the order of the processes, after a way through JSON.
        """
        self.store.set(f"{name} of {self.rank}", json.dumps(value))
        every = [json.loads(self.got(f"{name} of {rank}", rank)) for rank in self.every] if self.leads else None
        return self.shared(name, every)

    def part(self, name: str) -> Ranks:
        """The same processes with separate names and counts.

        Args:
            name: Name of the part; each name is used once.

        Returns:
            The processes.
        """
        return Ranks(dist.PrefixStore(name, self.store), self.waiting, self.teams)

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Refuses to compute one landscape if the processes differ in what they compute.

        Args:
            facts: What must be the same in all processes, as plain values by name.

        Raises:
            ValueError: When a fact differs.
        """
        first = self.shared("same", dict(facts))
        differ = [name for name, value in json.loads(json.dumps(dict(facts))).items() if first[name] != value]
        if differ:
            raise ValueError(
                f"process {self.rank} of {self.size} has another {', '.join(differ)} than process 0; give all the "
                "same model, data and settings: seed what shuffles or draws, and use no DistributedSampler"
            )

    def claimed(self) -> int:
        """The next number, counted from 0, that no other team gets."""
        if len(self.team) == 1:
            return self.store.add("next", 1) - 1
        name = f"claim {next(self._claims)} of {self.number}"
        if self.speaks:
            self.store.set(name, str(self.store.add("next", 1) - 1))
        return int(self.got(name, self.team[0]))

    def finished(self, points: int) -> int:
        """Counts finished points.

        Args:
            points: Number of points that this process and its team have finished.

        Returns:
            Number of points that all processes have finished.
        """
        return self.store.add("done", points if self.speaks else 0)

    def all_here(self, name: str) -> None:
        """Waits until all processes have reached this call.

        Args:
            name: Name of the step; each name is used once.
        """
        self.collected(name, None)

    def gathered(self, sums: Tensor, own: Tensor) -> Tensor:
        """The sums of all processes, bit for bit, on every process.

        Args:
            sums: Sums [points, measures] on the CPU; this process knows some rows.
            own: Numbers of the points that this process evaluated [n], int64.

        Returns:
            The sums, complete.
        """
        own = own if self.speaks else own[:0]
        self._send(f"sums {self.rank}", own.numpy().tobytes() + sums[own].numpy().tobytes())
        if self.leads:  # one process reads from all, and all read from it: the number of requests grows linearly
            whole = sums.clone()
            for rank in self.every:
                received = self._received(f"sums {rank}", rank)
                points = len(received) // (8 + 8 * sums.shape[1])
                if points:
                    index = torch.frombuffer(received, dtype=torch.int64, count=points)
                    whole[index] = torch.frombuffer(received, dtype=torch.float64, offset=8 * points).view(points, -1)
            self._send("sums", whole.numpy().tobytes())
        return torch.frombuffer(self._received("sums", 0), dtype=torch.float64).view(sums.shape)

    def _send(self, name: str, content: bytes) -> None:
        """Sets a value that may be larger than the store takes at once."""
        for number, start in enumerate(range(0, len(content), PIECE)):
            self.store.set(f"{name}/{number}", content[start : start + PIECE])
        self.store.set(name, str(len(content)))

    def _received(self, name: str, whose: int) -> bytearray:
        """Waits for a value that a process sends."""
        size = int(self.got(name, whose))
        return bytearray().join(self.store.get(f"{name}/{number}") for number in range(-(-size // PIECE)))

    def got(self, name: str, whose: int) -> bytes:
        """Waits for a value that a process sets; raises if a process fails, or is given up, while waiting."""
        self.waiting.until(lambda: self.store.check([name]), whose)
        return self.store.get(name)

    def __enter__(self) -> Ranks:
        self.waiting.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self._leave()
            else:
                self._failed(kind, error)
        finally:
            self.waiting.end()

    def _failed(self, kind: type[BaseException], error: BaseException | None) -> None:
        """Tells the other processes of an error; if another process caused it, raises the error of that process."""
        said = f"{kind.__name__}: {str(error)[:MOST_SAID]}"
        try:
            before = self.store.compare_set("failed", "", f"process {self.rank}: {said}").decode()
        except Exception:  # the store itself may have failed
            return
        together = len(self.team) > 1 and issubclass(kind, Exception)
        if together and not before.endswith(f": {said}") and "has failed: process" not in str(error):
            raise RuntimeError(f"another process of this landscape has failed: {before}") from error

    def _leave(self) -> None:
        """The first process may hold the store, so it waits until all other processes have read from it."""
        self.store.set(f"left {self.rank}", "")
        if self.leads:
            for rank in self.every:
                try:
                    self.got(f"left {rank}", rank)
                except TimeoutError as given_up:
                    warn(f"the landscape is complete here, but {given_up}")
                    return


def joined(timeout: float) -> Ranks | AbstractContextManager[None]:
    """The processes of this run: an initialised process group, or the processes that torchrun started.

    Args:
        timeout: Seconds without a sign of life after which a process is given up.

    Returns:
        The processes; a context of None if there is only this process.

    Raises:
        TimeoutError: When the store of torchrun cannot be reached.
        ValueError: When there is no store: torchrun does not share its store and no process group was initialised, or
            the backend of the group has no store.
    """
    if dist.is_available() and dist.is_initialized():
        rank, size, store = dist.get_rank(), dist.get_world_size(), _of_group
    elif "TORCHELASTIC_RUN_ID" in os.environ:
        rank, size, store = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), _of_torchrun
    else:
        return nullcontext()
    if size == 1:
        return nullcontext()
    shared = store(size, timedelta(seconds=min(max(timeout, ONE_REQUEST[0]), ONE_REQUEST[1])))
    return Ranks(shared, Waiting(shared, rank, size, timeout))


def _of_group(size: int, request: timedelta) -> Any:
    """A namespace for this call in the store of the process group."""
    shared = dist.distributed_c10d._get_default_store()
    if shared is None:
        raise ValueError(
            f"the process group of backend {dist.get_backend()!r} has no store that its processes share; start them "
            "with torchrun, or write distributed=False"
        )
    own = shared.clone()  # with its own connection and timeout
    own.set_timeout(request)
    return dist.PrefixStore(f"fastscape/{next(_calls)}", own)


def _of_torchrun(size: int, request: timedelta) -> Any:
    """A namespace for this call in the store of torchrun."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise ValueError(
            "this torchrun does not share its store; call torch.distributed.init_process_group('gloo') before"
        )
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store = dist.TCPStore(host, port, size, is_master=False, wait_for_workers=False, timeout=request)
    except RuntimeError as error:
        raise TimeoutError(f"the store of torchrun at {host}:{port} cannot be reached ({str(error)[:200]})") from error
    # After a failure torchrun restarts all processes with the same store.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return dist.PrefixStore(f"fastscape/{attempt}/{next(_calls)}", store)
