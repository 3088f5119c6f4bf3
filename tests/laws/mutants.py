"""Break the objectives on purpose and see who notices: `python -m tests.laws.mutants [words of a label]`.

Each mutant is one edit of a copy of the package. `sspo selftest` runs on the copy, over the shipped objectives and
those of OWN, which use what no shipped one does; where no law notices, tests/objectives and tests/laws run too. Prints
the kill matrix. Exit code 1 if a mutant survives, or if anything fails without one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from sspo_cli.laws.laws import LAWS

ROOT = Path(__file__).parents[2]
COPIED = ("sspo_cli", "conf", "tests", "pyproject.toml")
# The quick ones first.
TESTS = ("tests/objectives", "tests/laws/test_literals.py", "tests/laws/test_papers.py", "tests/laws")
COLUMNS = ("yaml", *LAWS, "tests")


@dataclass(frozen=True)
class Mutant:
    """Replace `old`, which stands once in `file`, by `new`."""

    label: str
    file: str
    old: str
    new: str


# Objectives as a user writes them, in ./conf: (base, gate, the rest of the file).
OWN: dict[str, tuple[str, str, dict[str, object]]] = {
    "own_arctan": ("sspo", "arctan", {"normalize": "token"}),
    "own_arctan_log_ratio": ("sapo", "arctan_log_ratio", {}),
    "own_calibrated": ("sapo", "erf", {"gate": {"calibrate": {"low": 0.6, "high": 1.3}}}),
    "own_dual_clip": ("grpo", "clip", {"gate": {"eps_low": 0.1, "dual_clip": 1.3}}),
    "own_entropy": (
        "gmpo",
        "log_clip",
        {"gate": {"eps_low": 0.1}, "entropy_coef": 0.2, "kl": {"coef": 0.3, "place": "reward"}},
    ),
    "own_erf": ("sspo", "erf", {"gate": {"one_sided": True}}),
    "own_gap": ("gspo_token", "identity", {"correction": {"level": "token"}}),
    "own_gap_cispo": ("cispo", "cap", {"gate": {"cap": 1.2}, "correction": {"level": "token", "cap": 1.5}}),
    "own_gap_sspo": ("sspo", "log_tanh", {"correction": {"level": "sequence"}}),
    "own_gap_band": (
        "grpo",
        "clip",
        {"gate": {"eps_low": 0.1}, "correction": {"mask": {"level": "token", "low": 0.7}}},
    ),
    "own_gap_far": ("sspo", "log_erf", {"correction": {"level": "sequence", "floor": 0.8, "mask_negative_above": 0.1}}),
    "own_gap_mean": (
        "dapo",
        "clip",
        {"correction": {"level": "token", "cap": None, "mask": {"level": "sequence_mean"}}},
    ),
    "own_kl_1": ("grpo", "clip", {"kl": {"coef": 0.3, "estimator": "k1"}}),
    "own_kl_2": ("rloo", "clip", {"kl": {"coef": 0.3, "estimator": "k2", "against": "old"}}),
    "own_kl_3": ("sspo", "log_softsign", {"kl": {"coef": 0.3, "estimator": "k3"}}),
    "own_log_erf": ("sapo", "log_erf", {"gate": {"one_sided": True}}),
    "own_sigmoid_unit": ("sspo", "sigmoid_unit", {}),
    "own_small_tau": ("sspo", "softsign", {"gate": {"tau_pos": 1e-4, "tau_neg": 1e-4}}),
    "own_softsign": ("sapo", "softsign", {}),
}

# By file: (label, text that stands once in the file, what to put in its place).
EDITS = {
    "sspo_cli/objectives/objective.py": [
        ("sign flipped", "loss = -(omega_B", "loss = (omega_B"),
        ("advantage dropped", "gain_B = batch.advantage_B * self.value", "gain_B = self.value"),
        (
            "advantage of the response before",
            "batch.advantage_B * self.value",
            "batch.advantage_B.roll(1) * self.value",
        ),
        ("normaliser dropped", "-(omega_B * (gain_B", "-((gain_B"),
        ("penalty given, not taken", "(gain_B - self.penalty(batch))", "(gain_B + self.penalty(batch))"),
        ("penalty dropped", "(gain_B - self.penalty(batch))", "gain_B"),
        (
            "penalty times the advantage",
            "(gain_B - self.penalty(batch))",
            "(gain_B - batch.advantage_B * self.penalty(batch))",
        ),
        (
            "without_penalties keeps the KL",
            "replace(self, kl=None, entropy_coef=0.0)",
            "replace(self, entropy_coef=0.0)",
        ),
        ("without_penalties keeps the entropy", "replace(self, kl=None, entropy_coef=0.0)", "replace(self, kl=None)"),
        ("ratio level ignored", "self.gate(seen_BT, batch", "self.gate(log_ratio_BT, batch"),
        (
            "gate: min and max swapped",
            "self.gate(seen_BT, batch.advantage_B)",
            "self.gate(seen_BT, -batch.advantage_B)",
        ),
        (
            "gate: sign of A ignored",
            "self.gate(seen_BT, batch.advantage_B)",
            "self.gate(seen_BT, batch.advantage_B.abs())",
        ),
        ("score: gate not held constant", "value_BT.detach() * batch.logp_BT", "value_BT * batch.logp_BT"),
        ("score: log pi dropped", "value_BT = value_BT.detach() * batch.logp_BT", "value_BT = value_BT"),
        ("correction dropped", "* value_BT\n        return", "* 0 + value_BT\n        return"),
        ("correction outside of gamma", "isinstance(self.gate, GammaGate)", "False"),
        ("value: mask dropped", "return masked_mean(value_BT, batch.mask_BT)", "return value_BT.mean(-1)"),
        (
            "value: sum for mean",
            "return masked_mean(value_BT, batch.mask_BT)",
            "return (value_BT * batch.mask_BT).sum(-1)",
        ),
        ("entropy: sign flipped", "penalty_B - self.entropy_coef", "penalty_B + self.entropy_coef"),
        (
            "entropy: mask dropped",
            'masked_mean(batch.needed("entropy_BT"), batch.mask_BT)',
            'batch.needed("entropy_BT").mean(-1)',
        ),
        (
            "entropy: held constant",
            'masked_mean(batch.needed("entropy_BT")',
            'masked_mean(batch.needed("entropy_BT").detach()',
        ),
        ("multiplier not times length", "else slope_BT * batch.length_B[:, None]", "else slope_BT"),
        ("multiplier of a product times length", 'slope_BT if self.ratio == "product" else slope_BT', "slope_BT"),
        (
            "multiplier uncorrected",
            "multiplier_BT = self.correction(batch, weighted=not self.corrects_ratio) * multiplier_BT",
            "pass",
        ),
        (
            "weight: mask dropped",
            "masked_mean(self.token_weight(log_ratio_BT, batch), batch.mask_BT)",
            "self.token_weight(log_ratio_BT, batch).mean(-1)",
        ),
        ("correction not told", "in (self.kl, self.correction):", "in (self.kl,):"),
        ("kl not told", "in (self.kl, self.correction):", "in (self.correction,):"),
    ],
    "sspo_cli/objectives/batch.py": [
        ("mask dropped from the mean", "torch.where(mask_BT, value_BT, 0).sum(-1)", "value_BT.sum(-1)"),
        ("length normalisation missing", ".sum(-1) / mask_BT.sum(-1).clamp(min=1)", ".sum(-1)"),
        ("mean over padded length", "/ mask_BT.sum(-1).clamp(min=1)", "/ mask_BT.shape[-1]"),
        ("length in float32", ".clamp(min=1).to(self.advantage_B.dtype)", ".clamp(min=1)"),
        ("shapes unchecked", "if value is not None and tuple(value.shape) != shape:", "if False:"),
        ("mask dtype unchecked", "if self.mask_BT.dtype != torch.bool:", "if False:"),
        ("a missing tensor is not told", "if value is None:", "if False:"),
        (
            "mask multiplied, not selected",
            "torch.where(mask_BT, left_BT.to(dtype) - right_BT.to(dtype), 0)",
            "(left_BT.to(dtype) - right_BT.to(dtype)) * mask_BT",
        ),
        (
            "mask dropped from the difference",
            "torch.where(mask_BT, left_BT.to(dtype) - right_BT.to(dtype), 0)",
            "left_BT.to(dtype) - right_BT.to(dtype)",
        ),
        (
            "shifted by one token",
            "left_BT.to(dtype) - right_BT.to(dtype)",
            "left_BT.to(dtype) - right_BT.to(dtype).roll(1, -1)",
        ),
        ("half precision kept", "torch.promote_types(left_BT.dtype, torch.float32)", "left_BT.dtype"),
        ("clamp at 10", "LOG_RATIO_LIMIT = 20.0", "LOG_RATIO_LIMIT = 10.0"),
    ],
    "sspo_cli/objectives/ratio.py": [
        (
            "ratio inverted",
            "masked_difference(batch.logp_BT, batch.old_logp_BT,",
            "masked_difference(batch.old_logp_BT, batch.logp_BT,",
        ),
        ("clamp dropped", "raw_log_ratio(batch).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)", "raw_log_ratio(batch)"),
        (
            "sequence: sum for mean",
            "masked_mean(log_ratio_BT, mask_BT)[:, None]",
            "torch.where(mask_BT, log_ratio_BT, 0).sum(-1)[:, None]",
        ),
        ("sequence: mask dropped", "masked_mean(log_ratio_BT, mask_BT)[:, None]", "log_ratio_BT.mean(-1)[:, None]"),
        (
            "sequence_token: mean not held constant",
            "sequence(log_ratio_BT, mask_BT).detach()",
            "sequence(log_ratio_BT, mask_BT)",
        ),
        ("sequence_token: value of the token", "+ log_ratio_BT - log_ratio_BT.detach()", "+ log_ratio_BT"),
        (
            "product: of the tokens so far",
            "[:, None].expand_as(log_ratio_BT)\n\n\nRATIOS",
            "[:, None] + log_ratio_BT.cumsum(-1) - log_ratio_BT.sum(-1, keepdim=True)\n\n\nRATIOS",
        ),
        (
            "product: clamp dropped",
            "log_product_B.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)[:, None]",
            "log_product_B[:, None]",
        ),
        ("product: mask dropped", "torch.where(mask_BT, log_ratio_BT, 0).sum(-1)", "log_ratio_BT.sum(-1)"),
        (
            "product: mean for sum",
            "torch.where(mask_BT, log_ratio_BT, 0).sum(-1)",
            "masked_mean(log_ratio_BT, mask_BT)",
        ),
        ("levels: product is sequence", '"product": product', '"product": sequence'),
        ("levels: sequence_token is sequence", '"sequence_token": sequence_token', '"sequence_token": sequence'),
    ],
    "sspo_cli/objectives/gate.py": [
        ("constant: not one", "torch.zeros_like(log_ratio_BT)", "torch.ones_like(log_ratio_BT)"),
        ("cap: from below", "return log_ratio_BT.clamp(max=self.upper)", "return log_ratio_BT.clamp(min=self.upper)"),
        (
            "cap: on both sides",
            "return log_ratio_BT.clamp(max=self.upper)",
            "return log_ratio_BT.clamp(-self.upper, self.upper)",
        ),
        ("gamma: not one at r = 1", "lambda_B1 * torch.expm1(log_ratio_BT)", "lambda_B1 * torch.exp(log_ratio_BT)"),
        ("gamma: k by the wrong sign", "self.k_pos, self.k_neg, log", "self.k_neg, self.k_pos, log"),
        (
            "gamma: lambda by the wrong sign",
            "self.lambda_pos, self.lambda_neg, log",
            "self.lambda_neg, self.lambda_pos, log",
        ),
        ("clip sides swapped", "0, clipped_above_BT, clipped_below_BT)", "0, clipped_below_BT, clipped_above_BT)"),
        (
            "clip on both sides",
            "clipped_above_BT = log_ratio_BT.clamp(max=self.upper)",
            "clipped_above_BT = log_ratio_BT.clamp(self.lower, self.upper)",
        ),
        ("clip: lower bound from above", "clamp(min=self.lower, max=self.ceiling)", "clamp(max=self.lower)"),
        ("dual clip dropped", "clamp(min=self.lower, max=self.ceiling)", "clamp(min=self.lower)"),
        ("dual clip at the upper bound", "max=self.ceiling)", "max=self.upper if self.ceiling else None)"),
        ("tau_pos and tau_neg swapped", "like.new_full((), positive), other", "like.new_full((), other), positive"),
        ("tau in float32", "like.new_full((), positive)", "positive"),
        ("one-sided on the wrong side", "log_ratio_BT > 0, log_ratio_BT < 0", "log_ratio_BT < 0, log_ratio_BT > 0"),
        ("one_sided ignored", "if not self.one_sided:", "if True:"),
        ("floor of a gate dropped", "SMALLEST_GATE = 1e-6", "SMALLEST_GATE = 0.0"),
        ("sigmoid: slope at 1 not 1", "torch.log(4 / tau)", "torch.log(2 / tau)"),
        (
            "sigmoid: ratio not centred",
            "logsigmoid(tau * torch.expm1(log_ratio))",
            "logsigmoid(tau * torch.exp(log_ratio))",
        ),
        (
            "sigmoid_unit: slope halved",
            "2 / tau * torch.tanh(tau * torch.expm1",
            "1 / tau * torch.tanh(tau * torch.expm1",
        ),
        ("arctan: in log space", "torch.atan(tau * torch.expm1(log_ratio)) / tau", "torch.atan(tau * log_ratio) / tau"),
        (
            "erf: sqrt 2 dropped",
            "torch.erf(tau * torch.expm1(log_ratio) / math.sqrt(2))",
            "torch.erf(tau * torch.expm1(log_ratio))",
        ),
        ("softsign: in log space", "log_softsign(torch.expm1(log_ratio), tau)", "log_softsign(log_ratio, tau)"),
        ("log_arctan: scale dropped", "return torch.atan(tau * log_ratio) / tau", "return torch.atan(tau * log_ratio)"),
        (
            "arctan_log_ratio: in ratio space",
            "log_of_one_plus(torch.atan(tau * log_ratio) / tau)",
            "log_of_one_plus(torch.atan(tau * torch.expm1(log_ratio)) / tau)",
        ),
        (
            "log_erf: scale dropped",
            "ROOT_HALF_PI / tau * torch.erf(tau * log_ratio / math",
            "1 / tau * torch.erf(tau * log_ratio / math",
        ),
        ("log_softsign: square dropped", "(tau * log_ratio).square()", "(tau * log_ratio).abs()"),
        (
            "log_tanh: halves dropped",
            "2 / tau * torch.tanh(tau * log_ratio / 2)",
            "1 / tau * torch.tanh(tau * log_ratio)",
        ),
    ],
    "sspo_cli/objectives/pool.py": [
        (
            "pools swapped",
            '{"arithmetic": arithmetic, "geometric": geometric}',
            '{"arithmetic": geometric, "geometric": arithmetic}',
        ),
        ("arithmetic of log gates", "return torch.exp(log_gate_BT)", "return log_gate_BT"),
        (
            "geometric mean not exponentiated",
            "torch.exp(masked_mean(log_gate_BT, mask_BT))",
            "masked_mean(log_gate_BT, mask_BT)",
        ),
        ("geometric: mask dropped", "masked_mean(log_gate_BT, mask_BT)", "log_gate_BT.mean(-1)"),
        ("geometric: product for mean", "masked_mean(log_gate_BT, mask_BT)", "(log_gate_BT * mask_BT).sum(-1)"),
    ],
    "sspo_cli/objectives/normalize.py": [
        ("response: micro-batch mean", "1 / counts.responses", "1 / len(batch.advantage_B)"),
        ("token: micro-batch mean", "/ counts.tokens", "/ batch.mask_BT.sum()"),
        ("constant: micro-batch mean", "(counts.responses * counts", "(len(batch.advantage_B) * counts"),
        ("constant: padded width", "* counts.max_response_length", "* batch.mask_BT.shape[1]"),
        (
            "sum: micro-batch mean",
            "return batch.length_B / counts.responses",
            "return batch.length_B / len(batch.mask_BT)",
        ),
        ("sum: lengths dropped", '"sum": total', '"sum": response'),
        (
            "token: lengths dropped",
            "batch.length_B / counts.tokens",
            "torch.ones_like(batch.advantage_B) / counts.tokens",
        ),
    ],
    "sspo_cli/objectives/kl.py": [
        ("k1: sign flipped", "return -x", "return x"),
        ("k2: half dropped", "x.square() / 2", "x.square()"),
        ("k3: not zero at 0", "torch.expm1(x) - x", "torch.exp(x) - x"),
        ("k3: of the other sign", "torch.expm1(x) - x", "torch.expm1(-x) + x"),
        (
            "kl against old: inverted",
            "masked_difference(batch.logp_BT, batch.old_logp_BT,",
            "masked_difference(batch.old_logp_BT, batch.logp_BT,",
        ),
        (
            "kl against reference: inverted",
            'else:\n            x_BT = masked_difference(batch.needed("reference_logp_BT"), batch.logp_BT,',
            'else:\n            x_BT = masked_difference(batch.logp_BT, batch.needed("reference_logp_BT"),',
        ),
        (
            "kl against old is against the reference",
            'if self.against == "old":\n            x_BT',
            "if False:\n            x_BT",
        ),
        (
            "kl to the reference told without one",
            'if self.against == "old":\n            return',
            "if False:\n            return",
        ),
        (
            "kl to the reference told of the wrong side",
            "return {}\n        x_BT = masked_difference(",
            "return {}\n        x_BT = -masked_difference(",
        ),
        ("kl coef dropped", "self.coef * masked_mean", "masked_mean"),
        (
            "kl: mean over padded length",
            "masked_mean(self.per_token(x_BT), batch.mask_BT)",
            "self.per_token(x_BT).mean(-1)",
        ),
        ("kl: sum for mean", "masked_mean(self.per_token(x_BT), batch.mask_BT)", "self.per_token(x_BT).sum(-1)"),
        (
            "kl: clamp dropped",
            "[self.estimator](x_BT.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))",
            "[self.estimator](x_BT)",
        ),
    ],
    "sspo_cli/objectives/correction.py": [
        ("correction: cap dropped", ".clamp(min=low, max=math.log(self.cap))", ".clamp(min=low)"),
        ("correction: floor dropped", ".clamp(min=low, max=math.log(self.cap))", ".clamp(max=math.log(self.cap))"),
        ("correction: cap of the logarithm", "max=math.log(self.cap))", "max=self.cap)"),
        ("correction: weighted twice", "if self.weight and weighted:", "if self.weight:"),
        ("correction: mask dropped", "if self.mask:", "if False:"),
        ("correction: mask inverted", "& (log_ratio_BT <=", "& ~(log_ratio_BT <="),
        ("correction: no lower end of the band", "(log_ratio_BT >= low) & ", ""),
        ("correction: negatives kept", "if self.negatives:", "if False:"),
        ("correction: positives dropped too", "(batch.advantage_B < 0) & ", ""),
        ("correction: distance inverted", "(gap_B > self.above)", "(-gap_B > self.above)"),
        (
            "correction: distance of the sum",
            "batch.mask_BT), batch.mask_BT)\n        return 1",
            "batch.mask_BT), batch.mask_BT) * batch.length_B\n        return 1",
        ),
        ("correction: mean is the product", 'if level == "sequence_mean":', "if False:"),
        (
            "correction: floored share inverted",
            "log_ratio_n < math.log(self.floor)",
            "log_ratio_n >= math.log(self.floor)",
        ),
        (
            "correction: masked share is the kept one",
            "1 - self(batch)[batch.mask_BT].mean()",
            "self(batch)[batch.mask_BT].mean()",
        ),
        ("correction: dropped share is the kept one", "1 - self(batch).mean()", "self(batch).mean()"),
        (
            "correction: inverted",
            'batch.old_logp_BT, batch.needed("rollout_logp_BT"),',
            'batch.needed("rollout_logp_BT"), batch.old_logp_BT,',
        ),
        ("correction: mean for product", "log_ratio_BT.sum(-1, keepdim=True)", "log_ratio_BT.mean(-1, keepdim=True)"),
        ("correction: level ignored", 'if level == "sequence":', "if False:"),
        (
            "correction: clamp dropped",
            "return log_ratio_BT.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)",
            "return log_ratio_BT",
        ),
        ("correction: uncapped share", "log_ratio_n > math.log(self.cap)", "log_ratio_n <= math.log(self.cap)"),
    ],
    "sspo_cli/objectives/calibrate.py": [
        ("calibrate: pools swapped", 'if pool == "arithmetic"', 'if pool != "arithmetic"'),
        ("calibrate: gate left out", "float(torch.exp(around) * slope)", "float(slope)"),
        ("calibrate: ends swapped", "FAR if at > 1 else -FAR", "-FAR if at > 1 else FAR"),
        ("calibrate: not relative to f(1)", " - log_gate(curve, 0.0, tau)", ""),
        ("calibrate: bisection reversed", "- wanted) * at_low > 0:", "- wanted) * at_low < 0:"),
        ("calibrate: unsolvable not told", "if not at_low * at_high < 0:", "if False:"),
        ("calibrate: coarse", "HALVINGS = 200", "HALVINGS = 5"),
    ],
    "sspo_cli/build.py": [
        (
            "clip bounds swapped",
            "math.log1p(-config.eps_low), math.log1p(config.eps_high)",
            "math.log1p(-config.eps_high), math.log1p(config.eps_low)",
        ),
        ("log_clip read in ratio space", "upper=config.eps_high)", "upper=math.log1p(config.eps_high))"),
        (
            "log_clip bounds swapped",
            "lower=-config.eps_low, upper=config.eps_high",
            "lower=-config.eps_high, upper=config.eps_low",
        ),
        ("dual clip read in log space", "math.log(config.dual_clip)", "config.dual_clip"),
        ("dual clip not read", "if config.dual_clip else None", "if False else None"),
        ("cap read in log space", "upper=math.log(config.cap)", "upper=config.cap"),
        ("gamma: k and lambda swapped", "config.k_pos, config.lambda_pos", "config.lambda_pos, config.k_pos"),
        ("kl in the reward is in the loss too", 'if kl.coef and kl.place == "loss" else None', "if kl.coef else None"),
        ("kl not read", 'if kl.coef and kl.place == "loss" else None', "if False else None"),
        ("entropy not read", "entropy_coef=config.entropy_coef", "entropy_coef=0.0"),
        ("correction not read", "if not (config.compares or above):", "if True:"),
        ("mask read as none", 'if mask.level != "none" else None', "if False else None"),
        ("sampler of the negatives", '"rollout_logp_BT" if config.compares else "old_logp_BT"', '"old_logp_BT"'),
        ("no cap read as 2", "math.inf if config.cap is None", "2.0 if config.cap is None"),
        ("one_sided not read", "config.tau_neg, config.one_sided)", "config.tau_neg, False)"),
        ("calibrate not read", "config = calibrated(config, pool)", "config = config"),
        (
            "calibrate: r and 1/r swapped",
            "for ratio in (wanted.at, 1 / wanted.at)",
            "for ratio in (1 / wanted.at, wanted.at)",
        ),
        ("calibrate: tau below pi/2", 'math.pi / 2 if config.name == "arctan_log_ratio" else 0', "0"),
    ],
    "sspo_cli/objectives/diagnostics.py": [
        (
            "removed shares swapped",
            "removed_share(multiplier_n, size_n * positive_n)",
            "removed_share(multiplier_n, size_n * ~positive_n)",
        ),
        (
            "removed share not weighted",
            "size_n = batch.advantage_B.abs()[:, None]",
            "size_n = batch.advantage_B.sign().abs()[:, None]",
        ),
        (
            "effective sample size inverted",
            "share = scaled_B.sum().square() / (scaled_B.square().sum() * weight_B.numel())",
            "share = scaled_B.square().sum() * weight_B.numel() / scaled_B.sum().square()",
        ),
        ("effective sample size of tiny weights", "weight_B / weight_B.max()", "weight_B"),
        ("effective sample size of no weight", "torch.where(weight_B.max() > 0, share, 0)", "share"),
        ("quantiles not between values", "sorted_n[min(int(place) + 1, len(sorted_n) - 1)]", "sorted_n[int(place)]"),
        (
            "variance between responses",
            "log_ratio_BT - masked_mean(log_ratio_BT, batch.mask_BT)[:, None]",
            "log_ratio_BT",
        ),
        ("clamp hits uncounted", "(log_ratio_n.abs() > LOG_RATIO_LIMIT)", "(log_ratio_n.abs() > torch.inf)"),
        ("kl of the other sign", "- log_ratio_n).mean()", "+ log_ratio_n).mean()"),
    ],
    "sspo_cli/objectives/advantage.py": [
        ("zscore: biased deviation", ".sum(-1, keepdim=True) / (scored_P1 - 1)", ".sum(-1, keepdim=True) / scored_P1"),
        (
            "unscored counted as zero",
            "above_PG.nanmean(-1, keepdim=True)",
            "torch.nan_to_num(above_PG).mean(-1, keepdim=True)",
        ),
        ("ties not exact", "scored(reward_PG) & ~tied(reward_PG, size_P)[:, None]", "scored(reward_PG)"),
        ("ties in rewards alone", "torch.maximum(size_P.double(), largest_P)", "largest_P"),
        ("ties without a smallest spread", "rounding_P.clamp(min=SMALLEST_SPREAD)", "rounding_P"),
        ("ties without rounding", "rounding_P.clamp(min=SMALLEST_SPREAD)", "SMALLEST_SPREAD"),
        ("leave_one_out: factor dropped", "* scored_P1 / (scored_P1 - 1).clamp(min=1)", "* scored_P1 / scored_P1"),
        ("rescaled: factor dropped", " * (len(reward_PG) / live)", ""),
        (
            "rescaled: tied groups counted",
            "(~tied(reward_PG, size_P)).sum()",
            "len(reward_PG)",
        ),
        ("batch_mean within groups", "group_mean(reward_PG.reshape(1, -1), over_all(size_P))", "group_mean(reward_PG)"),
        (
            "batch_zscore within groups",
            "group_zscore(reward_PG.reshape(1, -1), over_all(size_P))",
            "group_zscore(reward_PG)",
        ),
    ],
    "conf/train.yaml": [
        ("kl: k1 by default", "estimator: k3", "estimator: k1"),
        ("kl: against old by default", "against: reference", "against: old"),
        ("kl: in the reward by default", "place: loss", "place: reward"),
        ("correction: another cap by default", "cap: 2.0", "cap: 5.0"),
    ],
    "conf/objective/gate/sigmoid.yaml": [("sapo: one temperature", "tau_neg: 1.05", "tau_neg: 1.0")],
    "conf/objective/gate/cap.yaml": [("cispo: another cap", "cap: 5.0", "cap: 1.2")],
    "conf/objective/gate/gamma.yaml": [("vespo: k of the other sign", "k_pos: 2.0", "k_pos: 3.0")],
    "conf/objective/cispo.yaml": [("cispo: per response", "normalize: token", "normalize: response")],
    "conf/objective/dapo.yaml": [
        ("dapo: equal bounds", "eps_high: 0.28", "eps_high: 0.2"),
        ("dapo: no dynamic sampling", "dynamic_sampling: 10", "dynamic_sampling: 1"),
        ("dapo: no overlong penalty", "penalty: 1.0", "penalty: 0.0"),
    ],
    "conf/objective/dr_grpo.yaml": [
        ("dr_grpo: a mean over tokens", "normalize: constant", "normalize: token"),
        ("dr_grpo: divided by std", "advantage: group_mean", "advantage: group_zscore"),
    ],
    "conf/objective/gmpo.yaml": [("gmpo: arithmetic pool", "pool: geometric", "pool: arithmetic")],
    "conf/objective/gpg.yaml": [
        ("gpg: ties not made up for", "advantage: group_mean_rescaled", "advantage: group_mean")
    ],
    "conf/objective/gspo.yaml": [("gspo: bounds of grpo", "gate: clip_sequence", "gate: clip")],
    "conf/objective/gspo_token.yaml": [("gspo_token: gspo", "ratio: sequence_token", "ratio: sequence")],
    "conf/objective/ppo_clip.yaml": [
        ("ppo_clip: per response", "normalize: token", "normalize: response"),
        ("ppo_clip: advantage of grpo", "advantage: batch_zscore", "advantage: group_zscore"),
    ],
    "conf/objective/reinforce.yaml": [("reinforce: mean for sum", "normalize: sum", "normalize: response")],
    "conf/objective/rloo.yaml": [("rloo: token ratios", "ratio: product", "ratio: token")],
    "conf/objective/scopic.yaml": [
        ("scopic: another tau", "tau_neg: 2.0", "tau_neg: 4.0"),
        ("scopic: kl to the reference", "against: old", "against: reference"),
        ("scopic: another beta", "coef: 1.0", "coef: 0.1"),
    ],
    "conf/objective/sft.yaml": [("sft: per response", "normalize: token", "normalize: response")],
    "conf/objective/sspo.yaml": [("sspo: arithmetic pool", "pool: geometric", "pool: arithmetic")],
    "conf/objective/vespo.yaml": [("vespo: length-normalised", "ratio: product", "ratio: sequence")],
}
UNCHANGED = Mutant("none", "pyproject.toml", "[build-system]", "[build-system]")
MUTANTS = [Mutant(label, file, old, new) for file, edits in EDITS.items() for label, old, new in edits]


@contextmanager
def mutated(mutant: Mutant) -> Iterator[Path]:
    """A copy of the package with `mutant` in it, and OWN in the conf folder of a user who works beside it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source, target = ROOT / name, copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        file = copy / mutant.file
        text = file.read_text()
        if text.count(mutant.old) != 1:
            raise SystemExit(f"{mutant.label}: {mutant.old!r} stands {text.count(mutant.old)} times in {mutant.file}")
        file.write_text(text.replace(mutant.old, mutant.new))
        own = copy / "user" / "conf" / "objective"
        own.mkdir(parents=True)
        for name, (base, gate, content) in OWN.items():
            defaults: dict[str, object] = {"defaults": [base, {"override gate": gate}, "_self_"]}
            (own / f"{name}.yaml").write_text(yaml.safe_dump(defaults | content))
        yield copy


def run(copy: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Running a module puts the working directory before PYTHONPATH, so that it must not hold another copy.
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "COLUMNS": "300", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def broken_laws(mutant: Mutant, copy: Path) -> set[str]:
    """The laws that `sspo selftest` finds broken, "yaml" where a file does not compose any more."""
    done = run(copy, copy / "user", "sspo_cli", "selftest", "--json")
    if done.returncode == 2:
        return {"yaml"}
    if done.returncode not in (0, 1):
        raise SystemExit(f"{mutant.label}: sspo selftest did not run\n{done.stdout}{done.stderr}")
    found = json.loads(done.stdout)["objectives"].values()
    broken = {law for row in found for law, verdict in row["laws"].items() if verdict["outcome"] == "broken"}
    return broken | {"yaml" for row in found if row["problems"]}


def failing_test(mutant: Mutant, copy: Path) -> str | None:
    """The first test that fails, or None."""
    done = run(copy, copy, "pytest", "-x", "--tb=no", "-p", "no:cacheprovider", *TESTS)
    failed = re.search(r"^(?:FAILED|ERROR) \S*?([^/\s]+\.py\S*)", done.stdout, re.MULTILINE)
    if done.returncode and not failed:
        raise SystemExit(f"{mutant.label}: pytest did not run\n{done.stdout}{done.stderr}")
    return failed[1] if failed else None


def killers(mutant: Mutant) -> set[str]:
    """The columns of the matrix in which `mutant` has a dot."""
    with mutated(mutant) as copy:
        broken = broken_laws(mutant, copy)
        return broken or {"tests" for failed in [failing_test(mutant, copy)] if failed}


def main(words: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if " ".join(words) in mutant.label]
    with mutated(UNCHANGED) as copy:
        if found := broken_laws(UNCHANGED, copy) or failing_test(UNCHANGED, copy):
            print(f"fails on the package as it is: {found}")
            return 1
    label_width = max(len(mutant.label) for mutant in MUTANTS)
    width = sum(len(column) + 1 for column in COLUMNS)
    print(f"{'':{label_width}} {' '.join(COLUMNS)}")
    kills: Counter[str] = Counter()
    survivors: list[str] = []
    file = ""
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for mutant, found in zip(chosen, workers.map(killers, chosen), strict=True):
            if mutant.file != file:
                file = mutant.file
                print(f"\n{file}")
            dots = " ".join(("." if column in found else "").center(len(column)) for column in COLUMNS)
            print(f"{mutant.label:{label_width}} {dots if found else 'SURVIVED':{width}}".rstrip(), flush=True)
            kills.update(found)
            survivors += [] if found else [mutant.label]
    print(f"\n{'kills':{label_width}} {' '.join(f'{kills[column]:^{len(column)}}' for column in COLUMNS)}".rstrip())
    by_laws, by_tests = len(chosen) - len(survivors) - kills["tests"], kills["tests"]
    print(f"\n{len(chosen)} mutants: {by_laws} killed by laws, {by_tests} by the tests alone, {len(survivors)} survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
