"""Every metric once: what it is called, how it is written, which end is better, what it means.

The screens, the pages, the figures, summary.json, `sspo show metric` and docs/metrics.md read this table.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["higher", "lower"]
BOUNDS = {"_low": "lower end", "_high": "upper end"}
PERCENT = "%"
# Words in names that stand for others, and what those look like.
PLACEHOLDERS = {"K": r"\d+", "SOURCE": r"[\w.-]+", "PART": "[^/]+", "NAME": "[^/]+", "PHASE": "[a-z]+"}


@dataclass(frozen=True)
class Metric:
    """One column of metrics.jsonl.

    name: its key; one of PLACEHOLDERS stands for other words. label: on screens and pages, with `unit`.
    form: its number format; a share, whose unit begins with "%", is kept between 0 and 1 and written in percent.
    better: the end to reach for, None where neither is; only then is there a best value. short: for narrow columns.
    """

    name: str
    label: str
    unit: str
    form: str
    better: Better | None
    meaning: str
    short: str = ""

    @property
    def title(self) -> str:
        return self.label[0].upper() + self.label[1:]

    @property
    def is_share(self) -> bool:
        return self.unit.startswith(PERCENT)

    def written(self, value: float | None) -> str:
        """`value` in the metric's format; plain words for what is not finite, scientific for what is huge, "" for
        None."""
        if value is None:
            return ""
        if not math.isfinite(value):
            return str(value)
        return format(value, ".2e" if abs(value) >= 1e7 else f"z{self.form}")  # z: -0.0004 is written 0.000

    def best(self, values: list[float]) -> float | None:
        """The best of the values; None where neither end is better."""
        if self.better is None:
            return None
        return max(values) if self.better == "higher" else min(values)


METRICS = (
    # What is compared.
    Metric("eval/accuracy", "held-out accuracy", "% of sampled responses", ".1%", "higher",
           "Mean over held-out problems of the share of responses that are correct.", "accuracy"),
    Metric("eval/accuracy/SOURCE", "held-out accuracy of SOURCE", "% of sampled responses", ".1%", "higher",
           "Accuracy over the held-out problems of one part of a mixture, or one task."),
    Metric("eval/pass@K", "held-out pass@K", "% of problems", ".1%", "higher",
           "Mean over held-out problems of the probability that at least one of K samples is correct, without bias"
           " (arXiv 2107.03374).", "pass@K"),
    Metric("eval/reward", "held-out reward", "reward per response", ".3f", "higher",
           "Mean reward of the responses to held-out problems that could be scored."),
    Metric("eval/length", "held-out response length", "tokens", ".1f", None,
           "Mean length of the responses to held-out problems."),
    Metric("eval/truncated", "held-out responses cut at the limit", "% of responses", ".1%", "lower",
           "Share of the held-out responses that reached eval.max_response_length without a stop token."),
    Metric("eval/unscored", "held-out responses without a reward", "% of responses", ".1%", "lower",
           "Share of the held-out responses that the reward gave no number for."),
    Metric("eval/errors", "failed graders, held out", "% of responses", ".1%", "lower",
           "Share of the held-out responses whose grader failed or outran its time (reward.on_error=skip)."),
    # Rollout.
    Metric("reward/mean", "mean reward", "reward per response", ".3f", "higher",
           "Mean reward of the rollout's responses, before a KL or length penalty is taken from it.", "reward"),
    Metric("reward/mean/SOURCE", "mean reward of SOURCE", "reward per response", ".3f", "higher",
           "Mean reward of the responses to problems of one part of a mixture, or task, where the rollout has any."),
    Metric("reward/unscored", "responses without a reward", "% of responses", ".1%", "lower",
           "Share of the rollout's responses that the reward gave no number for."),
    Metric("reward/errors", "failed graders", "% of responses", ".1%", "lower",
           "Share of the rollout's responses whose grader failed or outran its time (reward.on_error=skip)."),
    Metric("reward/PART", "mean of the reward part PART", "reward per response", ".3f", "higher",
           "Mean over the rollout's responses of one part of the reward; the reward is the sum of its parts."),
    Metric("shaping/NAME", "added to the reward by NAME", "reward per response", ".3g", None,
           "Mean over responses of what the KL penalty (kl) or length penalty (overlong) adds to the reward: below 0"
           " where it takes from it."),
    Metric("group/dead", "groups with equal rewards", "% of prompts", ".1%", "lower",
           "Share of the groups whose rewards are equal: their advantages are 0."),
    Metric("response/length", "response length", "tokens", ".1f", None, "Mean length of the rollout's responses.",
           "length"),
    Metric("response/truncated", "responses cut at the limit", "% of responses", ".1%", "lower",
           "Share of the rollout's responses that reached rollout.max_response_length without a stop token."),
    Metric("prompts/generated", "prompts sampled", "prompts", ",.0f", None,
           "Prompts that the rollout sampled responses to; with dynamic sampling more than are kept."),
    Metric("prompts/kept", "prompts with unequal rewards", "prompts", ",.0f", None,
           "Prompts whose rewards differ among those that the update learns from."),
    Metric("prompts/total", "prompts sampled so far", "prompts", ",.0f", None, "Prompts sampled since the first step."),
    Metric("tokens/generated", "response tokens sampled", "tokens", ",.0f", None, "Response tokens of the rollout."),
    Metric("tokens/total", "response tokens so far", "tokens", ",.0f", None,
           "Response tokens sampled since the first step."),
    Metric("rollout/logp_gap_mean", "gap between sampler and trainer", "nats per token", ".2g", "lower",
           "Mean absolute difference of the sampler's and the trainer's log-probabilities under the same weights."),
    Metric("rollout/logp_gap_max", "largest gap between sampler and trainer", "nats", ".2g", "lower",
           "The largest of the differences whose mean is rollout/logp_gap_mean."),
    # Update: means over the updates of a step.
    Metric("loss", "loss", "the objective, negated", ".2g", None,
           "Loss of an update. Its value says little: advantages are centred, so it is near 0 on-policy."),
    Metric("grad/norm", "gradient norm", "L2, over all parameters", ".3g", None,
           "Norm of the gradient before it is clipped at optim.max_grad_norm."),
    Metric("optim/lr", "learning rate", "", ".3g", None, "Learning rate of the update."),
    Metric("policy/entropy", "entropy", "nats per token", ".3f", None,
           "Mean over response tokens of the entropy of the policy's distribution at temperature"
           " rollout.temperature.", "entropy"),
    Metric("policy/kl", "KL from the sampling policy", "nats per token", ".2g", None,
           "Estimate k3, mean(r - 1 - log r), of KL(sampling policy || current policy)."),
    Metric("policy/kl_reference", "KL from the reference policy", "nats per token", ".2g", None,
           "Estimate k3 of KL(current policy || reference policy)."),
    Metric("update/effective_ratio", "effective update ratio", "mean token multiplier", ".3f", None,
           "Mean over tokens of the gradient's factor, 1 on-policy (arXiv 2602.19345, eq. 12).",
           "effective"),
    Metric("update/effective_ratio_first", "effective update ratio, first update", "mean token multiplier", ".3f", None,
           "update/effective_ratio of the first update of the rollout: 1 unless the rollout is old, or rounding between"
           " sampler and trainer is gated."),
    Metric("update/removed_pos", "gradient removed, positive advantage", "% of |A|-weighted gradient", ".2%", None,
           "Share of the |A|-weighted gradient of responses with positive advantage that the gate removes."),
    Metric("update/removed_neg", "gradient removed, negative advantage", "% of |A|-weighted gradient", ".2%", None,
           "Share of the |A|-weighted gradient of responses with negative advantage that the gate removes."),
    Metric("ratio/mean", "mean token ratio", "current / sampling policy", ".3f", None, "Mean token probability ratio."),
    Metric("ratio/std", "spread of token ratios", "standard deviation", ".3g", None,
           "Standard deviation of the token probability ratios."),
    Metric("ratio/q01", "token ratio, 1 % quantile", "current / sampling policy", ".3f", None,
           "1 % of the token probability ratios are below."),
    Metric("ratio/q50", "token probability ratio", "current / sampling policy, median", ".3f", None,
           "Median of the token probability ratios."),
    Metric("ratio/q99", "token ratio, 99 % quantile", "current / sampling policy", ".3f", None,
           "1 % of the token probability ratios are above."),
    Metric("ratio/log_variance", "variance within responses", "of the log-ratio", ".2g", None,
           "Mean over responses of the variance of the log-ratio over their tokens."),
    Metric("ratio/clamped", "log-ratios at the limit", "% of tokens", ".1%", "lower",
           "Share of the tokens whose log-ratio is clamped before it is exponentiated."),
    Metric("ratio/mean_abs_log", "distance from the sampler", "nats per token", ".2g", None,
           "Mean absolute log-ratio of current and sampling policy, by the sampler's own log-probabilities."),
    Metric("ratio/max_abs_log", "largest distance from the sampler", "nats", ".2g", None,
           "Largest absolute log-ratio of current and sampling policy, by the sampler's own log-probabilities."),
    Metric("weight/mean", "sequence weight", "mean over responses", ".3f", None,
           "Mean over responses of the weight that the objective gives a response."),
    Metric("weight/std", "spread of sequence weights", "standard deviation", ".3f", None,
           "Standard deviation of the sequence weights."),
    Metric("weight/q01", "sequence weight, 1 % quantile", "", ".3f", None, "1 % of the sequence weights are below."),
    Metric("weight/q50", "sequence weight, median", "", ".3f", None, "Median of the sequence weights."),
    Metric("weight/q99", "sequence weight, 99 % quantile", "", ".3f", None, "1 % of the sequence weights are above."),
    Metric("weight/ess", "effective sample size", "share of the responses, by weight", ".3f", None,
           "(sum w)^2 / (B sum w^2) of the B sequence weights w: 1 if all are equal."),
    Metric("correction/mean", "correction weight", "mean over tokens", ".3f", None,
           "Mean of the truncated weights trainer / sampler (objective.correction)."),
    Metric("correction/capped", "correction weights at the cap", "% of weights", ".1%", None,
           "Share of the correction weights that objective.correction.cap cuts."),
    # Cost.
    Metric("time/PHASE_s", "time of PHASE", "seconds", ".2f", "lower",
           "Seconds of one phase of the step: rollout, reward, update, evaluation, or total."),
    Metric("throughput/rollout_tokens_per_s", "rollout tokens/s", "tokens per second", ",.0f", "higher",
           "Response tokens sampled per second of the rollout.", "tok/s"),
    Metric("throughput/update_tokens_per_s", "update tokens/s", "tokens per second", ",.0f", "higher",
           "Response tokens learned from per second of the updates."),
    Metric("memory/peak_gib", "peak memory", "GiB", ".2f", "lower",
           "Most memory held so far: of the GPU if one is in use, else of the process."),
    Metric("minutes", "time", "minutes", ".1f", "lower", "Minutes of training."),
)  # fmt: skip


def metric(name: str) -> Metric:
    """What is known of the metric `name`; of an unknown one, such as an objective's own, its name alone."""
    for suffix, end in BOUNDS.items():
        if name.endswith(suffix) and (base := known(name.removesuffix(suffix))):
            return replace(
                base,
                name=name,
                label=f"{base.label}, {end}",
                better=None,
                meaning=f"The {end} of the 95 % interval of {base.name} over problems.",
                short="",
            )
    return known(name) or Metric(name, name, "", ".4g", None, "")


def is_of_source(name: str) -> bool:
    """Whether a metric is the accuracy or the mean reward of one part of a mixture."""
    return name.startswith(("eval/accuracy/", "reward/mean/")) and not name.endswith(tuple(BOUNDS))


def known(name: str) -> Metric | None:
    """The metric of that name; what a placeholder stands for takes its place."""
    for item in METRICS:
        if item.name == name:
            return item
    for item in METRICS:
        for word, shape in PLACEHOLDERS.items():
            before, placed, after = item.name.partition(word)
            if placed and (found := re.fullmatch(f"{re.escape(before)}({shape}){re.escape(after)}", name)):
                texts = {field: getattr(item, field).replace(word, found[1]) for field in ("label", "meaning", "short")}
                return replace(item, name=name, **texts)
    return None
