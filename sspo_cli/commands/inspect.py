"""`sspo inspect`: every objective's gradient on identical rollouts, without the noise of training."""

from __future__ import annotations

import json
import sys
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.inspection.request import Request, read_request
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import name_problems
from sspo_cli.runs.inspection import KIND, write_inspection
from sspo_cli.runs.integrity import remarks
from sspo_cli.startup import LOADING_TORCH, imports


def run(words: list[str], *, updates: int | None, rollouts: int, quiet: bool, as_json: bool) -> int:
    """Measure the objectives, print a table and write a folder with the figures and the pictures.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    request = read_request(words)
    settings = request.settings
    problems = name_problems(settings.output_dir, KIND, settings.name)
    if problems:
        raise ConfigError(problems)
    moves = settings.updates_per_rollout if updates is None else updates
    result = measured(request, moves, rollouts, quiet=quiet)
    if not any(found["norm"] for found in result["on_policy"]["objectives"].values()):
        raise ConfigError(
            [
                f"batch.prompts={settings.batch.prompts}: all rewards of each group are equal in these rollouts, so"
                " every gradient is 0; draw more prompts, or change the reward or the dataset"
            ]
        )
    folder = write_inspection(settings, words, [f"--updates={moves}", f"--rollouts={rollouts}"], result)
    from sspo_cli.views.microscope import plot_inspection

    plots = plot_inspection(folder, result)
    if as_json:
        print(json.dumps(jsonl.without_nan({"folder": str(folder), **result})))
    else:
        from sspo_cli.views.inspect import print_inspection

        print_inspection(folder, plots, result)
    return 0


def measured(request: Request, updates: int, rollouts: int, *, quiet: bool) -> dict[str, Any]:
    """What the microscope sees of every objective, after `updates` updates on `rollouts` rollouts."""
    from sspo_cli.views.display import phases, waiting

    with waiting(LOADING_TORCH, quiet=quiet), imports():
        from sspo_cli.engine.memory import memory_told
        from sspo_cli.engine.parts import load_parts
        from sspo_cli.inspection.microscope import inspect

    settings, configs = request.settings, request.configs
    # The reference policy is loaded if any of the objectives reads it.
    reader = next((config for config in configs.values() if config.objective.reads_reference), settings)
    for remark in remarks(request.checkpoint) if request.checkpoint else []:
        print(f"sspo: {remark}", file=sys.stderr)
    with waiting("loading model and problems", quiet=quiet) as progress, memory_told(reader):
        parts = load_parts(reader, request.checkpoint, progress=progress)
    with phases(quiet=quiet) as tell, memory_told(reader):
        result = inspect(parts, settings, configs, request.checkpoint, rollouts=rollouts, updates=updates, tell=tell)
    return {"moved_by": settings.choices["objective"], "lr": settings.optim.lr, **result}
