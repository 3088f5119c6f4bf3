"""Any runs as one grid: which keys tell them apart, what counts once, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.study.combine import axes_of, collect, combined, shared_config, without_repeats
from tests.study.folders import make_grid, write_cell

HALF = [0.1, 0.5]


def run(folder: Path, *words: str, seed: int = 0) -> Path:
    write_cell(folder, words, HALF, seed, clock=1.0)
    return folder


def content(tmp_path: Path, *folders: Path, **wishes: Any) -> dict[str, Any]:
    runs = without_repeats(collect(folders))
    return combined(runs, tmp_path / "report", **{"metric": None, "direction": None, "baseline": None, **wishes})


def test_runs_that_differ_in_objective_alone_are_a_compare(tmp_path: Path) -> None:
    folders = [
        run(
            tmp_path / f"{name}{seed}",
            f"objective={name}",
            "engine.threads=1" if seed else "engine.threads=2",
            seed=seed,
        )
        for name in ("sspo", "grpo")
        for seed in (0, 1)
    ]
    found = content(tmp_path, *folders)
    assert (found["kind"], found["baseline"], found["metric"]) == ("compare", "grpo", "eval/accuracy")
    assert found["axes"] == {"objective": ["sspo", "grpo"], "seed": [0, 1]}
    assert found["cells"][1] | {"overrides": []} == {
        "folder": "../sspo1", "point": {"objective": "sspo"}, "seed": 1, "id": "", "overrides": [],
    }  # fmt: skip
    assert content(tmp_path, *folders, baseline="sspo")["baseline"] == "sspo"
    with pytest.raises(
        ConfigError, match=r"--baseline gmpo: none of these runs has that objective \(allowed: sspo, grpo"
    ):
        content(tmp_path, *folders, baseline="gmpo")


@pytest.mark.parametrize(
    ("first", "second", "axes"),
    [
        (["objective=sspo"], ["objective=sspo", "objective.gate.tau_pos=3"], ["objective", "objective.gate.tau_pos"]),
        (["objective=sspo"], ["objective=sspo", "objective/gate=erf"], ["objective", "objective/gate"]),
        (["objective=grpo"], ["objective=sspo", "optim.lr=1e-4"], ["objective", "optim.lr"]),
        (["dataset=addition"], ["dataset=addition_hard"], ["objective", "dataset"]),
        (["objective=sspo"], ["objective=grpo"], ["objective"]),
        (["objective=sspo"], ["objective=grpo", "rollout.max_response_length=90"],
         ["objective", "rollout.max_response_length"]),
    ],
)  # fmt: skip
def test_the_keys_that_differ_are_the_axes_and_what_a_choice_brings_is_none(
    tmp_path: Path, first: list[str], second: list[str], axes: list[str]
) -> None:
    runs = collect([run(tmp_path / "a", *first), run(tmp_path / "b", *second)])
    assert axes_of(runs) == axes


def test_a_setting_that_differs_within_an_objective_is_an_axis_beside_it(tmp_path: Path) -> None:
    words = (["objective=grpo"], ["objective=sspo"], ["objective=sspo", "objective.gate.tau_pos=3"])
    runs = collect([run(tmp_path / str(place), *found) for place, found in enumerate(words)])
    assert axes_of(runs) == ["objective", "objective.gate.tau_pos"]


def test_grids_and_runs_mix_and_a_repeat_counts_once(tmp_path: Path) -> None:
    grid = make_grid(tmp_path / "grid", {"objective": ["grpo", "sspo"], "seed": [0, 1]}, lambda point, seed: HALF)
    again = run(tmp_path / "again", "objective=grpo", seed=1)
    new = run(tmp_path / "new", "objective=gmpo", seed=0)
    (grid / "cells/grpo/seed_1/STATUS").write_text("failed: no\n")
    found = content(tmp_path, grid, again, new, grid / "cells/sspo/seed_0")
    places = [cell["folder"] for cell in found["cells"]]
    assert places == [
        "../grid/cells/grpo/seed_0", "../again", "../grid/cells/sspo/seed_0", "../grid/cells/sspo/seed_1", "../new",
    ]  # fmt: skip
    assert found["axes"] == {"objective": ["grpo", "sspo", "gmpo"], "seed": [0, 1]}


def test_a_cell_that_left_nothing_keeps_its_place(tmp_path: Path) -> None:
    axes = {"objective.gate.tau_pos": [2, 3], "seed": [0]}
    grid = make_grid(tmp_path / "grid", axes, lambda point, seed: HALF, kind="sweep")
    shutil.rmtree(grid / "cells/3")
    found = content(tmp_path, grid)
    assert [cell["point"]["objective.gate.tau_pos"] for cell in found["cells"]] == [2, 3]


def test_what_all_share_is_written_down(tmp_path: Path) -> None:
    runs = collect([run(tmp_path / "a", "optim.lr=1e-4"), run(tmp_path / "b", "optim.lr=1e-5")])
    lines = shared_config(runs).splitlines()
    assert "batch.prompts: 8" in lines and not any(line.startswith("optim.lr:") for line in lines)


def test_every_folder_that_is_no_run_is_told_at_once(tmp_path: Path) -> None:
    broken = run(tmp_path / "broken")
    (broken / "config.yaml").write_text("seed: [\n")
    with pytest.raises(ConfigError) as error:
        collect([tmp_path / "missing", tmp_path, broken])
    first, second, third = error.value.problems
    assert "missing: no such folder" in first
    assert "is no run and no grid; runs are folders such as outputs/train/NAME" in second
    assert "broken/config.yaml: while parsing" in third
