"""What a user may type, and the one clear line for what they may not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Sspo, Write, environment

pytestmark = pytest.mark.slow


COMMANDS = [
    "train", "compare", "sweep", "eval", "show", "new", "doctor", "selftest", "inspect", "report", "runs", "runs push",
    "diff", "samples", "export", "recipe",
]  # fmt: skip


def test_help_lists_exactly_the_commands_there_are(sspo: Sspo) -> None:
    shown = sspo("--help")
    commands = shown.stdout.split("Commands:\n")[1].split("\n\n")[0]
    assert shown.returncode == 0
    lines = commands.split("\n")
    assert [line.strip().split("  ")[0] for line in lines if line.startswith("  ") and line[2] != " "] == COMMANDS
    assert "..." not in commands


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_examples_of_it(sspo: Sspo, command: str) -> None:
    text = sspo(*command.split(), "--help").stdout
    assert not re.search(r"<(list|str|int|path)|[a-z]\.\.\.", text)
    examples = text.split("Examples:\n")[1].strip().split("\n")
    assert examples and all(line.strip().startswith(f"sspo {command}") for line in examples)


def test_help_imports_no_torch_and_no_hydra(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sspo_cli", "--help"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "sspo_cli.cli" in imported
    assert not imported & {"torch", "hydra", "omegaconf", "transformers", "pydantic", "numpy", "rich"}


def test_without_a_command_the_help_is_shown(sspo: Sspo) -> None:
    assert sspo().stdout == sspo("--help").stdout


def test_eval_says_how_a_checkpoint_is_named(sspo: Sspo) -> None:
    for words, name in (("--step 30", "step_000030"), ("--checkpoint=best", "step_N")):
        refused = sspo("eval", "outputs/train/a", *words.split())
        assert refused.returncode == 2 and f"`sspo eval RUN/checkpoints/{name}`" in refused.stderr, refused.stderr


def test_version(sspo: Sspo) -> None:
    from sspo_cli import __version__

    assert sspo("--version").stdout == f"sspo {__version__}\n"


USAGE = [
    (["trian", "objective=sspo"], ["trian", "did you mean 'train'", "sspo --help"]),
    (["recipe", "lisst"], ["lisst", "did you mean 'list'", "sspo recipe --help"]),
    (["train", "--sede", "1"], ["--sede", "--seed", "sspo train --help"]),
    (["train", "--seed", "one"], ["seed=one", "integer"]),
    (["train", "--name"], ["--name", "requires an argument"]),
    (["train", "-m", "objective=sspo,grpo"], ["--multirun", "one configuration"]),
    (["eval"], ["RUN_OR_MODEL", "sspo eval --help"]),
    (["recipe", "run"], ["NAME", "sspo recipe run --help"]),
    (["show", "objective", "sspo", "now"], ["objective=now", "unknown choice"]),
    (["train", "--config", "none.yaml"], ["none.yaml", "no such file"]),
    (["train", "--resume", "outputs/train/none"], ["outputs/train/none", "no checkpoint"]),
]

# The mistake, and what the one line must name: the key or group, the value, what is allowed.
CONFIGURATION = [
    (["objective=ssp"], ["objective=ssp", "did you mean 'sspo'", "gmpo, gpg, grpo, gspo, gspo_token"]),
    (["objective/gate=zebra"], ["objective/gate=zebra", "log_arctan", "sspo show objective/gate"]),
    (["optim.lrr=1"], ["optim.lrr", "did you mean 'optim.lr'"]),
    (["+optim.lrr=1"], ["optim.lrr", "did you mean 'optim.lr'"]),
    (["++optim.lrr=1"], ["optim.lrr", "did you mean 'optim.lr'"]),
    (["objective.gate.tau_pos=2", "objective=grpo"], ["objective.gate.tau_pos", "sspo show objective"]),
    (["optim.lr=fast"], ["optim.lr=fast", "number"]),
    (["train.steps=2.5"], ["train.steps=2.5", "integer"]),
    (["seed=-1"], ["seed=-1", "greater than or equal to 0"]),
    (["optim.lr=0"], ["optim.lr=0", "greater than 0"]),
    (["optim.lr=-1e-4"], ["optim.lr=-0.0001", "greater than 0"]),
    (["optim.lr=nan"], ["optim.lr=nan", "finite"]),
    (["objective.gate.tau_pos=0"], ["objective.gate.tau_pos=0", "greater than 0"]),
    (["objective.gate.tau_neg=-1"], ["objective.gate.tau_neg=-1", "greater than 0"]),
    (["objective.pool=harmonic"], ["objective.pool=harmonic", "arithmetic", "geometric"]),
    (["batch.samples_per_prompt=1"], ["batch.samples_per_prompt=1", "at least 2", "group_zscore"]),
    (["batch.minibatches=3"], ["batch.minibatches=3", "divide", "256"]),
    (["model=local"], ["model.path", "missing"]),
    (["~optim.lr"], ["optim.lr", "cannot be removed"]),
    (["~objective"], ["objective", "cannot be removed"]),
    (["hydra.job.name=a"], ["hydra.job.name=a", "no effect"]),
    (["hydra/launcher=joblib"], ["hydra/launcher=joblib", "no effect"]),
    (["seed=0,1"], ["seed=0,1", "one value"]),
    (["objective=grpo,sspo"], ["objective=grpo,sspo", "one value"]),
    (["objective"], ["objective", "key=value"]),
]


@pytest.mark.parametrize(
    ("words", "named"),
    USAGE + [(["train", *words], named) for words, named in CONFIGURATION],
    ids=lambda value: " ".join(value),
)
def test_a_mistake_is_one_clear_line_exit_2_and_nothing_written(
    sspo: Sspo, tmp_path: Path, words: list[str], named: list[str]
) -> None:
    done = sspo(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("sspo: ")
    for part in named:
        assert part.lower() in done.stderr.lower()
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_a_run_refuses(sspo: Sspo) -> None:
    assert sspo("train", "--dry-run", "optim.lr=0").stderr == sspo("train", "optim.lr=0").stderr != ""


def test_every_problem_is_told_at_once(sspo: Sspo) -> None:
    done = sspo("train", "objective=ssp", "optim.lrr=1", "train.steps=0", "batch.minibatches=3", "~seed", "seed=0,1")
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == 6
    for key in ("objective=ssp", "optim.lrr", "train.steps=0", "batch.minibatches=3", "~seed", "seed=0,1"):
        assert any(key in line for line in lines), key


def test_options_are_another_way_to_write_an_override(sspo: Sspo, tmp_path: Path) -> None:
    (tmp_path / "outputs/train/taken").mkdir(parents=True)
    done = sspo("train", "--name", "taken", "--seed", "-5")
    assert "seed=-5" in done.stderr
    assert "name=taken: outputs/train/taken exists" in sspo("train", "--name", "taken").stderr


def test_a_users_choice_is_offered_where_an_unknown_one_is_refused(sspo: Sspo, write: Write) -> None:
    write("conf/objective/mine.yaml", "# Mine.\ndefaults: [sspo]\n")
    done = sspo("train", "objective=min")
    assert done.returncode == 2
    assert "did you mean 'mine'" in done.stderr
    assert "gspo_token, mine, ppo_clip" in done.stderr


def test_a_users_file_with_the_name_of_a_builtin_choice_is_refused(sspo: Sspo, write: Write) -> None:
    write("conf/objective/sspo.yaml", "# My own.\ndefaults: [grpo]\n")
    done = sspo("train", "objective=sspo")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "sspo: conf/objective/sspo.yaml: a built-in choice has this name, so the file would be ignored; rename it"
    ]


def test_a_dry_run_tells_configuration_size_and_batch_and_writes_nothing(sspo: Sspo, tmp_path: Path) -> None:
    shown = sspo("train", "--dry-run", "objective=sspo", "objective/gate=sigmoid")
    assert shown.returncode == 0 and list(tmp_path.iterdir()) == []
    assert "gate = sigmoid" in shown.stdout and "tau_pos: 1.0" in shown.stdout
    first = shown.stdout.splitlines()[:4]
    assert first[0].startswith("train objective sspo on dataset addition, model tiny (935,296 parameters): 40 steps")
    assert first[1].startswith("one step = 32 prompts x 8 samples = 256 responses, used for 4 updates of 64; at most ")
    assert (
        first[2].startswith("memory: ") and " for checkpoints, " in first[2] and first[3].startswith("reward: exact: ")
    )
    assert [line.partition("* ")[2] for line in shown.stdout.splitlines() if "default" in line] == [
        "is not the default",
        "default log_arctan",
    ]
    assert "same up to normalisation" not in shown.stdout
    assert "\nmemory in GiB: weights " in shown.stdout and "\ncheckpoints: " in shown.stdout
