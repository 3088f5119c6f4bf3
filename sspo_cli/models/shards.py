"""Weights of which each rank holds a part, by PyTorch's FSDP2 (arXiv 2304.11277).

A layer is whole on a rank while it computes, and its gradient is summed over the ranks as soon as it is known. So every
forward pass, backward pass and gathering below is a collective call: all ranks make the same ones in the same order.
Only inside `whole` does a rank compute alone. Without shards everything here leaves the model as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from transformers.modeling_layers import GradientCheckpointingLayer

from sspo_cli.models.head import projection

# Of layers and logits that are views: nothing here, or in transformers' models, changes them in place.
warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor", category=UserWarning)

R = TypeVar("R")
COMPUTE = "compute_in_shards"  # the method of a sharded model that runs a function as a forward pass


def shard(model: Any, mesh: DeviceMesh) -> None:
    """Keep of each weight of `model` the rows of this rank, on the device of `mesh`; layer by layer, the rest at last.

    The parameters that are there before are not those of the model afterwards: an optimizer is made after this.
    """
    projection(model)  # is found by forward passes, once: later not all ranks might look for it at the same time
    # From the inside out: what a module holds that its own modules have not shared out goes with it.
    for layer in reversed([layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for part in parts_of(model):
        # The gradient of an update is the sum over its responses, whichever rank has them.
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
    # A weight that a rank's share of the responses does not reach, as of an expert, has a gradient of zeros there.
    model.set_reduce_scatter_unused_params(True)
    setattr(model, COMPUTE, lambda work: work())
    register_fsdp_forward_method(model, COMPUTE)
    # The first module that computes becomes the root, which alone prepares a pass: it has to be the whole model.
    computing(model, lambda: None)
    rest(model)


def parts_of(model: Any) -> list[Any]:
    """The modules whose weights are gathered together: the whole model, for what is in no layer, and every layer."""
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def is_sharded(model: Any) -> bool:
    return isinstance(model, FSDPModule)


def computing(model: Any, work: Callable[[], R]) -> R:
    """What `work` gives, which calls modules of `model` or reads their weights. A forward pass goes through here where
    it does not call the model itself."""
    result: R = getattr(model, COMPUTE)(work) if is_sharded(model) else work()
    return result


@contextmanager
def whole(model: Any) -> Iterator[None]:
    """Inside the block this rank holds all weights of `model` and computes with them without the others, as often as it
    likes. Only the beginning is a collective call. Weights do not change inside. Who copies them takes the model's
    parameters; to ask for its state_dict would end the block early."""
    for part in parts_of(model):
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        rest(model)


def rest(model: Any) -> None:
    """Give back the gathered weights, which an optimizer step would leave behind as they were, and forget the order of
    the passes so far, from which FSDP guesses what to gather ahead: it has to guess the same on all ranks."""
    if is_sharded(model):
        model.reset_iter_state()
        model.set_reshard_after_forward(True)
        # What is in no layer (embedding, output) is needed at both ends of a pass, so it stays between them.
        model.set_reshard_after_forward(False, recurse=False)


def gathered(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Each of `tensors` whole on the CPU of every rank, one after the other."""
    for name, tensor in tensors.items():
        whole_tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        yield name, whole_tensor.detach().cpu()


def gathered_weights(model: Any, *, keep: bool) -> dict[str, Tensor] | None:
    """The weights of `model` by their names, whole on the CPU, of an adapted model those that learn; tied weights are
    one tensor. keep: on this rank. None where the model holds its weights whole itself."""
    if not is_sharded(model):
        return None
    named = model.state_dict(keep_vars=True)
    if not all(parameter.requires_grad for parameter in model.parameters()):
        named = {name: value for name, value in named.items() if value.requires_grad}
    first_name = {id(value): name for name, value in reversed(named.items())}
    found = {}
    for name, value in gathered({name: named[name] for name in first_name.values()}):
        if keep:
            found[name] = value
    return {name: found[first_name[id(value)]] for name, value in named.items()} if keep else {}


def own_rows(parameter: Tensor) -> slice:
    """The rows of a parameter that this rank holds: all of one that is not sharded."""
    if not isinstance(parameter, DTensor):
        return slice(None)
    each = -(-len(parameter) // parameter.device_mesh.size())
    first = min(parameter.device_mesh.get_local_rank() * each, len(parameter))
    return slice(first, first + len(parameter.to_local()))


def like(parameter: Tensor, rows: Tensor) -> Tensor:
    """A tensor of the shape of `parameter` whose `own_rows` are `rows`, sharded as it is."""
    if not isinstance(parameter, DTensor):
        return rows
    return DTensor.from_local(
        rows.to(parameter.device),
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
