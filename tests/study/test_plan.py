"""Words -> cells: Hydra's grammar of lists, who may differ in what, and every mistake told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import CompareConfig, SoftGateSection
from sspo_cli.study.axes import Kind
from sspo_cli.study.grid import read_cells
from sspo_cli.study.plan import Plan, read_plan

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*words: str, kind: Kind = "compare", allow: tuple[str, ...] = ()) -> Plan:
    return read_plan(kind, words, allow)


def places(plan: Plan) -> list[str]:
    return [cell.place for cell in plan.cells]


def problems(*words: str, kind: Kind = "compare", allow: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read_plan(kind, words, allow)
    return raised.value.problems


def axes(request: Plan) -> dict[str, tuple[object, ...]]:
    return {axis.key: axis.values for axis in request.axes}


def test_without_words_a_compare_is_the_grid_of_its_yaml() -> None:
    request = read()
    assert axes(request) == {"objective": ("grpo", "gspo", "gmpo", "sapo", "sspo"), "seed": (0, 1, 2)}
    assert len(request.cells) == 15 and request.baseline == "grpo"
    assert [cell.label for cell in request.cells[:4]] == ["grpo seed 0", "grpo seed 1", "grpo seed 2", "gspo seed 0"]
    assert places(request)[4] == "cells/gspo/seed_1"
    assert request.cells[4].overrides == ["objective=gspo", "seed=1"]


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("objective.gate.tau_pos=2,5,10", (2, 5, 10)),
        ("objective.gate.tau_pos=range(2,11,4)", (2, 6, 10)),
        ("objective.gate.tau_pos=choice(2.5,5)", (2.5, 5)),
        ("objective/gate=glob(log_e*)", ("log_erf",)),
        ("objective/gate=glob([log_*,erf],exclude=[log_clip,log_s*])", ("erf", "log_arctan", "log_erf", "log_tanh")),
        ("optim.lr=1e-5,3e-5", (1e-5, 3e-5)),
        ("objective.gate.one_sided=true,false", (True, False)),
    ],
)  # fmt: skip
def test_lists_are_written_in_hydras_grammar(word: str, values: tuple[object, ...]) -> None:
    request = read(word, "seed=0,1", kind="sweep")
    key = word.split("=")[0]
    assert axes(request)[key] == values
    assert [cell.seed for cell in request.cells] == [0, 1] * len(values)
    assert all(cell.point[key] == value for cell, value in zip(request.cells[::2], values, strict=True))


def test_values_reach_the_configuration_of_their_cell() -> None:
    request = read("objective.gate.tau_pos=2,5", "objective/gate=erf", "optim.lr=1e-3", "seed=4", kind="sweep")
    gates = [cell.config.objective.gate for cell in request.cells]
    assert [gate.tau_pos for gate in gates if isinstance(gate, SoftGateSection)] == [2, 5]
    assert {gate.name for gate in gates} == {"erf"}
    assert {(cell.config.optim.lr, cell.config.seed) for cell in request.cells} == {(1e-3, 4)}
    assert [cell.point for cell in request.cells] == [
        {"objective": "sspo", "objective.gate.tau_pos": 2}, {"objective": "sspo", "objective.gate.tau_pos": 5},
    ]  # fmt: skip


def test_of_two_words_for_a_key_the_later_counts() -> None:
    request = read("objective=grpo,sspo", "seed=0,1", "optim.lr=1", "seed=3", "optim.lr=2", "name=a", "name=b")
    assert axes(request)["seed"] == (3,)
    assert request.cells[0].config.optim.lr == 2 and request.config.name == "b"


def test_the_grids_own_settings_stay_out_of_its_cells() -> None:
    request = read("objective=grpo,sspo", "seed=0", "compare.baseline=sspo", "name=mine", "hydra/launcher=basic")
    assert isinstance(request.config, CompareConfig)
    assert request.baseline == "sspo" and request.config.compare.metric == "eval/accuracy"
    assert request.cells[0].overrides == ["objective=grpo", "seed=0"] and request.cells[0].config.name is None
    assert request.folder == Path("outputs/compare/mine")


def test_a_cell_is_known_by_its_settings_and_not_by_its_threads_or_launcher() -> None:
    def ids(*words: str) -> list[str]:
        return [cell.id for cell in read("seed=0,1", *words, kind="sweep").cells]

    plain = ids()
    assert len(set(plain)) == 2
    assert plain == ids("engine.threads=2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3")
    for word in ("optim.lr=2e-5", "engine.tokens_per_microbatch=999", "objective/gate=erf"):
        assert not set(plain) & set(ids(word))


@pytest.mark.parametrize(
    ("words", "stem", "cells"),
    [
        (["tau_pos"], "sspo-addition-tau_pos", ["tau_pos_2", "tau_pos_5"]),
        (["tau_pos", "objective=sspo,sapo"], "sspo-sapo-addition-tau_pos", ["sspo-tau_pos_2", "sspo-tau_pos_5"]),
        (["seed"], "sspo-addition", ["sspo", "sspo"]),
        (["train.eval_every=1,2", "eval.samples=1,2"], "sspo-addition-eval_every-samples", ["eval_every_1-samples_1"]),
        (["batch.prompts=8,16", "batch.epochs=1,2"], "sspo-addition-prompts-epochs", ["prompts_8-epochs_1"]),
        (["train.steps=9,8", "objective/gate=erf,arctan"], "sspo-addition-steps-gate", ["steps_9-gate_erf"]),
        (["eval.max_response_length=8,9", "rollout.max_response_length=8,9"],
         "sspo-addition-eval_max_response_length-rollout_max_response_length",
         ["eval_max_response_length_8-rollout_max_response_length_8"]),
    ],
)  # fmt: skip
def test_folders_are_named_after_what_varies(words: list[str], stem: str, cells: list[str]) -> None:
    full = {"tau_pos": "objective.gate.tau_pos=2,5", "seed": "seed=0,1"}
    request = read(*(full.get(word, word) for word in words), kind="sweep")
    assert request.folder == Path("outputs/sweep") / stem
    folders = [place.split("/")[1] for place in places(request)]
    assert folders[: len(cells)] == cells
    assert len(set(places(request))) == len(request.cells)


@pytest.mark.parametrize(
    ("words", "name", "place"),
    [
        (
            ["rollout.temperature=0.5,1.0", "eval.temperature=0.75,0.25"],
            "rollout.temperature=0.5, eval.temperature=0.75",
            "rollout_temperature_0.5-eval_temperature_0.75",
        ),
        (["objective=sspo,sapo", "optim.lr=1e-5,3e-5"], "sspo, lr=1e-05", "sspo-lr_1e-05"),
        (["objective/gate=erf,arctan"], "gate=erf", "gate_erf"),
        (["objective.gate.one_sided=true,false"], "one_sided=true", "one_sided_true"),
    ],
)
def test_a_point_has_one_name_on_screens_and_pages(words: list[str], name: str, place: str) -> None:
    request = read(*words, "seed=0", kind="sweep")
    content = {"cells": [{"folder": cell.place, **vars(cell)} for cell in request.cells]}
    assert [cell.name for cell in request.cells] == [cell.name for cell in read_cells(request.folder, content)]
    assert (request.cells[0].name, request.cells[0].label) == (name, f"{name} seed 0")
    assert request.cells[0].place == f"cells/{place}/seed_0"


def test_points_whose_names_would_be_one_get_folders_of_their_own(home: Path) -> None:
    for name in ("a b", "a_b"):
        (home / f"{name}.jsonl").write_text("")
    request = read("dataset=jsonl", "dataset.path='a b.jsonl','a_b.jsonl'", kind="sweep")
    folders = places(request)
    assert len(set(folders)) == 2 and all(place.startswith("cells/path_") for place in folders)


MISTAKES = [
    (["objective=grpo"], ["objective=grpo", "two objectives or more", "sspo train"]),
    (["seed=0,0"], ["seed=0,0", "0 more than once"]),
    (["seed=0,1,0x0"], ["seed"]),
    (["optim.lr=1e-5,1e-6"], ["optim.lr=1e-05,1e-06", "objective and seed only", "sspo sweep", "--allow optim.lr"]),
    (["engine.threads=1,2"], ["engine.threads=1,2", "--allow engine.threads"]),
    (["compare.metric=a,b"], ["compare.metric=a,b", "one value"]),
    (["name=a,b"], ["name=a,b", "one value"]),
    (["compare.baseline=dapo"], ["compare.baseline=dapo", "grpo, gspo, gmpo, sapo, sspo"]),
    (["compare.direction=up"], ["compare.direction=up", "max"]),
    (["compare.basline=grpo"], ["compare.basline", "did you mean 'compare.baseline'"]),
    (["sweep.metric=loss"], ["sweep.metric=loss", "a setting of sspo sweep"]),
    (["hydra/launcher=jobli"], ["hydra/launcher=jobli", "did you mean 'joblib'", "submitit_slurm"]),
    (["hydra/launcher=joblib", "hydra.launcher.jobs=2"], ["hydra.launcher.jobs"]),
    (["hydra.sweep.dir=x"], ["hydra.sweep.dir=x", "no effect"]),
    (["hydra.launcher.n_jobs=1,2", "hydra/launcher=joblib"], ["hydra.launcher.n_jobs=1,2", "no effect"]),
    (["seed=interval(0,1)"], ["seed=interval(0,1)", "endless"]),
    (["objective=glob(zebra*)"], ["objective=glob(zebra*)", "no value"]),
    (["objective=grpo,ssp"], ["objective=ssp", "did you mean 'sspo'"]),
    (["objective=grpo,sft"], ["objective=sft: batch.samples_per_prompt=8", "must be 1"]),
    (["seed=0,-1"], ["seed=-1", "greater than or equal to 0"]),
    (["~seed"], ["seed", "cannot be removed"]),
    (["seed"], ["'seed'", "key=value"]),
    (["name=a b"], ["name=a b", "letters"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "named"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_in_a_compare_is_one_clear_line(words: list[str], named: list[str]) -> None:
    found = problems(*words) if words != ["name=a b"] else naming_problems("name='a b'")
    assert len(found) == 1, found
    for part in named:
        assert part in found[0]


def naming_problems(word: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(word)
    return raised.value.problems


def test_every_problem_is_told_at_once() -> None:
    first = problems("objective=grpo", "seed=0,0", "optim.lr=1,2", "hydra.sweep.dir=x", "compare.metric=a,b")
    assert len(first) == 5
    second = problems("objective=grpo,ssp", "optim.lrr=1", "compare.basline=a", "seed=0,-1")
    assert len(second) == 4


def test_a_sweep_of_nothing_says_what_to_write() -> None:
    assert problems("objective=sspo", "seed=0", kind="sweep") == [
        "sspo sweep: nothing to sweep; give a key several values, such as objective.gate.tau_pos=2,5,10 seed=0,1"
    ]


def test_cells_that_would_be_the_same_run_are_refused() -> None:
    found = problems("engine.threads=1,2", kind="sweep")
    assert found == ["threads=2 seed 0 and threads=1 seed 0: the same run twice; every cell is run once"]


def test_a_key_that_is_allowed_becomes_an_axis_of_a_compare() -> None:
    request = read(
        "objective=grpo,sspo", "seed=0", "batch.epochs=1,2", "optim.lr=1e-5,1e-4", allow=("batch", "optim.lr")
    )
    assert axes(request) == {
        "objective": ("grpo", "sspo"),
        "batch.epochs": (1, 2),
        "optim.lr": (1e-5, 1e-4),
        "seed": (0,),
    }
    assert request.cells[1].point == {"objective": "grpo", "batch.epochs": 1, "optim.lr": 1e-4}
    assert problems(allow=("optim.lrr",)) == ["--allow optim.lrr: unknown key, did you mean 'optim.lr'?"]


def test_what_hangs_below_the_objective_may_differ() -> None:
    request = read("objective=sspo,sapo", "objective.gate.tau_pos=2,5", "objective/gate=erf,arctan", "seed=0")
    assert len(request.cells) == 8


def test_an_objective_that_changes_more_than_the_objective_is_refused(home: Path) -> None:
    """A user's file may fill any key: the resolved configurations are compared, not the words."""
    file = home / "conf" / "objective" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "# @package _global_\ndefaults: [/objective/sspo@objective]\noptim: {lr: 1.0e-3}\neval: {samples: 2}\n"
    )
    found = problems("objective=grpo,mine", "seed=0,1")
    assert len(found) == 2
    assert any(
        "optim.lr: 1e-05 in grpo seed 0, 0.001 in mine seed 0" in line and "--allow optim.lr" in line for line in found
    )
    assert any(line.startswith("eval.samples: 4 in grpo seed 0, 2 in mine seed 0") for line in found)
    assert len(read("objective=grpo,mine", "seed=0,1", allow=("optim.lr", "eval")).cells) == 4


def test_a_users_objectives_are_globbed_too(home: Path) -> None:
    file = home / "conf" / "objective" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# Mine.\ndefaults: [sspo]\n")
    assert axes(read("objective=glob([mine,grpo])", "seed=0"))["objective"] == ("grpo", "mine")
    assert "mine" in groups()["objective"]
