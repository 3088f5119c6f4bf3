"""`sspo show objective NAME ... --plot`: gates, multipliers and weights, in the terminal and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.text import Text

from sspo_cli.build import build_objective
from sspo_cli.config.errors import all_or_problems
from sspo_cli.config.objectives import compose_objective
from sspo_cli.config.schema import ObjectiveConfig
from sspo_cli.objectives import lens
from sspo_cli.views.console import print_json, results
from sspo_cli.views.lens import Curves, Lens, Shown, as_data, merged, svg
from sspo_cli.views.lens_screen import left_out, print_lens
from sspo_cli.views.picture import write_picture

RATIOS = {"token": "token", "sequence": "sequence", "sequence_token": "sequence", "product": "product"}


def draw(names: Sequence[str], overrides: Sequence[str], stem: str, out: Path | None, *, as_json: bool) -> int:
    """Draw the objectives of these names.

    Raises:
        ConfigError: with every problem of any of them.
    """
    configs = all_or_problems(*(partial(compose_objective, name, overrides) for name in names))
    objectives = {name: config.objective for name, config in zip(names, configs, strict=True)}
    return run(objectives, stem, out, as_json=as_json)


def run(configs: dict[str, ObjectiveConfig], stem: str, out: Path | None, *, as_json: bool) -> int:
    """Draw the named objectives on common axes.

    stem: of the figure's file name where `out` gives none.

    Raises:
        ConfigError: if a calibration has no solution, or if the SVG cannot be written.
    """
    seen = curves_of(configs)
    if as_json:
        print_json(as_data(seen))
        return 0
    seen = Lens(seen.log_ratio_N, merged(seen.shown))
    path = write_picture(svg(seen), stem, out)
    console = results()
    print_lens(console, seen)
    for line in left_out(configs):
        console.print(Text(line, style="dim"))
    console.print(Text(str(path)), soft_wrap=True)
    return 0


def curves_of(configs: dict[str, ObjectiveConfig]) -> Lens:
    """The curves of every objective over the ratios that show all of them."""
    objectives = {name: build_objective(config) for name, config in configs.items()}
    log_ratio_N = lens.shared_log_ratios(list(objectives.values()))
    shown = []
    for name, objective in objectives.items():
        pair = [lens.curves(objective, log_ratio_N, sign) for sign in (1, -1)]
        positive, negative = (Curves(side.gate_N.numpy(), side.multiplier_N.numpy(), side.weight) for side in pair)
        shown.append(Shown((name,), RATIOS[objective.ratio], (positive, negative)))
    return Lens(log_ratio_N.numpy(), tuple(shown))
