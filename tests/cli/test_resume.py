"""`sspo train --resume` after something has changed, or was damaged, since the run began."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import get_status, set_status
from tests.cli.conftest import Sspo, Write, run_sspo
from tests.cli.test_train import metrics
from tests.study.tiny import TINY

pytestmark = pytest.mark.slow


RUN = Path("outputs/train/whole")
STEPS = 4
REWARD = """
from judge.text import is_right


def score(prompt, response, answer):
    import near
    return float(is_right(response, answer)) + near.BONUS * len(response)
"""
FILES = {
    "problems.jsonl": "".join(
        json.dumps({"prompt": f"{i}+{i + 7}=", "answer": str(2 * i + 7), "solution": f">{2 * i + 7}"}) + "\n"
        for i in range(40)
    ),
    "my_reward.py": REWARD,
    "near.py": "BONUS = 0.001\n",
    "judge/__init__.py": "",
    "judge/text.py": "def is_right(response, answer):\n    return answer in response\n",
}
WORDS = [
    "preset=smoke", "batch.prompts=4", "batch.samples_per_prompt=4", "optim.lr=1e-4", f"train.steps={STEPS}",
    "train.save_every=1", "train.keep_checkpoints=9", "dataset=jsonl", "dataset.path=problems.jsonl",
    "dataset.solution_field=solution", "reward=python", "reward.path=my_reward.py", "rollout.max_response_length=24",
    "eval.max_response_length=24",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a run that nothing disturbed, and all that it reads; to be read only."""
    home = tmp_path_factory.mktemp("home")
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    run_sspo(["train", *WORDS, "--name", "whole"], home).check_returncode()
    return home


def interrupt(run: Path, step: int) -> None:
    """As if the run had been interrupted after `step`, and killed after a later one."""
    for later in range(step + 1, STEPS + 1):
        shutil.rmtree(run / "checkpoints" / f"step_{later:06d}")
    set_status(run, "interrupted")


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Path:
    """A copy of that working directory, in which the run was interrupted after two of its four steps."""
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    interrupt(tmp_path / RUN, 2)
    return tmp_path / RUN


def is_as_if_never_stopped(run: Path, home: Path) -> None:
    assert get_status(run) == "done"
    assert json.dumps(metrics(run)) == json.dumps(metrics(home / RUN))
    for name in ("samples.jsonl", "eval.jsonl"):
        assert (run / name).read_bytes() == (home / RUN / name).read_bytes()
    last = f"checkpoints/step_{STEPS:06d}/model.safetensors"
    assert (run / last).read_bytes() == (home / RUN / last).read_bytes()


def content_of(run: Path) -> dict[str, bytes]:
    files = (path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


def edit(file: Path, change: Callable[[Any], object]) -> None:
    """Change a YAML or JSON file by hand."""
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content) if file.suffix == ".yaml" else json.dumps(content))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-7] ^= 1
    file.write_bytes(content)


def test_every_change_is_told_at_once_with_what_was_and_what_is_and_nothing_goes_on(
    sspo: Sspo, tmp_path: Path, run: Path
) -> None:
    edit(run / "config.yaml", lambda content: content["optim"].update(lr=1e-3, warmup_steps=2))
    rewritten = (tmp_path / "problems.jsonl").read_text().replace('"answer": "2', '"answer": "3')
    (tmp_path / "problems.jsonl").write_text(rewritten)
    (tmp_path / "my_reward.py").write_text(REWARD + "# for the better\n")
    (tmp_path / "near.py").write_text("BONUS = 0.002\n")
    (tmp_path / "judge" / "text.py").write_text("from judge.more import is_right\n")
    (tmp_path / "judge" / "more.py").write_text(FILES["judge/text.py"])
    before = content_of(run)
    refused = sspo("train", "--resume", str(RUN))
    assert refused.returncode == 2 and refused.stdout == "" and "Traceback" not in refused.stderr
    lines = [line.removeprefix("sspo: ") for line in refused.stderr.splitlines()]
    assert all(line.endswith("; undo the change, or go on with it by --allow-change") for line in lines)
    told = [line.split(" when the run began, ")[0].split(":")[0] for line in lines]
    assert told == [
        "optim.lr",
        "optim.warmup_steps",
        "held-out problems (prompts, answers, solutions)",
        "training problems (prompts, answers, solutions)",
        "reward file at reward.path",
        "reward file judge/more.py",
        "reward file judge/text.py",
        "reward file near.py",
    ]
    assert lines[0].startswith("optim.lr: 0.0001 when the run began, 0.001 now")
    assert "judge/more.py: not there when the run began, SHA-256 " in lines[5]
    assert content_of(run) == before and get_status(run) == "interrupted"


def as_fact(name: str) -> Callable[[Path], object]:
    return lambda home: (home / name).write_text((home / name).read_text().replace('">9"', '">8"'))


def torn_manifest(home: Path) -> None:
    (home / RUN / "manifest.json").write_text('{"settings": {')


def another_seed(home: Path) -> None:
    edit(home / RUN / "config.yaml", lambda content: content.update(seed=1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (as_fact("problems.jsonl"), ["problems (prompts, answers, solutions): SHA-256 "]),
        (another_seed, ["seed: 0 when the run began, 1 now"]),
        (torn_manifest, ["manifest.json: whole when the run began, missing or torn now"]),
        (lambda home: (home / "near.py").unlink(), ["reward file near.py: SHA-256 ", " not there now"]),
        (lambda home: (home / RUN / "config.yaml").write_text("torn: ["), ["config.yaml is torn, or no YAML"]),
    ],
    ids=["a solution", "the seed", "the manifest", "a missing neighbour", "a torn config"],
)  # fmt: skip
def test_a_change_is_one_line(
    sspo: Sspo, tmp_path: Path, run: Path, change: Callable[[Path], None], told: list[str]
) -> None:
    change(tmp_path)
    refused = sspo("train", "--resume", str(RUN))
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert all(part in refused.stderr for part in told)


def test_what_changes_no_result_may_change(sspo: Sspo, tmp_path: Path, home: Path, run: Path) -> None:
    """Also the folder in which all this lies, and the path of a file that is the same."""

    def change(content: dict[str, Any]) -> None:
        content["engine"]["tokens_per_microbatch"] = 10_000
        content["train"].update(save_every=2, keep_checkpoints=1)
        content.update(name="another", output_dir="elsewhere")
        content["dataset"]["path"] = "renamed.jsonl"

    edit(run / "config.yaml", change)
    (tmp_path / "problems.jsonl").rename(tmp_path / "renamed.jsonl")
    done = sspo("train", "--resume", str(RUN))
    assert done.returncode == 0 and "sspo: " not in done.stderr, done.stderr
    assert json.dumps(metrics(run)) == json.dumps(metrics(home / RUN))
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step_000004"], "new settings are in use"
    assert json.loads((run / "manifest.json").read_text())["changes"] == []


def test_from_another_folder_a_run_finds_the_same_files_or_is_told_where_it_began(
    sspo: Sspo, tmp_path: Path, home: Path, run: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()

    def go_on() -> subprocess.CompletedProcess[str]:
        return run_sspo(["train", "--resume", f"../{RUN}"], other)

    edit(run / "manifest.json", lambda content: content.update(directory=str(tmp_path)))
    lost = go_on()
    assert lost.returncode == 2 and len(lost.stderr.splitlines()) == 3
    assert "dataset.path=problems.jsonl: no such file" in lost.stderr
    assert "reward.path=my_reward.py: no such file" in lost.stderr
    assert f"the run began in {tmp_path}, from where its relative paths are read; go on from there" in lost.stderr
    for name in FILES:
        (other / name).parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / name, other / name)
    done = go_on()
    assert done.returncode == 0, done.stderr
    is_as_if_never_stopped(run, home)


def test_an_allowed_change_is_written_down_and_holds_from_then_on(sspo: Sspo, tmp_path: Path, run: Path) -> None:
    started = json.loads((run / "manifest.json").read_text())
    edit(run / "config.yaml", lambda content: content["optim"].update(lr=1e-3))
    (tmp_path / "near.py").write_text("BONUS = 0.002\n")
    done = sspo("train", "--resume", str(RUN), "--allow-change")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("sspo: ")]
    assert told[0] == "sspo: goes on with a change: optim.lr: 0.0001 when the run began, 0.001 now"
    assert told[1].startswith("sspo: goes on with a change: reward file near.py: SHA-256 ") and len(told) == 2
    manifest = json.loads((run / "manifest.json").read_text())
    lr, near = manifest["changes"]
    assert {key: lr[key] for key in ("what", "old", "new", "after_step")} == {
        "what": "optim.lr", "old": 1e-4, "new": 1e-3, "after_step": 2,
    }  # fmt: skip
    assert near["old"] == started["reward_files"]["near.py"] != near["new"] == manifest["reward_files"]["near.py"]
    assert near["what"] == "reward file near.py" and near["at"] > "2025"
    changed = {name for name, sha in manifest["hashes"].items() if started["hashes"][name] != sha}
    assert changed == {"reward"}, "a compare sees that this run got its rewards from something else"

    interrupt(run, 3)
    again = sspo("train", "--resume", str(RUN))
    assert again.returncode == 0 and "sspo: " not in again.stderr, again.stderr
    assert again.stderr.splitlines()[0] == f"going on after step 3 of {STEPS}"
    assert json.loads((run / "manifest.json").read_text())["changes"] == [lr, near]
    interrupt(run, 3)
    (tmp_path / "near.py").write_text(FILES["near.py"])
    assert "reward file near.py" in sspo("train", "--resume", str(RUN)).stderr, "back is a change too"


def test_changes_are_allowed_of_a_run_that_goes_on_only(sspo: Sspo, tmp_path: Path) -> None:
    refused = sspo("train", "preset=smoke", "--allow-change")
    assert refused.returncode == 2 and refused.stderr.startswith("sspo: --allow-change: goes with --resume RUN only")
    assert list(tmp_path.iterdir()) == []


def test_after_damage_a_run_goes_on_from_the_newest_whole_checkpoint_exactly(
    sspo: Sspo, tmp_path: Path, home: Path, run: Path
) -> None:
    shutil.rmtree(run)
    shutil.copytree(home / RUN, run)
    saved = [run / "checkpoints" / f"step_{step:06d}" for step in range(1, STEPS + 1)]
    flip(saved[3] / "trainer" / "optimizer.safetensors")
    weights = saved[2] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    (saved[1] / "trainer" / "pending.json").unlink()
    kept = {path.name: content_of(path) for path in saved[1:]}
    # The run is done, but its last weights are lost: they can be had again.
    done = sspo("train", "--resume", str(RUN))
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("sspo: ")]
    for name in ("step_000004/trainer/optimizer.safetensors", "step_000003/model.safetensors", "trainer/pending.json"):
        assert any(f"{name}: damaged: it" in line for line in told), told
    assert sum("goes on from step 1; the damaged checkpoint is kept as" in line for line in told) == 3
    is_as_if_never_stopped(run, home)
    assert {name: content_of(run / "checkpoints" / f"damaged-{name}") for name in kept} == kept
    assert {row["step"] for row in jsonl.read(run / "metrics.orphaned.jsonl")} == {2, 3, 4}
    assert sspo("train", "--resume", str(RUN)).returncode == 2, "now it is done, and whole"


def test_if_no_checkpoint_is_whole_each_is_named_and_nothing_is_moved(sspo: Sspo, run: Path) -> None:
    for step in (1, 2):
        flip(run / "checkpoints" / f"step_{step:06d}" / "model.safetensors")
    before = content_of(run)
    refused = sspo("train", "--resume", str(RUN))
    assert refused.returncode == 2
    lines = refused.stderr.splitlines()
    assert len(lines) == 3 and "no checkpoint is whole" in lines[0]
    assert "step_000002/model.safetensors: damaged" in lines[1] and "step_000001/model.safetensors" in lines[2]
    assert content_of(run) == before


def test_whatever_else_reads_a_damaged_checkpoint_refuses_it_by_name(sspo: Sspo, tmp_path: Path, run: Path) -> None:
    last = RUN / "checkpoints" / "step_000002"
    flip(tmp_path / last / "model.safetensors")
    for words in (
        ["eval", str(RUN)],
        ["eval", str(last)],
        ["inspect", str(RUN), "objective=sspo"],
        ["train", "preset=smoke", "model=local", f"model.path={last}"],
        ["compare", "objective=grpo,sspo", "seed=0,1", "preset=smoke", "model=local", f"model.path={last}"],
    ):
        refused = sspo(*words)
        lines = refused.stderr.splitlines()
        assert refused.returncode == 2 and len(lines) == 1, (words, refused.stderr)
        assert f"{last}/model.safetensors: damaged: its SHA-256 is " in lines[0]
    older = sspo("eval", str(RUN / "checkpoints" / "step_000001"), "--json", "-q")
    assert older.returncode == 0 and older.stderr == ""


def test_a_run_from_before_manifests_goes_on_with_a_line_for_what_cannot_be_told(
    sspo: Sspo, tmp_path: Path, home: Path, run: Path
) -> None:
    for checkpoint in (run / "checkpoints").iterdir():
        (checkpoint / "sspo_checkpoint.json").unlink()
    lost = sspo("eval", str(RUN))
    assert lost.returncode == 2 and "sspo_checkpoint.json: damaged: it is missing" in lost.stderr
    new = ("settings", "directory", "reward_files", "base", "changes")
    edit(run / "manifest.json", lambda content: [content.pop(key) for key in new])
    evaluated = sspo("eval", str(RUN), "--json", "-q")
    assert evaluated.returncode == 0 and len(evaluated.stderr.splitlines()) == 1
    assert "was saved before checkpoints had manifests" in evaluated.stderr
    done = sspo("train", "--resume", str(RUN), "-q")
    told = done.stderr.splitlines()
    assert done.returncode == 0 and len(told) == 2
    assert "was saved before checkpoints had manifests" in told[0]
    assert "began before runs wrote down what they stand on" in told[1]
    is_as_if_never_stopped(run, home)


def test_a_cell_that_cannot_go_on_is_told_and_goes_on_once_it_can(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    reward = write("r.py", "import near\n\n\ndef score(prompt, response, answer):\n    return near.VALUE\n")
    near = write("near.py", "VALUE = 1.0\n")
    words = ["compare", "objective=grpo,sspo", "seed=0", "hydra/launcher=basic", *TINY, "reward=python"]
    words += [f"reward.path={reward}", "train.keep_checkpoints=9"]
    assert sspo(*words).returncode == 0
    folder = tmp_path / "outputs" / "compare" / "grpo-sspo-addition"
    cell = folder / "cells" / "sspo" / "seed_0"
    whole = metrics(cell)
    shutil.rmtree(cell / "checkpoints" / "step_000003")
    flip(cell / "checkpoints" / "step_000002" / "model.safetensors")
    set_status(cell, "interrupted")
    near.write_text("VALUE = 2.0\n")
    refused = sspo(*words)
    assert refused.returncode == 1
    told = next(line for line in refused.stdout.splitlines() if line.startswith("failed: cells/sspo/seed_0: "))
    assert "cannot go on: reward file near.py: SHA-256 " in told
    assert get_status(cell).startswith("failed: cannot go on: reward file near.py") and metrics(cell) == whole
    near.write_text("VALUE = 1.0\n")
    done = sspo(*words)
    assert done.returncode == 0, done.stderr
    assert get_status(cell) == "done" and json.dumps(metrics(cell)) == json.dumps(whole)
    assert "goes on from step 1; the damaged checkpoint is kept as" in (cell / "log.txt").read_text()
    assert not (folder / "aside").exists()
