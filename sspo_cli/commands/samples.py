"""`sspo samples`: what a run's model wrote, and what it was worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.find import existing_run
from sspo_cli.runs.samples import Pair, Sample, by_change, by_reward, choose, pair_up
from sspo_cli.views.console import page, print_json, results
from sspo_cli.views.summary import printable

INDENT = 2
PAIR_WIDTH = 160  # of two columns, where there is more room


def run(
    word: str,
    *,
    worst: bool,
    best: bool,
    step: int | None,
    prompt: str | None,
    beside: str | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """Print samples of the run `word`, or those of two runs side by side; worst and best change their order.

    Raises:
        ConfigError: if there is no such run, or nothing to show of it.
    """
    if worst and best:
        raise ConfigError(["--worst --best: ask for one of them"])
    console = results()
    folder = existing_run(word)
    if beside is None:
        name, samples = choose(folder, step, prompt)
        samples = by_reward(samples, worst=worst) if worst or best else samples
        title = f"{folder / name}: {counted(len(samples), limit)}"
        rows: list[Any] = [to_json(item) for item in samples[:limit]]
        parts = show_samples(samples[:limit], console)
    else:
        other = existing_run(beside)
        name, pairs = pair_up(folder, other, step, prompt)
        pairs = by_change(pairs, worst=worst) if worst or best else pairs
        title = f"{name} of both: {counted(len(pairs), limit)}"
        rows = [{"a": to_json(one), "b": to_json(two)} for one, two in pairs[:limit]]
        parts = show_pairs(pairs[:limit], folder, other, console)
    if as_json:
        print_json(rows)
        return 0
    page(console, [Text(safe(title, console), style="bold"), *parts])
    return 0


def counted(found: int, limit: int | None) -> str:
    plural = "s" if found > 1 else ""
    return (
        f"{found:,} response{plural}" if limit is None or limit >= found else f"{limit:,} of {found:,} response{plural}"
    )


def to_json(item: Sample) -> dict[str, Any]:
    """The row of the file, with the number of its prompt in the step and of the sample among those of its prompt."""
    return {**item.row, "prompt_number": item.prompt, "sample_number": item.sample}


def show_samples(samples: Sequence[Sample], console: Console) -> Iterator[RenderableType]:
    """Each prompt once, where its responses follow each other; under it, what each was worth and said."""
    before = None
    for item in samples:
        if (item.step, item.prompt) != before:
            yield from show_prompt(item, console, "" if item.step is None else f"step {item.step}, ")
            before = (item.step, item.prompt)
        yield Padding(facts(item), (0, 0, 0, INDENT), expand=False)
        yield Padding(Text(safe(item.row["response"], console)), (0, 0, 0, INDENT), expand=False)
        yield Text()


def show_pairs(pairs: Sequence[Pair], a: Path, b: Path, console: Console) -> Iterator[RenderableType]:
    """The same, in two columns."""
    width = min(console.width, PAIR_WIDTH)
    steps = ["" if item.step is None else f", step {item.step}" for item in pairs[0]]
    names = [f"{folder}{step}" for folder, step in zip((a, b), steps, strict=True)]
    yield side_by_side(width, *(Text(safe(name, console), style="bold") for name in names))
    before = None
    for pair in pairs:
        if pair[0].prompt != before:
            yield from show_prompt(pair[0], console, "")
            before = pair[0].prompt
        yield side_by_side(width, *map(facts, pair))
        yield side_by_side(width, *(Text(safe(item.row["response"], console)) for item in pair))
        yield Text()


def side_by_side(width: int, left: Text, right: Text) -> Padding:
    """Two columns of equal width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(width=(width - INDENT) // 2 - 2, overflow="fold")
    table.add_row(left, right)
    return Padding(table, (0, 0, 0, INDENT), expand=False)


def show_prompt(item: Sample, console: Console, where: str) -> Iterator[RenderableType]:
    yield Text()
    yield Text(f"{where}prompt {item.prompt} of {item.prompts}", style="dim")
    yield Text(safe(item.row["prompt"], console), style="cyan")
    if "answer" in item.row:
        yield Text.assemble(("answer ", "dim"), safe(str(item.row["answer"]), console))
    yield Text()


def facts(item: Sample) -> Text:
    """What a response was worth, green where it was better than its group, or correct."""
    row = item.row
    good = row["correct"] if "correct" in row else (row.get("advantage") or 0) > 0
    words = Text(f"sample {item.sample} of {item.samples}", style="dim")
    words.append("  reward " + worth(row), style="not dim green" if good else "not dim red")
    if row.get("advantage") is not None:
        words.append(f"  advantage {row['advantage']:+.2f}")
    if "length" in row:
        words.append(f"  {row['length']} tokens" + (", cut" if row.get("truncated") else ""))
    return words


def worth(row: Mapping[str, Any]) -> str:
    """The reward, with its parts where there are several, and what the objective took from it."""
    if row["reward"] is None:
        return "unscored"
    parts = row.get("reward_parts") or {}
    text = f"{row['reward']:.2f}"
    if len(parts) > 1:
        text += f" = {listed(parts)}"
    return text + (f" ({listed(row['shaping'])})" if row.get("shaping") else "")


def listed(parts: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'unscored' if value is None else format(value, '.2f')}" for name, value in parts.items())


def safe(text: str, console: Console) -> str:
    return printable(text, console.encoding)
