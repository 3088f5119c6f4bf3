"""The policy as it was before training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from sspo_cli.models.policy import Policy
from sspo_cli.models.shards import whole


@dataclass(frozen=True)
class Reference:
    """A second model with the initial weights; or, of a policy with adapters, the base under them."""

    policy: Policy

    @contextmanager
    def active(self) -> Iterator[Policy]:
        """The reference policy with all its weights, for as long as the block lasts."""
        with whole(self.policy.model), self.policy.model.disable_adapter() if self.policy.adapted else nullcontext():
            yield self.policy
