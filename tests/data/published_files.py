"""A few rows of every published data set, in its true schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets

Rows = Sequence[Mapping[str, Any]]

GSM8K: Rows = [
    {
        "question": "Natalia sold 48 clips in April and half as many in May. How many in all?",
        "answer": "In May she sold 48/2 = <<48/2=24>>24 clips.\nIn all 48+24 = <<48+24=72>>72.\n#### 72",
    },
    {"question": "A car costs $1,000 and a van twice that. What does the van cost?", "answer": "2 x 1000\n#### 2,000"},
]
MATH: Rows = [
    {
        "problem": "What is half of $\\frac{1}{3}$?",
        "level": "Level 1",
        "type": "Prealgebra",
        "solution": "Half of it is $\\frac12\\cdot\\frac13=\\boxed{\\frac{1}{6}}$.",
    },
    {
        "problem": "What is $1+1$?",
        "level": "Level 1",
        "type": "Algebra",
        "solution": "First \\boxed{3}, no: $\\boxed 2$",
    },
]
MATH500: Rows = [
    {
        "problem": "Convert the point $(0,3)$ to polar coordinates.",
        "solution": "We have $r = 3$, so $\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}$.",
        "answer": "\\left( 3, \\frac{\\pi}{2} \\right)",
        "subject": "Precalculus",
        "level": 2,
        "unique_id": "test/precalculus/807.json",
    }
]
AIME24: Rows = [
    {
        "id": 60,
        "problem": "Every morning Aya goes for a walk. How many minutes?",
        "solution": "It takes $\\boxed{204}$ minutes.",
        "answer": "204",
        "url": "https://example.org/2024_AIME_I_Problems/Problem_1",
        "year": "2024",
    },
    {"id": 61, "problem": "How many?", "solution": "33", "answer": "033", "url": "", "year": "2024"},
]
AIME25: Rows = [{"problem": "Find the sum of all integer bases.", "answer": "70", "id": "0"}]
AMC23: Rows = [
    {"id": 0, "question": "Cities A and B are 45 miles apart.", "answer": 27.0, "url": "https://example.org"}
]
DEEPMATH: Rows = [
    {
        "question": "Evaluate the limit.",
        "final_answer": "0",
        "difficulty": 4.5,
        "topic": "Mathematics -> Calculus",
        "r1_solution_1": "Okay, so",
        "r1_solution_2": "First,",
        "r1_solution_3": "Let me",
    },
    {
        "question": "Is the series convergent?",
        "final_answer": "Yes",
        "difficulty": 6.0,
        "topic": "Mathematics -> Calculus",
        "r1_solution_1": "Okay, so",
        "r1_solution_2": "First,",
        "r1_solution_3": "Let me",
    },
]
BEFORE = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer:"
    " $Answer (without quotes) where $Answer is the answer to the problem."
)
BEHIND = 'Remember to put your answer on its own line after "Answer:".'


def dapo(question: str, answer: str, index: str) -> Mapping[str, Any]:
    return {
        "data_source": "math_dapo",
        "prompt": [{"content": f"{BEFORE}\n\n{question}\n\n{BEHIND}", "role": "user"}],
        "ability": "MATH",
        "reward_model": {"ground_truth": answer, "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": index},
    }


DAPO: Rows = [
    dapo("In triangle $ABC$, find $m+n$.", "34", "9a9b6eb4"),
    dapo("Let $a$ be\n\nan integer.", "113", "b426d104"),
    dapo("In triangle $ABC$, find $m+n$.", "34", "9a9b6eb4"),
]
# By kind: rows of the train and of the test split.
TRUE: Mapping[str, Mapping[str, Rows]] = {
    "gsm8k": {"train": GSM8K, "test": GSM8K[:1]},
    "math": {"train": MATH, "test": MATH[:1]},
    "math500": {"test": MATH500},
    "aime24": {"train": AIME24},
    "aime25": {"test": AIME25},
    "amc23": {"test": AMC23},
    "deepmath": {"train": DEEPMATH},
    "dapo_math_17k": {"train": DAPO},
}


def write_rows(file: Path, rows: Rows) -> Path:
    """The rows as FILE.jsonl or FILE.parquet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        datasets.Dataset.from_list([dict(row) for row in rows]).to_parquet(file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def write_published(home: Path, kind: str, suffix: str = ".jsonl") -> Path:
    """A folder with the splits of a data set."""
    for split, rows in TRUE[kind].items():
        write_rows(home / kind / f"{split}{suffix}", rows)
    return home / kind
