"""What the newest checkpoint of a run that died says of the best one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sspo_cli.runs.summary import best_saved


@pytest.mark.parametrize(
    ("progress", "best"),
    [
        ({"best": {"metric": "eval/accuracy", "step": 2, "value": 0.5}}, "checkpoints/step_000002"),
        ({"best": None}, None),
        ({}, None),
        ([], None),
    ],
)
def test_it_is_that_of_the_newest_checkpoint(tmp_path: Path, progress: object, best: str | None) -> None:
    for step, content in ((2, {"best": {"metric": "eval/accuracy", "step": 1, "value": 0.1}}), (4, progress)):
        trainer = tmp_path / f"checkpoints/step_{step:06d}/trainer"
        trainer.mkdir(parents=True)
        (trainer / "progress.json").write_text(json.dumps(content))
    assert best_saved(tmp_path) == best
    (trainer / "progress.json").write_text('{"best": {')
    assert best_saved(tmp_path) is None
    assert best_saved(tmp_path / "nowhere") is None
