"""A key whose type is text keeps the word that was typed, whatever else it looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.schema import FileData, FilePart, MixtureData, PythonRewardSection, TrainConfig
from sspo_cli.study.axes import sort_words

DATA = ["dataset=jsonl", "dataset.path=mine.jsonl"]


@pytest.mark.parametrize("word", ["2026_02_14", "12e456", "007", "1e5", "true", "nan", "inf", "-3", "1_000.50", "0x1F"])
def test_words_that_look_like_numbers_stay_words(word: str, tmp_path: Path) -> None:
    typed = [f"name={word}", f"dataset.path={word}", f"dataset.answer_field={word}", f"output_dir={word}"]
    config = load_config(TrainConfig, [*DATA, *typed])
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config))
    for found in (config, load_config(TrainConfig, [], base=file)):
        assert (found.name, found.output_dir) == (word, word)
        assert isinstance(found.dataset, FileData)
        assert (found.dataset.path, found.dataset.answer_field) == (word, word)


def test_null_is_null_and_numbers_of_other_keys_are_numbers() -> None:
    config = load_config(
        TrainConfig, ["name=null", "seed=1_0", "optim.lr=1e-5", "reward=python", "reward.path=1", "reward.correct=0.5"]
    )
    assert (config.name, config.seed, config.optim.lr) == (None, 10, 1e-5)
    assert isinstance(config.reward, PythonRewardSection)
    assert (config.reward.path, config.reward.correct) == ("1", 0.5)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ('"Q:\\n{{ prompt }}"', "Q:\n{{ prompt }}"),
        ('"\\t{{ prompt }}\\\\n"', "\t{{ prompt }}\\n"),
        ("'Q:\\n{{ prompt }}'", "Q:\\n{{ prompt }}"),
        ('"{{ prompt }} \\boxed{}"', "{{ prompt }} \\boxed{}"),
    ],
)
def test_escapes_stand_for_characters_inside_double_quotes_alone(word: str, expected: str) -> None:
    config = load_config(TrainConfig, [*DATA, f"dataset.prompt_template={word}"])
    assert isinstance(config.dataset, FileData)
    assert config.dataset.prompt_template == expected


def test_escapes_are_read_in_lists_and_mappings_too() -> None:
    part = 'dataset.parts={addition: {}, mine: {dataset: file, path: a, prompt_template: "{{ prompt }}\\nA:"}}'
    config = load_config(TrainConfig, ["dataset=mixture", part, "rollout.stop=[\"\\n\\n\",'\\n']"])
    assert isinstance(config.dataset, MixtureData) and isinstance(config.dataset.parts["mine"], FilePart)
    assert config.dataset.parts["mine"].prompt_template == "{{ prompt }}\nA:"
    assert config.rollout.stop == ["\n\n", "\\n"]


def test_values_of_an_axis_are_words_too() -> None:
    axis = sort_words("sweep", [*DATA, "dataset.path=2024_01, 2024_02", "seed=0,1"]).axes["dataset.path"]
    assert axis.words == axis.values == ("2024_01", "2024_02")
