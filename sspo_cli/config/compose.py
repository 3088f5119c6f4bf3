"""Overrides -> one typed, frozen configuration, or every problem at once.

Hydra's parser and composer choose the YAML files; the values on the command line are then set here, so that a misspelt
key is a problem to report (Hydra lets `+key` through) and the first problem does not hide the others.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, InterpolationResolutionError, OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from sspo_cli.config.complete import OPEN, default_groups, known_keys, open_keys, text_keys
from sspo_cli.config.earlier import RENAMED, jinja_template, renamed
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.fitting import fitting_reward, usual_reward
from sspo_cli.config.interpolation import broken, listed_variables_only, reason
from sspo_cli.config.literal import escaped
from sspo_cli.config.locate import choice_file, groups, shipped, user_conf
from sspo_cli.config.parts import fill_parts
from sspo_cli.config.rules import problems_between_keys
from sspo_cli.config.schema import CompareConfig, EvalConfig, NoTracker, SamplerSection, SweepConfig, TrainConfig
from sspo_cli.config.tree import is_under
from sspo_cli.config.wording import (
    FIX,
    for_several,
    key_problem,
    path_of,
    show_value,
    unknown_choice,
    unknown_key,
)
from sspo_cli.config.words import as_typed, read_words

C = TypeVar("C", bound=EvalConfig)

ROOTS: dict[type[EvalConfig], str] = {
    TrainConfig: "train",
    EvalConfig: "eval",
    CompareConfig: "compare",
    SweepConfig: "sweep",
}
# What reads the keys that conf/tracker/none.yaml has too, so that the tracker of a run can be changed in its file.
USED_BY = {"tracker.project": ("tracker=wandb", "tracker=trackio"), "tracker.mode": ("tracker=wandb",)}


@dataclass
class Request:
    """The user's words, sorted: which files, which values, and what is wrong so far. typed: the values as words."""

    choices: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unknown_groups: set[str] = field(default_factory=set)

    def refuse(self, key: str, problem: str) -> None:
        self.problems.append(problem)
        for refused in [name for name in self.values if name == key or key.startswith(name + ".")]:
            del self.values[refused]

    def is_under_unknown_group(self, key: str) -> bool:
        """Whether `key` belongs to a choice that could not be made, so that nothing is known of it."""
        return any((key + ".").startswith(group.replace("/", ".") + ".") for group in self.unknown_groups)


@listed_variables_only()
def load_config(
    schema: type[C],
    overrides: Sequence[str],
    base: Path | None = None,
    rules: Callable[[C], list[str]] = problems_between_keys,
) -> C:
    """Compose `schema` from conf/ (or from the resolved file `base`) and the user's overrides, and check `rules`.

    Raises:
        ConfigError: with one line for every problem found.
    """
    request = sort_overrides(overrides, schema)
    request.problems += shadowed_choices()
    tree = compose_tree(request, base, schema)
    config = check(schema, with_values(tree, request, schema), request)
    if config is None:
        # Without the values just refused, the rules between the remaining keys can still be told.
        config = check(schema, with_values(tree, request, schema), Request())
    if config is not None:
        request.problems += rules(config) + overruled(config, request)
    if config is None or request.problems:
        raise ConfigError(request.problems)
    return config


@listed_variables_only()
def as_written(choice: str) -> dict[str, Any]:
    """conf/train.yaml with one choice, such as objective=grpo; interpolations stand there as the files have them."""
    return cast(dict[str, Any], OmegaConf.to_container(compose_tree(Request(choices=[choice]), None, TrainConfig)))


@listed_variables_only()
def as_composed(choices: list[str]) -> dict[str, Any]:
    """What conf/train.yaml gives with these choices, such as objective=grpo, every interpolation and part filled in.

    Raises:
        ConfigError: if it cannot be composed.
    """
    content, _ = resolved(compose_tree(Request(choices=choices), None, TrainConfig))
    for _ in fill_parts(content or {}):
        """What is wrong with a part has been told."""
    return cast(dict[str, Any], content or {})


def shadowed_choices() -> list[str]:
    """A user's file with the name of a built-in choice would never be read."""
    own = user_conf()
    files = sorted(own.rglob("*/*.yaml")) if own else []
    return [
        f"conf/{name}: a built-in choice has this name, so the file would be ignored; rename it"
        for name in (file.relative_to(own).as_posix() for file in files if own)
        if (shipped("conf") / name).is_file()
    ]


def sort_overrides(overrides: Sequence[str], schema: type[EvalConfig]) -> Request:
    """Tell group choices from values and refuse what Hydra would silently ignore."""
    root, known = ROOTS[schema], groups()
    read, problems = read_words(overrides, root)
    request = Request(problems=problems)
    for override in read:
        key, word = override.key_or_group, str(override.input_line)
        if key.startswith("hydra.") or key.startswith("hydra/") or key == "hydra":
            request.problems.append(f"'{word}': sspo {root} runs one configuration, so hydra settings have no effect")
        elif override.is_delete():
            request.problems.append(f"'{word}': a key cannot be removed; set it to another value with {key}=...")
        elif override.is_sweep_override():
            request.problems.append(f"'{word}': sspo {root} takes one value for {key}{for_several(word, overrides)}")
        elif override.value() == "None" and key in text_keys(schema) and not re.search("[\"']", word):
            request.problems.append(f"{word}: write {key}=null for none, or {key}=\"'None'\" for the word")
        elif key in known and key.split("/")[0] not in default_groups(root):
            request.problems.append(f"'{word}': has no effect on sspo {root}; it is a choice of sspo train")
        elif key in known and not isinstance(override.value(), dict):
            choose(request, key, override, known[key])
        else:
            request.typed[key] = word.partition("=")[2]
            request.values[key] = as_typed(override, is_text=key in text_keys(schema))
    return request


def choose(request: Request, group: str, override: Override, choices: list[str]) -> None:
    choice = override.get_value_element_as_str()
    if choice in choices:
        request.choices.append(f"{group}={choice}")
        return
    request.unknown_groups.add(group)
    request.problems.append(unknown_choice(group, choice, choices))


def compose_tree(request: Request, base: Path | None, schema: type[EvalConfig]) -> DictConfig:
    """The composed configuration, before the values of the command line; chosen files replace those of `base`."""
    own = user_conf()
    search = [f"hydra.searchpath=[file://{own}]"] if own else []
    try:
        with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            tree = compose(ROOTS[schema], overrides=[*request.choices, *search], return_hydra_config=True)
    except (HydraException, yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        raise ConfigError([*request.problems, cannot_compose(error, request)]) from error
    chosen = {str(group): str(choice) for group, choice in tree.hydra.runtime.choices.items() if choice is not None}
    OmegaConf.set_struct(tree, False)
    del tree["hydra"]
    tree.choices = {group: choice for group, choice in chosen.items() if not group.startswith("hydra/")}
    if base is None:
        return tree
    kept = read_base(base, schema, request)
    for group in groups_to_graft(request, kept, tree):
        graft(kept, tree, group, request)
    return kept


def groups_to_graft(request: Request, kept: DictConfig, tree: DictConfig) -> list[str]:
    """The groups that are chosen; and the reward, where another one fits a new dataset and that of `kept` was not
    chosen by hand."""
    chosen = {choice.split("=")[0] for choice in request.choices}
    if "dataset" in chosen and "reward" not in chosen:
        fits, before = fitting_reward(tree.choices.dataset), kept.choices.reward
        if fits not in (None, before) and before == usual_reward(kept.choices.dataset):
            chosen.add("reward")
    return sorted(chosen)


def read_base(file: Path, schema: type[EvalConfig], request: Request) -> DictConfig:
    """The keys of `schema` in `file`, not resolved yet."""
    try:
        saved = OmegaConf.load(file)
    except GrammarParseError as error:
        raise ConfigError([*request.problems, f"{file}: {error.full_key}: {reason(error)}"]) from error
    except (yaml.YAMLError, OmegaConfBaseException, OSError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise ConfigError([*request.problems, f"{file}: is torn, or no YAML of a run: {why}"]) from error
    if not isinstance(saved, DictConfig) or not isinstance(saved.get("choices"), DictConfig):
        raise ConfigError([*request.problems, f"{file}: has no choices; give the config.yaml of a run"])
    kept = OmegaConf.masked_copy(saved, [item.name for item in fields(schema)])
    for key in RENAMED:
        if now := renamed(key, OmegaConf.select(kept, key)):
            OmegaConf.update(kept, key, now)
    template = OmegaConf.select(kept, "dataset.prompt_template")
    if isinstance(template, str) and (jinja := jinja_template(template)) != template:
        OmegaConf.update(kept, "dataset.prompt_template", escaped(jinja))
    if "rollout" in kept and not issubclass(schema, TrainConfig):
        kept.rollout = OmegaConf.masked_copy(kept.rollout, [item.name for item in fields(SamplerSection)])
    return kept


def cannot_compose(error: Exception, request: Request) -> str:
    """Hydra's reason in one line; ours for a bad interpolation, for defaults that ask for what is not there or for each
    other, and for files that are no text."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, RecursionError):
        return f"{' '.join(request.choices)}: its defaults ask for themselves, directly or by way of others"
    if isinstance(error, UnicodeDecodeError):
        return f"{' '.join(request.choices)}: {' and '.join(no_text()) or 'a file'}: is no UTF-8 text"
    if isinstance(cause, GrammarParseError | InterpolationResolutionError):
        key = "defaults" if isinstance(cause, InterpolationResolutionError) else cause.full_key
        return f"{' '.join(request.choices)}: {key}: {reason(cause)}"
    found = re.search(r"Could not find '(?P<group>[^']+)/(?P<choice>[^'/]+)'", str(error))
    if found is None or found["group"] not in groups():
        return " ".join(str(error).split())
    unknown = unknown_choice(found["group"], found["choice"], groups()[found["group"]])
    return f"{' '.join(request.choices)}: its defaults ask for {unknown}"


def no_text() -> Iterator[str]:
    """The user's choices that are no UTF-8 text."""
    own = user_conf()
    for file in sorted(own.rglob("*.yaml")) if own else []:
        try:
            file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            yield str(file)


def graft(kept: DictConfig, tree: DictConfig, group: str, request: Request) -> None:
    """Put the files that `tree` chose for `group`, and for the groups inside it, in the place of those of `kept`."""
    node = OmegaConf.select(tree, group.replace("/", "."))
    if node is None:
        request.problems.append(f"{group}={tree.choices[group]}: belongs to conf/, not to a resolved configuration")
        return
    if group == "rollout":
        # Its choices say how to sample; the other keys of the section do not belong to them.
        file = choice_file(group, tree.choices[group])
        OmegaConf.update(kept, group, OmegaConf.load(file) if file else node, merge=True)
    else:
        OmegaConf.update(kept, group.replace("/", "."), node, merge=False)
    for name in (name for name in tree.choices if f"{name}/".startswith(f"{group}/")):
        kept.choices[name] = tree.choices[name]


def with_values(tree: DictConfig, request: Request, schema: type[EvalConfig]) -> DictConfig:
    """A copy of `tree` with the values of the command line; a refused value is reported and forgotten."""
    tree = copy.deepcopy(tree)
    known, named_by_user = known_keys(schema), open_keys(schema)
    for key, value in list(request.values.items()):
        if key not in known and not is_under(key, named_by_user):
            request.refuse(key, unknown_key(key, request.typed[key], known))
            continue
        group = key.replace(".", "/")
        if group in groups() and not isinstance(value, dict):
            request.refuse(
                key, f"{key}={show_value(value)}: a choice is made with a slash: {group}={show_value(value)}"
            )
            continue
        if request.is_under_unknown_group(key):
            continue
        if key in OPEN and not isinstance(value, dict):
            request.refuse(
                key, f"{key}={show_value(value)}: must be names with values, such as {{enable_thinking: false}}"
            )
            continue
        try:
            OmegaConf.update(tree, key, value, merge=key not in named_by_user)
        except (OmegaConfBaseException, TypeError, ValueError) as error:
            why = reason(error) if isinstance(error, GrammarParseError) else " ".join(str(error).split())
            request.refuse(key, f"{key}={show_value(value)}: {why}")
    return tree


def check(schema: type[C], tree: DictConfig, request: Request) -> C | None:
    """Types and ranges of every key; None, with the problems noted in `request`, if any is wrong."""
    content, unresolved = resolved(tree)
    for key, problem in unresolved.items():
        request.refuse(key, problem)
    if content is None:
        return None
    unfilled = list(fill_parts(content))
    for key, problem in unfilled:
        request.refuse(key, problem)
    if unfilled:
        return None
    try:
        return cast(C, adapter(ROOTS[schema]).validate_python(mark_missing(content)))
    except ValidationError as error:
        found: dict[str, list[str]] = {}
        for item in error.errors():
            key = ".".join(str(part) for part in path_of(item["loc"], content))
            told = any(f"{other}.".startswith(f"{key}.") for other in unresolved)
            if not told and not request.is_under_unknown_group(key):
                found.setdefault(key, []).append(key_problem(key, item, tree.choices))
        for key, lines in found.items():
            # A value of several types has a problem with each: the one that can be mended is enough.
            for line in [line for line in lines if FIX in line] or lines:
                request.refuse(key, line)
        return None


def resolved(tree: DictConfig) -> tuple[Any, dict[str, str]]:
    """The content of `tree` without the keys whose interpolation fails, and a problem for each of those."""
    problems: dict[str, str] = {}
    for _ in range(2):
        try:
            return OmegaConf.to_container(tree, resolve=True), problems
        except OmegaConfBaseException as error:
            problems = problems or dict(broken(tree))
            last = error
        for key in problems:
            OmegaConf.update(tree, key, "???")
    return None, {**problems, str(last.full_key): f"{last.full_key}: {reason(last)}"}


def overruled(config: EvalConfig, request: Request) -> list[str]:
    """Values of the command line that another setting would replace, or that nothing would read."""
    if not isinstance(config, TrainConfig):
        return []
    problems: list[str] = []
    typed = {key: f"{key}={show_value(value)}" for key, value in request.values.items() if value is not None}
    if getattr(config.objective.gate, "calibrate", None) is not None:
        problems += [
            f"{typed[key]}: objective.gate.calibrate finds it; set the one or the other"
            for key in ("objective.gate.tau_pos", "objective.gate.tau_neg")
            if key in typed
        ]
    if isinstance(config.tracker, NoTracker):
        problems += [
            f"{typed[key]}: has no effect with tracker=none; add {' or '.join(trackers)}, or leave it out"
            for key, trackers in USED_BY.items()
            if key in typed
        ]
    return problems


@cache
def adapter(root: str) -> TypeAdapter[Any]:
    """Of the schema of conf/ROOT.yaml; built once, for a grid checks hundreds of configurations."""
    return TypeAdapter(next(schema for schema, name in ROOTS.items() if name == root))


def mark_missing(content: Any) -> Any:
    """Drop the keys that YAML leaves as ???, so that each is reported as missing."""
    if isinstance(content, dict):
        return {key: mark_missing(value) for key, value in content.items() if value != "???"}
    return content


def with_prompt_time(config: C) -> C:
    """`config` with the time that chat templates see: its own, or now. A replay of it sees the same."""
    return replace(config, prompt_time=config.prompt_time or now())


def now() -> str:
    """The time of the clock on the wall, in seconds, as `prompt_time` has it."""
    return datetime.now().isoformat(timespec="seconds")


def to_yaml(config: EvalConfig) -> str:
    """The resolved configuration as YAML that `load_config(base=...)` reads back."""
    # Its dumper quotes what its loader would take for a number: YAML takes 1e5 for a word, OmegaConf for 100000.
    return OmegaConf.to_yaml(OmegaConf.create(escaped(to_dict(config))))


def to_dict(config: EvalConfig) -> dict[str, Any]:
    return cast(dict[str, Any], adapter(ROOTS[type(config)]).dump_python(config))
