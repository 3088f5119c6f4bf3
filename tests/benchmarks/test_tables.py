"""Ratios, the check of equal work, and tables, from planted results."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks.table import Table
from benchmarks.versus import better_trl, peer_tables, ratios, unequal_work
from benchmarks.workload import EMBEDDED

MACHINE = {"processor": "p", "cores": 2, "threads": 2, "date": "d"}
VERSIONS = dict.fromkeys(("python", "torch", "transformers", "trl", "sspo"), "1")


def job(name: str, seconds_per_token: float, tokens: int, **changes: Any) -> dict[str, Any]:
    """A side whose rollout, scoring and update each take seconds_per_token for every response token."""
    each = seconds_per_token * tokens
    row = {
        **{f"{phase}_s": each for phase in ("rollout", "scoring", "update", "extra_scoring")},
        "other_s": 0.0,
        "step_s": 3 * each,
        "prompts_sha256": "same",
        "responses": 256,
        "prompt_tokens": 4000,
        "response_tokens": tokens,
        "response_tokens_sd": 45.0,
        "updates": 4,
        **changes,
    }
    return {"name": name, "workload": EMBEDDED.to_dict(), "rows": [row], "peak_mib": 500.0, "others": 0.0}


def comparison(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"environment": {**MACHINE, **VERSIONS}, "jobs": list(jobs)}


FAIR = comparison(job("sspo", 1e-4, 20_000), job("trl", 4e-4, 21_000), job("trl static", 3e-4, 21_000))


def test_a_ratio_is_one_of_times_per_token_against_the_better_trl() -> None:
    assert better_trl(FAIR) == "trl static"
    assert ratios(FAIR, ["rollout_s"], ["rollout_s"]) == pytest.approx([3.0])
    assert ratios(FAIR, ["scoring_s", "update_s"], ["update_s"]) == pytest.approx([6.0])


def test_ratios_pair_repetitions() -> None:
    slow = [job("sspo", 2e-4, 20_000), job("trl", 8e-4, 20_000), job("trl static", 6e-4, 20_000)]
    assert ratios(comparison(*FAIR["jobs"], *slow), ["step_s"], ["step_s"]) == pytest.approx([3.0, 3.0])


def test_equal_work_passes_and_chance_is_no_problem() -> None:
    assert unequal_work({"peers": FAIR}) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prompts_sha256": "others"}, "prompts_sha256"),
        ({"responses": 255}, "responses"),
        ({"updates": 8}, "updates"),
        ({"prompt_tokens": 4001}, "prompt_tokens"),
        ({"response_tokens": 26_000}, "mean response length"),
    ],
)
def test_unequal_work_is_told(changes: dict[str, Any], told: str) -> None:
    other = job("trl static", 3e-4, 21_000, **changes)
    problems = unequal_work({"peers": comparison(*FAIR["jobs"][:2], other)})
    assert problems and told in problems[0]


def test_the_table_shows_phases_ratios_and_targets() -> None:
    text = str(peer_tables(FAIR)[0])
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in rows_of(text)}
    # 20,736 response tokens at 1e-4 s each.
    assert cells["rollout"] == ["2.07", "8.29", "6.22", "3.00", "3"]
    assert cells["whole step"][3:] == ["3.00", "3"]
    assert "trl static" in text


def test_columns_line_up_and_ranges_are_shown() -> None:
    table = Table("Title", ["what", "value"], [["a", "1"], ["longer", "22.5"]], ["Words."])
    lines = rows_of(str(table))
    assert len({len(line) for line in lines}) == 1 and lines[1].endswith(":|".replace("|", " |"))
    assert str(table).startswith("## Title\n\n|") and str(table).endswith("\n\nWords.")


def rows_of(text: str) -> list[str]:
    return re.findall(r"^\|.*\|$", text, flags=re.MULTILINE)
