"""Runs mirrored to each tracker, live, resumed and afterwards, read back with the tracker's own reader."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sspo_cli.runs import jsonl
from sspo_cli.runs.lock import hold
from sspo_cli.trackers.base import Target
from tests.cli.conftest import Sspo, begin_sspo, environment, run_fresh
from tests.trackers.test_mirror import records

pytestmark = pytest.mark.slow

SMALL = ["train", "preset=smoke", "train.eval_every=1"]
# Stops any connection that leaves this machine, in the process whose folder holds it.
NO_NETWORK = """
import socket
def refuse(*args, **kwargs):
    raise SystemExit("the network was asked")
socket.getaddrinfo = socket.create_connection = refuse
"""
Rows = dict[int, dict[str, float]]


def truth(run: Path) -> Rows:
    rows = jsonl.read(run / "metrics.jsonl")
    return {row["step"]: {k: v for k, v in row.items() if k != "step" and v is not None} for row in rows}


def wandb_rows(part: Path) -> Rows:
    """By step, the metrics of one folder of an offline run."""
    found: Rows = {}
    (file,) = part.glob("run-*.wandb")
    for record in records(file):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
            assert record.history.step.num not in found
            found[record.history.step.num] = {k: v for k, v in items.items() if not k.startswith(("_", "samples/"))}
    return found


def wandb_parts(run: Path) -> list[Path]:
    return sorted(run.glob("wandb/offline-run-*"))


def tensorboard_rows(run: Path) -> tuple[Rows, dict[int, str]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    found: Rows = {}
    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            assert tag not in found.setdefault(event.step, {})
            found[event.step][tag] = event.value
    texts = {event.step: event.tensor_proto.string_val[0].decode() for event in events.Tensors("samples/text_summary")}
    return found, texts


def trackio_rows(home: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    with sqlite3.connect(home / "sspo.db") as database:
        for name, step, content in database.execute("select run_name, step, metrics from metrics order by id"):
            yield name, step, json.loads(content)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A run that was sent to wandb while it trained; and what its process printed, and the pushes that followed."""
    home = tmp_path_factory.mktemp("mirrored")
    (home / "sitecustomize.py").write_text(NO_NETWORK)
    quiet = {
        "TRACKIO_DIR": str(home / "trackio"),
        "HOME": str(home),
        "PYTHONPATH": f"{home}:{Path(__file__).parents[2]}",
    }
    printed = {}
    done = run_fresh([*SMALL, "tracker=wandb", "name=one"], home, WANDB_MODE="offline", **quiet)
    printed["train"] = done.stderr
    assert done.returncode == 0, done.stderr
    for kind in ("trackio", "tensorboard"):
        for time_ in ("first", "second"):
            done = run_fresh(["runs", "push", "outputs/train/one", "--to", kind], home, **quiet)
            assert done.returncode == 0, done.stderr
            printed[f"{kind} {time_}"] = done.stdout
    return home, printed


def test_wandb_has_the_rows_and_samples_of_the_run(mirrored: tuple[Path, dict[str, str]]) -> None:
    home, printed = mirrored
    run = home / "outputs/train/one"
    (part,) = wandb_parts(run)
    assert wandb_rows(part) == truth(run) and len(truth(run)) == 3
    tables = [json.loads(file.read_text()) for file in part.glob("files/media/table/*.json")]
    assert sorted(table["data"][0][0] for table in tables) == [0, 1, 2]
    answers = jsonl.read(run / "eval.jsonl")
    for table in tables:
        assert table["columns"] == ["step", "prompt", "response", "answer", "reward", "correct"]
        step = table["data"][0][0]
        asked = [row for row in answers if row["step"] == step]
        firsts = sorted(asked, key=lambda row: row["sample"])[:20]
        assert [row[1:3] for row in table["data"]] == [[row["prompt"], row["response"]] for row in firsts]
    id = json.loads((run / "wandb/mirror.json").read_text())["id"]
    assert "WANDB_MODE=offline" in printed["train"]
    assert f"wandb sync --id {id} outputs/train/one/wandb/{part.name}" in printed["train"]


def test_trackio_has_the_same_without_any_network(mirrored: tuple[Path, dict[str, str]]) -> None:
    home, printed = mirrored
    rows = list(trackio_rows(home / "trackio"))
    (name,) = {name for name, _, _ in rows}
    assert name.startswith("one-")
    assert [step for _, step, _ in rows] == [0, 1, 2]
    assert {step: {k: v for k, v in row.items() if k != "samples"} for _, step, row in rows} == truth(
        home / "outputs/train/one"
    )
    table = rows[0][2]["samples"]
    assert table["_type"] == "trackio.table" and 0 < len(table["_value"]) <= 20
    assert "sent 3 of 3 rows" in printed["trackio first"]
    assert "sent 0 of 3 rows" in printed["trackio second"] and "3 were there already" in printed["trackio second"]


def test_tensorboard_has_the_same(mirrored: tuple[Path, dict[str, str]]) -> None:
    home, printed = mirrored
    run = home / "outputs/train/one"
    rows, texts = tensorboard_rows(run)
    expected = {step: {k: float(np.float32(v)) for k, v in row.items()} for step, row in truth(run).items()}
    assert rows == expected
    assert set(texts) == {0, 1, 2} and texts[0].count("response: ") <= 20
    assert jsonl.read(run / "eval.jsonl")[0]["prompt"] in texts[0]
    assert "3 were there already" in printed["tensorboard second"]


def stopped(words: list[str], home: Path, rows: int, how: signal.Signals) -> int:
    """Run `words` until metrics.jsonl of the run `one` has so many rows, then send a signal; the exit code."""
    process = begin_sspo(words, home)
    file = home / "outputs/train/one/metrics.jsonl"
    while not process.has_ended() and (not file.exists() or file.read_bytes().count(b"\n") < rows):
        time.sleep(0.02)
    os.kill(process.pid, how)
    return process.wait(120).returncode


def test_a_stopped_run_goes_on_as_the_same_wandb_run_and_no_step_is_sent_twice(sspo: Sspo, tmp_path: Path) -> None:
    run = tmp_path / "outputs/train/one"
    words = ["preset=smoke", "train.steps=14", "train.eval_every=7", "train.save_every=3", "name=one", "--quiet"]
    assert stopped(["train", *words, "tracker=wandb", "tracker.mode=offline"], tmp_path, 4, signal.SIGINT) == 130
    reached = len(truth(run))
    resume = ["train", "--resume", "outputs/train/one", "--quiet"]
    # Killed behind its last checkpoint, when wandb has not written the rows that it holds in memory.
    assert stopped(resume, tmp_path, max(reached + 2, 9), signal.SIGKILL) == -signal.SIGKILL
    done = sspo(*resume)
    assert done.returncode == 0, done.stderr
    parts = wandb_parts(run)
    id = json.loads((run / "wandb/mirror.json").read_text())["id"]
    assert len(parts) == 3 and all(part.name.endswith(f"-{id}") for part in parts)
    steps = [list(wandb_rows(part)) for part in parts]
    assert [step for part in steps for step in part] == list(range(15))
    command = done.stderr.splitlines()[-1].partition("network: ")[2].split()
    assert command[:4] == ["wandb", "sync", "--id", id]
    looked = subprocess.run(
        [Path(sys.executable).with_name("wandb"), *command[1:], "--dry-run"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "Would sync 3 run(s)" in looked.stdout + looked.stderr


@pytest.mark.long
@pytest.mark.parametrize("kind", ["tensorboard", "trackio"])
def test_steps_that_are_trained_again_behind_a_checkpoint_are_not_sent_twice(
    sspo: Sspo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    words = ["preset=smoke", "train.steps=12", "train.eval_every=6", "train.save_every=5", "name=one", "--quiet"]
    assert stopped(["train", *words, f"tracker={kind}"], tmp_path, 10, signal.SIGKILL) == -signal.SIGKILL
    run = tmp_path / "outputs/train/one"
    id = json.loads((run / kind / "mirror.json").read_text())["id"]
    done = sspo("train", "--resume", "outputs/train/one", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (run / "metrics.orphaned.jsonl").exists(), "steps were trained again"
    if kind == "tensorboard":
        assert sorted(tensorboard_rows(run)[0]) == list(range(13))
    else:
        rows = list(trackio_rows(tmp_path / "trackio"))
        assert [step for _, step, _ in rows] == list(range(13)) and {name for name, _, _ in rows} == {f"one-{id}"}
    assert json.loads((run / kind / "mirror.json").read_text())["id"] == id


def test_cells_of_a_grid_have_its_name_as_group(tmp_path: Path) -> None:
    cell = tmp_path / "outputs/compare/mine/cells/grpo/seed_0"
    assert (Target(cell, {}).group, Target(cell, {}).name) == ("mine", "mine/grpo/seed_0")
    assert (Target(tmp_path / "outputs/train/one", {}).group, Target(Path("one"), {}).name) == (None, "one")


def test_a_push_that_cannot_be_is_one_line(sspo: Sspo, runs_home: Path, mirrored: tuple[Path, dict[str, str]]) -> None:
    first, home = "outputs/train/first", runs_home / "outputs/train/first"

    def refused(*words: str, **extra: str) -> str:
        done = sspo("runs", "push", *words, **{"WANDB_API_KEY": "", "NETRC": str(runs_home / "none"), **extra})
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and done.stdout == "", done.stderr
        return line

    assert "not a train run" in refused("outputs/train", "--to", "wandb")
    assert "--to (wandb, trackio, tensorboard)" in refused(first)
    assert "--to wanbd: no such tracker" in refused(first, "--to", "wanbd")
    assert "mode=offline: sets no key of the tracker" in refused(first, "--to", "wandb", "mode=offline")
    assert "tracker.space" in refused(first, "--to", "trackio", "tracker.space=x")
    assert "wandb login" in refused(first, "--to", "wandb", HOME=str(runs_home))
    assert "WANDB_MODE=disabled" in refused(first, "--to", "wandb", WANDB_MODE="disabled")
    (home / "tensorboard").write_text("a file where the folder should be")
    assert f"{first}/tensorboard" in refused(first, "--to", "tensorboard")
    (home / "tensorboard").unlink()
    (home / "tensorboard").mkdir()
    with hold(home / "tensorboard"):
        assert f"process {os.getpid()} is at work there" in refused(first, "--to", "tensorboard")
    for text in ('{"id": "a"', '{"id": 7, "project": null, "step": 2}', "[]"):
        (home / "tensorboard/mirror.json").write_text(text)
        assert "mirror.json: does not say id" in refused(first, "--to", "tensorboard")
    (home / "wandb").mkdir()
    (home / "wandb/mirror.json").write_text('{"id": "a", "project": "other", "step": -1, "sure": -1}')
    assert "this run is in other" in refused(first, "--to", "wandb", "tracker.mode=offline")


def test_what_goes_wrong_while_a_run_trains_is_told_once_and_ends_nothing(sspo: Sspo, tmp_path: Path) -> None:
    script = """
import trackio.run
def broken(self, metrics, step=None):
    raise RuntimeError("no space left")
trackio.run.Run.log = broken
import sspo_cli.__main__
"""
    (tmp_path / "broken.py").write_text(script + "from sspo_cli.cli import main\nmain()\n")
    done = subprocess.run(
        [sys.executable, "broken.py", *SMALL, "tracker=trackio", "name=one", "--quiet"], cwd=tmp_path,
        env={**environment(), "TRACKIO_DIR": str(tmp_path / "t")}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no space left") == 1
    assert "sspo runs push outputs/train/one --to trackio" in done.stderr
    assert json.loads((tmp_path / "outputs/train/one/trackio/mirror.json").read_text())["step"] == -1


def test_a_tracker_that_is_not_installed_is_named_with_its_extra(sspo: Sspo, tmp_path: Path) -> None:
    hide = "import importlib.util as u\nfind = u.find_spec\n"
    hide += "u.find_spec = lambda n, *a: None if n == 'trackio' else find(n, *a)\n"
    (tmp_path / "hidden.py").write_text(hide + "from sspo_cli.cli import main\nmain()\n")
    words = [sys.executable, "hidden.py", *SMALL, "tracker=trackio"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "pip install 'sspo[trackio]'" in done.stderr and not (tmp_path / "outputs").exists()
