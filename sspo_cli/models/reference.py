"""The policy as it was before training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sspo_cli.models.policy import Policy


@dataclass(frozen=True)
class Reference:
    """A second model with the initial weights; or, of a policy with adapters, the base under them."""

    policy: Policy

    @contextmanager
    def active(self) -> Iterator[Policy]:
        """The reference policy, for as long as the block lasts."""
        if not self.policy.adapted:
            yield self.policy
            return
        with self.policy.model.disable_adapter():
            yield self.policy
