"""From messages to tokens and back, through the real command: templates, stops, special tokens, prompts that fit."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoTokenizer

from sspo_cli.runs import jsonl
from tests.chat_models import CHAT, NO_SYSTEM, THINKING, chat_folder
from tests.cli.conftest import Sspo, Write
from tests.cli.test_true_results import lines, run_folder, ways

pytestmark = pytest.mark.slow

DATA = ways("mine.jsonl", "mine.jsonl")
SMOKE = ["train", "preset=smoke", *DATA, "model=local", "--name", "run"]
RECORD = """
import json
import re
import shlex

def score(prompt, response, answer):
    with open("seen.jsonl", "a") as file:
        file.write(json.dumps([prompt, response]) + "\\n")
    return float(answer in response)
"""
RECORDED = [
    "reward=python", "reward.path=mine.py", "reward.workers=0", "reward.timeout_s=null", "reward.memory_gib=null",
]  # fmt: skip
ASKED = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
NOT_THINKING = ASKED + "<think>\n\n</think>\n\n"


@pytest.fixture
def data(write: Write) -> Path:
    write("mine.py", RECORD)
    return write("mine.jsonl", lines({"prompt": f"{i}+1=", "answer": str(i + 1)} for i in range(12)))


def first_prompt(sspo: Sspo, *words: str) -> dict[str, Any]:
    done = sspo("train", "--dry-run", "--json", *DATA, *words)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def screen(sspo: Sspo, *words: str) -> list[str]:
    """What stands below the batch."""
    done = sspo("train", "--dry-run", *DATA, *words)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.split("\n")
    return shown[next(place for place, line in enumerate(shown) if line.startswith("first prompt")) :]


def test_a_dry_run_shows_the_first_prompt_as_the_model_will_read_it(sspo: Sspo, data: Path, tmp_path: Path) -> None:
    """Of a base model, a chat model, and a model with thinking on and off: what a run then reads."""
    chat_folder(tmp_path / "base", None)
    chat_folder(tmp_path / "chat", CHAT)
    chat_folder(tmp_path / "thinking", THINKING)
    found = first_prompt(sspo, "model=local", "model.path=base")["first_prompt"]
    id, question = found["problem"], found["rendered"]
    assert question in {f"{i}+1=" for i in range(12)} and found["tokens"] == len(question)
    assert found["stop_tokens"] == {"<eos>": 1} and found["special"] == []
    for path, words, rendered in (
        ("chat", [], ASKED),
        ("thinking", [], ASKED),
        ("thinking", ["model.template_args={enable_thinking: false}"], NOT_THINKING),
        ("chat", ["model.chat_template=thinking/chat_template.jinja", "model.template_args.enable_thinking=false"],
         NOT_THINKING),
        ("chat", ["model.chat_template=none"], "{}"),
    ):  # fmt: skip
        found = first_prompt(sspo, "model=local", f"model.path={path}", *words)["first_prompt"]
        assert found["rendered"] == rendered.format(question)
        tokens = AutoTokenizer.from_pretrained(tmp_path / "chat")(found["rendered"])["input_ids"]
        assert found["tokens"] == len(tokens)
        assert list(found["stop_tokens"]) == (["<eos>"] if rendered == "{}" else ["<eos>", "<|im_end|>"])
    words = ["model.path=thinking", "model.template_args={enable_thinking: false}", 'rollout.stop=["\\n\\n",Q:]']
    assert screen(sspo, "model=local", *words, "reward=math", "reward.special_tokens=keep")[:10] == [
        f"first prompt ({id}): 30 tokens, the chat template of the model's tokenizer with enable_thinking=False",
        "  <|im_start|>user\\n",
        f"  {question}<|im_end|>\\n",
        "  <|im_start|>assistant\\n",
        "  <think>\\n",
        "  \\n",
        "  </think>\\n",
        "  \\n",
        "a response ends with: <eos> (1), <|im_end|> (183), '\\n\\n', 'Q:'",
        f"answer: {int(question[:-3]) + 1}",
    ]
    assert not (tmp_path / "outputs").exists()
    done = sspo(*SMOKE, "model.path=chat")
    assert done.returncode == 0, done.stderr
    row = jsonl.read(run_folder(tmp_path) / "samples.jsonl")[0]
    assert (row["problem"], row["rendered"]) == (id, ASKED.format(question))


def test_a_dry_run_says_what_is_not_here(sspo: Sspo, data: Path) -> None:
    hub = sspo("train", "--dry-run", *DATA, "model=hub", "model.path=nobody/nothing")
    assert hub.returncode == 0 and "\nfirst prompt: unknown: model.path=nobody/nothing: not in the" in hub.stdout
    both = sspo("train", "--dry-run", "--json", "dataset=gsm8k", "dataset.path=nobody/nothing")
    assert "dataset.path=nobody/nothing" in json.loads(both.stdout)["first_prompt"]["unknown"]
    assert json.loads(both.stdout)["parameters"] > 0
    asked = sspo("train", "--dry-run", *DATA, "model=hub", "model.path=a/b", "lora.rank=2", HF_HUB_OFFLINE="")
    assert "a dry run downloads nothing" in asked.stdout and "HF_HUB_OFFLINE" not in asked.stdout
    own = ["reward=python", "reward.path=nowhere.py", "lora.rank=2"]
    grader = sspo("train", "--dry-run", *DATA, *own)
    assert grader.returncode == 0 and "\nreward.path=nowhere.py: no such file (looked in " in grader.stdout
    assert re.search(r"\([\d,]+ parameters, [\d,]+ of them trained: the adapters\)", grader.stdout)
    missing = sspo("train", "--dry-run", *ways("nowhere.jsonl"))
    assert missing.returncode == 0 and "first prompt: unknown: dataset.path=nowhere.jsonl: no such" in missing.stdout


def test_a_run_keeps_its_template_and_its_stops(sspo: Sspo, data: Path, tmp_path: Path, write: Write) -> None:
    """In its checkpoints, for evaluations, for transformers, for a run that goes on; the screen shows all of it."""
    chat_folder(tmp_path / "chat", CHAT)
    write("mine.jinja", THINKING)
    template = ["model.chat_template=mine.jinja", "model.template_args={enable_thinking: false}"]
    stops = ["objective.kl.coef=0.01", 'rollout.stop=["7","\\n"]', "train.steps=2", "train.save_every=1"]
    done = sspo(*SMOKE, "model.path=chat", *template, *stops)
    assert done.returncode == 0, done.stderr
    (tmp_path / "mine.jinja").unlink()
    run = run_folder(tmp_path)
    rows, held_out = jsonl.read(run / "samples.jsonl"), jsonl.read(run / "eval.jsonl")
    assert {row["rendered"] for row in (*rows, *held_out)} <= {NOT_THINKING.format(f"{i}+1=") for i in range(12)}
    stopped = [row for row in rows if "7" in row["spelled"]]
    assert 0 < len(stopped) < len(rows)
    assert any("7" in row["spelled"] for row in held_out)
    for row in (*rows, *held_out):
        assert row["spelled"].startswith(row["response"]) and "7" not in row["response"]
        assert row["spelled"][len(row["response"]) :] in ("7", "\n", "<eos>", "<|im_end|>", "")
        assert row["truncated"] == (row["spelled"] == row["response"])
    shown = sspo("samples", "outputs/train/run", "--step", str(stopped[0]["step"])).stdout
    assert f"\n  {stopped[0]['spelled']}\n" in shown and "\n<|im_start|>assistant\n<think>\n" in shown

    checkpoint = run / "checkpoints" / "step_000002"
    turn = [{"role": "user", "content": "3+1="}]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    written = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    assert written == NOT_THINKING.format("3+1=")
    last = [row for row in held_out if row["step"] == 2]
    for name, words in (("native", []), ("generate", ["rollout=generate"])):
        done = sspo("eval", "outputs/train/run", *words, "--name", name)
        assert done.returncode == 0, done.stderr
        again = jsonl.read(tmp_path / "outputs" / "eval" / name / "eval.jsonl")
        facts = ("problem", "rendered", "response", "spelled", "length", "truncated")
        assert [[row[key] for key in facts] for row in again] == [[row[key] for key in facts] for row in last]

    shutil.rmtree(checkpoint)
    (run / "STATUS").write_text("interrupted\n")
    config = run / "config.yaml"
    kept = config.read_text()
    changed = yaml.safe_load(kept)
    changed["model"]["template_args"] = {"enable_thinking": True}
    config.write_text(yaml.safe_dump(changed))
    refused = sspo("train", "--resume", "outputs/train/run")
    assert refused.returncode == 2 and refused.stderr.splitlines() == [
        "sspo: model.template_args.enable_thinking: false when the run began, true now, and the checkpoints hold the"
        " chat template that the run began with; begin a run that starts from one: `sspo train model=local"
        " model.path=CHECKPOINT model.template_args.enable_thinking=true`"
    ]
    config.write_text(kept)
    done = sspo("train", "--resume", "outputs/train/run")
    assert done.returncode == 0, done.stderr
    assert jsonl.read(run / "samples.jsonl") == rows
    assert (checkpoint / "chat_template.jinja").read_text().count("enable_thinking = ") == 1
    other = sspo(*SMOKE[:-1], "other", f"model.path={checkpoint}", "model.template_args.enable_thinking=true")
    assert other.returncode == 0, other.stderr
    rendered = {row["rendered"] for row in jsonl.read(run.parent / "other" / "samples.jsonl")}
    assert rendered <= {ASKED.format(f"{i}+1=") for i in range(12)}


@pytest.mark.parametrize("kept", [True, False])
def test_a_reward_reads_special_tokens_where_it_should(sspo: Sspo, data: Path, tmp_path: Path, kept: bool) -> None:
    chat_folder(tmp_path / "chat", CHAT)
    words = ["model.path=chat", "rollout.temperature=9", f"reward.special_tokens={'keep' if kept else 'strip'}"]
    done = sspo(*SMOKE, *words, *RECORDED, "eval.problems=1", "eval.samples=1")
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line)[1] for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    rows = jsonl.read(run_folder(tmp_path) / "samples.jsonl")
    assert {row["response"] for row in rows} <= set(seen)
    assert any("<|im_start|>" in response for response in seen) == kept
    assert any("<think>" in response for response in seen), "no special token of this tokenizer"
    assert any("<|im_start|>" in row["spelled"] for row in rows)
    assert not any(response.endswith(("<eos>", "<|im_end|>")) for response in seen)


def test_prompts_that_do_not_fit_are_refused_or_left_out(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    rows = [{"prompt": "9" * (1000 if i % 3 == 0 else 5) + f"{i}=", "answer": str(i % 5)} for i in range(12)]
    write("mine.jsonl", lines(rows))
    refused = sspo("train", *ways("mine.jsonl"), "dataset.eval_fraction=0.5")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1 and not (tmp_path / "outputs").exists()
    assert (
        "dataset: 4 of 12 prompts leave no room for a response of 80 tokens within the model's 1024" in refused.stderr
    )
    assert "the longest prompt has 1002 tokens" in refused.stderr
    way_out = refused.stderr.rpartition(" by ")[2].strip()
    assert way_out == "dataset.max_prompt_length=944"
    words = ["train", "preset=smoke", *ways("mine.jsonl"), "dataset.eval_fraction=0.5", way_out, "--name", "run"]
    done = sspo(*words, "train.steps=1")
    assert done.returncode == 0, done.stderr
    assert "dataset.max_prompt_length=944: longer prompts are left out: " in done.stderr
    read = {*jsonl_ids(run_folder(tmp_path) / "samples.jsonl"), *jsonl_ids(run_folder(tmp_path) / "eval.jsonl")}
    assert read <= {f"mine.jsonl:{i + 1}" for i in range(12) if i % 3}
    (run_folder(tmp_path) / "STATUS").write_text("interrupted\n")
    config = run_folder(tmp_path) / "config.yaml"
    config.write_text(config.read_text().replace("steps: 1\n", "steps: 2\n"))
    gone_on = sspo("train", "--resume", "outputs/train/run", "--allow-change")
    assert gone_on.returncode == 0, gone_on.stderr
    assert [line for line in gone_on.stderr.splitlines() if "goes on with a change" in line] == [
        "sspo: goes on with a change: train.steps: 1 when the run began, 2 now"
    ]
    done = sspo("eval", "outputs/train/run")
    assert done.returncode == 0 and "do not compare" not in done.stdout


def jsonl_ids(file: Path) -> list[str]:
    return [row["problem"] for row in jsonl.read(file)]


BAD = {
    "model.chat_template=no.jinja": "model.chat_template=no.jinja: no such file (looked in ",
    "model.chat_template=broken.jinja": "model.chat_template=broken.jinja: not a Jinja template: line 1: ",
    "model.chat_template=needs.jinja": "(user): 'today' is undefined; give it what it needs by model.template_args, or",
    "model.chat_template=refuses.jinja dataset.system_prompt=Add": "(system, user): System role not supported; write",
    "model.path=base dataset.system_prompt=Add": "needs a chat template, and the model has none; use a model with"
    " a chat template, give a model=local or model=hub one by model.chat_template=FILE",
    "model.path=bare": "model.path=bare: not a model folder: it lacks a tokenizer (tokenizer.json or",
    "model.template_args=5": "model.template_args=5: must be names with values, such as {enable_thinking: false}",
    "model.template_args=[a]": "model.template_args=['a']: must be names with values",
    "model.template_args={think: 1}": "model.template_args.think: the chat template does not read it",
    "model=tiny model.template_args={a: 1}": "unknown key 'model.template_args' with model=tiny",
    "rollout.stop=['']": "rollout.stop.0=: must have at least 1 character",
    "rollout.stop=Q": "rollout.stop=Q: must be a valid list",
    "reward.special_tokens=all": "reward.special_tokens=all: must be 'strip' or 'keep'",
    "dataset.max_prompt_length=5": "dataset.max_prompt_length=5: all prompts to learn from are longer, the shortest",
}


def test_what_cannot_be_rendered_is_one_line(sspo: Sspo, data: Path, tmp_path: Path, write: Write) -> None:
    chat_folder(tmp_path / "chat", CHAT)
    chat_folder(tmp_path / "base", None)
    chat_folder(tmp_path / "bare", None)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "bare" / name).unlink()
    write("broken.jinja", "{% for")
    write("needs.jinja", CHAT + "{{ today.year }}")
    write("refuses.jinja", NO_SYSTEM)
    for words, told in BAD.items():
        model = [] if words.startswith("model=") else ["model=local", "model.path=chat"]
        done = sspo("train", "preset=smoke", *DATA, *model, *words.replace(": ", ":").split())
        assert done.returncode == 2 and done.stdout == "", words
        (line,) = done.stderr.splitlines()
        assert told in line, line
    assert not (tmp_path / "outputs").exists()


def test_the_commands_and_the_screen_of_the_docs_are_true(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "prompts.md").read_text(encoding="utf-8")
    chat_folder(tmp_path / "model", THINKING)
    write("problems.jsonl", lines({"prompt": f"{i}+{i + 1}=", "answer": str(2 * i + 1)} for i in range(6, 18)))
    commands = re.findall(r"```sh\n(.*?)\n```", text, flags=re.DOTALL)
    assert len(commands) == 4
    first, *others = (sspo(*shlex.split(command)[1:]) for command in commands)
    (block,) = re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)
    assert f"\n{block}" in first.stdout
    assert all(done.returncode == 0 for done in others), [done.stderr for done in others]
    assert "<think>\\n\n  \\n\n  </think>\\n" in others[0].stdout
