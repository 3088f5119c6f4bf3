"""Policy-optimization objectives as pure functions of tensors.

>>> from sspo_cli.objectives import load_objective, PolicyBatch, Counts
>>> objective = load_objective("sspo", overrides=["objective/gate=erf", "objective.gate.tau_pos=5"])
>>> batch = PolicyBatch(logp_BT, old_logp_BT, advantage_B, mask_BT)
>>> out = objective(batch, Counts(responses, tokens, max_response_length))
>>> out.loss, out.metrics
"""

from sspo_cli.objectives.batch import Counts, ObjectiveOutput, PolicyBatch
from sspo_cli.objectives.load import build_objective, load_objective
from sspo_cli.objectives.objective import Objective

__all__ = ["Counts", "Objective", "ObjectiveOutput", "PolicyBatch", "build_objective", "load_objective"]
