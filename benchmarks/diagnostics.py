"""What the diagnostics cost: `python -m benchmarks.diagnostics` prints their share of an update's time.

On the embedded default: the same updates, timed whole, and within them the diagnostics. Exit code 1 if the median share
of any objective is 2 % or more.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from torch import Tensor

from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.update import minibatches
from sspo_cli.objectives.batch import PolicyBatch
from sspo_cli.objectives.objective import Objective
from tests.steps import credited, sample_groups, updater_of, with_logps

UPDATES, LIMIT = 12, 0.02


def seconds(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def share_of(name: str) -> tuple[float, float]:
    """Median seconds of an update, and of the diagnostics in it."""
    config = load_config(TrainConfig, [f"objective={name}"])
    parts = load_parts(config)
    drawn = sample_groups(parts, config, config.batch.prompts)
    trajectories = with_logps(credited(drawn, parts, config), parts, config)
    updater = updater_of(parts, config)
    places = minibatches(config, 1)
    spent: list[float] = []
    diagnose = Objective.diagnose

    def timed(self: Objective, batch: PolicyBatch) -> dict[str, Tensor]:
        begun = time.perf_counter()
        found = diagnose(self, batch)
        spent.append(time.perf_counter() - begun)
        return found

    def update(n: int) -> None:
        updater.update([trajectories[i] for i in places[n % len(places)]], config.optim.lr)

    Objective.diagnose = timed  # type: ignore[method-assign]
    whole = [seconds(partial(update, n)) for n in range(UPDATES)]
    Objective.diagnose = diagnose  # type: ignore[method-assign]
    return statistics.median(whole), statistics.median(spent)


def main() -> int:
    worst = 0.0
    for name in (name for name in groups()["objective"] if name != "sft"):
        update_s, diagnose_s = share_of(name)
        worst = max(worst, diagnose_s / update_s)
        print(f"{name:12} update {update_s * 1e3:7.1f} ms   diagnostics {diagnose_s * 1e3:6.2f} ms   "
              f"{diagnose_s / update_s:.2%}", flush=True)  # fmt: skip
    print(f"largest share {worst:.2%}, limit {LIMIT:.0%}")
    return int(worst >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
