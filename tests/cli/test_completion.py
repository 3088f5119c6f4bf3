"""Shell completion, through the protocol of each shell and in real shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Sspo, Write, environment

pytestmark = pytest.mark.slow


Complete = Callable[..., list[str]]
GATES_SOME = ["objective/gate=arctan", "objective/gate=clip", "objective/gate=erf"]


@pytest.fixture
def bash(sspo: Sspo) -> Complete:
    """Candidates for the words as bash splits them, the last being the one at the cursor."""

    def complete(*words: str) -> list[str]:
        line = "\n".join(["sspo", *words])
        done = sspo(COMP_WORDS=line, COMP_CWORD=str(len(words)), _SSPO_COMPLETE="complete_bash")
        return done.stdout.split()

    return complete


def test_bash_completes_commands_and_options(bash: Complete) -> None:
    assert bash("") == [
        "train", "compare", "sweep", "eval", "show", "new", "doctor", "selftest", "inspect", "report", "runs", "diff",
        "samples", "export", "recipe",
    ]  # fmt: skip
    assert bash("recipe", "") == ["list", "show", "run", "copy", "validate"]
    assert bash("train", "--dry") == ["--dry-run"]
    assert "--multirun" not in bash("train", "--")


def test_bash_completes_the_choices_of_a_group_after_the_equals_sign_it_splits_at(bash: Complete) -> None:
    assert bash("train", "objective", "=", "gr") == ["grpo"]
    assert bash("train", "objective", "=", "g") == ["gmpo", "gpg", "grpo", "gspo", "gspo_token"]
    assert bash("train", "seed", "=", "1", "objective/gate", "=", "log_a") == ["log_arctan"]
    assert bash("eval", "outputs/train/a", "dataset", "=", "addition_") == ["addition_hard"]
    assert bash("recipe", "run", "any", "model", "=", "ti") == ["tiny"]


def test_bash_completes_the_allowed_words_of_a_key(bash: Complete) -> None:
    assert bash("train", "objective.pool", "=") == ["arithmetic", "geometric"]
    assert bash("train", "objective.gate.one_sided", "=", "t") == ["true"]


def test_keys_are_completed_one_level_at_a_time(bash: Complete) -> None:
    assert bash("train", "batch.") == [
        "batch.epochs=",
        "batch.minibatches=",
        "batch.prompts=",
        "batch.samples_per_prompt=",
    ]
    assert bash("train", "objective.gate.tau_") == ["objective.gate.tau_neg=", "objective.gate.tau_pos="]
    assert bash("train", "obj") == ["objective.", "objective/gate=", "objective="]


def test_a_single_candidate_is_followed_to_where_there_is_a_choice_because_bash_ends_it_with_a_space(
    bash: Complete,
) -> None:
    assert bash("train", "opti") == bash("train", "optim.")
    assert set(GATES_SOME) < set(bash("train", "objective/"))


def test_keys_that_tell_the_kind_of_a_choice_are_not_offered(bash: Complete) -> None:
    offered = bash("train", "model.")
    assert "model.path=" in offered and "model.kind=" not in offered
    assert "objective.gate.name=" not in bash("train", "objective.gate.")


def test_eval_offers_only_what_eval_reads(bash: Complete) -> None:
    offered = bash("eval", "outputs/train/a", "")
    assert "dataset=" in offered
    assert not [word for word in offered if word.startswith(("objective", "batch", "preset"))]


def test_a_grid_offers_what_its_cells_take_and_what_is_its_own(bash: Complete) -> None:
    assert bash("compare", "compare.") == [
        "compare.baseline=",
        "compare.difference=",
        "compare.direction=",
        "compare.metric=",
    ]
    assert bash("sweep", "sweep.direction", "=") == ["max", "min"]
    assert bash("compare", "objective", "=", "gr") == ["grpo"]
    assert bash("compare", "objective", "=", "grpo,g") == ["grpo,gmpo", "grpo,gpg", "grpo,gspo", "grpo,gspo_token"]
    assert bash("train", "objective", "=", "grpo,g") == []
    assert bash("sweep", "hydra/launcher", "=", "j") == ["joblib"]
    assert not [word for word in bash("sweep", "") if word.startswith("compare")]


def test_show_completes_groups_and_names(bash: Complete) -> None:
    assert bash("show", "objective/") == ["objective/gate"]
    assert bash("show", "objective/gate", "log_e") == ["log_erf"]
    assert bash("show", "objective", "grpo", "ss") == ["sspo"]
    assert bash("show", "objective", "grpo", "objective.gate.tau_") == [
        "objective.gate.tau_neg=",
        "objective.gate.tau_pos=",
    ]
    assert bash("show", "objective", "grpo", "objective/gate", "=", "log_e") == ["log_erf"]


def test_selftest_completes_objectives_and_their_settings(bash: Complete) -> None:
    assert bash("selftest", "gspo") == ["gspo", "gspo_token"]
    assert bash("selftest", "grpo", "ss") == ["sspo"]
    assert bash("selftest", "objective.gate.tau_") == ["objective.gate.tau_neg=", "objective.gate.tau_pos="]
    assert bash("selftest", "sspo", "objective/gate", "=", "log_a") == ["log_arctan"]
    assert not [word for word in bash("selftest", "") if word.startswith(("optim", "model", "objective="))]


def test_a_users_choices_and_recipes_are_completed(bash: Complete, write: Write) -> None:
    write("conf/objective/mine.yaml", "# Mine.\n")
    write("recipes/my_recipe.yaml", "about: mine\n")
    assert bash("train", "objective", "=", "mi") == ["mine"]
    assert bash("recipe", "run", "my_") == ["my_recipe"]


def test_zsh_and_fish_get_the_whole_word(sspo: Sspo) -> None:
    line = "sspo train objective=gr"
    zsh = sspo(_TYPER_COMPLETE_ARGS=line, _SSPO_COMPLETE="complete_zsh").stdout
    fish = sspo(
        _TYPER_COMPLETE_ARGS=line, _TYPER_COMPLETE_FISH_ACTION="get-args", _SSPO_COMPLETE="complete_fish"
    ).stdout
    assert '"objective=grpo"' in zsh
    assert fish.split() == ["objective=grpo"]


def test_completion_imports_neither_torch_nor_hydra(tmp_path: Path) -> None:
    """An import of either makes every TAB wait; `-X importtime` names each module on stderr."""
    env = {
        **environment(),
        "COMP_WORDS": "sspo\ntrain\nobjective.",
        "COMP_CWORD": "2",
        "_SSPO_COMPLETE": "complete_bash",
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sspo_cli"], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "sspo_cli.config.complete" in imported and done.stdout
    assert not imported & {"torch", "hydra", "omegaconf", "transformers", "rich"}


@pytest.fixture
def fake_home(tmp_path: Path) -> Path:
    """A folder with a `sspo` that completes as the real one does and otherwise prints the words it was given."""
    command = tmp_path / "bin" / "sspo"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\n[ -n "$_SSPO_COMPLETE" ] && exec {sys.executable} -m sspo_cli\necho "RAN[$*]"\n')
    command.chmod(0o755)
    return tmp_path


SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SOURCE = {
    "bash": 'eval "$(_SSPO_COMPLETE=source_bash sspo)"',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(_SSPO_COMPLETE=source_zsh sspo)"',
}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("sspo train objective=gr\t", "train objective=grpo"),
        ("sspo train objective/gate=log_a\t", "train objective/gate=log_arctan"),
        ("sspo train seed=1 objective.pool=g\t--dry-r\t", "train seed=1 objective.pool=geometric --dry-run"),
        ("sspo tra\toptim.sch\t4", "train optim.schedule=4"),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_in_a_real_shell(shell: str, typed: str, words: str, fake_home: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    env = {**environment(), "PATH": f"{fake_home / 'bin'}:{os.environ['PATH']}", "HOME": str(fake_home), "TERM": "dumb"}
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(fake_home)
        os.execvpe(shell, SHELLS[shell], env)
    try:
        os.write(terminal, f"{SOURCE[shell]}; echo RE''ADY\n".encode())
        read_until(terminal, "READY")
        for part in typed.replace("\t", "\t\0").split("\0"):
            os.write(terminal, part.encode())
        os.write(terminal, b"\n")
        assert f"RAN[{words}]" in read_until(terminal, "RAN[", "]")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)


def read_until(terminal: int, *marks: str) -> str:
    """What the shell writes until each of `marks` has come, one after the other."""
    text, start = "", 0
    for mark in marks:
        deadline = time.monotonic() + 300
        while text.find(mark, start) < 0:
            assert time.monotonic() < deadline, f"no {mark!r} in {text!r}"
            if select.select([terminal], [], [], 1)[0]:
                text += os.read(terminal, 4096).decode(errors="replace")
        start = text.find(mark, start) + len(mark)
    return text
