"""`sspo doctor` looks at the machine and says what mends it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sspo_cli.health import Asked
from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


def test_each_thing_is_ok_or_has_what_mends_it(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = {item["name"]: item for item in json.loads(done.stdout)}
    assert list(found)[:6] == ["python", "torch", "device", "memory", "disk for runs", "hub cache"]
    assert {"hub", "wandb", "gguf", "qlora", "reasoning-gym", "tensorboard", "trackio", "slurm"} <= set(found)
    assert all((item["state"] == "ok") == (item["fix"] == "") for item in found.values())
    assert found["hub"]["found"].startswith("HF_HUB_OFFLINE=1: ") and "unset HF_HUB_OFFLINE" in found["hub"]["fix"]
    assert list(tmp_path.iterdir()) == []


def test_a_problem_is_exit_code_1_and_a_line_with_the_way_out(sspo: Sspo, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file where runs go")
    done = sspo("doctor", WANDB_MODE="offline")
    assert done.returncode == 1
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    place = next(number for number, line in enumerate(lines) if line.startswith("problem"))
    assert "cannot write to" in lines[place] and lines[place + 1].strip() == "-> set output_dir=FOLDER to another disk"
    assert next(line for line in lines if " wandb " in line).split()[0] == "ok"
    assert lines[-1].endswith("1 problem")


def test_a_hub_that_does_not_answer_is_not_waited_for() -> None:
    read, write = os.pipe()
    asked = Asked(lambda: os.read(read, 1).decode())
    asked.asking.join(0)
    assert asked.answer == "no answer within 2 s"
    os.write(write, b"x")
    assert asked.why_not() == "x"
