"""The environment is for programs, not for files: a secret in it turns up nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.schema import TrainConfig
from tests.cli.conftest import Sspo
from tests.study.tiny import TINY

pytestmark = pytest.mark.slow


SECRET = "hunter2-secret"
WORD = "tracker.project=${oc.env:MY_TOKEN}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", WORD, "--dry-run"], "tracker.project=${oc.env:MY_TOKEN}: "),
        (["train", "--config", "foreign.yaml"], "tracker.project=${oc.env:MY_TOKEN}: "),
        (["compare", "objective=grpo,sspo", "seed=0", WORD, *TINY], "tracker.project=${oc.env:MY_TOKEN}: "),
        (["compare", *TINY, "hydra/launcher=submitit_local", "hydra.launcher.name=${oc.env:MY_TOKEN}"],
         "hydra.launcher.name: "),
        (["recipe", "run", "leak"], "tracker.project=${oc.env:MY_TOKEN}: "),
        (["selftest", "sspo", "objective.normalize=${oc.env:MY_TOKEN}"], "objective.normalize=${oc.env:MY_TOKEN}: "),
        (["show", "objective", "leak"], "objective=leak: "),
    ],
)  # fmt: skip
def test_a_secret_is_neither_shown_nor_written(
    sspo: Sspo, tmp_path: Path, write: Callable[[str, str], Path], words: list[str], expected: str
) -> None:
    content = yaml.safe_load(to_yaml(load_config(TrainConfig, [])))
    content["tracker"]["project"] = "${oc.env:MY_TOKEN}"
    write("foreign.yaml", yaml.safe_dump(content))
    write("conf/objective/leak.yaml", "# Mine.\ndefaults:\n  - sspo\n  - override gate: ${oc.env:MY_TOKEN}\n")
    write("recipes/leak.yaml", f'about: a\ncommand: train\noverrides: ["{WORD}"]\nexpect: {{minutes: {{at_most: 1}}}}\n'
          "verified: not run in full\n")  # fmt: skip
    done = sspo(*words, MY_TOKEN=SECRET)
    assert done.returncode == 2 and done.stdout == ""
    for line in done.stderr.splitlines():
        assert expected in line and "environment variable MY_TOKEN cannot be read from a configuration" in line
    assert SECRET not in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_what_may_be_read_is_resolved_and_a_literal_is_kept_through_replay(sspo: Sspo, tmp_path: Path) -> None:
    words = [*TINY, "train.steps=1", "output_dir='${oc.env:SCRATCH}/runs'", r"rollout.stop=['a\${5}']"]
    assert sspo("train", *words, "--name", "one", SCRATCH=str(tmp_path / "scratch"), MY_TOKEN=SECRET).returncode == 0
    folder = tmp_path / "scratch" / "runs" / "train" / "one"
    assert r"- a\${5}" in (folder / "config.yaml").read_text()
    again = sspo("train", "--config", str(folder / "config.yaml"), "--name", "two")
    assert again.returncode == 0, again.stderr
    assert (folder.parent / "two" / "config.yaml").read_text() == (folder / "config.yaml").read_text().replace(
        "name: one", "name: two"
    )
    assert all(SECRET.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
