"""What a run is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sspo_cli.data.problem import Dataset
from sspo_cli.models.policy import Policy
from sspo_cli.models.reference import Reference
from sspo_cli.models.source import Base
from sspo_cli.rewards.base import Rewarder


@dataclass(frozen=True)
class Parts:
    """Loaded and checked against each other.

    reference: the initial policy, where the objective reads it. base: what adapters stand on, or the reference was read
    from. notes: lines for the user about how the data was read.
    """

    policy: Policy
    dataset: Dataset
    rewarder: Rewarder
    reference: Reference | None = None
    base: Base | None = None
    notes: Sequence[str] = ()
