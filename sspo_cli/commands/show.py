"""`sspo show`: every group, its choices, and what one choice sets and why."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sspo_cli.commands import show_metric, show_section
from sspo_cli.config.catalogue import choices_of, read_choices, sections
from sspo_cli.config.errors import ConfigError, all_or_problems, did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.objectives import compose_objective, override_problems
from sspo_cli.config.schema import SoftGateSection
from sspo_cli.views.console import print_json
from sspo_cli.views.show import print_choices, print_groups

METRIC = "metric"  # no group of the configuration: what runs measure


def run(group: str | None, words: list[str], *, plot: bool, out: Path | None, as_json: bool) -> int:
    """Print all groups, one group, choices of it, or a section of settings that no group fills; or draw objectives.

    words: names of choices, and overrides of the settings of objectives.

    Raises:
        ConfigError: for an unknown group, choice or setting, and for what only objectives can do.
    """
    known = groups()
    if group in sections():
        if words or plot or out:
            raise ConfigError([f"{group}: is no group with choices; its settings: `sspo show {group}`"])
        return show_section.run(group, as_json=as_json)
    if group is not None and group not in (*known, METRIC):
        allowed = [*known, METRIC, *sections()]
        raise ConfigError([f"{group}: unknown group{did_you_mean(group, allowed)} (allowed: {', '.join(allowed)})"])
    names = list(dict.fromkeys(word for word in words if "=" not in word))
    overrides = [word for word in words if "=" in word]
    problems = []
    if plot and group != "objective":
        problems.append("--plot: only objectives are drawn: `sspo show objective NAME --plot`")
    if out and (not plot or as_json):
        problems.append("--out: names the picture that --plot draws: `sspo show objective NAME --plot --out FILE`")
    problems += override_problems(overrides, named=group == "objective" and bool(names))
    problems += [
        f"{group}={name}: unknown choice{did_you_mean(name, known[group])} (allowed: {', '.join(known[group])})"
        for name in names
        if group is not None and group != METRIC and name not in known[group]
    ]
    if problems:
        raise ConfigError(problems)
    if group == METRIC:
        return show_metric.run(names, as_json=as_json)
    if plot:
        from sspo_cli.commands import lens

        drawn = names or known["objective"]
        configs = all_or_problems(*(partial(compose_objective, name, overrides) for name in drawn))
        objectives = {name: config.objective for name, config in zip(drawn, configs, strict=True)}
        return lens.run(objectives, "-".join(["objective", *names]), out, as_json=as_json)
    if group is None or not names:
        listing = {name: choices_of(name) for name in ([group] if group else known)}
        if as_json:
            print_json(listing)
        else:
            print_groups(listing)
        return 0
    choices = read_choices(group, names, overrides, solved)
    if as_json:
        found = [choice.as_json() for choice in choices]
        print_json(found if len(found) > 1 else found[0])
    else:
        print_choices(choices, overrides)
    return 0


def solved(gate: SoftGateSection, pool: str) -> SoftGateSection:
    """The gate with the temperatures that its width asks for."""
    from sspo_cli.build import calibrated

    return calibrated(gate, pool)
