"""What is to be done about a cell, by what is left of it; and what is refused because it is not what was asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from sspo_cli.config.complete import known_keys
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.runs.folder import get_status, set_status
from sspo_cli.study.left import Finding
from sspo_cli.study.plan import Plan
from sspo_cli.study.run import find_left, follow, make_room
from sspo_cli.study.settings import WITHOUT_RESULT
from tests.study.cells import finished_grid, plan_of

pytestmark = pytest.mark.slow


WORDS = ("objective=grpo,sspo", "seed=0,1")


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A finished compare of four cells."""
    monkeypatch.chdir(tmp_path)
    return finished_grid(*WORDS)


def look(plan: Plan) -> list[Finding]:
    return find_left(plan, follow(plan))


def todo(*words: str, grid: Plan | None = None) -> list[str]:
    return [finding.todo for finding in look(grid or plan_of(*words))]


def refusal(*words: str, grid: Plan | None = None) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        look(grid or plan_of(*words))
    return raised.value.problems


def cell(grid: Plan) -> Path:
    """The second of the four."""
    return grid.cells[1].folder


def test_a_finished_grid_has_nothing_left_to_do(grid: Plan) -> None:
    assert todo(grid=grid) == ["nothing"] * 4


def test_a_missing_and_an_empty_cell_are_begun(grid: Plan) -> None:
    shutil.rmtree(cell(grid))
    shutil.rmtree(grid.cells[2].folder)
    grid.cells[2].folder.mkdir()
    assert todo(grid=grid) == ["nothing", "start", "start", "nothing"]


@pytest.mark.parametrize("name", ["manifest.json", "metrics.jsonl", "samples.jsonl", "eval.jsonl", "config.yaml"])
def test_a_half_deleted_cell_is_moved_aside_whole_and_redone(grid: Plan, name: str) -> None:
    (cell(grid) / name).unlink()
    left = {path.name for path in cell(grid).iterdir()}
    findings = look(grid)
    assert [finding.todo for finding in findings] == ["nothing", "redo", "nothing", "nothing"]
    lines = make_room(grid, follow(grid), findings)
    assert len(lines) == 1 and name in lines[0] and "aside/grpo-seed_1" in lines[0]
    assert not cell(grid).exists()
    assert {path.name for path in (grid.folder / "aside" / "grpo-seed_1").iterdir()} == left


def test_a_run_that_was_killed_while_it_wrote_its_report_is_not_done_over(grid: Plan) -> None:
    (cell(grid) / "summary.json").unlink()
    assert todo(grid=grid) == ["nothing", "resume", "nothing", "nothing"]
    shutil.rmtree(cell(grid) / "checkpoints")
    assert todo(grid=grid) == ["nothing", "redo", "nothing", "nothing"]


def test_what_is_moved_aside_twice_is_kept_twice(grid: Plan) -> None:
    for number in range(2):
        cell(grid).mkdir(exist_ok=True)
        (cell(grid) / "metrics.jsonl").write_text(f"{number}")
        (cell(grid) / "config.yaml").unlink(missing_ok=True)
        make_room(grid, follow(grid), look(grid))
    kept = [grid.folder / "aside" / name / "metrics.jsonl" for name in ("grpo-seed_1", "grpo-seed_1-2")]
    assert [file.read_text() for file in kept] == ["0", "1"]


@pytest.mark.parametrize("torn", ['{"step": 39}\n{"step": 4', '{"step": 0}\nnonsense\n{"step": 40}\n', ""])
def test_a_done_cell_whose_metrics_do_not_reach_its_end_is_redone(grid: Plan, torn: str) -> None:
    (cell(grid) / "metrics.jsonl").write_text(torn)
    assert todo(grid=grid) == ["nothing", "redo", "nothing", "nothing"]


def test_interrupted_and_killed_cells_go_on_and_failed_ones_begin_anew(grid: Plan) -> None:
    for place, status in zip(grid.cells, ["interrupted", "running", "failed: out of luck", "done"], strict=True):
        set_status(place.folder, status)
    findings = look(grid)
    assert [finding.todo for finding in findings] == ["resume", "resume", "redo", "nothing"]
    make_room(grid, follow(grid), findings)
    assert get_status(cell(grid)) == "interrupted", "nobody runs it, whatever its STATUS said"


def test_a_cell_that_was_refused_waits_to_go_on_and_never_begins_anew(grid: Plan) -> None:
    set_status(cell(grid), "failed: cannot go on: reward file near.py: SHA-256 0... when the run began, 1... now")
    findings = look(grid)
    assert [finding.todo for finding in findings] == ["nothing", "resume", "nothing", "nothing"]
    assert make_room(grid, follow(grid), findings) == [] and cell(grid).is_dir()


def test_what_earlier_versions_did_not_write_down_makes_no_cell_unfair(grid: Plan) -> None:
    hashes = json.loads((cell(grid) / "manifest.json").read_text())["hashes"]
    file = grid.cells[3].folder / "manifest.json"
    file.write_text(json.dumps({"hashes": {**hashes, "training_content": "c"}}))
    assert todo(grid=grid) == ["nothing"] * 4
    (cell(grid) / "manifest.json").write_text(json.dumps({"hashes": {**hashes, "training_content": "d"}}))
    assert refusal(grid=grid)[0].startswith("training_content: ")


def test_a_stopped_cell_without_what_going_on_takes_is_redone(grid: Plan) -> None:
    for place in grid.cells:
        set_status(place.folder, "interrupted")
    shutil.rmtree(grid.cells[0].folder / "checkpoints")
    (grid.cells[1].folder / "metrics.jsonl").write_text('{"step": 0}\n')
    (grid.cells[2].folder / "samples.jsonl").unlink()
    assert todo(grid=grid) == ["redo", "redo", "redo", "resume"]


def leaf_keys() -> list[str]:
    known = known_keys(TrainConfig)
    sections = {key.rpartition(".")[0] for key in known}
    return [key for key in known if key not in sections and key != "choices"] + [
        f"choices.{group}"
        for group in ("model", "dataset", "reward", "objective", "objective/gate", "tracker", "preset")
    ]


def with_leaf(content: dict[str, Any], key: str) -> dict[str, Any]:
    """A copy of a resolved configuration in which the leaf `key` has another value, or one that it did not have."""
    content = json.loads(json.dumps(content))
    *sections, name = key.split(".")
    place = content
    for section in sections:
        if not isinstance(place.get(section), dict):
            place[section] = {}
        place = place[section]
    value = place.get(name)
    place[name] = value + 1 if isinstance(value, int | float) and not isinstance(value, bool) else f"not {value}"
    return content


def test_changing_any_leaf_of_the_configuration_of_one_cell_is_refused_with_its_key(grid: Plan) -> None:
    file = cell(grid) / "config.yaml"
    content = yaml.safe_load(file.read_text())
    keys = leaf_keys()
    assert len(keys) > 70
    for key in keys:
        file.write_text(yaml.safe_dump(with_leaf(content, key)))
        if key in WITHOUT_RESULT:
            assert todo(grid=grid) == ["nothing"] * 4, "how many cores and processes a cell had makes it no other"
            continue
        if key == "prompt_time":
            assert todo(grid=grid) == ["nothing"] * 4, (
                "a cell begins with the time of its grid, which was not asked for"
            )
            continue
        found = refusal(grid=grid)
        assert len(found) == 1 and found[0].startswith(f"{key}: ") and "choose another --name" in found[0], key


def test_changed_settings_are_refused_under_the_same_name_and_get_a_folder_of_their_own_without(grid: Plan) -> None:
    name = f"name={grid.folder.name}"
    found = refusal(*WORDS, name, "train.steps=50", "optim.lr=3e-5")
    assert [line.split(" in ")[0] for line in found] == ["optim.lr: 1e-05", "train.steps: 40"]
    assert "3e-05 now" in found[0] and "50 now" in found[1]
    assert plan_of(*WORDS, "train.steps=50").folder.name == f"{grid.folder.name}-2"
    assert plan_of(*WORDS).folder == grid.folder


def test_a_grid_can_grow_but_not_shrink_under_its_name(grid: Plan) -> None:
    name = f"name={grid.folder.name}"
    assert todo("objective=grpo,sspo,gspo", "seed=0,1,2", name).count("nothing") == 4
    found = refusal("objective=grpo,sspo", "seed=0", name)
    assert len(found) == 1 and "cells/grpo/seed_1, cells/sspo/seed_1" in found[0] and "can grow" in found[0]


def test_a_grown_grid_finds_its_cells_where_they_are(grid: Plan) -> None:
    grown = plan_of(*WORDS, f"name={grid.folder.name}", "train.eval_every=5,1", allow=("train.eval_every",))
    places = {cell.folder.relative_to(grid.folder).as_posix() for cell in grown.cells}
    assert {"cells/grpo/seed_0", "cells/sspo/seed_1", "cells/grpo-eval_every_1/seed_0"} <= places and len(places) == 8


def test_a_failed_cell_may_come_back_with_other_settings(grid: Plan, tmp_path: Path) -> None:
    """A user's objective that failed is mended, which changes its configuration; its peers stay."""
    mine = tmp_path / "conf" / "objective" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("# Mine.\ndefaults: [sspo]\ngate: {tau_pos: 3}\n")
    words = ("objective=grpo,mine", "seed=0")
    broken = finished_grid(*words)
    set_status(broken.cells[1].folder, "failed: number")
    mine.write_text("# Mine.\ndefaults: [sspo]\ngate: {tau_pos: 4}\n")
    assert plan_of(*words).folder == broken.folder
    assert todo(*words) == ["nothing", "redo"]
    set_status(broken.cells[1].folder, "done")
    assert refusal(*words, f"name={broken.folder.name}")[0].startswith("objective.gate.tau_pos: 3.0 in ")


def test_cells_of_one_seed_that_stood_on_something_else_are_refused_by_hash(grid: Plan) -> None:
    file = grid.cells[3].folder / "manifest.json"
    content = json.loads(file.read_text())
    for name in content["hashes"]:
        changed = {"hashes": {**content["hashes"], name: "another"}}
        file.write_text(json.dumps(changed))
        found = refusal(grid=grid)
        assert len(found) == 1 and found[0].startswith(f"{name}: "), found
        assert "cells/grpo/seed_1" in found[0] and "cells/sspo/seed_1" in found[0]
    file.write_text(json.dumps({"hashes": {}}))
    assert len(refusal(grid=grid)) == len(content["hashes"])


def test_a_metric_that_no_cell_has_is_told_before_anything_runs(grid: Plan) -> None:
    found = refusal(*WORDS, "compare.metric=eval/acuracy")
    assert found == ["eval/acuracy: no run has this metric, did you mean 'eval/accuracy'?"]
    assert "compare.metric" not in todo(*WORDS, "compare.metric=loss", "compare.direction=min")


def test_a_folder_that_is_no_grid_is_left_alone(grid: Plan) -> None:
    other = grid.folder.with_name("mine")
    other.mkdir()
    (other / "diary.txt").write_text("dear diary")
    found = refusal(*WORDS, "name=mine")
    assert len(found) == 1 and "is no compare" in found[0]
