"""`sspo eval`: how good a run's last checkpoint, or any model folder, is on held-out problems."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sspo_cli.config.compose import with_prompt_time
from sspo_cli.config.describe import held_out_sentence, reward_notes
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.paths import missing_paths
from sspo_cli.config.schema import HubModel, LocalModel
from sspo_cli.evaluation.target import settings_for, stem_of, unused_template
from sspo_cli.models.source import ask_ahead
from sspo_cli.runs import folder as runs
from sspo_cli.runs.folder import reward_error_file
from sspo_cli.runs.integrity import remarks
from sspo_cli.startup import LOADING_TORCH, imports


def run(target: str, overrides: list[str], *, quiet: bool, as_json: bool) -> int:
    """Evaluate `target`: a run folder, one of its checkpoints, a model folder, or a choice of conf/model.

    A run, or a checkpoint of one, is evaluated as it was during training, but for the overrides.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    settings = with_prompt_time(settings_for(target, overrides))
    problems = [*runs.name_problems(settings.output_dir, "eval", settings.name), *missing_paths(settings)]
    if problems:
        raise ConfigError(problems)
    for note in [] if quiet else unused_template(target, settings):
        print(note, file=sys.stderr)
    ask_ahead(settings.model)
    from sspo_cli.views.display import phases, waiting

    with waiting(LOADING_TORCH, quiet=quiet), imports():
        from sspo_cli.engine.evaluation import changed_since_training, run_evaluation
        from sspo_cli.engine.memory import memory_told
        from sspo_cli.engine.parts import load_evaluation
        from sspo_cli.views.evaluation import print_evaluation

    for remark in remarks(Path(settings.model.path)) if isinstance(settings.model, LocalModel) else []:
        print(f"sspo: {remark}", file=sys.stderr)
    with waiting("loading model and problems", quiet=quiet) as progress, memory_told(settings):
        parts = load_evaluation(settings, progress)
    for note in [] if quiet else [*reward_notes(settings), *parts.notes]:
        print(note, file=sys.stderr)
    changed = changed_since_training(target, settings, parts.dataset)
    with phases(quiet=quiet) as progress:
        ended = run_evaluation(target, settings, parts, overrides, changed, stem_of(settings), progress)
    if ended.summary is None:
        file = reward_error_file(ended.folder)
        where = f"; the response and the traceback are in {file}" if file.exists() else ""
        print(f"sspo: {ended.status}{where}", file=sys.stderr)
    elif as_json:
        print(json.dumps({"folder": str(ended.folder), **ended.summary.as_json()}))
    else:
        model = settings.model.path if isinstance(settings.model, LocalModel | HubModel) else settings.choices["model"]
        print_evaluation(ended.folder, ended.summary, f"{model} on {held_out_sentence(settings)}")
    return ended.code
