"""`sspo inspect`: every objective's gradient on identical rollouts, without the noise of training."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import groups
from sspo_cli.config.rules import objective_problems, problems_between_keys
from sspo_cli.config.schema import TrainConfig
from sspo_cli.runs import folder as runs
from sspo_cli.runs import jsonl
from sspo_cli.runs.integrity import remarks
from sspo_cli.runs.status import read_state


@dataclass(frozen=True)
class Request:
    """settings: of the rollouts and the moves. configs: by objective. checkpoint: where the policy starts, if saved."""

    settings: TrainConfig
    configs: dict[str, TrainConfig]
    checkpoint: Path | None


def run(words: list[str], *, updates: int | None, rollouts: int, quiet: bool, as_json: bool) -> int:
    """Measure the objectives, print a table and write a folder with the figures and the pictures.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    request = read_request(words)
    settings = request.settings
    problems = runs.name_problems(settings.output_dir, "inspect", settings.name)
    if problems:
        raise ConfigError(problems)
    moves = settings.updates_per_rollout if updates is None else updates
    result = look(request, moves, rollouts, quiet=quiet)
    if not any(found["norm"] for found in result["on_policy"]["objectives"].values()):
        raise ConfigError(
            [
                f"batch.prompts={settings.batch.prompts}: all rewards of each group are equal in these rollouts, so"
                " every gradient is 0; draw more prompts, or change the reward or the dataset"
            ]
        )
    folder = runs.create_folder(
        settings.output_dir, "inspect", settings.name, f"{settings.choices['dataset']}-s{settings.seed}"
    )
    options = [f"--updates={moves}", f"--rollouts={rollouts}"]
    runs.write_request(folder, to_yaml(settings), words, ["sspo", "inspect", *words, *options])
    (folder / "inspect.json").write_text(json.dumps(jsonl.without_nan(result), indent=2) + "\n")
    from sspo_cli.views.microscope import plot_inspection

    plots = plot_inspection(folder, result)
    if as_json:
        print(json.dumps(jsonl.without_nan({"folder": str(folder), **result})))
    else:
        from sspo_cli.views.inspect import print_inspection

        print_inspection(folder, plots, result)
    return 0


def read_request(words: list[str]) -> Request:
    """A run folder or one of its checkpoints, if the first word is one, then overrides; objective=a,b takes several.

    Raises:
        ConfigError: with everything wrong with any of the objectives.
    """
    target = words[0] if words and "=" not in words[0] else None
    names, rest = split_objectives(words[1:] if target else words)
    base, checkpoint = (None, None) if target is None else find(target)
    fixed = ["name=null"] if base and not any(word.startswith("name=") for word in rest) else []
    settings = load_config(TrainConfig, [*fixed, *own_words(rest)], base=base)
    configs: dict[str, TrainConfig] = {}
    problems: list[str] = []
    for name in names or groups()["objective"]:
        try:
            words_of_name = [*fixed, f"objective={name}", *rest]
            config = load_config(TrainConfig, words_of_name, base=base, rules=objective_problems)
        except ConfigError as error:
            problems += [f"objective={name}: {line}" for line in error.problems]
            continue
        if config.objective.experience == "reference":
            if names:
                problems.append(f"objective={name}: learns reference solutions, so it has no gradient on rollouts")
            continue
        problems += [f"objective={name}: {line}" for line in problems_between_keys(config)]
        configs[name] = config
    if problems:
        raise ConfigError(problems)
    return Request(settings, configs, checkpoint)


def split_objectives(words: list[str]) -> tuple[list[str], list[str]]:
    """The names in objective=a,b, none if it is not there, and the other words."""
    names: list[str] = []
    rest = []
    for word in words:
        if not word.startswith("objective="):
            rest.append(word)
            continue
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise ConfigError([f"cannot read '{word}'; write objective=sspo,grpo"]) from error
        value = override.value()
        names += [str(item) for item in value.list] if isinstance(value, ChoiceSweep) else [str(value)]
    return list(dict.fromkeys(names)), rest


def own_words(words: list[str]) -> list[str]:
    """The overrides of the rollouts and the moves: all that are not of the objectives under the microscope."""
    return [word for word in words if not word.startswith(("objective.", "objective/"))]


def find(target: str) -> tuple[Path, Path]:
    """The config.yaml and the checkpoint of a run folder (its last one), or of a checkpoint of it."""
    path = Path(target)
    run_folder = next((folder for folder in (path, *path.absolute().parents[:2]) if runs.is_run(folder)), None)
    if run_folder is None:
        raise ConfigError([f"{target}: no such run or checkpoint; runs are folders such as outputs/train/NAME"])
    saved = runs.checkpoints(path) if run_folder == path else [path]
    if not saved:
        raise ConfigError([f"{target}: the run has no checkpoint yet (status: {read_state(path)})"])
    return run_folder / "config.yaml", saved[-1]


def look(request: Request, updates: int, rollouts: int, *, quiet: bool) -> dict[str, Any]:
    from sspo_cli.engine.parts import load_parts
    from sspo_cli.inspection.microscope import inspect
    from sspo_cli.views.display import phases, waiting

    settings, configs = request.settings, request.configs
    # The reference policy is loaded if any of the objectives reads it.
    reader = next((config for config in configs.values() if config.objective.reads_reference), settings)
    for remark in remarks(request.checkpoint) if request.checkpoint else []:
        print(f"sspo: {remark}", file=sys.stderr)
    with waiting("loading model and problems", quiet=quiet):
        parts = load_parts(reader, request.checkpoint)
    with phases(quiet=quiet) as tell:
        result = inspect(parts, settings, configs, request.checkpoint, rollouts=rollouts, updates=updates, tell=tell)
    return {"moved_by": settings.choices["objective"], "lr": settings.optim.lr, **result}
