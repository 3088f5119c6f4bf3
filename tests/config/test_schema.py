"""Every setting has a reader, and every choice of every group composes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from sspo_cli.config.complete import known_keys
from sspo_cli.config.compose import load_config, to_dict, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import AdditionData, EvalConfig, FileData, LocalModel, TrainConfig
from sspo_cli.config.tree import differences
from sspo_cli.config.words import quoted
from sspo_cli.runs.settings import read_settings
from sspo_cli.study.files import CellFiles
from sspo_cli.study.settings import identity, settings

PACKAGE = Path(__file__).parents[2] / "sspo_cli"
CHOICES = [(group, choice) for group, choices in groups().items() for choice in choices]
NEEDED = {
    "model=local": ["model.path=folder"],
    "model=hub": ["model.path=owner/name"],
    "dataset=file": ["dataset.path=file"],
    "dataset=jsonl": ["dataset.path=file"],
    "dataset=reasoning_gym": ["dataset.tasks=chain_sum"],
    "dataset=mixture": ["dataset.parts={gsm8k: {}}"],
    "reward=task": ["dataset=reasoning_gym", "dataset.tasks=chain_sum"],
    "reward=mixture": ["dataset=mixture", "dataset.parts={gsm8k: {}}"],
    "dataset=hub": ["dataset.path=owner/name"],
    "reward=python": ["reward.path=file"],
    "objective=sft": ["batch.samples_per_prompt=1"],
    "objective/gate=constant": ["objective.form=score"],
    "objective/gate=gamma": ["objective.form=score"],
}
EVALUATED_ON_ALONE = ("dataset=math500", "dataset=aime24", "dataset=aime25", "dataset=amc23")


def test_every_setting_is_read_somewhere() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if file.name != "schema.py"]
    trees = [ast.parse(file.read_text()) for file in files]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    unread = {key for key in known_keys(TrainConfig) if key.split(".")[-1] not in read | {"kind"}}
    assert not unread


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes(group: str, choice: str) -> None:
    word = f"{group}={choice}"
    schema = EvalConfig if word in EVALUATED_ON_ALONE else TrainConfig
    assert load_config(schema, [word, *NEEDED.get(word, [])]).choices[group] == choice


def test_a_resolved_configuration_reads_back_as_it_was(tmp_path: Path) -> None:
    config = load_config(TrainConfig, ["objective=gspo", "objective/gate=erf", "reward.answer_after=null", "seed=3"])
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert load_config(TrainConfig, [], base=tmp_path / "config.yaml") == config
    changed = load_config(EvalConfig, ["dataset=addition_hard", "eval.samples=2"], base=tmp_path / "config.yaml")
    assert isinstance(changed.dataset, AdditionData)
    assert changed.dataset.terms_max == 6 and changed.eval.samples == 2 and changed.seed == 3
    assert changed.choices["dataset"] == "addition_hard"


@pytest.mark.parametrize(
    ("then", "now"), [("{prompt}", None), ("Q: {prompt}\nA:", "Q: {{ prompt }}\nA:"), ("Q {{prompt}}", "Q {{prompt}}")]
)
def test_a_prompt_template_of_an_earlier_run_is_read_as_it_was_meant(
    tmp_path: Path, then: str, now: str | None
) -> None:
    written = load_config(TrainConfig, ["dataset=jsonl", "dataset.path=mine.jsonl"])
    content = {**to_dict(written), "dataset": {**to_dict(written)["dataset"], "prompt_template": then}}
    base = tmp_path / "config.yaml"
    base.write_text(yaml.safe_dump(content))
    for schema in (TrainConfig, EvalConfig):
        config = load_config(schema, [], base=base)
        assert isinstance(config.dataset, FileData) and config.dataset.prompt_template == now


def test_a_sampler_is_chosen_without_touching_the_other_keys_of_its_section(tmp_path: Path) -> None:
    base = tmp_path / "config.yaml"
    base.write_text(
        to_yaml(load_config(TrainConfig, ["rollout.temperature=0.7", "rollout.staleness=2", "rollout.stop=['Q:']"]))
    )
    swapped = load_config(TrainConfig, ["rollout=generate"], base=base)
    assert (swapped.rollout.kind, swapped.rollout.temperature, swapped.rollout.staleness) == ("generate", 0.7, 2)
    assert swapped.choices["rollout"] == "generate"
    evaluated = load_config(EvalConfig, ["rollout=generate"], base=base)
    assert to_dict(evaluated)["rollout"] == {"kind": "generate", "stop": ["Q:"], "python": ".venv-vllm/bin/python"}
    assert load_config(EvalConfig, [], base=base).rollout.kind == "native"


def test_a_configuration_of_an_earlier_version_is_that_of_the_native_sampler(tmp_path: Path) -> None:
    """It differs from none that says so, and is the same run."""
    config = load_config(TrainConfig, ["seed=3"])
    content = yaml.safe_load(to_yaml(config))
    del content["rollout"]["kind"], content["choices"]["rollout"], content["choices"]["engine"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    older = load_config(TrainConfig, [], base=tmp_path / "config.yaml")
    assert older.rollout == config.rollout and older.rollout.kind == "native"
    written = CellFiles(tmp_path).settings
    assert written is not None and differences(written, settings(to_dict(config))) == []
    assert identity(older) == identity(config) != identity(load_config(TrainConfig, ["seed=3", "rollout=generate"]))
    generate = settings(to_dict(load_config(TrainConfig, ["seed=3", "rollout=generate"])))
    assert differences(written, generate) == ["choices.rollout", "rollout.kind"]


def test_a_choice_replaces_its_own_part_of_a_resolved_configuration_only(tmp_path: Path) -> None:
    base = tmp_path / "config.yaml"
    base.write_text(to_yaml(load_config(TrainConfig, ["objective=grpo", "objective.normalize=token", "optim.lr=1"])))
    swapped = load_config(TrainConfig, ["objective/gate=erf"], base=base)
    assert (swapped.objective.gate.name, swapped.objective.pool, swapped.objective.normalize) == (
        "erf", "arithmetic", "token",
    )  # fmt: skip
    assert (swapped.choices["objective"], swapped.choices["objective/gate"]) == ("grpo", "erf")
    other = load_config(TrainConfig, ["objective=gmpo"], base=base)
    assert other.objective == load_config(TrainConfig, ["objective=gmpo"]).objective and other.optim.lr == 1
    assert (other.choices["objective"], other.choices["objective/gate"]) == ("gmpo", "log_clip")
    with pytest.raises(ConfigError, match="preset=smoke: belongs to conf/"):
        load_config(TrainConfig, ["preset=smoke"], base=base)


def test_rules_between_keys_are_told_beside_refused_values() -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(TrainConfig, ["optim.lr=-1", "batch.minibatches=3", "objective.gate.tau_pos=0"])
    assert len(raised.value.problems) == 3
    for problem, words in zip(
        sorted(raised.value.problems), ["batch.minibatches=3", "objective.gate.tau_pos=0", "optim.lr=-1"], strict=True
    ):
        assert problem.startswith(words)


def test_greedy_decoding_with_several_samples_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"eval\.samples=4: must be 1 with eval\.temperature=0"):
        load_config(EvalConfig, ["eval.temperature=0"])


@pytest.mark.parametrize("path", ["my file.jsonl", "a (b).jsonl", "it's.jsonl", "a\\b", "a\\", "a\\'b", "x=y,z", "[1]"])
def test_a_quoted_value_is_taken_as_it_is(path: str) -> None:
    dataset = load_config(TrainConfig, ["dataset=jsonl", f"dataset.path={quoted(path)}"]).dataset
    assert isinstance(dataset, FileData) and dataset.path == path


def test_a_tilde_is_the_home_directory() -> None:
    config = load_config(TrainConfig, ["model=local", "model.path=~/models/mine"])
    assert isinstance(config.model, LocalModel)
    assert config.model.path == str(Path.home() / "models" / "mine")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("lr=1", "unknown key 'lr'; write optim.lr=1 (the learning rate"),
        ("objective.epz=1", "unknown key 'objective.epz'"),
        ("batch.promts=1", "did you mean 'batch.prompts'?"),
        ("+objective.gate.tau_pso=1", "did you mean 'objective.gate.tau_pos'?"),
        ("objective.gate=erf", "a choice is made with a slash: objective/gate=erf"),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_was_meant(word: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(TrainConfig, [word])
    assert len(raised.value.problems) == 1 and hint in raised.value.problems[0]


OLD_WORDS = [("objective.form", "ratio", "surrogate"), ("objective.experience", "reference", "solutions")]


@pytest.mark.parametrize(("key", "old", "now"), OLD_WORDS)
def test_an_old_word_is_refused_with_the_new_one(key: str, old: str, now: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(TrainConfig, [f"{key}={old}"])
    assert refused.value.problems == [f"{key}={old}: is called {now} now; write {key}={now}"]


def test_a_run_in_old_words_is_read_and_does_not_differ_from_one_in_new_words(tmp_path: Path) -> None:
    config = load_config(TrainConfig, ["objective=sft", "batch.samples_per_prompt=1", "dataset=addition"])
    new = to_yaml(config)
    old = new.replace("experience: solutions", "experience: reference")
    assert old != new
    base = tmp_path / "config.yaml"
    base.write_text(old)
    assert load_config(TrainConfig, [], base=base) == config
    assert differences(CellFiles(tmp_path).settings or {}, settings(to_dict(config))) == []
    assert read_settings(base)[1]["objective.experience"] == "solutions"


@pytest.mark.parametrize("template", ["{{ prompt | frob }}", "{{ prompt is frob }}", "{{ prompt"])
def test_a_prompt_template_that_is_no_jinja_is_one_line(template: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(TrainConfig, ["dataset=file", "dataset.path=file", f"dataset.prompt_template={quoted(template)}"])
    (line,) = refused.value.problems
    assert "not a Jinja template: " in line and "\n" not in line
