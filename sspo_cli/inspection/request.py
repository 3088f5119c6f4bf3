"""What `sspo inspect` is asked: which objectives, from which policy, on which rollouts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import groups
from sspo_cli.config.rules import objective_problems, problems_between_keys
from sspo_cli.config.schema import TrainConfig
from sspo_cli.runs.find import run_of
from sspo_cli.runs.folder import checkpoints
from sspo_cli.runs.status import read_state


@dataclass(frozen=True)
class Request:
    """settings: of the rollouts and the moves. configs: by objective. checkpoint: where the policy starts, if saved."""

    settings: TrainConfig
    configs: dict[str, TrainConfig]
    checkpoint: Path | None


def read_request(words: list[str]) -> Request:
    """A run folder or one of its checkpoints, if the first word is one, then overrides; objective=a,b takes several.

    Raises:
        ConfigError: with everything wrong with any of the objectives.
    """
    named = [word for word in words if word in groups()["objective"]]
    if named and not Path(named[0]).exists():
        raise ConfigError(
            [f"'{' '.join(named)}': objectives are named as a setting; write objective={','.join(named)}"]
        )
    target = words[0] if words and "=" not in words[0] else None
    names, rest = split_objectives(words[1:] if target else words)
    base, checkpoint = (None, None) if target is None else start_of(target)
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
        if config.objective.experience == "solutions":
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


def start_of(target: str) -> tuple[Path, Path]:
    """The config.yaml and the checkpoint of a run folder (its last one), or of a checkpoint of it."""
    path = Path(target)
    run_folder = run_of(path)
    if run_folder is None:
        raise ConfigError([f"{target}: no such run or checkpoint; runs are folders such as outputs/train/NAME"])
    saved = checkpoints(path) if run_folder == path else [path]
    if not saved:
        raise ConfigError([f"{target}: the run has no checkpoint yet (status: {read_state(path)})"])
    return run_folder / "config.yaml", saved[-1]
