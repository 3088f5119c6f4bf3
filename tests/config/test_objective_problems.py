"""An objective that makes no sense is refused in one line that says why and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.build import build_objective
from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig

WIDTH = "objective.gate.calibrate={at: 1.2, multiplier: 0.5}"


def problems(*words: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        build_objective(load_config(TrainConfig, list(words)).objective)
    return raised.value.problems


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["objective.gate.tau_pos=0"], "objective.gate.tau_pos=0: must be greater than 0"),
        (["objective.gate.tau_neg=-2"], "objective.gate.tau_neg=-2: must be greater than 0"),
        (["objective=grpo", "objective.gate.eps_high=-0.1"], "objective.gate.eps_high=-0.1: must be greater than or"),
        (["objective=grpo", "objective.gate.eps_low=1"], "objective.gate.eps_low=1: must be less than 1"),
        (["objective=grpo", "objective.gate.dual_clip=1"], "objective.gate.dual_clip=1: must be greater than 1"),
        (["objective=cispo", "objective.gate.cap=0"], "objective.gate.cap=0: must be greater than 0"),
        (["objective.pool=harmonic"], "objective.pool=harmonic: must be 'arithmetic' or 'geometric'"),
        (["objective.ratio=tokens"], "objective.ratio=tokens: must be 'token', 'sequence'"),
        (["objective/gate=arctn"], "objective/gate=arctn: unknown choice, did you mean 'arctan'?"),
        (["batch.samples_per_prompt=1"], "must be at least 2 for objective.advantage=group_zscore"),
        (["objective=vespo", "objective.form=surrogate"], "objective.gate.name=gamma: has not the slope 1"),
        (["objective=gpg", "objective.form=surrogate"], "objective.gate.name=constant: has not the slope 1"),
        (["objective.correction.level=token"], "has one weight per response; use objective.correction.level=sequence"),
        (
            ["objective.correction.mask.level=token"],
            "has one weight per response; use objective.correction.mask.level=sequence",
        ),
        (
            ["objective.correction.level=sequence", "objective.correction.floor=0.9", "objective.correction.cap=0.5"],
            "objective.correction.floor=0.9: is above objective.correction.cap=0.5",
        ),
        (
            ["objective.correction.floor=0.5"],
            "has no effect with objective.correction.level=none; set that to token",
        ),
        (
            ["objective=ppo_clip", "objective.dynamic_sampling=2"],
            "drops prompts whose responses tie, which still teach",
        ),
        (["objective.kl.against=old", "objective.kl.place=reward"], "objective.kl.place=reward: the sampling policy"),
        (["objective.overlong.buffer=0"], "objective.overlong.buffer=0: must be greater than 0"),
        (["model=scratch", "lora.rank=4"], "lora.rank=4: adapters stand on weights that can be read again"),
        (["objective/gate=arctan_log_ratio", "objective.gate.tau_neg=1.57"], "must be above pi/2 = 1.5708"),
        ([WIDTH, "objective.gate.tau_pos=3"], "objective.gate.tau_pos=3: objective.gate.calibrate finds it"),
        ([WIDTH, "objective/gate=sigmoid"], "no tau gives objective.gate.name=sigmoid"),
        ([WIDTH, "objective.form=score"], "objective.gate.calibrate: sets the slope of the gate"),
        (["objective.gate.calibrate={at: 1.2, multiplier: 1.5}"], "no tau gives objective.gate.name=log_arctan"),
        (["objective.gate.calibrate={at: 1, multiplier: 0.5}"], "calibrate.at=1: must be greater than 1"),
        (["objective.gate.calibrate={at: 1.2}"], "missing key 'objective.gate.calibrate.multiplier'"),
        (["objective.gate.calibrate={low: 0.7, high: 1.4, at: 2}"], "unknown key 'objective.gate.calibrate.at'"),
        (["objective=grpo", WIDTH], "objective.gate.calibrate"),
        (["tracker.project=a"], "tracker.project=a: has no effect with tracker=none; add tracker=wandb or"),
        (["tracker=none", "tracker.mode=offline"], "tracker.mode=offline: has no effect with tracker=none; add"),
    ],
)
def test_one_line_says_what_is_wrong(words: list[str], expected: str) -> None:
    found = problems(*words)
    assert len(found) == 1 and expected in found[0], found


def test_a_project_without_a_tracker_in_the_file_of_a_run_is_still_read(tmp_path: Path) -> None:
    """Earlier versions wrote it; and a tracker is added to a run by its file."""
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(load_config(TrainConfig, [])).replace("project: null", "project: mine"))
    assert load_config(TrainConfig, [], base=file).tracker.kind == "none"
    assert load_config(TrainConfig, ["tracker=wandb", "tracker.project=mine"], base=file).tracker.kind == "wandb"
    assert load_config(TrainConfig, ["tracker=none", "tracker.project=null"]).tracker.kind == "none"


def test_everything_that_reference_solutions_leave_unread_is_named() -> None:
    found = problems(
        "objective=sft",
        "batch.samples_per_prompt=1",
        "objective.overlong.penalty=1",
        "objective.correction.level=sequence",
        "objective.kl={coef: 0.1, place: reward}",
    )
    keys = [problem.split(":")[0].split("=")[0] for problem in found]
    assert sorted(keys) == ["objective.correction.level", "objective.kl.place", "objective.overlong.penalty"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("defaults: [sspo, _self_]\npool: harmonic\n", "objective.pool=harmonic: must be 'arithmetic'"),
        ("defaults: [sspo, _self_]\nratio: tokens\n", "objective.ratio=tokens: must be 'token'"),
        (
            "defaults:\n  - sspo\n  - override gate: arctn\n",
            "objective=mine: its defaults ask for objective/gate=arctn: unknown choice, did you mean 'arctan'?",
        ),
        ("defaults: [sspo, _self_]\ngate:\n  name: wavy\n", "objective.gate.name=wavy: allowed:"),
        ("defaults: [sspo, _self_]\ntemperature: 3\n", "unknown key 'objective.temperature'"),
        ("ratio: token\npool: geometric\nnormalize: token\nadvantage: none\n", "missing key 'objective.gate'"),
    ],
)
def test_a_users_file_is_checked_as_the_command_line_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: str
) -> None:
    (tmp_path / "conf" / "objective").mkdir(parents=True)
    (tmp_path / "conf" / "objective" / "mine.yaml").write_text(f"# Mine.\n{content}")
    monkeypatch.chdir(tmp_path)
    found = problems("objective=mine")
    assert len(found) == 1 and expected in found[0], found


def test_the_score_form_with_geometric_pooling_is_a_weight_held_constant() -> None:
    """Not meaningless: the weight of the whole response, as SSPO pools it, times the policy gradient."""
    assert build_objective(load_config(TrainConfig, ["objective.form=score"]).objective).form == "score"
