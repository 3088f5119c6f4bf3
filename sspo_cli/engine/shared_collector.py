"""Problems to scored groups over ranks: each rank samples and scores its share of the problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sspo_cli.data.problem import Problem
from sspo_cli.engine.world import OneProcess, World, shared
from sspo_cli.rollout.collect import Collector, Group, Progress
from sspo_cli.types import Decoding


@dataclass(frozen=True)
class SharedCollector(Collector):
    """Gives the groups of all problems, in order, on every rank. A sample depends on its key alone, so it does not
    depend on the number of ranks."""

    world: World = field(default_factory=OneProcess)

    def collect(
        self,
        stream: Literal["train", "eval"],
        step: int,
        problems: Sequence[Problem],
        samples: int,
        decoding: Decoding,
        progress: Progress,
        *,
        numbers: Sequence[int] | None = None,
    ) -> list[Group]:
        """See `Collector`. progress: of this rank's share."""
        numbers = range(len(problems)) if numbers is None else numbers

        def mine(places: list[int]) -> list[Group]:
            chosen, of_step = [problems[place] for place in places], [numbers[place] for place in places]
            return Collector.collect(self, stream, step, chosen, samples, decoding, progress, numbers=of_step)

        return shared(self.world, [samples] * len(problems), mine)
