"""Several processes that compute one landscape together: they share the blocks of the grid, each taking the next one.

All of it goes through one key-value store of torch.distributed, never through collectives: the same on CPUs and GPUs,
whatever backend the processes talk by, and a slow process holds nobody up before the end.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["Ranks", "joined"]

PATIENCE = 1800.0  # seconds, as torch's own default: no process may be so much later than another
SILENCE = 60.0  # seconds of waiting without a word
LONGEST_PAUSE = 0.5  # seconds between two looks: a thousand processes ask one of them
PIECE = 4 << 20  # bytes of a value: torch's store closes the connection above 8 MiB

_calls = itertools.count()  # every process calls surface and line in the same order, so the numbers agree


class Ranks(AbstractContextManager["Ranks"]):
    """The processes of one call.

    Args:
        store: Shared by all, empty at the beginning.
        rank: The number of this process.
        size: How many there are.
    """

    def __init__(self, store: Any, rank: int, size: int) -> None:
        self.store, self.rank, self.size = store, rank, size
        self._whole = store  # of which this may be a part
        self.while_waiting: Callable[[], None] = lambda: None

    @property
    def leads(self) -> bool:
        """Whether this is the first process, which plans, and begins a store."""
        return self.rank == 0

    def shared(self, name: str, value: Any = None) -> Any:
        """What the first process says, on all of them.

        Args:
            name: What it is; each name is used once.
            value: A plain value; only that of the first process counts.

        Returns:
            The value, after a way through JSON.
        """
        if self.leads:
            self._send(name, json.dumps(value).encode())
        return json.loads(self._received(name))

    def collected(self, name: str, value: Any) -> list[Any]:
        """What every process says, on all of them.

        Args:
            name: What it is; each name is used once.
            value: A plain value.

        Returns:
            The values in the order of the processes, after a way through JSON.
        """
        self.store.set(f"{name} of {self.rank}", json.dumps(value))
        every = [json.loads(self._got(f"{name} of {rank}")) for rank in range(self.size)] if self.leads else None
        return self.shared(name, every)

    def part(self, name: str) -> Ranks:
        """The same processes with names and counts of their own.

        Args:
            name: Of the part; each is used once.

        Returns:
            The processes.
        """
        made = Ranks(dist.PrefixStore(name, self.store), self.rank, self.size)
        made._whole, made.while_waiting = self._whole, self.while_waiting
        return made

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Refuses to compute one landscape of different things.

        Args:
            facts: What must be the same in all processes, as plain values by name.

        Raises:
            ValueError: When it is not.
        """
        first = self.shared("same", dict(facts))
        differ = [name for name, value in json.loads(json.dumps(dict(facts))).items() if first[name] != value]
        if differ:
            raise ValueError(
                f"process {self.rank} of {self.size} has another {', '.join(differ)} than process 0; give all the "
                "same model, data and settings: seed what shuffles or draws, and use no DistributedSampler"
            )

    def claimed(self) -> int:
        """The next number from 0, which no other process gets."""
        return self.store.add("next", 1) - 1

    def finished(self, points: int) -> int:
        """Counts points as done.

        Args:
            points: How many this process has finished.

        Returns:
            How many all have.
        """
        return self.store.add("done", points)

    def all_here(self, name: str) -> None:
        """Waits until all processes have come as far as this.

        Args:
            name: What they have done; each name is used once.
        """
        if self.store.add(f"{name} done", 1) == self.size:
            self.store.set(name, "")
        self._got(name)

    def gathered(self, sums: Tensor, own: Tensor) -> Tensor:
        """The sums of all processes, bit for bit, on each of them.

        Args:
            sums: Sums [points, measures] on the CPU, of which this process knows some.
            own: Which points it has evaluated itself [n], int64.

        Returns:
            The sums, complete.
        """
        self._send(f"sums {self.rank}", own.numpy().tobytes() + sums[own].numpy().tobytes())
        if self.leads:  # one reads what all send and all read what one sends: the requests grow with the processes
            whole = sums.clone()
            for rank in range(self.size):
                received = self._received(f"sums {rank}")
                points = len(received) // (8 + 8 * sums.shape[1])
                if points:
                    index = torch.frombuffer(received, dtype=torch.int64, count=points)
                    whole[index] = torch.frombuffer(received, dtype=torch.float64, offset=8 * points).view(points, -1)
            self._send("sums", whole.numpy().tobytes())
        return torch.frombuffer(self._received("sums"), dtype=torch.float64).view(sums.shape)

    def _send(self, name: str, content: bytes) -> None:
        """Sets what may be larger than the store takes at once."""
        for number, start in enumerate(range(0, len(content), PIECE)):
            self.store.set(f"{name}/{number}", content[start : start + PIECE])
        self.store.set(name, str(len(content)))

    def _received(self, name: str) -> bytearray:
        """What some process sends, once it has."""
        size = int(self._got(name))
        return bytearray().join(self.store.get(f"{name}/{number}") for number in range(-(-size // PIECE)))

    def _got(self, name: str) -> bytes:
        """What some process sets, once it has; an error when a process has failed in the meantime."""
        begun, pause, warned = time.monotonic(), 0.001, False
        while not self.store.check([name]):
            if self._whole.check(["failed"]):
                failed = self._whole.get("failed").decode()
                raise RuntimeError(f"another process of this landscape has failed: {failed}")
            waited = time.monotonic() - begun
            if waited > SILENCE and not warned:
                warned = True
                message = f"process {self.rank} of {self.size} waits for the others; where it calls alone, write"
                warnings.warn(f"{message} distributed=False", stacklevel=2)
            if waited > PATIENCE:
                raise TimeoutError(f"process {self.rank} of {self.size} has waited {PATIENCE} s for the others")
            self.while_waiting()
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return self.store.get(name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self.store.set("failed", f"process {self.rank}: {kind.__name__}: {error}")
            return
        # The first process may hold the store, so it stays until the others have read from it.
        self.store.set(f"left {self.rank}", "")
        if self.leads:
            for rank in range(self.size):
                self._got(f"left {rank}")


def joined() -> Ranks | AbstractContextManager[None]:
    """The processes that this one belongs to: an initialised process group, or those that torchrun has started.

    Returns:
        The processes; a context of None where there is only this one.

    Raises:
        ValueError: When torchrun keeps its store to itself and no process group was initialised.
    """
    if dist.is_available() and dist.is_initialized():
        rank, size, store = dist.get_rank(), dist.get_world_size(), _of_group
    elif "TORCHELASTIC_RUN_ID" in os.environ:
        rank, size, store = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), _of_torchrun
    else:
        return nullcontext()
    return Ranks(store(rank, size), rank, size) if size > 1 else nullcontext()


def _of_group(rank: int, size: int) -> Any:
    """A store of this call's own, whose place the group is told."""
    store, place = None, [("", 0)]
    if rank == 0:
        store = dist.TCPStore("0.0.0.0", 0, size, is_master=True, wait_for_workers=False)  # on a port that is free
        place = [(os.environ.get("MASTER_ADDR") or socket.getfqdn(), store.port)]
    dist.broadcast_object_list(place)
    host, port = place[0]
    return store or dist.TCPStore(host, port, size, is_master=False, wait_for_workers=False)


def _of_torchrun(rank: int, size: int) -> Any:
    """Keys of this call's own in the store that torchrun keeps for its processes."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise ValueError(
            "this torchrun does not share its store; call torch.distributed.init_process_group('gloo') before"
        )
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(host, port, size, is_master=False, wait_for_workers=False)
    # After a failure torchrun starts all processes again, with the same store.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return dist.PrefixStore(f"fastscape/{attempt}/{next(_calls)}", store)
