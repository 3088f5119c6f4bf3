"""What the model reads is what was written, and the same in every replay, through the real command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from sspo_cli.models.source import EMBEDDED
from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo, Write
from tests.cli.test_true_results import TEMPLATE, lines, run_folder, ways
from tests.data.test_encode import digits, ending

pytestmark = pytest.mark.slow


SMOKE = ["train", "preset=smoke", "--name", "run"]
DATED = "[{{ strftime_now('%d %b %Y') }}]" + TEMPLATE


def model(home: Path, template: str | None = None) -> None:
    shutil.copytree(EMBEDDED, home / "model")
    if template is not None:
        (home / "model" / "chat_template.jinja").write_text(template)


LOCAL = ["model=local", "model.path=model"]


def test_the_time_that_a_template_sees_is_part_of_the_run(sspo: Sspo, tmp_path: Path) -> None:
    model(tmp_path, DATED)
    settings = ["eval.temperature=0", "eval.samples=1", "eval.problems=32"]
    assert sspo(*SMOKE, *LOCAL, *settings, TZ="Pacific/Kiritimati").returncode == 0
    config = yaml.safe_load((run_folder(tmp_path) / "config.yaml").read_text())
    assert config["prompt_time"][:2] == "20" and len(config["prompt_time"]) == len("2026-01-31T12:00:00")
    answers = [row["response"] for row in jsonl.read(run_folder(tmp_path) / "eval.jsonl") if row["step"] == 2]
    for name, words in {"same": [], "other": ["prompt_time=1999-12-31T12:00:00"]}.items():
        assert sspo("eval", "outputs/train/run", *words, "--name", name, TZ="Pacific/Pago_Pago").returncode == 0
        found = jsonl.read(tmp_path / "outputs" / "eval" / name / "eval.jsonl")
        assert ([row["response"] for row in found] == answers) == (name == "same")
    done = sspo("train", "prompt_time=noon")
    assert done.returncode == 2 and "prompt_time=noon: must be a date and time such as" in done.stderr


def test_what_is_not_read_as_written_is_told_before_the_run(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    model(tmp_path)
    write("mine.jsonl", lines({"prompt": f"{i}×3=", "answer": str(3 * i)} for i in range(4)))
    digits().save_pretrained(tmp_path / "model")
    words = ["eval", "model", *ways("mine.jsonl", "mine.jsonl"), "eval.samples=6", "--name"]
    done = sspo(*words, "lost")
    assert done.returncode == 0, done.stderr
    assert "prompts: 4 characters have no token (most often ×)" in done.stderr and "mine.jsonl:1" in done.stderr
    summary = json.loads((tmp_path / "outputs" / "eval" / "lost" / "summary.json").read_text())
    assert {name for name in summary if name.startswith("eval/pass@") and name[10:].isdigit()} == {
        "eval/pass@2", "eval/pass@4", "eval/pass@6",
    }  # fmt: skip
    ending().save_pretrained(tmp_path / "model")
    assert sspo(*words, "ended").returncode == 0
    shutil.copytree(EMBEDDED, tmp_path / "model", dirs_exist_ok=True)
    assert sspo(*words, "plain").returncode == 0
    ended, plain = (jsonl.read(tmp_path / "outputs" / "eval" / name / "eval.jsonl") for name in ("ended", "plain"))
    assert [row["response"] for row in ended] == [row["response"] for row in plain]


def test_solutions_that_do_not_fit_and_batches_that_repeat_problems(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    rows = [{"prompt": f"{i}+1=", "answer": str(i + 1), "solution": ">" + "1" * 2000 * (i == 3)} for i in range(6)]
    write("mine.jsonl", lines(rows))
    data = [*ways("mine.jsonl", "mine.jsonl"), "dataset.solution_field=solution"]
    done = sspo(*SMOKE, *data, "objective=sft", "batch.samples_per_prompt=1")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "mine.jsonl:4: prompt and reference solution have 2006 tokens" in done.stderr and "1024" in done.stderr
    assert not (tmp_path / "outputs").exists()
    done = sspo(*SMOKE, *data)
    assert done.returncode == 0, done.stderr
    assert "batch.prompts=8 is more than its 6 problems to learn from" in done.stderr
