"""Words of a command line that are no KEY=VALUE -> what to write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sspo_cli.config.errors import did_you_mean
from sspo_cli.config.hints.choices import DATA_FILES, choices_named, fix_choice
from sspo_cli.config.hints.settings import explained_fix, fix_key
from sspo_cli.config.locate import groups
from sspo_cli.config.recipe import recipe_files
from sspo_cli.config.reference import explained, sections

SPACES = "no spaces round ="
SHOWN = 500  # characters of a word that cannot be read


def joined(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that stand alone, and a problem for each setting that was written as several: `lr 1e-5`, `lr = 1e-5`.

    Words that are KEY=VALUE stay as they are.
    """
    alone: list[str] = []
    problems: list[str] = []
    place = 0
    while place < len(words):
        key, *after = words[place : place + 3]
        value, taken = None, 1
        if after[:1] == ["="] and len(after) > 1 and is_name(key):
            value, taken = after[1], 3
        elif after and is_name(key) and re.match(r"=[^=]", after[0]):
            value, taken = after[0][1:], 2
        elif after and re.fullmatch(r"[^=\s]+=", key) and "=" not in after[0] and not after[0].startswith("-"):
            key, value, taken = key[:-1], after[0], 2
        elif after and "=" not in after[0] and is_setting(key):
            value, taken = after[0], 2
        if value is None:
            alone.append(key)
        else:
            why = SPACES if "=" in "".join(words[place : place + taken]) else "a setting is one word"
            problems.append(f"'{' '.join(words[place : place + taken])}': {why}; write {assignment(key, value)}")
        place += taken
    return alone, problems


def is_name(word: str) -> bool:
    return re.fullmatch(r"[+~]*[A-Za-z][\w./-]*", word) is not None


def is_setting(word: str) -> bool:
    """Whether a word is the name of a setting or a group, and not of a choice too."""
    if word in groups() or word in explained():
        return True
    return bool(re.fullmatch(r"[\w-]+", word) and fix_key(word, None, ()) and not choices_named(word))


def assignment(key: str, value: str) -> str:
    """KEY=VALUE in words of this project."""
    if key in groups() and value not in groups()[key]:
        return fix_choice(key, value) or f"{key}={value}"
    if key in groups() or key in explained():
        return f"{key}={value}"
    return explained_fix(fix_key(key, value, explained()) or f"{key}={value}")


def lone_word(word: str, command: str) -> str:
    """The problem with a word that is no KEY=VALUE."""
    told = f"'{word}': settings are written key=value"
    if re.fullmatch(r"[\w./]+=[^\s,\[{('\"]*(,[\w./]+=[^\s,\[{('\"]*)+", word):
        return f"'{word}': settings are words of their own; write {word.replace(',', ' ')}"
    if "=" in word:
        if len(word) > SHOWN:
            return f"cannot read '{word[:SHOWN]}...': the value is too long, or its brackets are too deep"
        return f"cannot read '{word}'; quote a value with special characters: {in_both_quotes(word)}"
    if choices := choices_named(word):
        return f"{told}; write {' or '.join(choices)}"
    key, colon, value = word.partition(":")
    if colon and is_name(key) and value and not value.startswith("//"):
        return f"{told}; write {assignment(key, value)}"
    if word in explained():
        return f"{told}; write {explained_fix(f'{word}=VALUE')}"
    if word in sections():
        return f"{told}; '{word}' is a section of settings: `sspo show {word}` lists them"
    if word in recipe_files():
        return f"{told}; '{word}' is a recipe: `sspo recipe run {word}`"
    if word in groups():
        return f"{told}; write {word}=NAME (see `sspo show {word}`)"
    if said := of_path(word, command):
        return f"{told}; {said}"
    if fix := fix_key(word, None, ()):
        return f"{told}; write {explained_fix(fix)}"
    names = [*(name for names in groups().values() for name in names), *explained(), *groups()]
    return f"{told}, such as seed=1{did_you_mean(word, names)}"


def in_both_quotes(word: str) -> str:
    """KEY=VALUE with the value in quotes for the grammar, and all of it in quotes for the shell."""
    key, _, value = word.partition("=")
    if not re.search("[\"'\n]", value):
        return f"'{key}=\"{value}\"'"
    return "'dataset.path=\"my (file).jsonl\"'"


def of_path(word: str, command: str) -> str:
    """What a word that is a file or a folder was meant to be."""
    path = Path(word).expanduser()
    if (path / "config.yaml").is_file() and (path / "STATUS").is_file():
        return f"go on with a run with `sspo train --resume {word}`, repeat it with --config {word}/config.yaml"
    if word.endswith((".yaml", ".yml")):
        if path.parent.parent.name == "conf" or path.parent.name in groups():
            return f"write {path.parent.name}={path.stem}"
        return f"`sspo {command} --config {word}` starts from a run's config.yaml, `sspo recipe run` from a recipe"
    if word.endswith(DATA_FILES):
        return f"write dataset=file dataset.path={word}"
    if word.endswith(".py"):
        return f"write reward=python reward.path={word}"
    if path.is_dir() and (path / "config.json").is_file():
        return f"write model=local model.path={word}"
    return ""


def command_for(command: str, words: Sequence[str]) -> str:
    """The whole command for words that begin with something else: settings, a choice, a recipe, a run; "" if unknown.

    command: what stands before them, such as sspo or sspo recipe.
    """
    first, rest = words[0], " ".join(words[1:])
    if command.endswith(" recipe"):
        return f"sspo recipe run {first} {rest}".strip() if first in recipe_files() else ""
    if command != "sspo":
        return ""
    if "=" in first:
        several = any("," in word for word in words if word.startswith(("objective=", "seed=")))
        return f"sspo {'compare' if several else 'train'} {' '.join(words)}"
    if first in recipe_files():
        return f"sspo recipe run {first} {rest}".strip()
    if choices := choices_named(first):
        return f"sspo train {choices[0]} {rest}".strip()
    path = Path(first)
    if (path / "STATUS").is_file() or (path / "grid.json").is_file():
        return f"sspo report {first}"
    return f"sspo show {first}" if first in groups() or first in explained() else ""
