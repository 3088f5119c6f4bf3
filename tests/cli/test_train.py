"""`sspo train` as a user runs it: the folder it leaves, and what must repeat."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo, Write, begin_sspo, run_sspo

pytestmark = pytest.mark.slow


# The embedded model answers one sum in twenty: a larger step makes the little there is to learn from visible.
SMOKE = ["preset=smoke", "optim.lr=1e-4", "engine.precision=float32"]
MEASURED = ("time/", "throughput/", "memory/")


def metrics(folder: Path) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl without what the machine's mood decides."""
    rows = jsonl.read(folder / "metrics.jsonl")
    return [{key: value for key, value in row.items() if not key.startswith(MEASURED)} for row in rows]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One smoke run of the default objective, looked at by several tests."""
    home = tmp_path_factory.mktemp("smoke")
    run_sspo(["train", *SMOKE, "--name", "first"], home).check_returncode()
    return home / "outputs" / "train" / "first"


def test_the_run_folder_is_complete_and_says_what_was_done(smoke: Path) -> None:
    files = {path.relative_to(smoke).as_posix() for path in smoke.rglob("*") if path.is_file()}
    assert {
        "config.yaml", "overrides.txt", "command.sh", "manifest.json", "STATUS", "metrics.jsonl", "samples.jsonl",
        "eval.jsonl", "summary.json", "report.html", "plots/learning_curve.svg",
        "checkpoints/step_000002/model.safetensors",
    } <= files  # fmt: skip
    assert (smoke / "STATUS").read_text() == "done\n"
    assert (smoke / "overrides.txt").read_text() == "\n".join([*SMOKE, "name=first", ""])
    assert (smoke / "command.sh").read_text().endswith(f"sspo train {' '.join(SMOKE)}\n")
    rows = metrics(smoke)
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert len(jsonl.read(smoke / "samples.jsonl")) == 2 * 8 * 8
    assert len(jsonl.read(smoke / "eval.jsonl")) == 2 * 8 * 2
    summary = json.loads((smoke / "summary.json").read_text())
    assert (summary["status"], summary["steps"], summary["seed"], summary["objective"]) == ("done", 2, 0, "sspo")
    assert summary["eval/accuracy"]["first"] == rows[0]["eval/accuracy"]
    assert summary["eval/accuracy"]["last"] == rows[2]["eval/accuracy"]
    manifest = json.loads((smoke / "manifest.json").read_text())
    assert torch.__version__.startswith(manifest["versions"]["torch"])  # metadata leaves out +cu130
    assert set(manifest["hashes"]) == {
        "initial_weights",
        "tokenizer",
        "data_order",
        "evaluation_problems",
        "rollout_draws",
        "evaluation_draws",
        "prompt_tokens",
        "reward",
        "training_content",
        "evaluation_content",
    }


def test_the_first_update_of_a_rollout_sees_a_ratio_of_one(smoke: Path) -> None:
    rows = metrics(smoke)[1:]
    assert len(rows) == 2
    assert max(row["rollout/logp_gap_mean"] for row in rows) < 1e-6
    # The worst token stands for float32 itself: sampler and trainer are each within 1e-5 of the float64 value.
    assert max(row["rollout/logp_gap_max"] for row in rows) < 5e-5


def test_later_updates_of_a_rollout_are_off_policy(smoke: Path) -> None:
    assert any(row["ratio/std"] > 1e-3 for row in metrics(smoke)[1:])


def test_the_summary_as_json_names_the_objective(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo("train", "objective=gspo", *SMOKE, "train.steps=1", "--name", "one", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["status"] == "done" and summary["objective"] == "gspo"
    assert json.loads((tmp_path / "outputs" / "train" / "one" / "summary.json").read_text()).items() <= summary.items()


def test_one_seed_repeats_byte_for_byte_and_another_differs(
    sspo: Sspo, fresh_sspo: Sspo, tmp_path: Path, smoke: Path
) -> None:
    """In another interpreter, whose sets have another order, too."""
    for run, name, seed in ((fresh_sspo, "again", 0), (sspo, "other", 1)):
        assert run("train", *SMOKE, "--name", name, "--seed", str(seed)).returncode == 0
    runs = tmp_path / "outputs" / "train"
    assert json.dumps(metrics(runs / "again")) == json.dumps(metrics(smoke))
    assert (runs / "again" / "samples.jsonl").read_bytes() == (smoke / "samples.jsonl").read_bytes()
    assert metrics(runs / "other") != metrics(smoke)
    assert (runs / "other" / "samples.jsonl").read_bytes() != (smoke / "samples.jsonl").read_bytes()


def test_the_resolved_configuration_replays_the_run(sspo: Sspo, tmp_path: Path, smoke: Path) -> None:
    done = sspo("train", "--config", str(smoke / "config.yaml"), "--json")
    assert done.returncode == 0, done.stderr
    assert metrics(tmp_path / json.loads(done.stdout)["folder"]) == metrics(smoke)


def test_eval_of_the_checkpoint_equals_the_last_evaluation_of_the_run(sspo: Sspo, tmp_path: Path, smoke: Path) -> None:
    for target in (smoke, smoke / "checkpoints" / "step_000002"):
        done = sspo("eval", str(target), "--json")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        last = metrics(smoke)[-1]
        names = [name for name in last if name.startswith("eval/")]
        assert {name: result[name] for name in names} == {name: last[name] for name in names}
        responses = [row["response"] for row in jsonl.read(tmp_path / result["folder"] / "eval.jsonl")]
        expected = [row["response"] for row in jsonl.read(smoke / "eval.jsonl") if row["step"] == 2]
        assert responses == expected


def test_the_checkpoint_is_a_plain_model_that_gives_the_same_greedy_answers(
    sspo: Sspo, tmp_path: Path, smoke: Path
) -> None:
    done = sspo("eval", str(smoke), "eval.temperature=0", "eval.samples=1", "--json")
    rows = jsonl.read(tmp_path / json.loads(done.stdout)["folder"] / "eval.jsonl")
    checkpoint = smoke / "checkpoints" / "step_000002"
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    for row in rows:
        prompt = tokenizer(row["prompt"], return_tensors="pt")
        output = model.generate(**prompt, do_sample=False, max_new_tokens=80)
        answer = tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        assert answer == row["response"]


def test_a_users_own_objective_trains_on_a_users_own_problems(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("conf/objective/mine.yaml", "# Mine.\ndefaults: [sspo, _self_]\nnormalize: token\n")
    problems = ({"prompt": f"{i}+{i + 7}=", "answer": str(2 * i + 7)} for i in range(200))
    write("mine.jsonl", "".join(json.dumps(problem) + "\n" for problem in problems))
    done = sspo("train", "objective=mine", "dataset=jsonl", "dataset.path=mine.jsonl", "preset=smoke", "--json")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / json.loads(done.stdout)["folder"]
    assert folder.name == "mine-jsonl-s0"
    assert "normalize: token" in (folder / "config.yaml").read_text()
    prompts = {row["prompt"] for row in jsonl.read(folder / "samples.jsonl")}
    assert prompts <= {f"{i}+{i + 7}=" for i in range(200)}


def test_a_stale_sampler_is_off_policy_from_the_first_update(sspo: Sspo, tmp_path: Path) -> None:
    words = [*SMOKE, "train.steps=4", "rollout.staleness=2", "batch.minibatches=1", "--name", "stale"]
    assert sspo("train", *words).returncode == 0
    rows = metrics(tmp_path / "outputs" / "train" / "stale")[1:]
    gaps = [row["ratio/mean_abs_log"] for row in rows]
    assert gaps[0] < 1e-6 and min(gaps[1:]) > 1e-5
    assert max(row["rollout/logp_gap_mean"] for row in rows) < 1e-6, "against the weights that drew the rollout"


def test_without_a_terminal_there_is_one_line_a_step_and_results_go_to_stdout(sspo: Sspo) -> None:
    done = sspo("train", "preset=smoke")
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [
        ["step", "0/2"],
        ["step", "1/2"],
        ["step", "2/2"],
    ]
    assert "sspo eval outputs/train/sspo-addition-s0" in done.stdout
    quiet = sspo("train", "preset=smoke", "-q", "--json")
    assert quiet.stderr == "" and json.loads(quiet.stdout)["folder"] == "outputs/train/sspo-addition-s0-2"


# The long ones are parts of the others, or of a killed run that goes on.
INTERRUPTED = [
    pytest.param(["rollout.staleness=0"], id="in order", marks=pytest.mark.long),
    pytest.param(["rollout.staleness=1"], id="stale", marks=pytest.mark.long),
    pytest.param(["lora.rank=2", "objective.kl.coef=0.1"], id="adapters"),
    pytest.param(["objective=dapo", "objective.dynamic_sampling=3", "rollout.staleness=1"], id="dynamic sampling"),
]


@pytest.mark.parametrize("settings", INTERRUPTED)
def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(sspo: Sspo, tmp_path: Path, settings: list[str]) -> None:
    words = ["train", *SMOKE, "train.steps=8", "train.eval_every=3", *settings]
    assert sspo(*words, "--name", "whole").returncode == 0
    runs = tmp_path / "outputs" / "train"
    process = begin_sspo([*words, "--name", "broken"], tmp_path)
    deadline = time.monotonic() + 240
    while len(jsonl.read(runs / "broken" / "metrics.jsonl")) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    stopped = process.wait(240)
    assert stopped.returncode == 130
    assert (runs / "broken" / "STATUS").read_text() == "interrupted\n"
    assert "sspo train --resume outputs/train/broken" in stopped.stdout
    assert len(metrics(runs / "broken")) < 9, "the run must have been stopped before its end"

    resumed = sspo("train", "--resume", "outputs/train/broken")
    assert resumed.returncode == 0, resumed.stderr
    assert json.dumps(metrics(runs / "broken")) == json.dumps(metrics(runs / "whole"))
    last = "checkpoints/step_000008"
    (weights,) = (file.name for file in (runs / "whole" / last).glob("*model.safetensors"))
    assert (runs / "broken" / last / weights).read_bytes() == (runs / "whole" / last / weights).read_bytes()


def test_a_run_stopped_in_its_first_evaluation_goes_on_too(sspo: Sspo, tmp_path: Path, smoke: Path) -> None:
    process = begin_sspo(["train", *SMOKE, "--name", "early"], tmp_path)
    folder = tmp_path / "outputs" / "train" / "early"
    deadline = time.monotonic() + 240
    while not (folder / "STATUS").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(240).returncode == 130
    assert sspo("train", "--resume", "outputs/train/early").returncode == 0
    assert json.dumps(metrics(folder)) == json.dumps(metrics(smoke))


def test_a_killed_run_goes_on_from_its_last_checkpoint(sspo: Sspo, tmp_path: Path) -> None:
    words = ["train", *SMOKE, "train.steps=8", "train.save_every=2"]
    assert sspo(*words, "--name", "whole").returncode == 0
    runs = tmp_path / "outputs" / "train"
    process = begin_sspo([*words, "--name", "killed"], tmp_path)
    deadline = time.monotonic() + 240
    while len(jsonl.read(runs / "killed" / "metrics.jsonl")) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(240).returncode == -signal.SIGKILL
    assert sspo("train", "--resume", "outputs/train/killed").returncode == 0
    assert json.dumps(metrics(runs / "killed")) == json.dumps(metrics(runs / "whole"))


def test_a_budget_of_tokens_ends_a_run_as_done_and_stays_reached(sspo: Sspo, tmp_path: Path) -> None:
    words = ["train", *SMOKE, "train.steps=50", "train.max_tokens=700", "train.eval_every=40", "--folder", "mine"]
    done = sspo(*words, "--json")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "mine"
    rows = metrics(folder)
    totals = [row["tokens/total"] for row in rows[1:]]
    assert totals[-1] >= 700 > totals[-2] and len(rows) < 20
    assert "eval/accuracy" in rows[-1] and json.loads(done.stdout)["steps"] == rows[-1]["step"]
    assert (folder / "STATUS").read_text() == "done\n"
    # As if it had been killed between its last checkpoint and its STATUS: there is nothing to go on with.
    (folder / "STATUS").write_text("running\n")
    assert sspo("train", "--resume", "mine").returncode == 0
    assert metrics(folder) == rows and (folder / "STATUS").read_text() == "done\n"


def test_a_budget_of_minutes_ends_with_the_step_that_reaches_it(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo("train", *SMOKE, "train.steps=50", "train.max_minutes=1e-4", "--folder", "mine")
    assert done.returncode == 0, done.stderr
    rows = metrics(tmp_path / "mine")
    assert [row["step"] for row in rows] == [0, 1] and "eval/accuracy" in rows[1]


def test_a_number_that_is_not_finite_stops_the_run_with_code_3(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("reward.py", "def score(prompt, response, answer):\n    return 1e308\n")
    done = sspo("train", "preset=smoke", "reward=python", "reward.path=reward.py", "objective.advantage=none")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "not finite" in (tmp_path / "outputs" / "train" / "sspo-addition-s0" / "STATUS").read_text()


def test_one_update_per_rollout_says_that_the_objectives_coincide(sspo: Sspo) -> None:
    done = sspo("train", *SMOKE, "batch.minibatches=1", "train.steps=1")
    assert (
        done.stderr.splitlines()[0]
        == "with 1 update per rollout all objectives are the same up to normalisation and advantage"
    )
    assert "same up to normalisation" not in sspo("train", *SMOKE, "train.steps=1").stderr
