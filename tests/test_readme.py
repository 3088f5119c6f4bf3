"""What the README shows is true."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import TrainConfig

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TRAIN = [line.partition("#")[0].strip() for line in re.findall(r"^(sspo train .*)$", README, flags=re.MULTILINE)]


def test_the_python_example_runs_and_prints_a_number() -> None:
    block = next(
        code for code in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "load_objective" in code
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "README.md", "exec"), {})
    number = re.search(r"[\d.]+", printed.getvalue())
    assert number is not None and 0 < float(number[0]) < 2


@pytest.mark.parametrize("line", [line for line in TRAIN if "--resume" not in line])
def test_every_train_command_composes(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "objective").mkdir(parents=True)
    example = re.search(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert example is not None
    (tmp_path / "conf" / "objective" / "mine.yaml").write_text(example[1])
    monkeypatch.chdir(tmp_path)
    load_config(TrainConfig, [word for word in shlex.split(line)[2:] if not word.startswith("-")])


@pytest.mark.slow
def test_the_objective_table_lists_every_objective_as_it_is_configured() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, flags=re.MULTILINE))
    assert list(rows) and set(rows) == set(groups()["objective"])
    for name, row in rows.items():
        words = ["batch.samples_per_prompt=1"] if name == "sft" else []
        objective = load_config(TrainConfig, [f"objective={name}", *words]).objective
        ratio, gate, pool, normalize, advantage, _ = (cell.strip() for cell in row.split("|"))
        assert (ratio, normalize, advantage) == (objective.ratio, objective.normalize, objective.advantage)
        assert gate.startswith(f"`{objective.gate.name}`") and pool in (objective.pool, "(one ratio)")
        numbers = [float(value) for value in re.findall(r"[\d.]+(?:e-\d)?", gate.split(";")[0])]
        config = vars(objective.gate)
        assert set(numbers) <= {value for value in config.values() if isinstance(value, float)}


def test_every_gate_is_named() -> None:
    assert set(groups()["objective/gate"]) <= set(re.findall(r"`(\w+)`", README))
