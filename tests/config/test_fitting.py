"""A dataset names the reward that fits it; what is chosen by hand stays, and is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sspo_cli.config.catalogue import read_choices
from sspo_cli.config.compose import load_config, to_dict, to_yaml
from sspo_cli.config.describe import reward_notes
from sspo_cli.config.fitting import fitting_reward, section_of, usual_reward
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import CompareConfig, EvalConfig, SoftGateSection, TrainConfig
from sspo_cli.config.tree import differences, leaves


def rewards(*words: str, base: Path | None = None) -> tuple[str, str]:
    """The reward chosen, and its kind."""
    config = load_config(EvalConfig if base else TrainConfig, list(words), base=base)
    assert config.choices["reward"] == config.reward.kind
    return config.choices["reward"], " ".join(reward_notes(config))


def test_a_dataset_brings_its_reward_and_another_is_told() -> None:
    assert rewards("dataset=gsm8k") == ("math", "")
    assert rewards() == ("exact", "") == rewards("dataset=addition_hard")
    assert rewards("dataset=jsonl", "dataset.path=x") == ("exact", "")
    assert rewards("dataset=jsonl", "dataset.path=x", "reward=math") == ("math", "")
    told = "reward=exact: chosen by hand; dataset=gsm8k is made for reward=math"
    assert rewards("dataset=gsm8k", "reward=exact") == ("exact", told)
    assert load_config(CompareConfig, ["dataset=math"]).choices["reward"] == "math"
    assert load_config(EvalConfig, ["dataset=aime24"]).choices["reward"] == "math"


def test_every_shipped_reward_that_fits_is_a_choice() -> None:
    fits = {fitting_reward(name) for name in groups()["dataset"]}
    assert {"exact", "math", None} <= fits and fits - {None} <= set(groups()["reward"])


def test_a_users_dataset_takes_the_reward_of_the_one_that_it_starts_from_or_names_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "conf" / "dataset"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("defaults: [gsm8k]\npath: here\n")
    (folder / "named.yaml").write_text("defaults:\n  - gsm8k\n  - override /reward@_global_.reward: exact\n")
    monkeypatch.chdir(tmp_path)
    assert rewards("dataset=mine") == ("math", "")
    assert rewards("dataset=named") == ("exact", "")
    assert section_of("dataset", "mine")["path"] == "here" and usual_reward("named") == "exact"
    assert load_config(TrainConfig, ["dataset=mine"]).dataset.kind == "gsm8k"


def test_an_evaluation_on_another_dataset_takes_the_reward_that_fits_that_one(tmp_path: Path) -> None:
    base = tmp_path / "config.yaml"
    base.write_text(to_yaml(load_config(TrainConfig, ["reward.answer_after='='"])))
    assert rewards("dataset=math500", base=base) == ("math", "")
    assert rewards("dataset=addition_hard", base=base) == ("exact", "")
    kept = load_config(EvalConfig, ["dataset=addition_hard"], base=base).reward
    assert kept.kind == "exact" and kept.answer_after == "="


def test_a_reward_chosen_by_hand_stays_when_a_run_is_evaluated_on_another_dataset(tmp_path: Path) -> None:
    base = tmp_path / "config.yaml"
    base.write_text(to_yaml(load_config(TrainConfig, ["reward=python", "reward.path=score.py"])))
    assert rewards("dataset=math500", base=base) == ("python", "")
    assert rewards("dataset=math500", "reward=math", base=base) == ("math", "")


def test_the_reward_that_fits_is_shown_with_a_dataset() -> None:
    def solve(gate: SoftGateSection, pool: str) -> SoftGateSection:
        return gate

    shown, other = read_choices("dataset", ["gsm8k", "file"], [], solve)
    assert (shown.settings[-1].key, shown.settings[-1].value) == ("reward", "math")
    assert all(setting.key != "reward" for setting in other.settings)


def test_a_run_on_gsm8k_of_an_earlier_version_composes_and_differs_in_nothing(tmp_path: Path) -> None:
    """Which had no other data set to evaluate on, and reward=exact unless one was chosen."""
    config = load_config(TrainConfig, ["dataset=gsm8k", "reward=exact"])
    content = yaml.safe_load(to_yaml(config))
    for key in ("config", "eval", "eval_path"):
        del content["dataset"][key]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    assert load_config(TrainConfig, [], base=tmp_path / "config.yaml") == config
    assert differences(dict(leaves(content)), dict(leaves(to_dict(config)))) == []
