"""Compare policy-optimization objectives for language models.

>>> from sspo_cli import Counts, PolicyBatch, load_objective
>>> objective = load_objective("sspo", overrides=["objective/gate=erf", "objective.gate.tau_pos=5"])
>>> batch = PolicyBatch(logp_BT, old_logp_BT, advantage_B, mask_BT)
>>> out = objective(batch, Counts(responses, tokens, max_response_length))
>>> out.loss, out.metrics

>>> from sspo_cli import Session, train_config
>>> with Session(train_config("objective=sspo", "train.steps=20")) as session:
...     outcome = session.train()
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspo_cli.build import load_objective, train_config
    from sspo_cli.engine.session import Session
    from sspo_cli.objectives.batch import Counts, PolicyBatch

__version__ = "0.1.0"
__all__ = ["Counts", "PolicyBatch", "Session", "load_objective", "train_config"]

# Imported when they are asked for: `sspo --help` loads no torch.
HOMES = {
    "Counts": "sspo_cli.objectives.batch",
    "PolicyBatch": "sspo_cli.objectives.batch",
    "Session": "sspo_cli.engine.session",
    "load_objective": "sspo_cli.build",
    "train_config": "sspo_cli.build",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'sspo_cli' has no attribute '{name}'")
    return getattr(importlib.import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
