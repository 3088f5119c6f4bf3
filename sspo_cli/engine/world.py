"""The processes that train together: the only place that knows of ranks.

Problems, log-probabilities and the responses of an update are dealt out to the ranks, and what comes back is gathered,
the same on every rank, so that every rank takes the same step. Every rank holds all weights, or a part of each.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EngineSection
from sspo_cli.guards import RankLost
from sspo_cli.models.policy import Policy
from sspo_cli.models.shards import shard
from sspo_cli.ranks import under_torchrun

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = timedelta(hours=2)  # how long a rank waits for the others, whose rewards may be slow
BUCKET = 2**24  # elements of gradients summed over ranks at once


class World(Protocol):
    """What the ranks of a run have to agree on. Rank 0 writes."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def sum(self, value_N: Tensor) -> Tensor:
        """The sum over ranks, on every rank."""
        ...

    def most(self, count: int) -> int:
        """The largest count of all ranks: so many passes does each make, empty ones included."""
        ...

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on some rank: somebody was asked to stop."""
        ...

    def gather(self, items: Sequence[T]) -> list[T]:
        """The items of all ranks, in the order of ranks, on every rank."""
        ...

    def hold(self, policy: Policy) -> None:
        """Keep of the weights of `policy` what this rank is to hold."""
        ...


class OneProcess:
    """A world of one rank: everything is as it is here."""

    rank, size = 0, 1

    def sum(self, value_N: Tensor) -> Tensor:
        return value_N

    def most(self, count: int) -> int:
        return count

    def any(self, flag: bool) -> bool:
        return flag

    def gather(self, items: Sequence[T]) -> list[T]:
        return list(items)

    def hold(self, policy: Policy) -> None:
        """All of them."""


@dataclass(frozen=True)
class Ranks:
    """The process group that torchrun started; `world_of` opens it. sharded: each holds a part of the weights."""

    rank: int
    size: int
    sharded: bool

    def sum(self, value_N: Tensor) -> Tensor:
        total_N = value_N.clone()
        with others_there():
            torch.distributed.all_reduce(total_N)
        return total_N

    def most(self, count: int) -> int:
        return max(self.gather([count]))

    def any(self, flag: bool) -> bool:
        return any(self.gather([flag]))

    def gather(self, items: Sequence[T]) -> list[T]:
        found: list[Any] = [None] * self.size
        with others_there():
            torch.distributed.all_gather_object(found, list(items))
        return [item for of_rank in found for item in of_rank]

    def hold(self, policy: Policy) -> None:
        if self.sharded:
            shard(policy.model, init_device_mesh(policy.device.type, (self.size,)))


@contextmanager
def others_there() -> Iterator[None]:
    """Whatever a collective call raises inside the block says that another rank has ended, or does not answer.

    Raises:
        RankLost: in its place.
    """
    try:
        yield
    except RuntimeError as error:
        raise RankLost("another rank has ended, or does not answer") from error


@contextmanager
def lost_ranks_told() -> Iterator[None]:
    """As `others_there`, for a block that computes as well: an update over sharded weights, whose collective calls are
    PyTorch's own. Other errors stay what they are.

    Raises:
        RankLost: for an error of the network between ranks.
    """
    try:
        yield
    except RuntimeError as error:
        # gloo has no type of errors of its own; all of them begin with the file of gloo that noticed.
        if not isinstance(error, torch.distributed.DistError) and "/gloo/" not in str(error):
            raise
        raise RankLost("another rank has ended, or does not answer") from error


def own_gpu() -> int:
    """The number of the GPU of this rank.

    Raises:
        ConfigError: where there are fewer GPUs than ranks on this machine.
    """
    ranks, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if ranks > gpus:
        raise ConfigError([f"engine: {ranks} ranks here and {gpus} GPUs; start {gpus} ranks, or use engine.device=cpu"])
    return int(os.environ["LOCAL_RANK"])


@contextmanager
def world_of(config: EngineSection) -> Iterator[World]:
    """The world that `engine` names: of one process, or of the ranks that torchrun started this one among.

    Raises:
        ConfigError: if torchrun started several processes of a run that is one.
    """
    if config.kind == "single":
        if under_torchrun() and int(os.environ["WORLD_SIZE"]) > 1:
            raise ConfigError(["engine=single: torchrun started several processes; write engine=ddp or engine=fsdp"])
        yield OneProcess()
        return
    if torch.cuda.is_available() and config.device != "cpu":
        torch.cuda.set_device(own_gpu())
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE
    )
    try:
        yield Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size(), config.kind == "fsdp")
    finally:
        torch.distributed.destroy_process_group()


def deal(weights: Sequence[int], size: int) -> list[list[int]]:
    """Places in `weights` for each of `size` ranks, in order: the heaviest first, each to the rank with the least."""
    shares: list[list[int]] = [[] for _ in range(size)]
    load = [0] * size
    for place in sorted(range(len(weights)), key=lambda place: -weights[place]):
        rank = load.index(min(load))
        shares[rank].append(place)
        load[rank] += weights[place]
    return [sorted(share) for share in shares]


def shared(world: World, weights: Sequence[int], work: Callable[[list[int]], Sequence[R]]) -> list[R]:
    """What `work` makes of all places in `weights`, in order, on every rank, each having done its share.

    Raises:
        Exception: what the first rank that failed raised, on every rank.
    """
    places = deal(weights, world.size)[world.rank]
    found = agreed(world, lambda: work(places))
    by_place = dict(world.gather(list(zip(places, found, strict=True))))
    return [by_place[place] for place in range(len(weights))]


def agreed(world: World, work: Callable[[], R]) -> R:
    """What `work` gives here, once it has succeeded on every rank.

    Raises:
        Exception: what the first rank that failed raised, on every rank.
    """
    if world.size == 1:
        return work()
    result, failure = None, None
    try:
        result = work()
    except RankLost:
        raise
    except Exception as error:
        failure = error if travels(error) else RuntimeError(f"rank {world.rank}: {error!r}")
    for failed in world.gather([failure]):
        if failed is not None:
            raise failed
    return result  # type: ignore[return-value]


def travels(error: Exception) -> bool:
    """Whether another process can make `error` again."""
    try:
        copy.deepcopy(error)
    except Exception:
        return False
    return True


def sum_gradients(world: World, parameters: Sequence[torch.nn.Parameter]) -> None:
    """The gradients of all ranks added up, in place; a parameter without one counts as zeros. Those of sharded weights
    were added up as they came."""
    parameters = [parameter for parameter in parameters if not isinstance(parameter, DTensor)]
    if world.size == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    while gradients:
        count, elements = 0, 0
        while count < len(gradients) and (not count or elements + gradients[count].numel() <= BUCKET):
            elements += gradients[count].numel()
            count += 1
        bucket, gradients = gradients[:count], gradients[count:]
        total_N = world.sum(torch.cat([gradient.flatten() for gradient in bucket]))
        parts = torch.split(total_N, [gradient.numel() for gradient in bucket])
        for gradient, part_N in zip(bucket, parts, strict=True):
            gradient.copy_(part_N.view_as(gradient))
