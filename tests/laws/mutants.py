"""Break the objectives on purpose and see a law fail: `python -m tests.laws.mutants [words of a label]`.

Each mutant is one edit of a copy of the package, on which tests/laws and tests/objectives run. Prints one line per
mutant. Exit code 1 if a mutant survives, or if the laws fail without any.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("sspo_cli", "conf", "tests/laws", "tests/objectives", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """Replace `old`, which stands once in `file`, by `new`."""

    label: str
    file: str
    old: str
    new: str


# By file: (label, text that stands once in the file, what to put in its place).
EDITS = {
    "sspo_cli/objectives/objective.py": [
        ("sign flipped", "loss = -(omega_B", "loss = (omega_B"),
        ("advantage dropped", "omega_B * batch.advantage_B * value_B", "omega_B * value_B"),
        ("normaliser dropped", "omega_B * batch.advantage_B", "batch.advantage_B"),
        ("score: gate not held constant", "with torch.no_grad():\n            gate_BT", "if 1:\n            gate_BT"),
        ("score: pools swapped", '(gate_BT if self.pool == "arithmetic"', '(gate_BT if self.pool != "arithmetic"'),
        ("multiplier not times length", "slope_BT * batch.length_B[:, None]", "slope_BT"),
    ],
    "sspo_cli/objectives/batch.py": [
        ("mask dropped from the mean", "torch.where(mask_BT, value_BT, 0).sum(-1)", "value_BT.sum(-1)"),
        ("length normalisation missing", ".sum(-1) / mask_BT.sum(-1).clamp(min=1)", ".sum(-1)"),
        ("mean over padded length", "/ mask_BT.sum(-1).clamp(min=1)", "/ mask_BT.shape[-1]"),
        ("length in float32", ".clamp(min=1).to(self.advantage_B.dtype)", ".clamp(min=1)"),
        ("shapes unchecked", "if tuple(getattr(self, name).shape) != shape:", "if False:"),
        ("mask dtype unchecked", "if self.mask_BT.dtype != torch.bool:", "if False:"),
    ],
    "sspo_cli/objectives/ratio.py": [
        (
            "mask multiplied, not selected",
            "torch.where(batch.mask_BT, difference_BT, 0)",
            "difference_BT * batch.mask_BT",
        ),
        ("mask dropped from the ratio", "torch.where(batch.mask_BT, difference_BT, 0)", "difference_BT"),
        (
            "ratio inverted",
            "batch.logp_BT.to(dtype) - batch.old_logp_BT.to(dtype)",
            "batch.old_logp_BT.to(dtype) - batch.logp_BT.to(dtype)",
        ),
        ("clamp dropped", "raw_log_ratio(batch).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)", "raw_log_ratio(batch)"),
        ("sequence ratio ignored", 'if level == "sequence"', 'if level == "never"'),
    ],
    "sspo_cli/objectives/gate.py": [
        ("clip sides swapped", "0, clipped_above_BT, clipped_below_BT)", "0, clipped_below_BT, clipped_above_BT)"),
        ("clip on both sides", "log_ratio_BT.clamp(max=self.upper)", "log_ratio_BT.clamp(self.lower, self.upper)"),
        ("upper and lower swapped", "log_ratio_BT.clamp(min=self.lower)", "log_ratio_BT.clamp(max=self.lower)"),
        (
            "tau_pos and tau_neg swapped",
            "log_ratio_BT.new_full((), self.tau_pos), self.tau_neg",
            "log_ratio_BT.new_full((), self.tau_neg), self.tau_pos",
        ),
        ("tau in float32", "log_ratio_BT.new_full((), self.tau_pos)", "self.tau_pos"),
        ("one-sided on the wrong side", "log_ratio_BT > 0, log_ratio_BT < 0", "log_ratio_BT < 0, log_ratio_BT > 0"),
        ("one_sided ignored", "if not self.one_sided:", "if True:"),
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
        ("log_arctan: scale dropped", "torch.atan(tau * log_ratio) / tau", "torch.atan(tau * log_ratio)"),
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
        (
            "geometric mean not exponentiated",
            "torch.exp(masked_mean(log_gate_BT, mask_BT))",
            "masked_mean(log_gate_BT, mask_BT)",
        ),
    ],
    "sspo_cli/objectives/normalize.py": [
        ("response: micro-batch mean", "1 / counts.responses", "1 / len(batch.advantage_B)"),
        ("token: micro-batch mean", "/ counts.tokens", "/ batch.mask_BT.sum()"),
        ("constant: micro-batch mean", "(counts.responses * counts", "(len(batch.advantage_B) * counts"),
        ("constant: padded width", "* counts.max_response_length", "* batch.mask_BT.shape[1]"),
        (
            "token: lengths dropped",
            "batch.length_B / counts.tokens",
            "torch.ones_like(batch.advantage_B) / counts.tokens",
        ),
    ],
    "sspo_cli/objectives/load.py": [
        (
            "clip bounds swapped",
            "lower=math.log1p(-config.eps_low), upper=math.log1p(config.eps_high)",
            "lower=math.log1p(-config.eps_high), upper=math.log1p(config.eps_low)",
        ),
        ("log_clip read in ratio space", "upper=config.eps_high)", "upper=math.log1p(config.eps_high))"),
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
            "weight_B.sum().square() / (weight_B.square().sum() * weight_B.numel())",
            "weight_B.square().sum() * weight_B.numel() / weight_B.sum().square()",
        ),
        (
            "variance between responses",
            "log_ratio_BT - masked_mean(log_ratio_BT, batch.mask_BT)[:, None]",
            "log_ratio_BT",
        ),
        ("clamp hits uncounted", "(log_ratio_n.abs() > LOG_RATIO_LIMIT)", "(log_ratio_n.abs() > torch.inf)"),
        ("kl of the other sign", "- log_ratio_n).mean()", "+ log_ratio_n).mean()"),
    ],
    "sspo_cli/objectives/advantage.py": [
        ("zscore: biased deviation", "(scored_P1 - 1).clamp(min=1)).sqrt()", "scored_P1.clamp(min=1)).sqrt()"),
        (
            "unscored counted as zero",
            "reward_PG.nanmean(-1, keepdim=True)",
            "torch.nan_to_num(reward_PG).mean(-1, keepdim=True)",
        ),
        ("ties not exact", "scored(reward_PG) & (high_P1 > low_P1)", "scored(reward_PG)"),
        ("leave_one_out: factor dropped", "* scored_P1 / (scored_P1 - 1).clamp(min=1)", "* scored_P1 / scored_P1"),
        ("batch_zscore within groups", "group_zscore(reward_PG.reshape(1, -1))", "group_zscore(reward_PG)"),
    ],
    "conf/objective/gate/sigmoid.yaml": [
        ("sapo: one temperature", "tau_neg: 1.05", "tau_neg: 1.0"),
    ],
    "conf/objective/gspo.yaml": [
        ("gspo: bounds of grpo", "gate: clip_sequence", "gate: clip"),
    ],
    "conf/objective/gmpo.yaml": [
        ("gmpo: arithmetic pool", "pool: geometric", "pool: arithmetic"),
    ],
    "conf/objective/sspo.yaml": [
        ("sspo: arithmetic pool", "pool: geometric", "pool: arithmetic"),
    ],
    "conf/objective/sft.yaml": [
        ("sft: per response", "normalize: token", "normalize: response"),
    ],
}
UNCHANGED = Mutant("none", "pyproject.toml", "[build-system]", "[build-system]")
MUTANTS = [Mutant(label, file, old, new) for file, edits in EDITS.items() for label, old, new in edits]


def killer(mutant: Mutant) -> str | None:
    """The first test that fails on the mutant, or None if it survives."""
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
        # The copy is the working directory too: `python -m pytest` puts that before PYTHONPATH.
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "--tb=no",
                "-p",
                "no:cacheprovider",
                "tests/laws",
                "tests/objectives",
            ],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "COLUMNS": "300", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    failed = re.search(r"^(?:FAILED|ERROR) \S*?([^/\s]+\.py\S*)", run.stdout, re.MULTILINE)
    if run.returncode and not failed:
        raise SystemExit(f"{mutant.label}: pytest did not run\n{run.stdout}{run.stderr}")
    return failed[1] if failed else None


def main(words: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if " ".join(words) in mutant.label]
    survivors = 0
    if found := killer(UNCHANGED):
        print(f"the laws fail on the package as it is: {found}")
        return 1
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for mutant, found in zip(chosen, workers.map(killer, chosen), strict=True):
            survivors += found is None
            print(f"{'killed' if found else 'SURVIVED':9} {mutant.label:34} {found or ''}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
