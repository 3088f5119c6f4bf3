from __future__ import annotations

import pytest

from sspo_cli.config.words import read_words


@pytest.mark.parametrize("value", ["[" * 2000 + "]" * 2000, "1" * 5000, "{a:" * 1500 + "}" * 1500])
def test_words_beyond_the_parser_are_told_in_one_line_without_all_of_it(value: str) -> None:
    found, (line,) = read_words([f"optim.lr={value}", "seed=1"], "train")
    assert [override.key_or_group for override in found] == ["seed"]
    assert line.startswith(f"cannot read 'optim.lr={value[:100]}") and len(line) < 700


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("objective@x=sspo", "write objective=sspo"),
        ("objective/gate@objective=erf", "write objective/gate=erf"),
        ("objective@=sspo", "write objective=sspo"),
    ],
)
def test_a_choice_that_would_be_put_elsewhere_is_refused(word: str, fix: str) -> None:
    """Hydra puts it under another key, where nothing reads it."""
    found, (line,) = read_words([word], "train")
    assert found == [] and line.endswith(fix)
