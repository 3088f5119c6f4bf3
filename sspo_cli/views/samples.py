"""The screen of `sspo samples`: responses under their prompts, of one run or of two side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sspo_cli.plural import count
from sspo_cli.runs.eval_rows import EvalRow
from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.runs.samples import Pair, Sample
from sspo_cli.views.console import page, results
from sspo_cli.views.summary import answer_text, printable

INDENT = 2
PAIR_WIDTH = 160  # of two columns, where there is more room


def print_samples(file: Path, samples: Sequence[Sample], limit: int | None) -> None:
    """The first `limit` of the samples of `file`."""
    console = results()
    title = f"{file}: {counted(len(samples), limit)} to {kind_of(samples[0])} problems"
    page(console, [Text(safe(title, console), style="bold"), *sample_parts(samples[:limit], console)])


def print_pairs(name: str, pairs: Sequence[Pair], limit: int | None, folders: tuple[Path, Path]) -> None:
    """The first `limit` pairs of samples from the files `name` of two runs."""
    console = results()
    title = f"{name} of both: {counted(len(pairs), limit)} to {kind_of(pairs[0][0])} problems"
    page(console, [Text(safe(title, console), style="bold"), *pair_parts(pairs[:limit], *folders, console)])


def kind_of(item: Sample) -> str:
    return "held-out" if isinstance(item.row, EvalRow) else "training"


def counted(found: int, limit: int | None) -> str:
    shown = count(found, "response")
    return shown if limit is None or limit >= found else f"{limit:,} of {shown}"


def sample_parts(samples: Sequence[Sample], console: Console) -> Iterator[RenderableType]:
    """Each prompt once, where its responses follow each other; under it, what each was worth and said."""
    before = None
    for item in samples:
        if (item.step, item.prompt) != before:
            yield from prompt_parts(item, console, "" if item.step is None else f"step {item.step}, ")
            before = (item.step, item.prompt)
        yield Padding(facts(item, console), (0, 0, 0, INDENT), expand=False)
        yield Padding(response(item, console), (0, 0, 0, INDENT), expand=False)
        yield Text()


def pair_parts(pairs: Sequence[Pair], a: Path, b: Path, console: Console) -> Iterator[RenderableType]:
    """The same, in two columns."""
    width = min(console.width, PAIR_WIDTH)
    steps = ["" if item.step is None else f", step {item.step}" for item in pairs[0]]
    names = [f"{folder}{step}" for folder, step in zip((a, b), steps, strict=True)]
    yield side_by_side(width, *(Text(safe(name, console), style="bold") for name in names))
    before = None
    for pair in pairs:
        if pair[0].prompt != before:
            yield from prompt_parts(pair[0], console, "")
            before = pair[0].prompt
        yield side_by_side(width, *(facts(item, console) for item in pair))
        yield side_by_side(width, *(response(item, console) for item in pair))
        yield Text()


def side_by_side(width: int, left: Text, right: Text) -> Padding:
    """Two columns of equal width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(width=(width - INDENT) // 2 - 2, overflow="fold")
    table.add_row(left, right)
    return Padding(table, (0, 0, 0, INDENT), expand=False)


def prompt_parts(item: Sample, console: Console, where: str) -> Iterator[RenderableType]:
    yield Text()
    yield Text(f"{where}{kind_of(item)} prompt {item.prompt} of {item.prompts}", style="dim")
    yield Text(safe(item.row.rendered or item.row.prompt, console), style="cyan")
    if item.row.answer is not None:
        yield Text.assemble(("reference answer ", "dim"), safe(answer_text(item.row.answer), console))
    yield Text()


def response(item: Sample, console: Console) -> Text:
    """What the model wrote, with its special tokens; dim where the reward read no more of it."""
    read, spelled = item.row.response, item.row.spelled or item.row.response
    if not spelled.startswith(read):
        return Text(safe(spelled, console))
    return Text.assemble(safe(read, console), (safe(spelled[len(read) :], console), "dim"))


def facts(item: Sample, console: Console) -> Text:
    """What a response was worth, green where it was better than its group, or correct."""
    row = item.row
    good = bool(row.correct) if isinstance(row, EvalRow) else item.advantage > 0
    words = Text(f"sample {item.sample} of {item.samples}", style="dim")
    words.append("  reward " + safe(worth(row), console), style="not dim green" if good else "not dim red")
    if isinstance(row, SampleRow) and row.advantage is not None:
        words.append(f"  advantage {row.advantage:+z.2f}")
    words.append(f"  {count(row.length, 'token')}" + (", cut at the limit" if row.truncated else ""))
    return words


def worth(row: SampleRow | EvalRow) -> str:
    """The reward, with its parts where there are several, and what the objective took from it."""
    if row.error is not None:
        return f"unscored: {row.error}"
    if row.reward is None:
        return "unscored"
    text = f"{row.reward:z.2f}"
    if len(row.reward_parts) > 1:
        text += f" = {listed(row.reward_parts)}"
    shaping = row.shaping if isinstance(row, SampleRow) else None
    return text + (f" ({listed(shaping)})" if shaping else "")


def listed(parts: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{name} {'unscored' if value is None else format(value, 'z.2f')}" for name, value in parts.items()
    )


def safe(text: str, console: Console) -> str:
    return printable(text, console.encoding)
