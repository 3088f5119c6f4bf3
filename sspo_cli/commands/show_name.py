"""`sspo show NAME` where NAME is no group: a choice, a setting, a section of settings, a metric or a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sspo_cli.commands import show_metric
from sspo_cli.config.catalogue import choices_of
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.hints.settings import fix_key
from sspo_cli.config.recipe import recipe_files
from sspo_cli.config.reference import Explained, below, explained, sections
from sspo_cli.metrics import METRICS, known, metric
from sspo_cli.views.console import print_json
from sspo_cli.views.settings import print_section, print_setting
from sspo_cli.views.show import print_groups


def groups_with(name: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The groups that have a choice of this name."""
    return [group for group, choices in groups.items() if name in choices]


def run(names: Sequence[str], groups: Mapping[str, Sequence[str]], *, as_json: bool) -> int:
    """Explain settings, sections or metrics; or list the groups that have a choice of one name.

    Raises:
        ConfigError: for a name that stands for nothing.
    """
    settings, listing = explained(), {group: choices_of(group) for group in groups_with(names[0], groups)}
    if len(names) == 1 and listing:
        found = {group: {names[0]: choices[names[0]]} for group, choices in listing.items()}
        print_json(found) if as_json else print_groups(found)
        return 0
    if all(metric(name).meaning or known(name) for name in names):
        return show_metric.run(names, as_json=as_json)
    if problems := [problem for name in names if (problem := name_problem(name, groups))]:
        raise ConfigError(problems)
    items = [settings[name] if name in settings else below(name) for name in names]
    if as_json:
        print_json([asdict(item) for one in items for item in (one if isinstance(one, list) else [one])])
        return 0
    for place, one in enumerate(items):
        if place:
            print()
        if isinstance(one, Explained):
            print_setting(one)
        else:
            print_section(one)
    return 0


def name_problem(name: str, groups: Mapping[str, Sequence[str]]) -> str | None:
    """Why `name` is neither a setting nor a section; None if it is one."""
    if name in explained() or name in sections():
        return None
    if holders := groups_with(name, groups):
        return f"{name}: is a choice; show it alone: {' or '.join(f'`sspo show {group} {name}`' for group in holders)}"
    if name in recipe_files():
        return f"{name}: is a recipe; print it with `sspo recipe show {name}`"
    metrics = [item.name for item in METRICS]
    choices = [choice for names in groups.values() for choice in names]
    same = fix_key(name, None, explained()).partition("=")[0]
    near = (
        f", did you mean '{same}'?"
        if same in explained()
        else did_you_mean(name, ["metric", *groups, *choices, *sections(), *explained(), *metrics])
    )
    return (
        f"{name}: no group, choice, setting or metric has this name{near} (`sspo show` lists groups and choices,"
        " `sspo show train` settings, `sspo show metric` metrics)"
    )
