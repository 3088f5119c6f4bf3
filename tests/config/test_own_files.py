"""Choices of a user's own that cannot be composed: one line each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import TrainConfig


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"defaults: [b]\n", "objective=a: its defaults ask for themselves, directly or by way of others"),
        (b"defaults: [a]\n", "objective=a: its defaults ask for themselves, directly or by way of others"),
        (b"\xbb\x00\n", "conf/objective/a.yaml: is no UTF-8 text"),
        (b"defaults: sspo\n", "defaults must be a list"),
        (b"defaults: [null]\n", "Unsupported type in defaults"),
        (b"normalize: " + b"[" * 3000, "objective=a"),
    ],
    ids=["circle of two", "circle of one", "binary", "no list", "null", "deep"],
)
def test_a_choice_that_cannot_be_composed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/objective").mkdir(parents=True)
    (tmp_path / "conf/objective/a.yaml").write_bytes(content)
    (tmp_path / "conf/objective/b.yaml").write_text("defaults: [a]\n")
    with pytest.raises(ConfigError) as raised:
        load_config(TrainConfig, ["objective=a"])
    (line,) = raised.value.problems
    assert said in line
    assert load_config(TrainConfig, ["objective=grpo"]).choices["objective"] == "grpo"


def test_what_is_no_file_is_no_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "conf/objective"
    (own / "folder.yaml").mkdir(parents=True)
    (own / "gone.yaml").symlink_to("nowhere")
    os.mkfifo(own / "pipe.yaml")
    (own / "mine.yaml").write_text("defaults: [grpo]\n")
    assert set(groups()["objective"]) & {"folder", "gone", "pipe", "mine"} == {"mine"}
