"""Where the YAML lives: beside the package in a checkout, inside it when installed, plus the user's ./conf."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def shipped(folder: str) -> Path:
    """The absolute path of `conf` or `recipes` as shipped with the package."""
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def user_conf() -> Path | None:
    """The user's own ./conf, unless the working directory is the checkout itself."""
    folder = Path.cwd() / "conf"
    return folder if folder.is_dir() and folder != shipped("conf") else None


def conf_folders() -> list[Path]:
    """Every conf folder, the shipped one first."""
    own = user_conf()
    return [shipped("conf")] + ([own] if own else [])


def groups() -> dict[str, list[str]]:
    """Every config group with its choices, sorted: {"objective": [...], "objective/gate": [...], ...}."""
    found: dict[str, set[str]] = {}
    for root in conf_folders():
        for file in root.rglob("*.yaml"):
            group = file.parent.relative_to(root).as_posix()
            if group != "." and file.is_file():
                found.setdefault(group, set()).add(file.stem)
    return {group: sorted(choices) for group, choices in sorted(found.items())}


def choice_file(group: str, choice: str) -> Path | None:
    """The YAML file of one choice; the shipped one wins, as it does when Hydra composes."""
    for root in conf_folders():
        file = root / group / f"{choice}.yaml"
        if file.is_file():
            return file
    return None


def is_users(group: str, choice: str) -> bool:
    """Whether the user wrote the file of this choice."""
    file = choice_file(group, choice)
    return file is not None and not file.is_relative_to(shipped("conf"))
