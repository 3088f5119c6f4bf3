"""`sspo show`: every group, its choices, and what one choice sets and why."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.commands import show_metric
from sspo_cli.config.compose import as_written, load_config, sort_overrides, to_dict
from sspo_cli.config.errors import ConfigError, all_or_problems, did_you_mean
from sspo_cli.config.locate import choice_file, groups, shipped
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import GateConfig, SoftGate, TrainConfig, WidthAt
from sspo_cli.config.wording import show_value
from sspo_cli.views.console import print_json, results

GLOBAL = "# @package _global_"
FILE_WIDTH = 120
METRIC = "metric"  # no group of the configuration: what runs measure
LONG_NUMBER = 10  # characters


@dataclass(frozen=True)
class Setting:
    key: str
    value: Any
    source: str


def run(group: str | None, words: list[str], *, plot: bool, out: Path | None, as_json: bool) -> int:
    """Print all groups, one group, or choices of it; or draw objectives.

    words: names of choices, and overrides of the settings of objectives.

    Raises:
        ConfigError: for an unknown group, choice or setting, and for what only objectives can do.
    """
    known = groups()
    if group is not None and group not in (*known, METRIC):
        allowed = [*known, METRIC]
        raise ConfigError([f"{group}: unknown group{did_you_mean(group, allowed)} (allowed: {', '.join(allowed)})"])
    names = list(dict.fromkeys(word for word in words if "=" not in word))
    overrides = [word for word in words if "=" in word]
    problems = usage_problems(group, names, overrides, plot=plot, out=out, as_json=as_json)
    if group == METRIC:
        if problems:
            raise ConfigError(problems)
        return show_metric.run(names, as_json=as_json)
    problems += [
        f"{group}={name}: unknown choice{did_you_mean(name, known[group])} (allowed: {', '.join(known[group])})"
        for name in names
        if group is not None and name not in known[group]
    ]
    if problems:
        raise ConfigError(problems)
    if plot:
        from sspo_cli.commands import lens

        drawn = names or known["objective"]
        configs = all_or_problems(*(partial(composed, name, overrides) for name in drawn))
        objectives = {name: config.objective for name, config in zip(drawn, configs, strict=True)}
        return lens.run(objectives, "-".join(["objective", *names]), out, as_json=as_json)
    if group is None or not names:
        show_groups([group] if group else list(known), as_json)
    else:
        show_choices(group, names, overrides, as_json)
    return 0


def usage_problems(
    group: str | None, names: list[str], overrides: list[str], *, plot: bool, out: Path | None, as_json: bool
) -> list[str]:
    problems = []
    if plot and group != "objective":
        problems.append("--plot: only objectives are drawn: `sspo show objective NAME --plot`")
    if out and (not plot or as_json):
        problems.append("--out: names the picture that --plot draws: `sspo show objective NAME --plot --out FILE`")
    if overrides and (group != "objective" or not names):
        problems.append(
            f"'{overrides[0]}': only the settings of a named objective can be changed here:"
            " `sspo show objective sspo objective.gate.tau_pos=5`"
        )
    else:
        problems += [
            f"'{word}': not a setting of an objective; those begin with objective. or objective/"
            for word in overrides
            if not re.match(r"[+~]*objective[./]", word)
        ]
    return problems


def composed(name: str, overrides: Sequence[str]) -> TrainConfig:
    """A training configuration with objective `name`; only its objective is checked and read.

    Raises:
        ConfigError: with one line for every problem.
    """
    return load_config(TrainConfig, [f"objective={name}", *overrides], rules=objective_problems)


def show_groups(names: list[str], as_json: bool) -> None:
    listing = {group: choices_of(group) for group in names}
    if as_json:
        print_json(listing)
        return
    console = results()
    for group, choices in listing.items():
        console.print(Text(group, style="bold"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        for name, choice in choices.items():
            mark = Text(" (yours)", style="green") if choice["yours"] else Text()
            table.add_row(Text("  " + name, style="cyan") + mark, Text(choice["about"]))
        console.print(table)
        console.print()
    console.print(Text(f"One choice: sspo show {names[0]} {next(iter(listing[names[0]]))}", style="dim"))


def choices_of(group: str) -> dict[str, dict[str, Any]]:
    """Each choice of `group` with its first line and whether the user wrote it."""
    found = {}
    for name in groups()[group]:
        file = file_of(group, name)
        found[name] = {"about": header(file).split("\n")[0], "yours": is_users(file)}
    return found


def show_choices(group: str, names: list[str], overrides: list[str], as_json: bool) -> None:
    """One choice after the other; as JSON an object, or a list of them where several are asked for."""
    found = all_or_problems(*(partial(settings_of, group, name, overrides) for name in names))
    if as_json:
        told = [as_data(group, name, settings) for name, settings in zip(names, found, strict=True)]
        print_json(told if len(told) > 1 else told[0])
        return
    console = results()
    for place, (name, settings) in enumerate(zip(names, found, strict=True)):
        if place:
            console.print()
        print_choice(console, group, name, overrides, settings)


def as_data(group: str, name: str, settings: list[Setting]) -> dict[str, Any]:
    file = file_of(group, name)
    rows = [{"key": row.key, "value": row.value, "source": row.source} for row in settings]
    return {"group": group, "name": name, "yours": is_users(file), "about": header(file), "settings": rows}


def print_choice(console: Console, group: str, name: str, overrides: list[str], settings: list[Setting]) -> None:
    file = file_of(group, name)
    title = Text(" ".join([f"{group}={name}", *overrides]), style="bold")
    console.print(title + Text(f"  yours: {file.relative_to(Path.cwd())}", style="green") if is_users(file) else title)
    console.print()
    console.print(Text(unwrapped(header(file))))
    for choice in sort_overrides(overrides, TrainConfig).choices:
        about = header(file_of(*choice.split("=", 1))).split("\n")[0]
        console.print(Text(f"Here with {choice}: {about}"))
    if settings:
        console.print()
        print_settings(console, settings)


def print_settings(console: Console, settings: list[Setting]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("value")
    table.add_column("source")
    for row in settings:
        table.add_row(Text(row.key, style="cyan"), Text(readable(row.value)), Text(row.source))
    table.columns[-1].header = "source" if any(row.source for row in settings) else ""
    console.print(table)


def settings_of(group: str, name: str, overrides: Sequence[str] = ()) -> list[Setting]:
    """The composed values of a choice, each with the comment beside it in the file that sets it.

    overrides: of the settings of an objective.

    Raises:
        ConfigError: if an objective is not valid.
    """
    if group == "objective":
        return objective_settings(composed(name, overrides), overrides)
    content = as_written(f"{group}={name}")
    sources = comments(group, name, content["choices"])
    if is_global(file_of(group, name)):
        return [Setting(key, value_at(content, key), source) for key, source in sources.items()]
    prefix = group.replace("/", ".")
    section = value_at(content, prefix)
    return [Setting(key, value, source_of(key, sources)) for key, value in leaves(section, f"{prefix}.")]


def objective_settings(config: TrainConfig, overrides: Sequence[str]) -> list[Setting]:
    """What the objective's own files say, what conf/train.yaml says of every objective, and what was typed."""
    typed = sort_overrides(overrides, TrainConfig)
    keys = [*typed.values, *(f"{choice.partition('=')[0].replace('/', '.')}.name" for choice in typed.choices)]
    sources = inherited("objective") | comments("objective", config.choices["objective"], config.choices)
    sources |= dict.fromkeys(keys, "command line") | solved_sources(config.objective.gate)
    content = to_dict(config)["objective"]
    if isinstance(config.objective.gate, SoftGate) and config.objective.gate.calibrate:
        from sspo_cli.build import calibrated

        gate = calibrated(config.objective.gate, config.objective.pool)
        content["gate"] |= {"tau_pos": gate.tau_pos, "tau_neg": gate.tau_neg}
    return [Setting(key, value, source_of(key, sources)) for key, value in leaves(content, "objective.")]


def solved_sources(gate: GateConfig) -> dict[str, str]:
    """Where the temperatures of a calibrated gate come from."""
    wanted = gate.calibrate if isinstance(gate, SoftGate) else None
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


def inherited(section: str) -> dict[str, str]:
    """The comments beside the keys that conf/train.yaml sets in `section`."""
    text = (shipped("conf") / "train.yaml").read_text()
    nodes = {key.value: value for key, value in cast(yaml.MappingNode, yaml.compose(text)).value}
    return trailing_comments(nodes[section], text.split("\n"), f"{section}.")


def comments(group: str, name: str, chosen: dict[str, str]) -> dict[str, str]:
    """The comment beside every key that a choice's file, or a file in its `defaults`, sets; the last one counts."""
    file = choice_file(group, name)
    content = yaml.safe_load(file.read_text()) if file else None
    if not file or not content:
        return {}
    prefix = "" if is_global(file) else group.replace("/", ".") + "."
    found: dict[str, str] = {}
    for entry in [*content.get("defaults", []), "_self_"]:
        if entry == "_self_":
            found |= trailing_comments(yaml.compose(file.read_text()), file.read_text().split("\n"), prefix)
        elif isinstance(entry, str):
            found |= comments(group, entry, chosen)
        else:
            for target in (absolute(nested, group) for nested in entry):
                found |= comments(target, chosen.get(target, ""), chosen)
    return found


def absolute(nested: str, group: str) -> str:
    """The group that a key of a defaults list names, seen from a file of `group`."""
    nested = nested.removeprefix("override ")
    return nested[1:] if nested.startswith("/") else f"{group}/{nested}"


def trailing_comments(node: Any, lines: list[str], prefix: str) -> dict[str, str]:
    """The comment beside every leaf under a YAML mapping node, empty where there is none."""
    found: dict[str, str] = {}
    for key, value in node.value:
        if key.value == "defaults":
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            found |= trailing_comments(value, lines, f"{prefix}{key.value}.")
        else:
            found[prefix + key.value] = comment_at(lines, value.end_mark.line, value.end_mark.column)
    return found


def comment_at(lines: list[str], row: int, start: int) -> str:
    """The comment behind `start` in a line, with the lines of comment that go on below it."""
    rest = lines[row][start:].lstrip()
    if not rest.startswith("#"):
        return ""
    column = len(lines[row]) - len(rest)
    below = itertools.takewhile(lambda line: line.find("#") == column and not line[:column].strip(), lines[row + 1 :])
    return " ".join([rest[1:].strip(), *(line[column + 1 :].strip() for line in below)])


def value_at(content: Any, key: str) -> Any:
    """What stands at a dotted key."""
    for part in key.split("."):
        content = content[part]
    return content


def leaves(content: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def header(file: Path) -> str:
    """The comment block at the top of a choice's file, without its `# @package` line."""
    lines: list[str] = []
    for line in file.read_text().split("\n"):
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line[1:].removeprefix(" "))
    return "\n".join(lines).strip()


def unwrapped(text: str) -> str:
    """Lines that the file breaks only because they are full, joined again: a narrow terminal breaks them elsewhere."""
    lines = text.split("\n")
    joined = lines[0]
    for before, line in itertools.pairwise(lines):
        is_full = len(f"# {before} {line.partition(' ')[0]}") > FILE_WIDTH
        joined += (" " if is_full and line else "\n") + line
    return joined


def readable(value: Any) -> str:
    if value == "???":
        return "(you must set it)"
    if isinstance(value, float) and len(str(value)) > LONG_NUMBER:
        return f"{value:.6g}"
    return json.dumps(value) if isinstance(value, str) and "\n" in value else show_value(value)


def is_global(file: Path) -> bool:
    return file.read_text().startswith(GLOBAL)


def is_users(file: Path) -> bool:
    return not file.is_relative_to(shipped("conf"))


def file_of(group: str, name: str) -> Path:
    file = choice_file(group, name)
    assert file is not None, "groups() lists only files"
    return file
