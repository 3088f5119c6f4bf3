"""`sspo export`: a checkpoint of a run as a plain folder."""

from __future__ import annotations

import sys
from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.find import existing_run, run_of
from sspo_cli.runs.folder import checkpoint_name, checkpoints
from sspo_cli.runs.integrity import remarks
from sspo_cli.runs.status import read_state
from sspo_cli.startup import LOADING_TORCH, imports


def run(target: str, *, step: int | None, merge: bool, to: Path | None, as_json: bool) -> int:
    """Write the model of a checkpoint, the last one or that of `step`, into `to`; the exit code.

    target: a run folder, or one of its checkpoints. to: by default exports/NAME_OF_THE_CHECKPOINT in the run folder.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    owner, checkpoint = chosen(existing_run(target), step)
    folder = to or owner / "exports" / f"{checkpoint.name}{'-merged' if merge else ''}"
    if folder.exists():
        raise ConfigError([f"--to {folder}: exists and is never overwritten; choose another folder"])
    from sspo_cli.views.display import waiting

    with waiting(LOADING_TORCH, quiet=as_json), imports():
        from sspo_cli.models.export import export
        from sspo_cli.views.export import print_export

    for remark in remarks(checkpoint):
        print(f"sspo: {remark}", file=sys.stderr)
    with waiting("writing the model", quiet=as_json):
        adapters = export(checkpoint, folder, merge=merge)
    print_export(checkpoint, folder, adapters=adapters, as_json=as_json)
    return 0


def chosen(target: Path, step: int | None) -> tuple[Path, Path]:
    """The run, and which of its checkpoints is meant."""
    owner = run_of(target)
    if owner is None:
        raise ConfigError([f"{target}: no train run, and no checkpoint of one; see `sspo runs`"])
    saved = checkpoints(owner)
    if not saved:
        raise ConfigError([f"{target}: the run has no checkpoint yet (status: {read_state(owner)})"])
    known = {path.resolve(): path for path in saved}
    if target.resolve() != owner.resolve():
        if target.resolve() not in known:
            raise ConfigError([f"{target}: no whole checkpoint (there are: {', '.join(path.name for path in saved)})"])
        if step is not None:
            raise ConfigError([f"--step {step}: {target} is a checkpoint already; name its run"])
        return owner, known[target.resolve()]
    if step is None:
        return owner, saved[-1]
    found = next((path for path in saved if path.name == checkpoint_name(step)), None)
    if found is None:
        steps = ", ".join(str(int(path.name.removeprefix("step_"))) for path in saved)
        raise ConfigError([f"--step {step}: {owner} has no checkpoint of it (there are: {steps})"])
    return owner, found
