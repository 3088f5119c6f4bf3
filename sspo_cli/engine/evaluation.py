"""One evaluation from its parts to its folder: what `sspo eval` runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sspo_cli.config.compose import to_dict, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig
from sspo_cli.data.problem import Dataset
from sspo_cli.engine.fingerprint import of_problems, of_reward
from sspo_cli.engine.memory import memory_told
from sspo_cli.engine.parts import Parts
from sspo_cli.engine.signals import stop_request
from sspo_cli.engine.world import OneProcess
from sspo_cli.evaluation.evaluate import evaluate
from sspo_cli.evaluation.target import run_of
from sspo_cli.guards import GuardStop, OutOfMemory, SamplerLost
from sspo_cli.rewards.base import RewardError
from sspo_cli.runs import folder as runs
from sspo_cli.runs.alarms import evaluation_alarms
from sspo_cli.runs.began import Began
from sspo_cli.runs.eval_rows import append_evaluation
from sspo_cli.runs.lock import hold
from sspo_cli.runs.status import status_after
from sspo_cli.runs.summary import EvalSummary, write_summary

OK, FAILED, GUARDED = 0, 1, 3


@dataclass(frozen=True)
class EvaluationOutcome:
    """How an evaluation ended. code: the exit code. status: as in STATUS. summary: None unless it is done."""

    folder: Path
    code: int
    status: str
    summary: EvalSummary | None


def run_evaluation(
    target: str,
    settings: EvalConfig,
    parts: Parts,
    overrides: list[str],
    warnings: Sequence[str],
    stem: str,
    progress: Callable[[str, int, int], None],
) -> EvaluationOutcome:
    """Evaluate into a new folder named after settings.name or `stem`, and close `parts`.

    Raises:
        ConfigError: if the rewards cannot be used; the folder is gone then.
    """
    folder = runs.create_folder(settings.output_dir, "eval", settings.name, stem)
    code, status, summary = FAILED, "failed", None
    try:
        with hold(folder):
            runs.write_request(folder, to_yaml(settings), overrides, ["sspo", "eval", target, *overrides])
            runs.set_status(folder, "running")
            try:
                with stop_request(at_once=True), memory_told(settings):
                    summary = measure(target, settings, parts, warnings, folder, progress)
                code, status = OK, "done"
            except RewardError as error:
                runs.write_reward_error(folder, error.to_json())
                status = f"failed: {error}"
            except (OutOfMemory, SamplerLost) as error:
                status = f"failed: {error}"
            except GuardStop as stopped:
                code, status = GUARDED, f"failed: {stopped}"
            except BaseException as error:
                status = status_after(error)
                raise
            finally:
                runs.set_status(folder, status)
                parts.close()
    except ConfigError:
        shutil.rmtree(folder)  # refused before it measured anything
        raise
    return EvaluationOutcome(folder, code, status, summary)


def measure(
    target: str,
    settings: EvalConfig,
    parts: Parts,
    warnings: Sequence[str],
    folder: Path,
    progress: Callable[[str, int, int], None],
) -> EvalSummary:
    """Write eval.jsonl and summary.json; the summary."""
    result = evaluate(
        parts.collector(settings, OneProcess()),
        parts.dataset.evaluation,
        settings,
        lambda done, total: progress("evaluation", done, total),
    )
    append_evaluation(folder, result.rows)
    alarms = evaluation_alarms(result.metrics, settings)
    summary = EvalSummary(
        target=target,
        problems=len(parts.dataset.evaluation),
        samples=settings.eval.samples,
        temperature=settings.eval.temperature,
        warnings=[*warnings, *parts.rewarder.notes.values(), *alarms.values()],
        metrics=dict(result.metrics),
    )
    write_summary(folder, summary)
    return summary


def changed_since_training(target: str, settings: EvalConfig, dataset: Dataset) -> list[str]:
    """What the run was measured with while it trained and is another now, though the settings say it is the same."""
    run_folder = run_of(Path(target))
    began = Began(run_folder, allow=True) if run_folder else None
    if began is None or not began.is_known:
        return []
    now, then = to_dict(settings), began.manifest["settings"]
    if now["reward"] == then["reward"]:
        began.check_reward(of_reward(settings.reward))
    if (now["dataset"], now["seed"], now["eval"]["problems"]) == (
        then["dataset"],
        then["seed"],
        then["eval"]["problems"],
    ):
        began.check_hashes({"evaluation_content": of_problems(dataset)["evaluation_content"]})
    return [f"{change}, so these figures do not compare with the run's own" for change in began.changes]
