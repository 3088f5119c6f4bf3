"""The one loop: rollout, reward, advantage, update, evaluation, metrics, samples, checkpoint."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.engine.agreement import LIKELY_CAUSE, sampled_gap
from sspo_cli.engine.checkpoint import Progress, restore, save_checkpoint
from sspo_cli.engine.credit import reference_solutions, to_rollout, with_logprobs
from sspo_cli.engine.observer import Observer
from sspo_cli.engine.optimizer import learning_rate
from sspo_cli.engine.parts import TrainParts
from sspo_cli.engine.signals import StopRequest
from sspo_cli.engine.update import make_updater, minibatches
from sspo_cli.engine.world import World, agreed
from sspo_cli.evaluation.evaluate import evaluate
from sspo_cli.guards import GuardStop
from sspo_cli.metrics import metric
from sspo_cli.models.shards import whole
from sspo_cli.rollout.collect import collect_step, problems_from
from sspo_cli.rollout.probe import TOLERANCE
from sspo_cli.rollout.source import OverlappedSource, Rollout, Source
from sspo_cli.runs import jsonl
from sspo_cli.runs.alarms import EFFECTIVE_RATIO, FIRST_EFFECTIVE_RATIO, evaluation_alarms, training_alarms
from sspo_cli.runs.eval_rows import append_evaluation
from sspo_cli.runs.metric_rows import append_metrics
from sspo_cli.runs.sample_rows import append_samples
from sspo_cli.timing import Stopwatch, peak_memory_gib, phase

UNSCORED_AT_MOST = 3  # rollouts in a row without any reward
STEPS_TO_JUDGE = 4  # rows of metrics after which a run that does not learn is told


class EvaluationStopped(Exception):
    """A stop was asked for during an evaluation."""


class Loop:
    """Trains `parts.policy` in place, writing everything that happens to `folder`, which rank 0 of `world` does."""

    def __init__(
        self, config: TrainConfig, parts: TrainParts, folder: Path, observer: Observer, world: World, stop: StopRequest
    ) -> None:
        self.config = config
        self.parts = parts
        self.folder = folder
        self.observer = observer
        self.world = world
        self.stop = stop
        for policy in parts.policies:
            world.hold(policy)
        self.updater = make_updater(parts.policy, parts.objective, config, world)
        self.optimizer = self.updater.optimizer
        self.collector = parts.collector(config, world)
        ahead, last = config.rollout.staleness, config.train.steps
        self.source = Source(self.collect, ahead, last)
        if config.rollout.source == "overlapped":
            self.source = OverlappedSource(self.collect, ahead, last, self.sync)
        self.progress = Progress()
        self.rows: list[dict[str, Any]] = []
        self.told: set[str] = set()

    @property
    def stopping(self) -> bool:
        return self.world.any(self.stop.asked)

    def free(self) -> None:
        """Give back the memory of gradients and optimizer: what tells how a run failed needs some."""
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()

    def resume(self, checkpoint: Path) -> None:
        """Stand where `checkpoint` stood; the policy must hold its weights already."""
        self.progress, waiting = restore(checkpoint, self.optimizer)
        self.progress.finished = self.reaches_a_limit(self.progress.step)  # which may be another limit now
        self.source.restore(self.progress.prompts, waiting)
        for name in ("metrics", "samples", "eval") if self.world.rank == 0 else ():
            jsonl.split_off(self.folder / f"{name}.jsonl", self.progress.step)

    def run(self) -> bool:
        """Steps until train.steps or another limit of train is reached. True then, False if a stop was asked for; saved
        in both cases. An evaluation that a stop interrupts is made again by the run that goes on.

        Raises:
            GuardStop: if a number stopped being finite, a reward is infinite, no reward could be scored for
                UNSCORED_AT_MOST rollouts in a row, or sampler and trainer differ; the last checkpoint stands.
        """
        try:
            if not (self.folder / "metrics.jsonl").exists():
                self.record({"step": 0, **self.evaluate(0)})
                if self.stopping or self.is_best:
                    self.save()
            if self.progress.row is not None:
                self.finish_row(self.progress.row)
                self.save()
            while not self.progress.finished and not self.stopping:
                self.observer.begin(self.progress.step + 1)
                self.step(self.progress.step + 1)
                due = self.progress.step % self.config.train.save_every == 0
                if self.progress.finished or self.stopping or due or self.is_best:
                    self.save()
        except EvaluationStopped:
            self.save()
            return False
        return self.progress.finished

    @property
    def is_best(self) -> bool:
        """Whether the weights of now had the best evaluation so far by train.keep_best."""
        return self.progress.best is not None and self.progress.best["step"] == self.progress.step

    def note_best(self, row: dict[str, Any]) -> None:
        """Remember an evaluation that is better than all before it; a tie is not."""
        name = self.config.train.keep_best
        value = None if name is None else row.get(name)
        if name is None or value is None or not math.isfinite(value):
            return
        best = self.progress.best
        if best is None or best["metric"] != name or metric(name).best([best["value"], value]) != best["value"]:
            self.progress.best = {"metric": name, "step": self.progress.step, "value": value}

    def save(self) -> None:
        self.observer.phase("saving", 0, 1)
        save_checkpoint(
            self.folder,
            self.parts.policy,
            self.optimizer,
            self.progress,
            self.source.waiting,
            self.config.train.keep_checkpoints,
            writes=self.world.rank == 0,
        )

    def step(self, step: int) -> None:
        """One rollout, the updates it serves, and the evaluation that falls due."""
        watch = Stopwatch()
        with watch.running():
            with phase("rollout"):
                rollout = self.source.take(step)
            try:
                with phase("update"):
                    metrics = self.update(rollout, step)
                with phase("rollout"):
                    sampled = self.source.settle()
            except BaseException:
                self.source.drop()
                raise
        self.progress.tokens += sampled
        self.progress.prompts = self.source.prompts
        self.progress.step = step
        self.progress.seconds += watch.total
        self.progress.finished = self.world.any(self.reaches_a_limit(step))
        if self.world.rank == 0:
            append_samples(self.folder, rollout.samples)
        learned = sum(item.trained for item in rollout.trajectories) * self.config.batch.epochs
        row = {
            "step": step,
            **rollout.metrics,
            **metrics,
            "tokens/total": self.progress.tokens,
            "prompts/total": self.progress.prompts,
            **{f"time/{name}_s": seconds for name, seconds in watch.seconds.items()},
            "time/total_s": watch.total,
            "throughput/rollout_tokens_per_s": sampled / watch.seconds["rollout"],
            "throughput/update_tokens_per_s": learned / watch.seconds["update"],
            "memory/peak_gib": peak_memory_gib(),
        }
        if self.progress.finished or self.config.evaluates(step):
            self.finish_row(row)
        else:
            self.record(row)

    def finish_row(self, row: dict[str, Any]) -> None:
        """Record the row of a step with the evaluation that is due."""
        self.progress.row = row
        watch = Stopwatch()
        with watch.running():
            evaluation = self.evaluate(self.progress.step)
        self.progress.seconds += watch.total
        self.progress.row = None
        evaluation["time/evaluation_s"] = watch.seconds["evaluation"]
        self.record({**row, **evaluation, "time/total_s": row["time/total_s"] + watch.total})

    def reaches_a_limit(self, step: int) -> bool:
        """Whether `step` reaches train.steps, train.max_tokens or train.max_minutes."""
        limits = self.config.train
        return (
            step >= limits.steps
            or (limits.max_tokens is not None and self.progress.tokens >= limits.max_tokens)
            or (limits.max_minutes is not None and self.progress.seconds >= 60 * limits.max_minutes)
        )

    def collect(self, step: int, first_problem: int) -> Rollout:
        """The rollout of step `step` under the weights of now, which take problems from number `first_problem` on."""
        if self.config.objective.experience == "solutions":
            encoder = Encoder(self.parts.policy.tokenizer, self.config.prompt_time)
            problems = problems_from(self.parts.dataset, first_problem, self.config.batch.prompts)
            return reference_solutions(encoder, problems, step)
        with whole(self.parts.policy.model):
            self.sync()
            collected = collect_step(
                self.collector, self.parts.dataset, self.config, step, first_problem, self.collected
            )
        rollout = to_rollout(collected, self.parts.reference, self.config)
        self.check_scored(step, rollout)
        if isinstance(self.source, OverlappedSource):
            return rollout  # the trainer's weights are others already
        return replace(rollout, metrics={**rollout.metrics, **self.check_agreement(step, rollout)})

    def collected(self, done: int, total: int) -> None:
        """Told of every scored response; where updates are made meanwhile, these are what is shown."""
        if isinstance(self.source, OverlappedSource):
            self.source.check()
        else:
            self.observer.phase("rollout", done, total)

    def sync(self) -> None:
        """Let the sampler have the weights of now."""
        agreed(self.world, lambda: self.parts.sampler.sync(self.parts.policy, self.progress.step))

    def check_scored(self, step: int, rollout: Rollout) -> None:
        """Warn of a rollout in which no reward could be scored; several in a row stop the run.

        Raises:
            GuardStop: at UNSCORED_AT_MOST of them.
        """
        if rollout.metrics["reward/unscored"] != 1:
            self.progress.unscored = 0
            return
        self.progress.unscored += 1
        error = next((row.error for row in rollout.samples if row.error is not None), None)
        why = f"graders failed ({error})" if error else "every one is NaN or None"
        if self.progress.unscored == UNSCORED_AT_MOST:
            raise GuardStop(
                f"no reward could be scored in {UNSCORED_AT_MOST} rollouts in a row, up to that of step {step}: {why};"
                " mend the reward"
            )
        self.observer.warn(f"step {step}: no reward could be scored, so nothing is learned from its rollout: {why}")

    def check_agreement(self, step: int, rollout: Rollout) -> dict[str, float]:
        """The gap between sampler and trainer, which hold the same weights now: it should be rounding alone.

        Raises:
            GuardStop: if it exceeds the tolerance on average.
        """
        with whole(self.parts.policy.model):
            gap = sampled_gap(self.parts.policy, rollout.trajectories, self.config)
        tolerance = TOLERANCE[self.parts.policy.precision]
        how = f"sampler and trainer differ by {gap.mean:.2g} nats of log-probability on average, {gap.max:.2g} at most"
        if not gap.mean <= tolerance:
            raise GuardStop(f"step {step}: {how}, more than {tolerance:g}; likely cause: {LIKELY_CAUSE}")
        if gap.max > tolerance and "gap" not in self.told:
            self.told.add("gap")
            self.observer.warn(f"step {step}: {how}, more than {tolerance:g}; likely cause: {LIKELY_CAUSE}")
        return {"rollout/logp_gap_mean": gap.mean, "rollout/logp_gap_max": gap.max}

    def update(self, rollout: Rollout, step: int) -> dict[str, float]:
        """Every update of this rollout. Returns the mean of each metric over them."""
        updates_per_step = self.config.updates_per_rollout
        history: list[dict[str, float]] = []
        parts = self.parts
        trajectories = with_logprobs(rollout.trajectories, parts.policy, parts.reference, self.config, self.world)
        for places in minibatches(self.config, step):
            number = (step - 1) * updates_per_step + len(history)
            lr = learning_rate(self.config.optim, number, self.config.train.steps * updates_per_step)
            history.append(self.updater.update([trajectories[i] for i in places], lr))
            self.observer.phase("update", len(history), updates_per_step)
        means = {name: sum(row[name] for row in history) / len(history) for name in history[0]}
        return {**means, FIRST_EFFECTIVE_RATIO: history[0][EFFECTIVE_RATIO]}

    def evaluate(self, step: int) -> dict[str, float]:
        with phase("evaluation"), whole(self.parts.policy.model):
            self.sync()
            result = evaluate(self.collector, self.parts.dataset.evaluation, self.config, self.evaluated, step=step)
        if self.world.rank == 0:
            append_evaluation(self.folder, result.rows)
        self.observer.evaluated(result.rows)
        return result.metrics

    def evaluated(self, done: int, total: int) -> None:
        """Told of every finished response, where an evaluation can be interrupted; ranks end it together."""
        self.observer.phase("evaluation", done, total)
        if self.world.size == 1 and self.stopping:
            raise EvaluationStopped

    def record(self, row: dict[str, Any]) -> None:
        self.note_best(row)
        if self.world.rank == 0:
            append_metrics(self.folder, [row])
        self.observer.step(row)
        self.warn(row)

    def warn(self, row: dict[str, Any]) -> None:
        """Tell what is wrong as soon as it shows, each thing once: at the first evaluation and after a few steps."""
        lines = {**self.parts.rewarder.notes, **evaluation_alarms(row, self.config)}
        self.rows += [row] if len(self.rows) < STEPS_TO_JUDGE else []
        if len(self.rows) == STEPS_TO_JUDGE:
            lines |= training_alarms(self.rows, self.config)
        for topic in lines.keys() - self.told:
            self.observer.warn(lines[topic])
        self.told |= lines.keys()
