"""`sspo eval`: how good a run's last checkpoint, or any model folder, is on held-out problems."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sspo_cli.commands.resume import Began
from sspo_cli.config.compose import load_config, quoted, to_dict, to_yaml, with_prompt_time
from sspo_cli.config.errors import ConfigError, all_or_problems
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import EvalConfig, LocalModel
from sspo_cli.guards import GuardStop
from sspo_cli.metrics import metric
from sspo_cli.runs import folder as runs
from sspo_cli.runs.integrity import remarks
from sspo_cli.runs.lock import hold
from sspo_cli.runs.status import read_state, status_after
from sspo_cli.startup import imports

GUARDED = 3


def run(target: str, overrides: list[str], *, quiet: bool, as_json: bool) -> int:
    """Evaluate `target`: a run folder, one of its checkpoints, a model folder, or a choice of conf/model.

    A run, or a checkpoint of one, is evaluated as it was during training, but for the overrides.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    settings = with_prompt_time(settings_for(target, overrides))
    problems = runs.name_problems(settings.output_dir, "eval", settings.name)
    if problems:
        raise ConfigError(problems)
    with imports():
        from sspo_cli.data.encode import Encoder, check_prompts
        from sspo_cli.data.load import load_dataset
        from sspo_cli.engine.agreement import check_agreement
        from sspo_cli.engine.device import choose_device, choose_precision
        from sspo_cli.engine.signals import stop_request
        from sspo_cli.evaluation.evaluate import evaluate
        from sspo_cli.models.fit import check_positions
        from sspo_cli.models.load import load_policy
        from sspo_cli.rewards.load import load_reward
        from sspo_cli.runs import jsonl
        from sspo_cli.runs.alarms import evaluation_alarms
        from sspo_cli.views.display import phases, waiting

    device = choose_device(settings.engine)
    for remark in remarks(Path(settings.model.path)) if isinstance(settings.model, LocalModel) else []:
        print(f"sspo: {remark}", file=sys.stderr)
    with waiting("loading model and problems", quiet=quiet):
        dataset, rewarder, policy = all_or_problems(
            lambda: load_dataset(settings.dataset, settings.seed, settings.eval.problems),
            lambda: load_reward(settings.reward),
            lambda: load_policy(settings.model, settings.seed, device, choose_precision(settings.engine, device)),
        )
    prompts = check_prompts(Encoder(policy.tokenizer, settings.prompt_time), dataset)
    check_positions(policy, prompts.longest, settings.eval.max_response_length)
    longest = prompts.longest + settings.eval.max_response_length
    check_agreement(policy, longest, settings.rollout.kind, trained=False)
    for note in [] if quiet else [*dataset.notes, *prompts.notes]:
        print(note, file=sys.stderr)
    changed = changed_since_training(target, settings, dataset)
    folder = runs.create_folder(settings.output_dir, "eval", settings.name, stem_of(target, settings))
    try:
        with hold(folder), told_in_status(folder):
            runs.write_request(folder, to_yaml(settings), overrides, ["sspo", "eval", target, *overrides])
            runs.set_status(folder, "running")
            with stop_request(at_once=True), phases(quiet=quiet) as progress:
                result = evaluate(
                    policy,
                    dataset.evaluation,
                    rewarder,
                    settings,
                    lambda done, total: progress("evaluation", done, total),
                )
            jsonl.append(folder / "eval.jsonl", result.rows)
            summary = {
                "target": target,
                "problems": len(dataset.evaluation),
                "samples": settings.eval.samples,
                "temperature": settings.eval.temperature,
                "warnings": [*changed, *rewarder.notes.values(), *evaluation_alarms(result.metrics, settings).values()],
                **result.metrics,
            }
            (folder / "summary.json").write_text(json.dumps(jsonl.without_nan(summary), indent=2) + "\n")
    except GuardStop as stopped:
        print(f"sspo: {stopped}", file=sys.stderr)
        return GUARDED
    except ConfigError:
        shutil.rmtree(folder)  # refused before it measured anything
        raise
    if as_json:
        print(json.dumps(jsonl.without_nan({"folder": str(folder), **summary})))
    else:
        print_table(folder, summary)
    return 0


@contextmanager
def told_in_status(folder: Path) -> Iterator[None]:
    """Say in STATUS how the block ends."""
    status = "done"
    try:
        yield
    except BaseException as error:
        status = status_after(error)
        raise
    finally:
        runs.set_status(folder, status)


def settings_for(target: str, overrides: list[str]) -> EvalConfig:
    """The run's own configuration where there is one, else conf/eval.yaml with the model that `target` names."""
    path = Path(target)
    if target in groups()["model"]:
        return load_config(EvalConfig, [f"model={target}", *overrides])
    if not path.is_dir():
        raise ConfigError(
            [f"{target}: no such run, model folder or model choice; runs are folders such as outputs/train/NAME"]
        )
    checkpoint = path
    run_folder = run_of(path)
    if run_folder is None:
        return load_config(EvalConfig, ["model=local", f"model.path={quoted(str(path))}", *overrides])
    if run_folder == path:
        saved = runs.checkpoints(path)
        if not saved:
            raise ConfigError([f"{target}: the run has no checkpoint yet (status: {read_state(path)})"])
        checkpoint = saved[-1]
    local = ["model=local", f"model.path={quoted(str(checkpoint))}", "name=null"]
    return load_config(EvalConfig, [*local, *overrides], base=run_folder / "config.yaml")


def run_of(path: Path) -> Path | None:
    """The run that `path` is, or is a checkpoint of."""
    return next((folder for folder in (path, *path.absolute().parents[:2]) if runs.is_run(folder)), None)


def changed_since_training(target: str, settings: EvalConfig, dataset: Any) -> list[str]:
    """What the run was measured with while it trained and is another now, though the settings say it is the same."""
    from sspo_cli.engine.fingerprint import of_problems, of_reward

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


def stem_of(target: str, settings: EvalConfig) -> str:
    model = Path(settings.model.path).name if isinstance(settings.model, LocalModel) else target
    owner = Path(target).name if Path(target).is_dir() else target
    name = owner if owner == model else f"{owner}-{model}"
    return re.sub(r"[^\w.\-]", "_", f"{name}-{settings.choices['dataset']}")


def print_table(folder: Path, summary: dict[str, Any]) -> None:
    """Accuracy, pass@k and length with their intervals."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("", "mean", "95 % interval"):
        table.add_column(title, justify="left" if not title else "right")
    for name in [key for key in summary if f"{key}_low" in summary]:
        mean, low, high = (metric(name).written(summary[key]) for key in (name, f"{name}_low", f"{name}_high"))
        table.add_row(name.removeprefix("eval/"), mean, f"{low} to {high}")
    console = Console(soft_wrap=True, highlight=False)
    decoding = f"temperature {summary['temperature']:g}" if summary["temperature"] else "greedy decoding"
    console.print(
        f"{summary['problems']} held-out problems x {summary['samples']} samples, {decoding};"
        " intervals over problems (length: bootstrap)"
    )
    console.print(table)
    shares = {name: summary[f"eval/{name}"] for name in ("truncated", "unscored")}
    told = [f"{share:.1%} of the responses {name}" for name, share in shares.items() if share or name == "truncated"]
    console.print(", ".join(told))
    for warning in summary["warnings"]:
        console.print(Text(f"warning: {warning}", style="yellow"))
    console.print(f"every response: {folder / 'eval.jsonl'}", markup=False)
