"""What people type by mistake, and the answer: one line that holds the words to write, exit code 2, nothing written.

`python -m tests.cli.test_mistakes` prints the table with the processor time of each answer in a new process.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import run_fresh, run_sspo

pytestmark = pytest.mark.slow

# The line that is typed after `sspo`, and the part of the answer that mends it.
SETTINGS = [
    ("train --objective sspo", "write objective=sspo"),
    ("train --lr 1e-5", "write optim.lr=1e-5 (the learning rate"),
    ("train --learning-rate=1e-5", "write optim.lr=1e-5 "),
    ("train -lr 1e-5", "write optim.lr=1e-5 "),
    ("train --optim.lr 1e-5", "write optim.lr=1e-5 "),
    ("train --num-generations 4", "write batch.samples_per_prompt=4 "),
    ("train --epochs 3", "batch.epochs=3 for passes over each rollout"),
    ("train --model gpt2", "write model=hub model.path=gpt2"),
    ("train --output-dir runs", "write output_dir=runs"),
    ("train --force", "write `--name NAME` for another folder"),
    ("train --verbose", "`--quiet` shows less"),
    ("train --config-name x", "write `--config RUN/config.yaml`"),
    ("train --cfg job", "write `--dry-run`"),
    ("train lr=1e-5", "write optim.lr=1e-5 "),
    ("train learning_rate=1e-5", "write optim.lr=1e-5 "),
    ("train trainer.lr=1e-5", "write optim.lr=1e-5 "),
    ("train epochs=3", "train.steps=N for the length of training in rollouts"),
    ("train batch_size=8", "write batch.prompts=8 for prompts per rollout"),
    ("train temperature=0.7", "write eval.temperature=0.7 or rollout.temperature=0.7"),
    ("train beta=0.04", "write objective.kl.coef=0.04 "),
    ("train top_p=0.9", "set rollout.temperature"),
    ("train gate=erf", "write objective/gate=erf"),
    ("train device=gpu", "write engine.device=cuda "),
    ("train engine.dtype=fp16", "write engine.precision=bfloat16"),
    ("train +x=1", "unknown key 'x' (`sspo show train` lists settings)"),
    ("train ++optim.lrr=3", "did you mean 'optim.lr'? It is the learning rate"),
    ("train optim.lrr=3", "did you mean 'optim.lr'?"),
    ("train ~objective", "set it to another value with objective=..."),
    ("train objective.gate.tau_pos=2 objective=grpo", "it is a setting of objective/gate=arctan, "),
    ("train model.path=gpt2", "it is a setting of model=hub, "),
    ("eval outputs/train/first train.steps=3", "unknown key 'train.steps'"),
    ("recipe run quickstart lr=1e-5", "write optim.lr=1e-5 "),
]  # fmt: skip
WORDS = [
    ("train sspo", "write objective=sspo"),
    ("train objective sspo", "write objective=sspo"),
    ("train lr 1e-5", "write optim.lr=1e-5 "),
    ("train optim.lr = 1e-5", "no spaces round =; write optim.lr=1e-5"),
    ("train optim.lr= 1e-5", "no spaces round =; write optim.lr=1e-5"),
    ("train objective:sspo", "write objective=sspo"),
    ("train seed=1,objective=grpo", "write seed=1 objective=grpo"),
    ("train math", "write dataset=math or reward=math"),
    ("train quickstart", "`sspo recipe run quickstart`"),
    ("train outputs/train/first", "`sspo train --resume outputs/train/first`"),
    ("train mine.jsonl", "write dataset=file dataset.path=mine.jsonl"),
    ("train my.py", "write reward=python reward.path=my.py"),
    ("train conf/objective/mine.yaml", "write objective=mine"),
    ("inspect sspo grpo", "write objective=sspo,grpo"),
    ("train optim", "`sspo show optim` lists them"),
    ("train objective@x=sspo", "'@' moves a choice elsewhere, which has no effect; write objective=sspo"),
    ("compare objectives=grpo,sspo", "did you mean 'objective'?"),
    ("compare 'seed=range(0,1e9)'", "a grid has at most 1,000 cells"),
    ("sweep 'seed=range(0,900)' optim.lr=1e-4,2e-4", "1,800 cells together; a grid has at most 1,000"),
    ("compare hydra.launcher.n_jobs=4", "choose a launcher too, such as hydra/launcher=joblib"),
    ("eval tiny objective=grpo", "it is a choice of sspo train"),
    ("sspo train objective=grpo", "write `sspo train objective=grpo`"),
    ("train optim.lr", "write optim.lr=VALUE (the learning rate"),
    ("train 'dataset.path=my (file).jsonl'", "quote a value with special characters"),
]  # fmt: skip
CHOICES = [
    ("train objective=gpro", "did you mean 'grpo'?"),
    ("train objective=GRPO", "write objective=grpo"),
    ("train objective=Dr.GRPO", "write objective=dr_grpo"),
    ("train objective=ppo", "write objective=ppo_clip"),
    ("train objective=dpo", "dpo learns from pairs of responses"),
    ("train objective=foo", "write `sspo new objective foo`"),
    ("train model=gpt2", "write model=hub model.path=gpt2"),
    ("train model=meta-llama/Llama-3.2-1B", "write model=hub model.path=meta-llama/Llama-3.2-1B"),
    ("train model=Qwen/Qwen3-0.6B", "write model=qwen3_0.6b"),
    ("train model=Qwen3-0.6B", "write model=qwen3_0.6b"),
    ("train model=./folder", "write model=local model.path=./folder"),
    ("train dataset=gsm8k.jsonl", "write dataset=file dataset.path=gsm8k.jsonl"),
    ("train dataset=openai/gsm8k", "write dataset=gsm8k"),
    ("train dataset=squad", "dataset=file dataset.path=FILE for your own"),
    ("train reward=./my.py", "write reward=python reward.path=./my.py"),
    ("train reward=accuracy", "write reward=exact"),
    ("train reward=foo", "write reward=python reward.path=FILE.py"),
    ("train tracker=tb", "write tracker=tensorboard"),
    ("train tracker=mlflow", "(allowed: none, tensorboard, trackio, wandb;"),
    ("train rollout=sglang", "write rollout=vllm, or rollout=native"),
    ("train rollout=NAME", "(allowed: generate, native, vllm;"),
    ("train engine=accelerate", "engine=fsdp with several that hold a part of each weight"),
    ("train engine=deepspeed", "write engine=fsdp"),
    ("train preset=debug", "write preset=smoke"),
    ("train objective.gate=erf", "objective/gate=erf"),
    ("train objective/gate=none", "write objective/gate=identity"),
]  # fmt: skip
VALUES = [
    ("train seed=1-3", "write seed=1,2,3 with `sspo compare`"),
    ("train seed=[1,2]", "write seed=1,2 with `sspo compare`"),
    ("train seed=1,2", "`sspo compare seed=1,2`"),
    ("train objective=sspo seed=1,2", "`sspo sweep objective=sspo seed=1,2`"),
    ("train objective=sspo,grpo", "`sspo compare objective=sspo,grpo`"),
    ("train optim.lr=1e-5,3e-5", "`sspo sweep optim.lr=1e-5,3e-5`"),
    ("train -m seed=1,2", "`sspo compare` or `sspo sweep`"),
    ("train train.steps=1e3", "write train.steps=1000"),
    ("train train.steps=10k", "write train.steps=10000"),
    ("train train.steps=ten", "train.steps=ten: must be a valid integer"),
    ("train train.max_minutes=1h", "write train.max_minutes=60"),
    ("train objective.kl=0.1", "write objective.kl.coef=0.1; it has coef, against, place, estimator"),
    ("train lora=8", "write lora.rank=8; it has rank, alpha, targets, rslora"),
    ("train optim=adamw", "is a section of settings; it has lr, schedule"),
    ("train engine.device=cuda:0", "write engine.device=cuda"),
    ("train engine.precision=bf16", "write engine.precision=bfloat16"),
    ("train optim.schedule=cosine_with_warmup", "write optim.schedule=cosine"),
    ("train rollout.stop=abc", "write rollout.stop=[abc]"),
    ("train lora.targets=q_proj", "write lora.targets=[q_proj]"),
    ("train objective.gate.calibrate=1.2", "must be {at, multiplier}, {low, high} or null"),
    ("train name=None", "write name=null for none"),
    ("compare metric=acc", "write compare.metric=acc "),
    ("train objective.advantage=GROUP_MEAN", "write objective.advantage=group_mean"),
    ("compare seed=1-3", "write seed=1,2,3 with `sspo compare`"),
    ("compare objective=gpro,sspo", "did you mean 'grpo'?"),
    ("compare train.steps=ten", "must be a valid integer"),
]  # fmt: skip
COMMANDS = [
    ("trian objective=sspo", "did you mean 'train'?"),
    ("resume outputs/train/first", "write `sspo train --resume outputs/train/first`"),
    ("test outputs/train/first", "write `sspo eval outputs/train/first`"),
    ("evaluate outputs/train/first", "write `sspo eval outputs/train/first`"),
    ("list", "write `sspo runs`"),
    ("compare --resume outputs/compare/x", "the same `sspo compare` command again goes on"),
    ("help train", "write `sspo train --help`"),
    ("objective=sspo", "write `sspo train objective=sspo`"),
    ("objective=sspo,grpo", "write `sspo compare objective=sspo,grpo`"),
    ("grpo seed=1", "write `sspo train objective=grpo seed=1`"),
    ("quickstart", "write `sspo recipe run quickstart`"),
    ("recipe quickstart", "write `sspo recipe run quickstart`"),
    ("show lr", "did you mean 'optim.lr'?"),
    ("show quickstart", "`sspo recipe show quickstart`"),
    ("new objective sspo", "choose another name"),
]  # fmt: skip
PATHS = [
    ("train dataset=file dataset.path=none.jsonl", "dataset.path=none.jsonl: no such file"),
    ("train reward=python reward.path=none.py", "reward.path=none.py: no such file"),
    ("train model=local model.path=none", "model.path=none: no such folder"),
    ("train model=local model.path=a/b", "write model=hub model.path=a/b"),
    ("compare dataset=file dataset.path=none.jsonl", "dataset.path=none.jsonl: no such file"),
    ("compare reward=python reward.path=none.py", "reward.path=none.py: no such file"),
    ("compare model=local model.path=none", "model.path=none: no such folder"),
    ("eval empty", "is neither a run (it has no config.yaml) nor a model"),
    ("eval outputs/train", "is a folder of runs; name one of them, such as outputs/train/first"),
    ("eval outputs/train/first model.path=none model=local", "model.path=none: no such folder"),
    ("train output_dir=/proc/x", "output_dir=/proc/x: cannot write to /proc"),
    ("train --name first", "or train it further with `sspo train --resume outputs/train/first train.steps=N`"),
    ("train --resume outputs/train/first", "train it further with train.steps=N, N above 2"),
    ("train --resume outputs/train/first seed=3", "train.max_minutes and engine alone"),
    ("train --resume outputs/train/first train.steps=1", "train it further with train.steps=N, N above 2"),
    ("train --resume empty", "no checkpoint there"),
    ("train --resume none", "no such folder"),
    ("runs --sort acuracy", "did you mean"),
    ("samples outputs/train", "is a folder of runs; name one of them, such as outputs/train/first"),
    ("eval gpt2", "`sspo eval hub model.path=gpt2`"),
    ("eval Qwen/Qwen3-0.6B", "`sspo eval qwen3_0.6b`"),
    ("train --config outputs/train/first", "write --config outputs/train/first/config.yaml"),
    ("diff outputs/train/first", "missing argument 'B'; for example `sspo diff outputs/train/sspo-addition-s0"),
    ("recipe validate none.yaml", "none.yaml: cannot be read"),
    (f"train output_dir={'x' * 300}", "File name too long; set output_dir=FOLDER"),
    (f"train --name {'x' * 201}", "is too long; a name of a folder has 200 bytes at most"),
    (f"train model=local model.path={'x' * 300}", "cannot be read: File name too long"),
    (f"eval {'x' * 300}", "File name too long"),
    (f"new dataset {'x' * 300}", "File name too long"),
]  # fmt: skip
TABLE = [*SETTINGS, *WORDS, *CHOICES, *VALUES, *COMMANDS, *PATHS]
Row = tuple[str, str]


def chunks(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of one word each for `sspo train`, as few commands: all problems of a command are told at once.

    A command has one setting of a section.
    """
    found: list[tuple[set[str], list[Row]]] = []
    for row in rows:
        key = row[0].removeprefix("train ").partition("=")[0].lstrip("+~").split(".")[0]
        for keys, chunk in found:
            if key not in keys:
                keys.add(key)
                chunk.append(row)
                break
        else:
            found.append(({key}, [row]))
    return [chunk for _, chunk in found]


def fits(row: Row) -> bool:
    """Whether a row can share a command with others: one KEY=VALUE of train."""
    words = shlex.split(row[0])
    return words[0] == "train" and len(words) == 2 and re.match(r"[a-z+~][^,]*$", words[1]) is not None


TOGETHER = [chunk for rows in (SETTINGS, VALUES) for chunk in chunks([*filter(fits, rows)])]
TOGETHER += [[*filter(fits, rows)] for rows in (WORDS, CHOICES)]
ALONE = [row for row in TABLE if not fits(row) or row in PATHS]


@pytest.fixture(scope="module")
def home(made_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that are named above."""
    return furnish(tmp_path_factory.mktemp("mistakes"), made_runs)


def furnish(folder: Path, made_runs: Path) -> Path:
    (folder / "outputs").symlink_to(made_runs / "outputs")
    (folder / "empty").mkdir()
    (folder / "mine.jsonl").write_text('{"prompt": "1+1=", "answer": "2"}\n')
    (folder / "my.py").write_text("def score(prompt, response, answer):\n    return 1.0\n")
    return folder


@pytest.mark.parametrize("rows", TOGETHER, ids=lambda rows: f"{len(rows)} like {rows[0][0]}")
def test_mistakes_of_one_command_are_answered_with_a_line_each(home: Path, rows: list[Row]) -> None:
    words = [word for typed, _ in rows for word in shlex.split(typed)[1:]]
    done = run_sspo(["train", *words], home)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", len(rows)), done.stderr
    for _, answer in rows:
        assert any(line.startswith("sspo: ") and answer in line for line in lines), f"{answer}\n{done.stderr}"


@pytest.mark.parametrize(("typed", "answer"), ALONE, ids=[typed[:60] for typed, _ in ALONE])
def test_a_mistake_is_answered_with_its_fix(home: Path, typed: str, answer: str) -> None:
    before = sorted(home.iterdir())
    done = run_sspo(shlex.split(typed), home)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
    assert done.stderr.startswith("sspo: ") and answer in done.stderr
    assert sorted(home.iterdir()) == before


@pytest.mark.long
@pytest.mark.parametrize(("typed", "answer"), TABLE, ids=[typed[:60] for typed, _ in TABLE])
def test_each_alone(home: Path, typed: str, answer: str) -> None:
    test_a_mistake_is_answered_with_its_fix(home, typed, answer)


def report() -> None:
    """The table with the processor time of each answer, each in a new process."""
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "made"
        made.mkdir()
        run_fresh(["train", "preset=smoke", "--name", "first"], made).check_returncode()
        home = furnish(Path(place), made)
        print("| typed | answer | s of wall | s of processor |\n|---|---|---|---|")
        for typed, _ in TABLE:
            used, begun = os.times(), time.monotonic()
            answer = run_fresh(shlex.split(typed), home).stderr.strip().removeprefix("sspo: ").replace("|", "\\|")
            took, now = time.monotonic() - begun, os.times()
            cpu = now.children_user + now.children_system - used.children_user - used.children_system
            print(f"| `sspo {typed}` | {answer} | {took:.2f} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    report()
