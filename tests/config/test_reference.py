"""Every setting is explained: by the comments of conf/, in `sspo show`, in hints and in docs/reference/settings.md."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from sspo_cli.config.allowed import allowed_values
from sspo_cli.config.reference import Explained, below, explained, meaning_of
from sspo_cli.config.schema import CompareConfig, SweepConfig
from sspo_cli.views.settings import default_of, sentence

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
# What a section is filled with, which a choice of its group decides; and the name of a function, which a program gives.
CHOSEN = {"choices", "objective.gate.name", "reward.name"}


def test_every_setting_of_the_schema_is_explained() -> None:
    keys = {key for key in allowed_values(CompareConfig) | allowed_values(SweepConfig) if not key.endswith(".kind")}
    assert len(keys) > 90 and keys - CHOSEN == set(explained())
    assert not [item.key for item in explained().values() if not all(one.text for one in item.meanings)]


@pytest.mark.parametrize(
    ("key", "allowed", "default"),
    [
        ("optim.lr", "a number above 0", "1e-05"),
        ("train.max_tokens", "a whole number of at least 1 or null", "null"),
        ("dataset.eval_fraction", "a number above 0 and below 1", "0.1"),
        ("lora.targets", "all-linear or a list of texts", "all-linear"),
        ("rollout.stop", "a list of texts", "[]"),
        ("objective.gate.calibrate", "{at, multiplier}, {low, high} or null", "(by choice)"),
        ("model.path", "text", "(you must set it)"),
        ("reward.answer_after", "text or null", ">"),
    ],
)
def test_values_and_defaults_are_told_in_words(key: str, allowed: str, default: str) -> None:
    item = explained()[key]
    assert (item.allowed, default_of(item.meanings[0])) == (allowed, default)


def test_choices_that_say_the_same_are_told_together_and_others_apart() -> None:
    limits = {one.default: one.choices for one in explained()["reward.timeout_s"].meanings}
    assert limits == {
        None: ("reward=exact",),
        60: ("reward=math", "reward=mixture", "reward=python"),
        20: ("reward=task",),
    }
    assert meaning_of("optim.lr") == "the learning rate, after warm-up"
    assert meaning_of("model.path") == "", "a folder or a name, by the choice"


def test_train_tells_what_belongs_to_no_group() -> None:
    keys = [item.key for item in below("train")]
    assert keys[:1] == ["seed"] and {"train.steps", "batch.epochs", "eval.samples"} <= set(keys)
    assert not [key for key in keys if key.startswith(("objective.", "model.", "compare."))]


def page() -> str:
    """docs/reference/settings.md: `python -m tests.config.test_reference` writes it."""
    lines = [
        "# Settings",
        "",
        "Every `KEY=VALUE` that `sspo train`, `compare`, `sweep` and `eval` take. `sspo show KEY` prints a line of"
        " these tables, `sspo show train` the settings that belong to no group, `sspo show GROUP` the choices of a"
        " group and `sspo show GROUP NAME` one choice with its values. The text comes from the comments in `conf/`, the"
        " values from the types that check them. A list of values, as in `seed=0,1,2`, is for `compare` and `sweep`.",
    ]
    for section, items in groupby(explained().values(), lambda item: item.key.partition(".")[0]):
        rows = [row for item in items for row in rows_of(item)]
        if "." not in rows[0].split("`")[1]:
            lines += [] if section != "seed" else ["", "## Run", "", "| setting | default | values | meaning |"]
            lines += [] if section != "seed" else ["|---|---|---|---|"]
        else:
            lines += ["", f"## {section}", "", "| setting | default | values | meaning |", "|---|---|---|---|"]
        lines += rows
    return "\n".join([*lines, ""])


def rows_of(item: Explained) -> list[str]:
    """A row for each way in which choices differ."""
    found = []
    for one in item.meanings:
        choices = f" With {', '.join(f'`{choice}`' for choice in one.choices)}." if len(item.meanings) > 1 else ""
        cells = [
            f"`{item.key}`",
            code(default_of(one)),
            item.allowed,
            sentence(one.text).replace("<", "&lt;") + choices,
        ]
        found.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return found


def code(text: str) -> str:
    return text if text.startswith("(") else f"`{text}`"


def test_the_page_is_the_reference() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.config.test_reference"


if __name__ == "__main__":
    PAGE.write_text(page())
