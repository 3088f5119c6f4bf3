"""docs/reference/objectives.md says what conf/ says, and README.md has the same formulas.

`python -m tests.test_objectives_page` writes what stands between the two marks of the page.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sspo_cli.config.comments import header
from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import choice_file, groups
from sspo_cli.config.schema import ObjectiveConfig, TrainConfig
from sspo_cli.objectives.advantage import ADVANTAGES
from sspo_cli.objectives.normalize import NORMALIZERS
from sspo_cli.objectives.pool import POOLS
from sspo_cli.objectives.ratio import RATIOS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "objectives.md"
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The order of the README: soft gates inside a sequence weight first, then their relatives, then the baselines.
ORDER = re.findall(r"^\| `(\w+)` \| `J = ", README, flags=re.MULTILINE)


MARKED = re.compile(r"(?<=<!-- generated: python -m tests.test_objectives_page -->\n).*(?=<!-- end -->)", re.DOTALL)


def generated() -> str:
    lines = ["", "## The parts of each objective", ""]
    lines += ["| `objective=` | ratio | gate | pool | normalize | advantage |", "|---|---|---|---|---|---|"]
    lines += [row(name) for name in ORDER]
    lines += ["", *(line for name in ORDER for line in section(name))]
    lines += ["## Ratios", "", *table("ratio", docs(RATIOS))]
    lines += ["## Gates", "", "`objective/gate=NAME` replaces the gate. The gate study is arXiv 2602.19345.", ""]
    lines += table(
        "gate", {name: header_of("objective/gate", name).split("\n")[0] for name in groups()["objective/gate"]}
    )
    lines += ["## Pools", "", *table("pool", docs(POOLS))]
    lines += ["## Normalisers", "", *table("normalize", docs(NORMALIZERS))]
    lines += ["## Advantages", "", *table("advantage", docs(ADVANTAGES))]
    return "\n".join([*lines, ""])


def row(name: str) -> str:
    found = objective(name)
    pool = "(one ratio)" if found.ratio in ("sequence", "product") else found.pool
    cells = [f"[`{name}`](#{name})", found.ratio, gate_words(found), pool, found.normalize, found.advantage]
    return f"| {' | '.join(cells)} |"


def gate_words(found: ObjectiveConfig) -> str:
    """The gate's name and its numbers, such as `clip` 0.2/0.28."""
    values = [f"{value:g}" for value in vars(found.gate).values() if isinstance(value, float)]
    return " ".join([f"`{found.gate.name}`", "/".join(values)]).strip()


def objective(name: str) -> ObjectiveConfig:
    words = ["batch.samples_per_prompt=1"] if name == "sft" else []
    return load_config(TrainConfig, [f"objective={name}", *words]).objective


def section(name: str) -> list[str]:
    """What the comments of an objective's file say: its first line, the formula, then its sources and reductions."""
    about, _, rest = header_of("objective", name).partition("\n\n")
    formula, _, notes = rest.partition("\n\n")
    found = [f"### {name}", "", about, "", "```text", formula, "```", ""]
    for note in re.split(r"\n(?=(?:Paper|Reduces to|Try|Needs)\b)", notes):
        found += [" ".join(note.split()), ""]
    return found


def header_of(group: str, name: str) -> str:
    file = choice_file(group, name)
    assert file is not None
    return header(file)


def docs(functions: object) -> dict[str, str]:
    assert hasattr(functions, "items")
    return {name: " ".join((function.__doc__ or "").split()) for name, function in functions.items()}


def table(what: str, rows: dict[str, str]) -> list[str]:
    meanings = {name: meaning.replace("|", "\\|") for name, meaning in rows.items()}
    return [f"| {what} | meaning |", "|---|---|", *(f"| `{name}` | {told} |" for name, told in meanings.items()), ""]


@pytest.mark.slow
def test_the_page_is_what_the_configuration_says() -> None:
    (found,) = MARKED.findall(PAGE.read_text(encoding="utf-8"))
    assert found == generated(), "write it anew: python -m tests.test_objectives_page"


def test_the_readme_has_the_formula_of_every_objective() -> None:
    shown = dict(re.findall(r"^\| `(\w+)` \| `(J = [^`]*)` \|", README, flags=re.MULTILINE))
    assert set(shown) == set(groups()["objective"])
    for name, formula in shown.items():
        assert formula.split() == header_of("objective", name).partition("\n\n")[2].split("\n")[0].split()


if __name__ == "__main__":
    PAGE.write_text(MARKED.sub(lambda _: generated(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
