"""Models that are sharded over several processes: finds the processes, and evaluates points together.

Processes that hold parts of the same tensors are a team. All processes of a team evaluate the same points, because a
forward pass needs the parts of each. Several teams, each with a copy of the model, share the points. A team meets
before every forward pass. A process that has failed, or has reached a different evaluation, ends the run for all;
without the meeting, the forward pass would wait for it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fastscape.runs.backing import Backing
from fastscape.runs.distributed import Ranks
from fastscape.runs.request import Request
from fastscape.weights import (
    forward_abandoned,
    indices_here,
    is_sharded,
    prepared_to_run,
    resharded,
    sharing_groups,
    tensors_of,
)

__all__ = ["shared_out"]

GRACE = 10.0  # seconds that a failed process gives the other processes to fail too, or to finish
NEXT = "failed", "meeting"  # what processes report after an evaluation
MOST_SAID = 300  # number of characters kept of an error


class Team:
    """The processes that hold a model together, see `fastscape.weights.Sharing`.

    Args:
        ranks: All processes, in teams; None for this process alone.
        counted: Names of the tensors whose part in this process counts in sums.
        group: The process group of the team in torch; None for this process alone.
        device: The device on which the group adds.
    """

    def __init__(self, ranks: Ranks | None, counted: set[str], group: Any, device: torch.device) -> None:
        self._ranks, self._counted, self._group, self._device = ranks, counted, group, device
        self._met = 0
        self._error: str | None = None  # key of the previous evaluation
        self._alone = False  # whether other processes may wait for this process for ever

    def counts(self, name: str) -> bool:
        """Whether the part of a tensor in this process counts in sums."""
        return name in self._counted

    def added(self, sums: Tensor) -> Tensor:
        """The sums over the team."""
        if self._ranks is None:
            return sums
        self._meet("sums")
        there = sums.to(self._device)
        dist.all_reduce(there, group=self._group)
        return there.to(sums.device)

    @contextmanager
    def evaluating(self, model: nn.Module, what: str) -> Iterator[None]:
        """Surrounds a forward pass, which all processes of the team start together."""
        self._meet(what)
        resharded(model)
        try:
            yield
        except BaseException as error:
            forward_abandoned(model)
            if isinstance(error, Exception):
                self._error = f"{type(error).__name__}: {str(error)[:MOST_SAID]}"
                self._alone = not self._others_go_on()
            raise
        finally:
            resharded(model)

    def _others_go_on(self) -> bool:
        """Waits for the other processes of the team to fail too or to reach the next meeting.

        Returns:
            Whether they have; else they may be in a forward pass that waits for this process.
        """
        ranks, ended = self._ranks, time.monotonic() + GRACE
        if ranks is None:
            return True
        ranks.store.set(f"failed {self._met} of {ranks.number}: {ranks.rank}", "")
        left = {rank for rank in ranks.team if rank != ranks.rank}
        while left and time.monotonic() < ended and not ranks.store.check(["failed"]):
            for rank in list(left):
                if any(ranks.store.check([f"{name} {self._met} of {ranks.number}: {rank}"]) for name in NEXT):
                    left.remove(rank)
            time.sleep(0.01)
        return not left

    def _meet(self, what: str) -> None:
        """Waits until all processes of the team have arrived.

        Raises:
            RuntimeError: When a process has reached a different evaluation, or comes from an evaluation in which it
                alone failed.
        """
        ranks, error = self._ranks, self._error
        if ranks is None:
            return
        if self._alone:
            raise RuntimeError(_failed_alone(ranks.rank, error))
        self._error = None
        name, before = (f"meeting {k} of {ranks.number}" for k in (self._met, self._met - 1))
        self._met += 1
        ranks.store.set(f"{name}: {ranks.rank}", json.dumps([what, error]))
        if ranks.speaks:
            came = {rank: json.loads(ranks.got(f"{name}: {rank}", rank)) for rank in ranks.team}
            ranks.store.set(name, _odd(came))
            for key in (before, *(f"{before}: {rank}" for rank in ranks.team)):  # all processes have read it
                with suppress(Exception):  # not every store can delete keys
                    ranks.store.delete_key(key)
        odd = ranks.got(name, ranks.team[0]).decode()
        if odd != "go":
            raise RuntimeError(odd)


def _failed_alone(rank: int, error: str | None) -> str:
    return (
        f"process {rank} failed in an evaluation, and others that hold the same model did not: {error}; give all of "
        "them the same data, loss and objective"
    )


def _odd(came: Mapping[int, list[Any]]) -> str:
    """The error of a meeting; "go" if there is none."""
    failed = {rank: error for rank, (_, error) in came.items() if error is not None}
    if failed and len(failed) < len(came):
        return _failed_alone(*next(iter(failed.items())))
    if len({what for what, _ in came.values()}) > 1:
        said = "; ".join(f"process {rank}: {what}" for rank, (what, _) in list(came.items())[:4])
        return (
            f"processes that hold one model together came to different evaluations ({said}); give all of them the "
            "same data and settings: seed what shuffles or draws, and use no DistributedSampler"
        )
    return "go"


def shared_out(request: Request, backing: Backing) -> Request:
    """The request with teams: processes that hold the model together take blocks together from here on.

    Args:
        request: The request.
        backing: Store and processes; the processes are put into teams.

    Returns:
        The request; unchanged if each process holds the whole model.

    Raises:
        ValueError: When parts of the model are missing.
    """
    model, ranks = request.model, backing.ranks
    if not is_sharded(model):
        return request
    prepared_to_run(model)
    tensors = tensors_of(model)
    if ranks is None:
        _check_alone(tensors)
        team = Team(None, set(tensors), None, request.place.device)
        return replace(request, place=replace(request.place, sharing=team))
    own = {name: _part(name, tensor) for name, tensor in tensors.items()}
    neighbours = sorted({tuple(group) for tensor in tensors.values() for group in sharing_groups(tensor)})
    every = ranks.collected("parts of the model", [neighbours, [list(part) for part in own.values()]])
    ranks.teams = _teams(ranks.size, [groups for groups, _ in every])
    counted = set()
    for k, (name, tensor) in enumerate(tensors.items()):
        parts = {rank: tuple(every[rank][1][k]) for rank in ranks.team}
        firsts = {part: rank for rank, part in reversed(parts.items())}
        counted |= {name} if firsts[own[name]] == ranks.rank else set()
        if (found := sum(size for _, size in firsts)) != tensor.numel():
            raise ValueError(
                f"processes {', '.join(map(str, ranks.team))} must hold all of the model together, got {found} of the "
                f"{tensor.numel()} entries of {name}"
            )
    sharing = Team(ranks, counted, *_group(tensors, ranks))
    return replace(request, place=replace(request.place, sharing=sharing))


def _check_alone(tensors: Mapping[str, Tensor]) -> None:
    """Refuses a model some of whose parts are in processes that do not take part."""
    others = {rank for tensor in tensors.values() for group in sharing_groups(tensor) for rank in group}
    if len(others) > 1:
        raise ValueError(
            f"distributed=False cannot be used for a model that {len(others)} processes share and evaluate together; "
            "leave it out, and make the call in all of them"
        )


def _part(name: str, tensor: Tensor) -> tuple[str, int]:
    """The identity of a part of a tensor, and its number of entries."""
    digest, size = hashlib.sha256(), 1
    for index in indices_here(name, tensor):
        digest.update(index.numpy().tobytes() + b";")
        size *= len(index)
    return digest.hexdigest()[:16], size


def _teams(size: int, neighbours: Sequence[Sequence[Sequence[int]]]) -> list[list[int]]:
    """The processes that are connected by groups over which tensors are sharded."""
    team = list(range(size))  # for each process, the first process that it is connected to
    for groups in neighbours:
        for group in groups:
            joined = {team[rank] for rank in group}
            team = [min(joined) if first in joined else first for first in team]
    return [[rank for rank in range(size) if team[rank] == first] for first in sorted(set(team))]


def _group(tensors: Mapping[str, Tensor], ranks: Ranks) -> tuple[Any, torch.device]:
    """The process group of the team in torch, an existing group if there is one, and the device on which it adds."""
    meshes: list[Any] = [tensor.device_mesh for tensor in tensors.values() if hasattr(tensor, "device_mesh")]
    device = torch.device(meshes[0].device_type) if meshes else torch.device("cpu")
    if len(ranks.team) == ranks.size:
        return dist.group.WORLD, device
    groups = (mesh.get_group(axis) for mesh in meshes for axis in range(mesh.ndim))
    for group in groups:
        if sorted(dist.get_process_group_ranks(group)) == ranks.team:
            return group, device
    return dist.new_group(ranks.team, use_local_synchronization=True), device
