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
from safetensors.torch import load_file, save_file
from torch import Tensor

from sspo_cli.config.errors import ConfigError
from sspo_cli.models.policy import Policy
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
) -> Path:
    """Write checkpoints/step_000120 whole or not at all, then drop all but the newest `keep` that are whole, the best,
    and those that other runs stand on."""
    final = folder / "checkpoints" / checkpoint_name(progress.step)
    partial = final.with_name(f".partial-{final.name}-{os.getpid()}")
    try:
        write_checkpoint(partial, policy, optimizer, progress, waiting)
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
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    waiting: Sequence[Rollout],
) -> None:
    """Write the files of a checkpoint into a new folder, as far as to the disk."""
    trainer = folder / "trainer"
    trainer.mkdir(parents=True)
    if policy.base is None:
        policy.model.save_pretrained(folder)
    else:
        from sspo_cli.models.lora import save_adapters  # peft takes seconds to import

        save_adapters(policy.model, policy.base, folder)
    policy.tokenizer.save_pretrained(folder)
    save_file(optimizer_tensors(optimizer), trainer / "optimizer.safetensors")
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
    stored = load_file(trainer / "optimizer.safetensors")
    state = optimizer.state_dict()
    for name, value in stored.items():
        index, key = name.split(".")
        state["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(state)
    return Progress(**json.loads((trainer / "progress.json").read_text())), load_waiting(trainer)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, values in state.items() for key, value in values.items()}


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
