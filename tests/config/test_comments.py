"""Every key that a YAML file in conf/ sets is told by a comment: beside it, or where it is set first."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sspo_cli.config.comments import comments_of_choice, header, is_global, trailing_comments
from sspo_cli.config.locate import shipped
from sspo_cli.config.tree import load_yaml

CONF = shipped("conf")
FILES = sorted(file.relative_to(CONF).as_posix() for file in CONF.rglob("*.yaml"))
# Which kind of choice a section is: the header of its file tells.
TAGS = ("kind", "name")


def own_comments(name: str) -> dict[str, str]:
    """Of a file: the comment beside every dotted key that it sets, "" where there is none."""
    text = (CONF / name).read_text()
    group = Path(name).parent.as_posix()
    node = yaml.compose(text)
    if node is None:
        return {}
    prefix = "" if group == "." or is_global(CONF / name) else group.replace("/", ".") + "."
    return trailing_comments(node, text.split("\n"), prefix)


def inherited(name: str) -> dict[str, str]:
    """The comments of the files in its `defaults`, and of conf/train.yaml, by key."""
    content = load_yaml((CONF / name).read_text()) or {}
    group = Path(name).parent.as_posix()
    bases = [base for base in content.get("defaults", []) if isinstance(base, str) and base != "_self_"]
    files = [f"{base}.yaml" if group == "." else f"{group}/{base}.yaml" for base in bases]
    found = {key: text for key, text in own_comments("train.yaml").items() if text}
    for file in files:
        found |= inherited(file) | {key: text for key, text in own_comments(file).items() if text}
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_key_has_its_comment_or_inherits_one(name: str) -> None:
    known = inherited(name)
    silent = [
        key
        for key, text in own_comments(name).items()
        if not text and key not in known and key.rpartition(".")[2] not in TAGS and not key.startswith("hydra.")
    ]
    assert not silent, f"conf/{name} sets {', '.join(silent)} and does not say what they are"


@pytest.mark.parametrize("name", FILES)
def test_every_comment_is_read_to_its_end(name: str) -> None:
    cut = [
        key
        for key, text in own_comments(name).items()
        if text.endswith((",", " or", " and")) or text.count("(") != text.count(")")
    ]
    assert not cut, f"conf/{name}: the comment beside {', '.join(cut)} is cut"


@pytest.mark.parametrize("name", [name for name in FILES if "/" in name])
def test_every_choice_says_what_it_is(name: str) -> None:
    assert header(CONF / name), f"conf/{name} begins with no comment"


def test_comments_are_read_with_the_lines_below_and_the_last_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "conf" / "objective"
    folder.mkdir(parents=True)
    (folder / "base.yaml").write_text(
        "# Base.\nform: ratio  # of the base\nkl:\n  coef: 0.5  # one\n             # two\n    # three\n"
        "  # of what follows\n"
    )
    (folder / "mine.yaml").write_text("# Mine.\ndefaults: [base]\nform: score  # mine # alone\npool: geometric\n")
    monkeypatch.chdir(tmp_path)
    assert comments_of_choice("objective", "mine", {}) == {
        "objective.form": "mine # alone",
        "objective.kl.coef": "one two three",
        "objective.pool": "",
    }
