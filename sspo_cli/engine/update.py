"""One optimizer update: the same for every objective."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.device import microbatch_tokens
from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import cut, pad_right, to_microbatch
from sspo_cli.engine.optimizer import make_optimizer
from sspo_cli.engine.world import World, deal, sum_gradients
from sspo_cli.guards import GuardStop
from sspo_cli.models.policy import Policy
from sspo_cli.models.recompute import recomputing
from sspo_cli.models.shards import rest
from sspo_cli.objectives.batch import Counts, PolicyBatch, masked_difference
from sspo_cli.objectives.objective import Objective
from sspo_cli.seeds import stream
from sspo_cli.types import Trajectory


def make_updater(policy: Policy, objective: Objective, config: TrainConfig, world: World) -> Updater:
    """The updater of `policy` along `objective` that `config` describes, with a new optimizer."""
    return Updater(
        policy,
        objective,
        make_optimizer(policy.model, config.optim),
        temperature=config.rollout.temperature,
        max_response_length=config.rollout.max_response_length,
        max_grad_norm=config.optim.max_grad_norm,
        tokens_per_microbatch=microbatch_tokens(config.engine, policy.device),
        world=world,
        recompute=config.engine.gradient_checkpointing,
    )


def minibatches(config: TrainConfig, step: int) -> list[list[int]]:
    """The responses of each update of `step`, as places in its rollout."""
    responses = config.responses_per_rollout
    size = responses // config.batch.minibatches
    batches = []
    for epoch in range(config.batch.epochs):
        order = stream(config.seed, "minibatches", step, epoch).permutation(responses).tolist()
        batches += [order[first : first + size] for first in range(0, responses, size)]
    return batches


class Updater:
    """Turns trajectories into a step of `optimizer` along the gradient of `objective`.

    temperature: the sampler's. max_response_length: tokens, the constant of `normalize=constant`.
    recompute: whether layers are computed again in the backward pass, for memory.
    """

    def __init__(
        self,
        policy: Policy,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        *,
        temperature: float,
        max_response_length: int,
        max_grad_norm: float,
        tokens_per_microbatch: int,
        world: World,
        recompute: bool = False,
    ) -> None:
        self.policy = policy
        self.objective = objective
        self.optimizer = optimizer
        self.temperature = temperature
        self.max_response_length = max_response_length
        self.max_grad_norm = max_grad_norm
        self.tokens_per_microbatch = tokens_per_microbatch
        self.world = world
        self.recompute = recompute

    def update(self, trajectories: Sequence[Trajectory], lr: float) -> dict[str, float]:
        """One step at learning rate `lr`. Returns the update's metrics.

        Raises:
            GuardStop: if the loss or the gradient is not finite; the weights are then untouched.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss, entropy, batch = self.backward(trajectories)
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        sum_gradients(self.world, parameters)
        grad_norm = clip_gradients(parameters, self.max_grad_norm)
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise GuardStop(f"loss {loss} or gradient norm {grad_norm} is not finite; no update was made")
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        diagnostics = {name: float(value) for name, value in self.objective.diagnose(batch).items()}
        sampled_BT = batch.old_logp_BT if batch.rollout_logp_BT is None else batch.rollout_logp_BT
        gap_BT = masked_difference(batch.logp_BT, sampled_BT, batch.mask_BT).abs()
        return {
            "loss": loss,
            "grad/norm": grad_norm,
            "optim/lr": lr,
            "policy/entropy": entropy,
            **diagnostics,
            "ratio/mean_abs_log": float(gap_BT.sum() / batch.mask_BT.sum()),
            "ratio/max_abs_log": float(gap_BT.max()),
        }

    def backward(self, trajectories: Sequence[Trajectory]) -> tuple[float, float, PolicyBatch]:
        """Accumulate the gradient of this rank's share over micro-batches. Returns loss, mean token entropy, and the
        batch, detached, all three of the whole update."""
        counts = Counts(len(trajectories), sum(item.trained for item in trajectories), self.max_response_length)
        loss = entropy = 0.0
        parts: list[PolicyBatch] = []
        for group, moving in self.passes(trajectories):
            with torch.set_grad_enabled(moving), recomputing(self.policy.model, wanted=self.recompute and moving):
                batch = self.forward(group or [min(trajectories, key=lambda item: item.tokens)])
                share = self.objective(batch, counts).loss * bool(group)
            if moving:
                share.backward()  # type: ignore[no-untyped-call]
            if group:
                parts.append(batch.detach())
                loss += float(share.detach())
                entropy += float(torch.where(batch.mask_BT, parts[-1].needed("entropy_BT"), 0).sum()) / counts.tokens
        rest(self.policy.model)
        loss, entropy = self.world.sum(torch.tensor([loss, entropy], dtype=torch.float64)).tolist()
        return loss, entropy, join(self.world.gather(parts))

    def passes(self, trajectories: Sequence[Trajectory]) -> Iterator[tuple[list[Trajectory], bool]]:
        """Micro-batches of this rank, and whether each moves the weights: the others are only measured, without a
        backward pass. All ranks make the same number of passes of each kind: where one has less to do, they are empty.
        """
        moving = [item for item in trajectories if self.objective.moves(item.advantage)]
        still = [item for item in trajectories if not self.objective.moves(item.advantage)]
        # If nothing moves the weights, momentum still does: it takes a gradient of zeros, not the lack of one.
        for items, moves in ((moving, True), (still, not moving)):
            mine = [items[place] for place in deal([item.tokens for item in items], self.world.size)[self.world.rank]]
            groups = cut([item.tokens for item in mine], self.tokens_per_microbatch)
            empty = self.world.most(len(groups)) - len(groups)
            for places in [*groups, *[[]] * empty]:
                yield [mine[place] for place in places], moves

    def forward(self, group: Sequence[Trajectory]) -> PolicyBatch:
        """What the objective reads of `group`, under the current weights."""
        microbatch = to_microbatch(group, self.policy.pad_id, self.policy.device)
        logp_BT, entropy_BT = token_logprobs(
            self.policy, microbatch, self.temperature, entropy_gradient=self.objective.entropy_coef > 0
        )
        # A reference solution was not sampled: it counts as on-policy, with ratio 1.
        recorded = {"old_logp_BT": logp_BT.detach()} | microbatch.logps
        return PolicyBatch(
            logp_BT=logp_BT,
            advantage_B=microbatch.advantage_B,
            mask_BT=microbatch.mask_BT,
            entropy_BT=entropy_BT,
            **recorded,
        )


def clip_gradients(parameters: Sequence[torch.nn.Parameter], max_norm: float) -> float:
    """Scale all gradients together to a norm of at most `max_norm`, in place. Returns the norm before, over all ranks
    where they hold parts of them."""
    norm: Tensor = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def join(parts: Sequence[PolicyBatch]) -> PolicyBatch:
    """Micro-batches of different lengths as one batch."""
    columns = [part.token_tensors() for part in parts]
    tensors = {name: pad_right([row for column in columns for row in column[name]], 0) for name in columns[0]}
    return PolicyBatch(advantage_B=torch.cat([part.advantage_B for part in parts]), **tensors)
