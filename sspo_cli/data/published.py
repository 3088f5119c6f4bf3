"""Published data sets from the hub, or from files of their schema: gsm8k, math and others by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.fitting import section_of
from sspo_cli.config.schema import PromptSection, PublishedData, PublishedTest
from sspo_cli.data.apart import told_apart, without_held_out
from sspo_cli.data.facts import FACTS, Facts
from sspo_cli.data.fields import BadField
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Problem
from sspo_cli.data.prompting import frame
from sspo_cli.hub import why_not
from sspo_cli.seeds import stable_fraction

FORMATS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}


@dataclass(frozen=True)
class Place:
    """Where a data set is read from. name: of FACTS. key: of the path in the configuration. config: the one that the
    user wants; None is all that make it up."""

    name: str
    key: str
    path: str
    revision: str
    config: str | None

    @property
    def facts(self) -> Facts:
        return FACTS[self.name]

    @property
    def told(self) -> str:
        return f"{self.key}={self.path}"

    @property
    def configs(self) -> tuple[str | None, ...]:
        return (self.config,) if self.config else self.facts.configs or (None,)


def load_published(config: PublishedData | PublishedTest, seed: int, eval_problems: int) -> Listed:
    """The train split to learn from, and the held-out problems: its test split, or those of `dataset.eval`.

    Raises:
        ConfigError: the hub cannot be reached and nothing is cached, a missing split, a wrong schema, an answer
            without its mark, nothing to evaluate on.
    """
    own = Place(config.kind, "dataset.path", config.path, config.revision, config.config)
    train = problems_of(own, own.facts.train, config) if own.facts.train else []
    tested = held_out_place(own, config)
    assert tested.facts.test is not None
    held_out = problems_of(tested, tested.facts.test, config)
    evaluation = held_out[:eval_problems]
    notes = []
    if len(held_out) < eval_problems:
        notes.append(
            f"dataset={tested.name}: has {len(held_out)} of the eval.problems={eval_problems} asked for; all of it is"
            " evaluated"
        )
    kept, dropped = without_held_out(train, held_out)
    if train and not kept:
        raise ConfigError(
            [f"{own.told}: all of its {len(train)} problems are held out, and none is left to learn from"]
        )
    return Listed(kept, evaluation, seed, [*notes, *told_apart(f"dataset={own.name}", dropped)], held_out)


def held_out_place(own: Place, config: PublishedData | PublishedTest) -> Place:
    """Where the held-out problems are read from."""
    if isinstance(config, PublishedTest) or config.eval is None:
        if own.facts.test is None:
            raise ConfigError(
                [f"dataset={own.name}: has no problems of its own to evaluate on; set dataset.eval=math500"]
            )
        return own
    published = section_of("dataset", config.eval)
    path = config.eval_path or published["path"]
    return Place(config.eval, "dataset.eval_path", path, published["revision"], None)


def problems_of(place: Place, split: str, section: PromptSection) -> list[Problem]:
    """The problems of a split; of a data set in several parts in an order of their own, for a part is one subject.

    Raises:
        ConfigError: see `load_published`.
    """
    found: list[Problem] = []
    faults: list[str] = []
    seen: set[str] = set()
    for name, row in rows_of(place, split):
        try:
            question = named(place.facts.question, place.facts.read_question, row)
            if place.facts.repeats and question in seen:
                continue
            seen.add(question)
            found.append(as_problem(name, question, row, place.facts, section))
        except BadField as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise ConfigError(
            [
                f"{place.told}: {len(faults)} rows of the {split} split cannot be read, the first is {faults[0]};"
                " files of another form are read with dataset=file"
            ]
        )
    if not found:
        raise ConfigError([f"{place.told}: the {split} split has no problems"])
    if len(place.configs) > 1:
        found.sort(key=lambda problem: stable_fraction(problem.question))
    return found


def as_problem(name: str, question: str, row: Mapping[str, Any], facts: Facts, section: PromptSection) -> Problem:
    return Problem(
        id=name,
        prompt=frame(question, row, section),
        answer=named(facts.answer, facts.read_answer, row),
        solution=row.get(facts.solution) if facts.solution else None,
        fields=row,
        question=question,
    )


def named(field: str, read: Any, row: Mapping[str, Any]) -> str:
    try:
        return str(read(row[field]))
    except BadField as error:
        raise BadField(f"the field '{field}' {error}") from None


def rows_of(place: Place, split: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every row with a name, such as train/12 or algebra/train/12.

    Raises:
        ConfigError: if there are none, or they lack a field.
    """
    path = Path(place.path)
    for config, rows in files_of(place, split) if path.exists() else of_hub(place, split):
        missing = [name for name in (place.facts.question, place.facts.answer) if name not in rows.column_names]
        if missing:
            has = ", ".join(rows.column_names)
            raise ConfigError([f"{place.told}: the {split} split has no field '{missing[0]}' (it has: {has})"])
        kept = rows.remove_columns([name for name in place.facts.unread if name in rows.column_names])
        prefix = f"{config}/{split}" if config and len(place.configs) > 1 else split
        numbers = firsts(kept.data.column(place.facts.question)) if place.facts.repeats else range(len(kept))
        for number, row in zip(numbers, kept.select(numbers), strict=True):
            yield f"{prefix}/{number}", row


def firsts(column: Any) -> Sequence[int]:
    """Where each value of a column of Arrow stands first, if they are texts or single messages; else all places.

    Rows by the million take minutes as dictionaries, and seconds here.
    """
    import pyarrow.compute as pc
    from pyarrow import types

    seen: dict[str, int] = {}
    place = 0
    for chunk in column.iterchunks():
        texts = chunk
        if types.is_list(chunk.type) and types.is_struct(chunk.type.value_type):
            texts = pc.struct_field(pc.list_flatten(chunk), "content")
        if not (types.is_string(texts.type) or types.is_large_string(texts.type)) or len(texts) != len(chunk):
            return range(len(column))
        for text in texts.to_pylist():
            seen.setdefault(text, place)
            place += 1
    return list(seen.values())


def files_of(place: Place, split: str) -> Iterator[tuple[str | None, Any]]:
    """From one file, from SPLIT.jsonl and the like in a folder, or from a folder as the hub has it."""
    import datasets

    path = Path(place.path)
    files = [path] if path.is_file() else [file for suffix in FORMATS if (file := path / f"{split}{suffix}").is_file()]
    if not files and not any(path.rglob("*.parquet")):
        facts = place.facts
        raise ConfigError(
            [f"{place.told}: the folder has no {split}.jsonl or {split}.parquet ({facts.question}, {facts.answer})"]
        )
    if path.is_file() and path.suffix not in FORMATS:
        raise ConfigError([f"{place.told}: must end with one of {', '.join(FORMATS)}"])
    datasets.disable_progress_bars()
    try:
        if files:
            reader = FORMATS[files[0].suffix]
            yield None, datasets.load_dataset(reader, data_files=str(files[0]), split="train")
        else:
            for config in place.configs:
                yield config, datasets.load_dataset(str(path), config, split=split)
    except Exception as error:  # readers of files raise what their libraries do
        raise ConfigError([f"{place.told}: cannot be read: {last_words(error)}"]) from error


def of_hub(place: Place, split: str) -> Iterator[tuple[str | None, Any]]:
    import datasets

    reason = why_not(place.path, "dataset", place.revision)
    datasets.config.HF_HUB_OFFLINE = reason is not None
    datasets.enable_progress_bars()
    try:
        for config in place.configs:
            yield config, datasets.load_dataset(place.path, config, revision=place.revision, split=split)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            [
                f"{place.told}: not in the local cache ({datasets.config.HF_DATASETS_CACHE}) and"
                f" {reason or last_words(error)}; download it once with network access"
                f" (`hf download {place.path} --repo-type dataset`), or set {place.key} to a folder with {split}.jsonl"
            ]
        ) from error


def last_words(error: BaseException) -> str:
    """The reason at the bottom of a chain of errors, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
