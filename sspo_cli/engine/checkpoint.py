"""Checkpoints: a Hugging Face model folder and, under trainer/, what training needs to go on exactly."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from sspo_cli.config.errors import ConfigError
from sspo_cli.models.policy import Policy
from sspo_cli.models.shards import gathered, gathered_weights, like, own_rows
from sspo_cli.models.tensor_file import write_tensors
from sspo_cli.rollout.source import Rollout
from sspo_cli.runs import integrity, standing
from sspo_cli.runs.folder import checkpoint_name, checkpoints
from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.types import Key, Trajectory

# Of a trajectory that waits, before the first update reads it.
TENSORS = ("token_L", "trained_L", "sampled_logp_L")


class Best(TypedDict):
    """The evaluation that was the best so far by `metric`: the step that it followed, and its value."""

    metric: str
    step: int
    value: float


@dataclass
class Progress:
    """step: rollouts learned from. prompts and tokens: problems and response tokens drawn. seconds: spent so far.
    finished: whether a limit of train was reached. unscored: the latest rollouts in a row without any reward.
    row: the metrics of step `step`, where its evaluation was interrupted. best: so far, where train.keep_best asks."""

    step: int = 0
    prompts: int = 0
    tokens: int = 0
    seconds: float = 0.0
    finished: bool = False
    unscored: int = 0
    row: dict[str, Any] | None = None
    best: Best | None = None


def save_checkpoint(
    folder: Path,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    waiting: Sequence[Rollout],
    keep: int,
    *,
    writes: bool = True,
) -> Path:
    """Write checkpoints/step_000120 whole or not at all, then drop all but the newest `keep` that are whole, the best,
    and those that other runs stand on. Ranks that hold parts of the weights call this together, and one of them
    writes."""
    final = folder / "checkpoints" / checkpoint_name(progress.step)
    weights = gathered_weights(policy.model, keep=writes)
    moments = optimizer_tensors(optimizer)
    if not writes:
        for _ in gathered(moments):
            pass
        return final
    partial = final.with_name(f".partial-{final.name}-{os.getpid()}")
    try:
        write_checkpoint(partial, policy, weights, moments, progress, waiting)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)  # of a full disk it may be what fills it
        raise
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    flush_to_disk(final.parent)
    drop_old(checkpoints(folder), keep, checkpoint_name(progress.best["step"]) if progress.best else None)
    return final


def write_checkpoint(
    folder: Path,
    policy: Policy,
    weights: dict[str, Tensor] | None,
    moments: dict[str, Tensor],
    progress: Progress,
    waiting: Sequence[Rollout],
) -> None:
    """Write the files of a checkpoint into a new folder, as far as to the disk. weights: of the policy, if it does not
    hold them whole itself. moments: of the optimizer, which may be sharded."""
    trainer = folder / "trainer"
    trainer.mkdir(parents=True)
    if policy.base is None:
        policy.model.save_pretrained(folder, state_dict=weights)
    else:
        from sspo_cli.models.lora import save_adapters  # peft takes seconds to import

        save_adapters(policy.model, policy.base, folder, weights)
    policy.tokenizer.save_pretrained(folder)
    write_tensors(trainer / "optimizer.safetensors", moments, gathered(moments))
    save_waiting(waiting, trainer)
    (trainer / "progress.json").write_text(json.dumps(vars(progress)))
    integrity.seal(folder)
    for path in [*folder.rglob("*"), folder]:
        flush_to_disk(path)


def drop_old(saved: Sequence[Path], keep: int, best: str | None = None) -> None:
    """Delete what is older than the newest `keep` that are whole: one that is damaged takes nobody's place. The one
    called `best`, and those that other runs stand on, stay."""
    kept = 0
    for checkpoint in reversed(saved):
        if kept == keep:
            if checkpoint.name != best and not standing.holds(checkpoint):
                shutil.rmtree(checkpoint)
        elif not integrity.damage(checkpoint):
            kept += 1


def flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def restore(checkpoint: Path, optimizer: torch.optim.Optimizer) -> tuple[Progress, list[Rollout]]:
    """Fill `optimizer` and return where training stood. The weights are read with the model itself."""
    trainer = checkpoint / "trainer"
    state = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    with safe_open(trainer / "optimizer.safetensors", framework="pt") as stored:
        for name in stored.keys():  # noqa: SIM118
            index, key = name.split(".")
            value, parameter = stored.get_slice(name), parameters[int(index)]
            held = like(parameter, value[own_rows(parameter)]) if value.get_shape() else stored.get_tensor(name)
            state["state"].setdefault(int(index), {})[key] = held
    optimizer.load_state_dict(state)
    return Progress(**json.loads((trainer / "progress.json").read_text())), load_waiting(trainer)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer keeps of each parameter, by its number and their name."""
    state = optimizer.state_dict()["state"]
    named = {f"{index}.{key}": value for index, values in state.items() for key, value in values.items()}
    return dict(sorted(named.items()))


def save_waiting(waiting: Sequence[Rollout], trainer: Path) -> None:
    """Rollouts collected but not yet learned from (rollout.staleness > 0)."""
    tensors: dict[str, Tensor] = {}
    rows = []
    for r, rollout in enumerate(waiting):
        trajectories = []
        for i, item in enumerate(rollout.trajectories):
            trajectories.append({"key": astuple(item.key), "advantage": item.advantage, "version": item.version})
            found = {name: getattr(item, name) for name in TENSORS}
            tensors |= {f"{r}.{i}.{name}": value for name, value in found.items() if value is not None}
        samples = [row.as_json() for row in rollout.samples]
        rows.append({**vars(rollout), "trajectories": trajectories, "samples": samples})
    (trainer / "pending.json").write_text(json.dumps(rows))
    save_file(tensors, trainer / "pending.safetensors")


def load_waiting(trainer: Path) -> list[Rollout]:
    """The rollouts that `save_waiting` wrote.

    Raises:
        ConfigError: for those of an earlier version, which kept something else.
    """
    tensors = load_file(trainer / "pending.safetensors")
    rows = json.loads((trainer / "pending.json").read_text())
    if any("prompts" not in row for row in rows):
        raise ConfigError(
            [
                f"{trainer}: an earlier version of sspo wrote the rollouts that wait to be learned from"
                " (rollout.staleness > 0); go on with that version, or begin a new run from this checkpoint by"
                f" `sspo train model=local model.path={trainer.parent}`"
            ]
        )
    return [
        Rollout(
            **{
                **row,
                "samples": [SampleRow(**sample) for sample in row["samples"]],
                "trajectories": [
                    Trajectory(
                        Key(*item["key"]),
                        advantage=item["advantage"],
                        version=item["version"],
                        token_L=tensors[f"{r}.{i}.token_L"],
                        trained_L=tensors[f"{r}.{i}.trained_L"],
                        sampled_logp_L=tensors.get(f"{r}.{i}.sampled_logp_L"),
                    )
                    for i, item in enumerate(row["trajectories"])
                ],
            }
        )
        for r, row in enumerate(rows)
    ]
