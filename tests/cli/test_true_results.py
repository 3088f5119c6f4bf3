"""Inputs that a run must not take for something else, through the real command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.models.source import EMBEDDED
from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo, Write

pytestmark = pytest.mark.slow


TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
MESSAGES = [{"role": "system", "content": "Add."}, {"role": "user", "content": "12+7="}]
RENDERED = "[system]Add.[user]12+7=[assistant]"
SMOKE = ["train", "preset=smoke", "--name", "run"]
REWARD = ["reward=python", "reward.path=mine.py"]


def lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def models(home: Path) -> None:
    """`plain`, the embedded model, and `chat`, the same with a chat template."""
    shutil.copytree(EMBEDDED, home / "plain")
    shutil.copytree(EMBEDDED, home / "chat")
    (home / "chat" / "chat_template.jinja").write_text(TEMPLATE)


def ways(*names: str) -> list[str]:
    return [
        "dataset=jsonl",
        *(f"dataset.{key}={name}" for key, name in zip(("path", "eval_path"), names, strict=False)),
    ]


def run_folder(home: Path) -> Path:
    return home / "outputs" / "train" / "run"


def test_messages_are_rendered_with_the_chat_template(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    models(tmp_path)
    write("messages.jsonl", lines([{"prompt": MESSAGES, "answer": "19"}, {"prompt": "12+7=", "answer": "19"}]))
    write("texts.jsonl", lines({"prompt": text, "answer": "19"} for text in (RENDERED, "[user]12+7=[assistant]")))
    greedy = ["eval.temperature=0", "eval.samples=1"]
    for model, data in (("chat", "messages.jsonl"), ("plain", "texts.jsonl")):
        done = sspo("eval", model, *ways(data, data), *greedy, "--name", model)
        assert done.returncode == 0, done.stderr
    chat, plain = (jsonl.read(tmp_path / "outputs" / "eval" / name / "eval.jsonl") for name in ("chat", "plain"))
    assert [row["response"] for row in chat] == [row["response"] for row in plain]
    assert chat[0]["response"] != chat[1]["response"], "the system message is read"
    assert [row["prompt"] for row in chat] == ["system: Add.\nuser: 12+7=", "12+7="]


def test_messages_without_a_chat_template_and_other_prompts_are_refused(
    sspo: Sspo, tmp_path: Path, write: Write
) -> None:
    write("messages.jsonl", lines([{"prompt": MESSAGES, "answer": "19"}] * 2))
    done = sspo("train", *ways("messages.jsonl", "messages.jsonl"))
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "messages.jsonl:1: the prompt is a list of messages, which needs a chat template" in done.stderr
    write("bad.jsonl", lines([{"prompt": 5, "answer": "5"}, {"prompt": "1", "answer": True}, {"prompt": None}]))
    done = sspo("train", *ways("bad.jsonl"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "sspo: bad.jsonl:1: the field 'prompt' is the number 5: must be a text or a list of messages with role and"
        " content",
        "sspo: bad.jsonl:2: the field 'answer' is true: must be a text or a number",
        "sspo: bad.jsonl:3: no field 'answer' (it has: prompt); name yours with dataset.answer_field=, or set it to"
        " null: no answer",
    ]
    assert not (tmp_path / "outputs").exists()


def test_any_of_several_answers_is_right_and_numbers_are_read_as_people_write_them(
    sspo: Sspo, tmp_path: Path, write: Write
) -> None:
    write("mine.jsonl", lines({"prompt": f"{10 + i}+20=", "answer": ["none", 30.0 + i]} for i in range(8)))
    done = sspo(*SMOKE, *ways("mine.jsonl", "mine.jsonl"), "eval.samples=32")
    assert done.returncode == 0, done.stderr
    assert "8 answers hold numbers with a decimal point; they are read as text, 30.0 as 30\n" in done.stderr
    rows = jsonl.read(run_folder(tmp_path) / "eval.jsonl")
    right = [row for row in rows if row["correct"]]
    assert right and all(row["response"].rpartition(">")[2] in row["answer"] for row in right)
    assert {tuple(row["answer"]) for row in rows} == {("none", str(30 + i)) for i in range(8)}


def test_the_part_that_decides_what_is_correct_is_named(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write(
        "mine.py",
        "def score(prompt, response, answer):\n    return {'format': 1.0, 'right': float(answer in response)}\n",
    )
    done = sspo(*SMOKE, *REWARD)
    assert done.returncode == 2, done.stderr
    assert "reward.correct: must say what is correct" in done.stderr and "(format, right)" in done.stderr
    assert not run_folder(tmp_path).exists(), "the same name is free for the mended command"
    done = sspo(*SMOKE, *REWARD, "reward.correct=right")
    assert done.returncode == 0, done.stderr
    rows = jsonl.read(run_folder(tmp_path) / "eval.jsonl")
    assert all(row["correct"] == (row["reward_parts"]["right"] == 1) for row in rows)
    assert {row["correct_if"] for row in rows} == {"right >= 1"} and {row["correct"] for row in rows} == {False, True}
    write("mine.py", "def score(prompt, response, answer):\n    return {'format': 1.0, 'right': 1.0}\n")
    done = sspo("eval", "outputs/train/run")
    assert done.returncode == 0 and "warning: reward file at reward.path: SHA-256" in done.stdout
    assert "so these figures do not compare with the run's own" in done.stdout
    accuracy = jsonl.read(run_folder(tmp_path) / "metrics.jsonl")[-1]["eval/accuracy"]
    assert accuracy == pytest.approx(sum(row["correct"] for row in rows[-16:]) / 16)


@pytest.mark.parametrize(
    ("reward", "kept"),
    [
        ("1 + 1e-9 * (len(response) % 2)", 0),
        ("1e8 + 1e-7 * (len(response) % 2)", 0),
        ("1e8 + len(response) % 2", 8),
    ],
)
def test_rewards_equal_up_to_rounding_tie_everywhere(
    sspo: Sspo, tmp_path: Path, write: Write, reward: str, kept: int
) -> None:
    write("mine.py", f"def score(prompt, response, answer):\n    return {reward}\n")
    done = sspo(*SMOKE, *REWARD, "train.steps=1", "objective=grpo", "objective.dynamic_sampling=2")
    assert done.returncode == 0, done.stderr
    row = jsonl.read(run_folder(tmp_path) / "metrics.jsonl")[-1]
    advantages = {sample["advantage"] != 0 for sample in jsonl.read(run_folder(tmp_path) / "samples.jsonl")}
    generated = row["prompts/generated"]
    assert row["prompts/kept"] == kept and generated * (1 - row["group/dead"]) == pytest.approx(kept)
    assert kept or generated == 16, "dynamic sampling goes on to its limit"
    assert (row["grad/norm"] > 0) == bool(kept) and advantages == {bool(kept)}


def test_an_infinite_reward_stops_the_run(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("mine.py", "def score(prompt, response, answer):\n    return float('inf') if '>' in response else 0.0\n")
    for command in (SMOKE, ["eval", "tiny", "eval.problems=4", "--name", "run"]):
        done = sspo(*command, *REWARD)
        assert done.returncode == 3, done.stderr
        told = done.stdout + done.stderr
        assert "the reward part 'score' of" in told and "is inf, for the response" in told
        folder = tmp_path / "outputs" / command[0] / "run"
        assert (folder / "STATUS").read_text().startswith("failed: the reward part 'score' of")
        assert not (folder / "checkpoints" / "step_000002").exists()


def test_rewards_that_cannot_be_scored_are_told_and_stop_the_run(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("mine.py", "def score(prompt, response, answer):\n    return None\n")
    done = sspo(*SMOKE, *REWARD, "train.steps=9")
    assert done.returncode == 3
    told = [line for line in done.stderr.splitlines() if "no reward could be scored" in line]
    assert [line.split(":")[1] for line in told] == [" step 1", " step 2"]
    assert (run_folder(tmp_path) / "STATUS").read_text().startswith("failed: no reward could be scored in 3 rollouts")
    assert "100% of the held-out responses could not be scored" in done.stderr


def test_a_run_that_cannot_learn_says_why(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo(*SMOKE, "train.steps=4", "train.eval_every=4", "rollout.max_response_length=1")
    assert done.returncode == 0, done.stderr
    cause = "100% of the groups had equal rewards (mean 0)"
    key = "raise rollout.max_response_length=1"
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert sum(cause in line for line in told) == 1 and key in next(line for line in told if cause in line)
    assert cause in done.stdout and "eval.max_response_length=1" in done.stdout
    warnings = json.loads((run_folder(tmp_path) / "summary.json").read_text())["warnings"]
    assert any(cause in line and key in line for line in warnings) and len(warnings) == 3
    assert cause in (run_folder(tmp_path) / "report.html").read_text()
    done = sspo("eval", "outputs/train/run", "eval.problems=4")
    assert done.returncode == 0 and "100.0% of the responses cut at the limit" in done.stdout
    assert done.stdout.startswith("outputs/train/run/checkpoints/step_000004 on addition\n")


def test_golds_that_are_no_mathematics_are_told_and_empty_ones_leave_the_denominator(
    sspo: Sspo, tmp_path: Path, write: Write
) -> None:
    golds = ["two words", "", "3", "yes"]
    write("mine.jsonl", lines({"prompt": f"{i}+1=", "answer": gold} for i, gold in enumerate(golds)))
    done = sspo("eval", "tiny", *ways("mine.jsonl", "mine.jsonl"), "reward=math", "--name", "run", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    text, empty = summary["warnings"]
    assert "2 problems (mine.jsonl:1, mine.jsonl:4) cannot be read as mathematics" in text
    assert "1 problem (mine.jsonl:2) are empty" in empty
    rows = jsonl.read(tmp_path / "outputs" / "eval" / "run" / "eval.jsonl")
    assert {row["problem"] for row in rows if row["correct"] is None} == {"mine.jsonl:2"}
    judged = [row["correct"] for row in rows if row["correct"] is not None]
    assert summary["eval/accuracy"] == pytest.approx(sum(judged) / 12) and summary["eval/unscored"] == 0.25
