"""`sspo selftest` tells in one table whether an objective is sound, a user's own included."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sspo_cli.config.locate import groups
from sspo_cli.laws.laws import LAWS
from tests.cli.conftest import Sspo, Write, environment
from tests.laws.mutants import MUTANTS, mutated, run

pytestmark = pytest.mark.slow


SOUND = """# One-sided erf gates, a geometric pool, every token counting the same.
defaults: [sspo, {override gate: erf}, _self_]
normalize: token
gate: {one_sided: true}
"""
CAPPED = "# Halves every weight.\ndefaults: [cispo, _self_]\ngate: {cap: 0.5}\n"
MISSPELT = "# A key that is none.\ndefaults: [sspo, _self_]\nnormalise: token\n"
NOT_YAML = "defaults: [sspo\n"
MINE = {"sound": SOUND, "capped": CAPPED, "misspelt": MISSPELT, "not_yaml": NOT_YAML}


def table(stdout: str) -> dict[str, list[str]]:
    """The cells of each row, by the objective's name without the mark of a user's own."""
    body = stdout.partition("─\n")[2].partition("\nyaml ")[0]
    rows = [line.replace("(yours)", "").split() for line in body.split("\n") if line.strip()]
    return {name: cells for name, *cells in rows}


def test_every_shipped_objective_keeps_every_law(sspo: Sspo) -> None:
    done = sspo("selftest")
    assert done.returncode == 0
    assert all(line.startswith("laws of ") for line in done.stderr.splitlines()), "progress, where the machine is busy"
    rows = table(done.stdout)
    assert list(rows) == groups()["objective"]
    assert all(len(cells) == len(LAWS) + 1 and set(cells) <= {"✓", "–"} for cells in rows.values())
    assert set(rows["sspo"]) == {"✓"} and rows["cispo"].count("–") == 1
    for name, law in LAWS.items():
        assert f"\n{name:9}  {law.about}" in done.stdout
    assert f"\nall {len(rows)} objectives keep every law that applies, " in done.stdout


def test_json_tells_every_verdict(sspo: Sspo) -> None:
    done = sspo("selftest", "sspo", "cispo", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["laws"] == {name: law.about for name, law in LAWS.items()}
    assert list(found["objectives"]) == ["sspo", "cispo"] and found["broken"] == []
    assert found["objectives"]["sspo"]["laws"]["slope"] == {"outcome": "holds", "reason": ""}
    assert found["objectives"]["cispo"]["laws"]["slope"] == {"outcome": "does not apply", "reason": ""}
    assert found["objectives"]["sspo"]["yours"] is False and found["objectives"]["sspo"]["problems"] == []


def test_a_users_own_objectives_are_asked_and_one_mistake_does_not_hide_the_others(sspo: Sspo, write: Write) -> None:
    for name, text in MINE.items():
        write(f"conf/objective/{name}.yaml", text)
    done = sspo("selftest", *MINE, "grpo")
    rows = table(done.stdout)
    assert done.returncode == 1 and done.stderr == ""
    assert rows["sound"] == rows["grpo"] == ["✓"] * (len(LAWS) + 1)
    assert dict(zip(["yaml", *LAWS], rows["capped"], strict=True)) == {
        **dict.fromkeys(["yaml", *LAWS], "✓"),
        "on-policy": "✗",
        "slope": "–",
    }
    assert rows["misspelt"] == rows["not_yaml"] == ["✗"]
    failures = done.stdout.split("\n\n")[-1].strip().split("\n")
    assert failures[0].startswith("capped: on-policy: gradient at r = 1, seed 0, response ")
    found, expected = failures[0].split(": ")[-1].split(" (")[0].split(", should be ")
    assert float(found) / float(expected) == pytest.approx(0.5, rel=1e-4)
    assert failures[1].startswith("misspelt: unknown key 'objective.normalise', did you mean 'objective.normalize'? ")
    assert failures[2].startswith("not_yaml: ") and "not_yaml.yaml" in failures[2]
    assert failures[3:] == ["3 of 5 objectives fail: capped, misspelt, not_yaml"]


def test_all_objectives_are_those_of_the_user_too(sspo: Sspo, write: Write) -> None:
    write("conf/objective/sound.yaml", SOUND)
    found = json.loads(sspo("selftest", "--json").stdout)["objectives"]
    assert list(found) == sorted([*groups()["objective"], "sound"])
    assert [name for name, row in found.items() if row["yours"]] == ["sound"]


def test_overrides_apply_to_every_objective_named(sspo: Sspo) -> None:
    done = sspo("selftest", "sspo", "cispo", "objective/gate=cap", "objective.gate.cap=0.25", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["broken"] == ["sspo", "cispo"]
    reasons = {name: row["laws"]["on-policy"]["reason"] for name, row in found["objectives"].items()}
    assert all(reason.startswith("gradient at r = 1, seed 0, ") for reason in reasons.values())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["sspp"], ["unknown objective 'sspp'", "did you mean 'sspo'", "gspo_token", "sspo show objective"]),
        (["objective=grpo,sspo"], ["objective=grpo,sspo", "sspo selftest grpo sspo"]),
        (["objective.gate.tauu=1", "sspo", "sapo"], ["objective.gate.tauu", "did you mean"]),
        (["optim.lrr=1"], ["optim.lrr", "did you mean 'optim.lr'"]),
        (["objective/gate=zebra"], ["objective/gate=zebra", "log_arctan"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_mistake_is_one_clear_line_and_exit_2(sspo: Sspo, words: list[str], named: list[str]) -> None:
    done = sspo("selftest", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("sspo: ")
    for part in named:
        assert part in done.stderr


def test_a_users_file_with_the_name_of_a_builtin_one_is_told_once(sspo: Sspo, write: Write) -> None:
    write("conf/objective/sspo.yaml", SOUND)
    done = sspo("selftest")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "sspo: conf/objective/sspo.yaml: a built-in choice has this name, so the file would be ignored; rename it"
    ]


def test_marks_are_ascii_where_stdout_cannot_encode_others(sspo: Sspo, write: Write) -> None:
    write("conf/objective/capped.yaml", CAPPED)
    done = sspo("selftest", "grpo", "capped", PYTHONIOENCODING="ascii")
    assert done.returncode == 1 and done.stdout.isascii()
    cells = [[cell.strip() for cell in line.split("|")] for line in done.stdout.split("\n") if "|" in line]
    rows = {name.split()[0]: set(marks) for name, *marks in cells}
    assert rows["grpo"] == {"ok"} and rows["capped"] == {"ok", "NO", "-"}


def test_broken_code_is_crossed_out(tmp_path: Path) -> None:
    flipped = next(mutant for mutant in MUTANTS if mutant.label == "sign flipped")
    with mutated(flipped) as copy:
        done = run(copy, tmp_path, "sspo_cli", "selftest", "grpo", "sspo")
    assert done.returncode == 1
    rows = table(done.stdout)
    assert list(rows) == ["grpo", "sspo"]
    for cells in rows.values():
        crossed = {law for law, cell in zip(["yaml", *LAWS], cells, strict=True) if cell == "✗"}
        assert crossed == {"on-policy", "oracle", "metrics"}
    assert "\n2 of 2 objectives fail: grpo, sspo\n" in done.stdout


def test_a_terminal_shows_how_far_it_is(tmp_path: Path) -> None:
    """Progress goes to stderr alone, where that is a terminal."""
    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "sspo_cli", "selftest", "grpo", "sspo"],
        cwd=tmp_path,
        env={**environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
    )
    os.close(follower)
    shown = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert "laws of 2 objectives" in shown and "laws of" not in done.stdout
