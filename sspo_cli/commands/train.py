"""`sspo train`: check everything, then run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sspo_cli.commands.resume import Began, newest_whole, read_settings, set_aside
from sspo_cli.config.compose import load_config, to_dict, to_yaml, with_prompt_time
from sspo_cli.config.describe import notes
from sspo_cli.config.errors import ConfigError, all_or_problems
from sspo_cli.config.schema import LocalModel, TrainConfig
from sspo_cli.runs import folder as runs
from sspo_cli.runs.integrity import damage, remarks
from sspo_cli.runs.lock import hold
from sspo_cli.runs.status import read_state, status_after
from sspo_cli.startup import imports

OK, FAILED, GUARDED, INTERRUPTED = 0, 1, 3, 130


def run(
    overrides: list[str],
    *,
    config: Path | None,
    resume: Path | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    profile: bool = False,
    allow_change: bool = False,
    folder: Path | None = None,
    parent: int | None = None,
) -> int:
    """Train as configured; the exit code.

    config: a resolved config.yaml to replay. resume: the folder of an interrupted run to go on with, with what has
    changed since if allow_change. profile: one step. folder: where the run is written, instead of a new folder under
    output_dir. parent: a process without which the run stops and saves.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    if resume is not None:
        return resume_run(
            resume, overrides, parent, quiet=quiet, as_json=as_json, profile=profile, allow_change=allow_change
        )
    if allow_change:
        raise ConfigError(
            ["--allow-change: goes with --resume RUN only; a new run has nothing that could have changed"]
        )
    if config is not None and not config.is_file():
        raise ConfigError([f"--config {config}: no such file"])
    # A replay is a run of its own, with a folder of its own.
    settings = load_config(TrainConfig, ["name=null", *overrides] if config else overrides, base=config)
    if dry_run and profile:
        raise ConfigError(["--profile: a dry run has no step to profile; leave out --profile or --dry-run"])
    if dry_run:
        from sspo_cli.commands.preview import preview

        preview(settings, as_json=as_json)
        return OK
    settings = with_prompt_time(settings)
    from sspo_cli.trackers.mirror import check_tracker
    from sspo_cli.views.display import waiting

    problems = check_tracker(settings.tracker)
    if folder is None:
        problems += runs.name_problems(settings.output_dir, "train", settings.name)
    else:
        problems += runs.folder_problems(folder, settings.name)
    if problems:
        raise ConfigError(problems)
    for remark in remarks(Path(settings.model.path)) if isinstance(settings.model, LocalModel) else []:
        print(f"sspo: {remark}", file=sys.stderr)
    profiled = step_to_profile(settings, 0) if profile else None
    for note in [] if quiet else notes(settings):
        print(note, file=sys.stderr)
    with waiting("loading model and problems", quiet=quiet):
        parts = load_parts(settings)
    for note in [] if quiet else parts.notes:
        print(note, file=sys.stderr)
    ours = folder is None
    if folder is None:
        stem = f"{settings.choices['objective']}-{settings.choices['dataset']}-s{settings.seed}"
        folder = runs.create_folder(settings.output_dir, "train", settings.name, stem)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with hold(folder):
            describe(folder, settings, overrides, config, parts)
            return execute(settings, parts, folder, None, parent, quiet=quiet, as_json=as_json, profiled=profiled)
    except ConfigError:
        if ours and not (folder / "metrics.jsonl").exists():
            shutil.rmtree(folder)  # refused before it measured anything
        raise


def step_to_profile(settings: TrainConfig, done: int) -> int:
    """Of the steps after step `done`, the first that ends with an evaluation, but for one to warm up.

    Raises:
        ConfigError: if no two steps are left.
    """
    steps = settings.train.steps
    for step in range(done + 2, steps + 1):
        if settings.evaluates(step):
            return step
    raise ConfigError([f"--profile: train.steps={steps} leaves no step to profile after one that warms up; raise it"])


def resume_run(
    folder: Path,
    overrides: list[str],
    parent: int | None,
    *,
    quiet: bool,
    as_json: bool,
    profile: bool,
    allow_change: bool,
) -> int:
    """Go on from the newest whole checkpoint of `folder`, under the configuration it was started with."""
    if overrides:
        raise ConfigError(
            [f"--resume {folder}: takes no overrides ({' '.join(overrides)}); a run goes on as it was started"]
        )
    saved = runs.checkpoints(folder)
    if not saved:
        raise ConfigError([f"--resume {folder}: no checkpoint there; runs are folders such as outputs/train/NAME"])
    settings = with_prompt_time(read_settings(folder))
    if read_state(folder).word == "done" and not damage(saved[-1]):
        raise ConfigError([f"--resume {folder}: the run is done; evaluate it with `sspo eval {folder}`"])
    from sspo_cli.views.display import waiting

    with hold(folder):
        began = Began(folder, allow=allow_change)
        with waiting("loading the checkpoint", quiet=quiet):
            checkpoint, damaged = newest_whole(folder)
            try:
                _, profiled, parts = all_or_problems(
                    lambda: began.check_settings(settings),
                    lambda: step_to_profile(settings, step_of(checkpoint)) if profile else None,
                    lambda: load_parts(settings, checkpoint, began),
                )
            except ConfigError as error:
                raise ConfigError([*error.problems, *began.elsewhere(settings)]) from error
        for remark in began.remarks(checkpoint):
            print(f"sspo: {remark}", file=sys.stderr)
        for other, faults in damaged.items():
            set_aside(other, faults, step_of(checkpoint))
        if began.changes:
            began.record(standing(folder, settings, parts), step_of(checkpoint))
        return execute(settings, parts, folder, checkpoint, parent, quiet=quiet, as_json=as_json, profiled=profiled)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step_"))


def load_parts(settings: TrainConfig, checkpoint: Path | None = None, began: Began | None = None) -> Any:
    """Model, problems and reward, checked against each other, and against what the run `began` with; the weights of
    `checkpoint` if one is given.

    Raises:
        ConfigError: with everything that is wrong with any of them, or has changed.
    """
    with imports():
        from sspo_cli.build import build_objective
        from sspo_cli.data.encode import Encoder, check_prompts
        from sspo_cli.data.load import load_dataset
        from sspo_cli.engine.agreement import check_agreement
        from sspo_cli.engine.device import choose_device, choose_precision
        from sspo_cli.engine.fingerprint import of_draws, of_problems, of_reward
        from sspo_cli.engine.parts import Parts
        from sspo_cli.models.fit import check_positions, check_solutions
        from sspo_cli.models.load import load_policy
        from sspo_cli.models.reference import Reference
        from sspo_cli.models.source import ADAPTER, base_of_checkpoint, find, pinned
        from sspo_cli.rewards.load import load_reward

    device = choose_device(settings.engine)
    precision = choose_precision(settings.engine, device)
    rank = settings.lora.rank if checkpoint is None else 0
    adapted = rank > 0 if checkpoint is None else (checkpoint / ADAPTER).is_file()
    needs_base = adapted or settings.objective.reads_reference

    def problems() -> Any:
        found = load_dataset(settings.dataset, settings.seed, settings.eval.problems)
        if began is not None:
            began.check_hashes({**of_problems(found), **of_draws(settings)})
        return found

    def reward() -> Any:
        found = load_reward(settings.reward)
        if began is not None:
            began.check_reward(of_reward(settings.reward))
        return found

    def policy_and_base() -> Any:
        if checkpoint is None:
            policy = load_policy(settings.model, settings.seed, device, precision, merged=True)
            return policy, pinned(settings.model, settings.seed) if needs_base else None
        base = None
        if needs_base:
            began_with = base_of_checkpoint(checkpoint, settings.model, settings.seed)
            base = find(began_with, checkpoint, settings.model, changed=began is not None)
            if began is not None:
                began.check_hashes({"base": str(base.sha256)})
        model = LocalModel(kind="local", path=str(checkpoint))
        return load_policy(model, settings.seed, device, precision, base=base if adapted else None), base

    dataset, rewarder, (policy, base), _ = all_or_problems(
        problems, reward, policy_and_base, lambda: build_objective(settings.objective)
    )
    response = max(settings.rollout.max_response_length, settings.eval.max_response_length)
    encoder = Encoder(policy.tokenizer, settings.prompt_time)
    prompts = check_prompts(encoder, dataset)
    check_positions(policy, prompts.longest, response)
    if settings.objective.experience == "reference":
        check_solutions(policy, encoder, dataset)
    if rank:
        from sspo_cli.models.lora import with_adapters

        policy = with_adapters(policy, settings.lora, settings.seed, base)
    check_agreement(policy, prompts.longest + response, settings.rollout.kind, trained=True)
    reference = None
    if settings.objective.reads_reference:
        kept = policy if adapted else load_policy(base.model, base.seed, device, precision, merged=True)
        reference = Reference(kept)
    repeats = []
    if dataset.train_size is not None and dataset.train_size < settings.batch.prompts:
        repeats.append(
            f"dataset: batch.prompts={settings.batch.prompts} is more than its {dataset.train_size} problems to learn"
            " from, so a step holds some of them more than once"
        )
    return Parts(policy, dataset, rewarder, reference, base, [*dataset.notes, *repeats, *prompts.notes])


def describe(folder: Path, settings: TrainConfig, overrides: list[str], config: Path | None, parts: Any) -> None:
    """Everything the folder says about the run before its first step."""
    from sspo_cli.runs.manifest import write_manifest

    words = [word for word in overrides if not word.startswith("name=")]
    command = ["sspo", "train", *(["--config", str(config.absolute())] if config else []), *words]
    runs.write_request(folder, to_yaml(settings), overrides, command)
    write_manifest(folder, settings.seed, str(parts.policy.device), standing(folder, settings, parts))
    (folder / "checkpoints").mkdir()


def standing(folder: Path, settings: TrainConfig, parts: Any) -> dict[str, Any]:
    """What a run stands on, for its manifest: settings, and the content of everything that it reads."""
    from sspo_cli.engine.fingerprint import fingerprints, of_reward
    from sspo_cli.models.source import to_json

    return {
        "settings": to_dict(settings),
        "hashes": fingerprints(parts, settings),
        "reward_files": of_reward(settings.reward),
        "base": to_json(parts.base, folder) if parts.base else None,
        "changes": [],
    }


def execute(
    settings: TrainConfig,
    parts: Any,
    folder: Path,
    checkpoint: Path | None,
    parent: int | None,
    *,
    quiet: bool,
    as_json: bool,
    profiled: int | None,
) -> int:
    """Run the loop and leave the folder complete, however it ends."""
    from sspo_cli.engine.loop import Loop
    from sspo_cli.engine.profiler import Profiler, StepProfiler
    from sspo_cli.engine.signals import stop_request
    from sspo_cli.guards import GuardStop
    from sspo_cli.trackers.mirror import open_mirror
    from sspo_cli.views.display import open_display

    try:
        mirror = open_mirror(settings.tracker, folder, to_dict(settings))
    except BaseException as error:
        runs.set_status(folder, status_after(error))
        raise
    first_step = step_of(checkpoint) if checkpoint else 0
    profiler = StepProfiler(folder, profiled) if profiled else Profiler()
    code, status = FAILED, "failed"
    steps = settings.train.steps
    loop, refused = None, False
    try:
        with (
            stop_request(parent) as stop,
            open_display(title=runs.title(folder), first_step=first_step, total_steps=steps, quiet=quiet) as display,
        ):
            runs.set_status(folder, "running")
            loop = Loop(settings, parts, folder, display, mirror, profiler)
            if checkpoint is not None:
                loop.resume(checkpoint)
            code, status = (OK, "done") if loop.run(stop) else (INTERRUPTED, "interrupted")
    except GuardStop as stopped:
        code, status = GUARDED, f"failed: {stopped}"
    except KeyboardInterrupt:
        code, status = INTERRUPTED, "interrupted"
    except BaseException as error:
        status, refused = status_after(error), isinstance(error, ConfigError)
        raise
    finally:
        runs.set_status(folder, status)
        mirror.close(code)
        if not refused:
            seconds = loop.progress.seconds if loop else 0.0
            report(folder, settings, status, seconds, parts.rewarder.notes, profiler.found, as_json=as_json)
    return code


def report(
    folder: Path,
    settings: TrainConfig,
    status: str,
    seconds: float,
    notes_of_rewards: Mapping[str, str],
    profile: dict[str, Any] | None,
    *,
    as_json: bool,
) -> None:
    """Summary, plots, and what a person wants to know at the end."""
    from sspo_cli.runs import jsonl
    from sspo_cli.runs.alarms import run_alarms
    from sspo_cli.runs.summary import summarise_run
    from sspo_cli.views.plots import plot_run
    from sspo_cli.views.report import write_report
    from sspo_cli.views.summary import print_summary

    objective = settings.choices["objective"]
    rows = jsonl.read(folder / "metrics.jsonl")
    warnings = {**notes_of_rewards, **run_alarms(rows, settings)}.values()
    summary = summarise_run(
        folder, status=status, seconds=seconds, seed=settings.seed, objective=objective, warnings=warnings
    )
    plot_run(folder)
    write_report(folder)
    if as_json:
        print(json.dumps({"folder": str(folder), **summary, **({"profile": profile} if profile else {})}))
        return
    samples = jsonl.read(folder / "samples.jsonl") or jsonl.read(folder / "eval.jsonl")
    print_summary(folder, summary, samples, next_commands(folder, objective, status))
    if profile:
        from sspo_cli.views.profile import print_profile

        print_profile(profile, folder)


def next_commands(folder: Path, objective: str, status: str) -> list[str]:
    """What to type next: evaluate and compare a run that is done, go on with one that is not."""
    if status != "done":
        return [runs.way_on(folder)]
    if objective == "sft":
        last = runs.checkpoints(folder)[-1]
        return [f"sspo eval {folder}", f"sspo train objective=sspo model=local model.path={last}"]
    other = "grpo" if objective != "grpo" else "sspo"
    return [f"sspo eval {folder}", f"sspo train --config {folder}/config.yaml objective={other}", "sspo show objective"]
