"""`sspo show`: every group, its choices, and what one choice sets and why; settings and metrics by their names."""

from __future__ import annotations

from pathlib import Path

from sspo_cli.commands import show_metric, show_name
from sspo_cli.config.catalogue import choices_of, read_choices
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.objectives import override_problems
from sspo_cli.config.reference import common
from sspo_cli.config.schema import SoftGateSection
from sspo_cli.views.console import print_json
from sspo_cli.views.settings import print_section
from sspo_cli.views.show import print_choices, print_groups

METRIC = "metric"  # no group of the configuration: what runs measure


def run(group: str | None, words: list[str], *, plot: bool, out: Path | None, as_json: bool) -> int:
    """Print all groups, one group, choices of it, settings or metrics; or draw objectives.

    group: or a name that stands for itself, such as a choice or a setting. words: more names, and overrides of the
    settings of objectives.

    Raises:
        ConfigError: for an unknown name or setting, and for what only objectives can do.
    """
    known = groups()
    if group and group not in known and len(holders := show_name.groups_with(group, known)) == 1:
        group, words = holders[0], [group, *words]
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
        if group in known and name not in known[group]
    ]
    if problems:
        raise ConfigError(problems)
    if group == METRIC:
        return show_metric.run(names, as_json=as_json)
    if group and group not in known:
        return show_name.run([group, *names], known, as_json=as_json)
    if plot:
        from sspo_cli.commands import lens

        return lens.draw(names or known["objective"], overrides, "-".join(["objective", *names]), out, as_json=as_json)
    if group is None or not names:
        listing = {name: choices_of(name) for name in ([group] if group else known)}
        if as_json:
            print_json(listing)
        else:
            print_groups(listing)
            print_section(common(group) if group else [])
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
