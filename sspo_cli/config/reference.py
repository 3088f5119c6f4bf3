"""What each setting means, what it takes and what it is by default.

`sspo show KEY`, hints and docs/reference/settings.md read it. The meaning is the comment beside the key in conf/, the
allowed values are the types of the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sspo_cli.config.allowed import allowed_values
from sspo_cli.config.comments import trailing_comments
from sspo_cli.config.locate import groups, shipped
from sspo_cli.config.schema import CompareConfig, SweepConfig
from sspo_cli.config.tree import leaves, load_yaml

ROOTS = ("train", "compare", "sweep")
# Keys that say which choice of a group a section is; a choice is made with GROUP=NAME.
TAGS = ("kind", "name")
UNSET = "???"  # of a key that a file lists and another one sets
# Groups whose files say why a value was chosen; conf/train.yaml says what their keys mean.
BY_TRAIN = ("objective", "preset")


@dataclass(frozen=True)
class Meaning:
    """What a setting is with some choices of its group. choices: such as ["model=hub"]; [] where it is always the
    same. default: UNSET where the user must set it; None where the files of choices set it."""

    text: str
    default: Any
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explained:
    """One setting. allowed: its values in words. meanings: one, or one for each way in which choices differ."""

    key: str
    allowed: str
    meanings: tuple[Meaning, ...]

    @property
    def short(self) -> str:
        """Its meaning in one line, "" if its choices differ."""
        texts = {meaning.text for meaning in self.meanings}
        return texts.pop() if len(texts) == 1 else ""


@cache
def explained() -> Mapping[str, Explained]:
    """Every setting by its dotted key, in the order of conf/train.yaml, choices of groups behind it."""
    allowed = allowed_values(SweepConfig) | allowed_values(CompareConfig)
    found: dict[str, list[Meaning]] = {}
    for root in ROOTS:
        for key, text, value in settings_in(shipped("conf") / f"{root}.yaml", ""):
            found.setdefault(key, []).append(Meaning(text, value))
    for group, names in groups().items():
        if group.split("/")[0] in BY_TRAIN:
            continue
        for name in names:
            file = shipped("conf") / group / f"{name}.yaml"
            if file.is_file():
                for key, text, value in settings_in(file, f"{group}."):
                    if text:
                        found.setdefault(key, []).append(Meaning(text, value, (f"{group}={name}",)))
    return {key: Explained(key, allowed[key], merged(found[key])) for key in found if key in allowed}


def settings_in(file: Path, prefix: str) -> Iterator[tuple[str, str, Any]]:
    """Every key that a file of conf/ sets, with the comment beside it and its value."""
    text = file.read_text(encoding="utf-8")
    node, content = yaml.compose(text), load_yaml(text)
    if not content:
        return
    values = dict(leaves({key: value for key, value in content.items() if key not in ("defaults", "hydra")}, prefix))
    for key, comment in trailing_comments(node, text.split("\n"), prefix).items():
        if not key.startswith("hydra.") and (not prefix or key.removeprefix(prefix) not in TAGS):
            yield key, comment, values.get(key, {})


def merged(meanings: list[Meaning]) -> tuple[Meaning, ...]:
    """Choices that mean and set the same, as one."""
    found: dict[str, Meaning] = {}
    for item in meanings:
        same = f"{item.text} {item.default!r}"
        before = found.get(same)
        found[same] = Meaning(item.text, item.default, (*before.choices, *item.choices)) if before else item
    return tuple(found.values())


def below(section: str) -> list[Explained]:
    """The settings of a section, such as optim or objective.kl, in order; of `train` all that belong to no group."""
    if section == "train":
        return [item for item in explained().values() if item.key.split(".")[0] not in (*groups(), *ROOTS[1:])]
    return [item for key, item in explained().items() if key.startswith(f"{section}.")]


def common(group: str) -> list[Explained]:
    """The settings of a group's section that are the same whatever its choice."""
    return [item for item in below(group.replace("/", ".")) if not any(one.choices for one in item.meanings)]


def sections() -> list[str]:
    """Every section of settings, the outermost ones first."""
    found: dict[str, None] = {}
    for key in explained():
        parts = key.split(".")[:-1]
        found |= dict.fromkeys(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return list(found)


def meaning_of(key: str) -> str:
    """One line on a key; "" if it means different things with different choices."""
    item = explained().get(key)
    return item.short if item else ""
