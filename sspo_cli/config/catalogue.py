"""The choices of every group, and what each sets and why: its composed settings, with the comments beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sspo_cli.config.comments import comments_for_all, comments_of_choice, header, is_global
from sspo_cli.config.compose import as_written, sort_overrides, to_dict
from sspo_cli.config.errors import all_or_problems
from sspo_cli.config.fitting import fitting_reward
from sspo_cli.config.locate import choice_file, groups, is_users
from sspo_cli.config.objectives import compose_objective
from sspo_cli.config.schema import GateConfig, SoftGateSection, TrainConfig, WidthAt

# Solves the temperatures of a gate whose width is asked for: `build.calibrated`, which takes torch.
Solve = Callable[[SoftGateSection, str], SoftGateSection]


@dataclass(frozen=True)
class Setting:
    """One key of a choice, its value, and the file that it comes from."""

    key: str
    value: Any
    source: str


@dataclass(frozen=True)
class Choice:
    """One choice in full. yours: the user's own file, None for a shipped one. about: the comment at its top.
    variants: for each choice inside it that was asked for, GROUP=NAME and its first line."""

    group: str
    name: str
    yours: Path | None
    about: str
    settings: list[Setting]
    variants: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "group": self.group,
            "name": self.name,
            "yours": self.yours is not None,
            "about": self.about,
            "settings": [asdict(row) for row in self.settings],
        }


def choices_of(group: str) -> dict[str, dict[str, Any]]:
    """Each choice of `group` with its first line and whether the user wrote it."""
    return {name: {"about": first_line(group, name), "yours": is_users(group, name)} for name in groups()[group]}


def read_choices(group: str, names: Sequence[str], overrides: Sequence[str], solve: Solve) -> list[Choice]:
    """Choices of `group` in full. overrides: of the settings of objectives.

    Raises:
        ConfigError: if an objective is not valid.
    """
    settings = all_or_problems(*(partial(settings_of, group, name, overrides, solve) for name in names))
    inside = {choice: first_line(*choice.split("=", 1)) for choice in sort_overrides(overrides, TrainConfig).choices}
    return [
        Choice(
            group,
            name,
            file_of(group, name) if is_users(group, name) else None,
            header(file_of(group, name)),
            found,
            inside,
        )
        for name, found in zip(names, settings, strict=True)
    ]


def settings_of(group: str, name: str, overrides: Sequence[str], solve: Solve) -> list[Setting]:
    """The composed values of a choice, each with the comment beside it in the file that sets it.

    overrides: of the settings of an objective.

    Raises:
        ConfigError: if an objective is not valid.
    """
    if group == "objective":
        return objective_settings(compose_objective(name, overrides), overrides, solve)
    content = as_written(f"{group}={name}")
    sources = comments_for_all(group) | comments_of_choice(group, name, content["choices"])
    if is_global(file_of(group, name)):
        return [Setting(key, value_at(content, key), source) for key, source in sources.items()]
    prefix = group.replace("/", ".")
    section = value_at(content, prefix)
    found = [Setting(key, value, source_of(key, sources)) for key, value in rows(section, f"{prefix}.")]
    fits = fitting_reward(name) if group == "dataset" else None
    return [*found, Setting("reward", fits, "fits this dataset; reward=NAME chooses another")] if fits else found


def objective_settings(config: TrainConfig, overrides: Sequence[str], solve: Solve) -> list[Setting]:
    """What the objective's own files say, what conf/train.yaml says of every objective, and what was typed."""
    typed = sort_overrides(overrides, TrainConfig)
    keys = [*typed.values, *(f"{choice.partition('=')[0].replace('/', '.')}.name" for choice in typed.choices)]
    sources = comments_for_all("objective")
    sources |= comments_of_choice("objective", config.choices["objective"], config.choices)
    sources |= dict.fromkeys(keys, "command line") | solved_sources(config.objective.gate)
    content = to_dict(config)["objective"]
    if isinstance(config.objective.gate, SoftGateSection) and config.objective.gate.calibrate:
        gate = solve(config.objective.gate, config.objective.pool)
        content["gate"] |= {"tau_pos": gate.tau_pos, "tau_neg": gate.tau_neg}
    return [Setting(key, value, source_of(key, sources)) for key, value in rows(content, "objective.")]


def rows(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Every setting of nested mappings by its dotted key; of an empty mapping, the mapping."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from rows(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def solved_sources(gate: GateConfig) -> dict[str, str]:
    """Where the temperatures of a calibrated gate come from."""
    wanted = gate.calibrate if isinstance(gate, SoftGateSection) else None
    if wanted is None:
        return {}
    if isinstance(wanted, WidthAt):
        wishes = [f"multiplier {wanted.multiplier:g} at ratio {at:.4g}" for at in (wanted.at, 1 / wanted.at)]
    else:
        wishes = [f"saturation at {limit:g}" for limit in (wanted.high, wanted.low)]
    keys = ("objective.gate.tau_pos", "objective.gate.tau_neg")
    return {key: f"from calibrate: {wish}" for key, wish in zip(keys, wishes, strict=True)}


def source_of(key: str, sources: Mapping[str, str]) -> str:
    """The source of `key`, or of the section that was set as a whole."""
    while key and key not in sources:
        key = key.rpartition(".")[0]
    return sources.get(key, "")


def value_at(content: Any, key: str) -> Any:
    """What stands at a dotted key."""
    for part in key.split("."):
        content = content[part]
    return content


def first_line(group: str, name: str) -> str:
    return header(file_of(group, name)).split("\n")[0]


def file_of(group: str, name: str) -> Path:
    file = choice_file(group, name)
    assert file is not None, "groups() lists only files"
    return file
