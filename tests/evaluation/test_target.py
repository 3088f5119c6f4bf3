"""What `sspo eval` says of what it evaluates."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.describe import held_out_sentence
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig, TrainConfig
from sspo_cli.evaluation.target import settings_for, stem_of, unused_template

PUBLISHED = ["dataset=gsm8k", "dataset.path=rows"]


def test_an_evaluation_of_a_checkpoint_is_named_after_its_run(tmp_path: Path) -> None:
    run = tmp_path / "first"
    checkpoint = run / "checkpoints" / "step_000002"
    checkpoint.mkdir(parents=True)
    (run / "config.yaml").write_text(to_yaml(load_config(TrainConfig, [])))
    for target in map(str, (run, checkpoint)):
        assert stem_of(settings_for(target, [])) == "first-step_000002-addition"


def test_other_models_have_the_name_of_their_file_or_folder(tmp_path: Path) -> None:
    (tmp_path / "small.gguf").touch()
    (tmp_path / "my model").mkdir()
    (tmp_path / "my model" / "config.json").touch()
    names = {"small.gguf": "small-addition", "my model": "my_model-addition"}
    for target, name in {
        **{str(tmp_path / file): name for file, name in names.items()},
        "tiny": "tiny-addition",
    }.items():
        assert stem_of(settings_for(target, [])) == name


def test_another_model_is_evaluated_on_the_problems_of_a_run_and_told_what_it_does_not_share(tmp_path: Path) -> None:
    run = tmp_path / "chat"
    own = run / "checkpoints" / "step_000002"
    own.mkdir(parents=True)
    words = ["model=local", "model.path=base", "model.chat_template=t.jinja", "model.template_args.think=false"]
    (run / "config.yaml").write_text(to_yaml(load_config(TrainConfig, words)))
    unused = ["model.chat_template=t.jinja: is a setting", "model.template_args.think=false: is a setting"]

    def told(target: Path, *overrides: str) -> tuple[str, list[str]]:
        settings = settings_for(str(target), list(overrides))
        return stem_of(settings), [line[: line.index(" of the run")] for line in unused_template(str(target), settings)]

    assert told(run) == told(own) == ("chat-step_000002-addition", [])
    assert told(run, "model=local", f"model.path={own}") == ("chat-step_000002-addition", [])
    assert told(run, "model=local", "model.path=base") == ("base-addition", unused)
    assert told(own, "model=hub", "model.path=a/b") == ("hub-addition", unused)
    assert told(run, "model=tiny") == ("tiny-addition", unused)
    assert told(run, "model=local", "model.path=base", "model.chat_template=none")[1] == []


def test_a_name_of_the_hub_that_is_no_target_is_told_with_the_command_that_takes_it() -> None:
    with pytest.raises(ConfigError, match=r"`sspo eval hub model\.path=Owner/Name-1\.5B`"):
        settings_for("Owner/Name-1.5B", [])
    with pytest.raises(ConfigError) as refused:
        settings_for("./Owner/Name", [])
    assert "hub" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "addition"),
        (["dataset=file", "dataset.path=a.jsonl"], "file (a.jsonl)"),
        (["dataset=file", "dataset.path=a.jsonl", "dataset.eval_path=b.jsonl"], "file (b.jsonl)"),
        (["dataset=hub", "dataset.path=a/b", "dataset.eval_split=dev"], "hub (a/b, dev)"),
        (PUBLISHED, "gsm8k (rows)"),
        ([*PUBLISHED, "dataset.eval=math500"], "math500"),
        ([*PUBLISHED, "dataset.eval=math500", "dataset.eval_path=tests.jsonl"], "math500 (tests.jsonl)"),
    ],
)
def test_the_data_of_the_held_out_problems(words: list[str], told: str) -> None:
    assert held_out_sentence(load_config(EvalConfig, words)) == told
