"""`sspo show metric`: what every column of metrics.jsonl is, or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.metrics import METRICS, known, metric
from sspo_cli.views.console import print_json
from sspo_cli.views.show import print_metrics


def run(names: Sequence[str], *, as_json: bool) -> int:
    """Print the metrics `names`, all if none is given. A first part of names, such as ratio, stands for all of its own.

    Raises:
        ConfigError: for names that no run writes.
    """
    listed = [item.name for item in METRICS]
    parts = {name: [one for one in listed if one.startswith(f"{name.removesuffix('/')}/")] for name in names}
    names = [one for name in names for one in parts[name] or [name]]
    if problems := [
        f"metric={name}: unknown metric{did_you_mean(name, listed)} (`sspo show metric` lists them)"
        for name in names
        if metric(name).meaning == "" and known(name) is None
    ]:
        raise ConfigError(problems)
    shown = [metric(name) for name in names] if names else list(METRICS)
    if as_json:
        print_json([asdict(item) for item in shown])
    else:
        print_metrics(shown)
    return 0
