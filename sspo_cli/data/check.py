"""What a user should know about the prompts of a dataset as tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Dataset, Problem

IDS_SHOWN = 3
RENDERED_AGAIN = 3


@dataclass
class PromptReport:
    """What the prompts of a dataset are as tokens.

    left_out: longer than the most tokens that were asked for; all else is of the other prompts. count: of them.
    longest: tokens of the longest. over: ids of those that the model has no room for. lost: characters without a token,
    of the prompts `losing`. special, templated, normalised: ids of prompts that hold special tokens as text, or are
    changed by the template or the normaliser. ended: ids of prompts that the chat template ends with an end token.
    shortened: the tokenizer's end token is left out of the prompts.
    """

    left_out: list[Problem] = field(default_factory=list)
    count: int = 0
    longest: int = 0
    over: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    losing: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    templated: list[str] = field(default_factory=list)
    normalised: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    shortened: bool = False

    @property
    def notes(self) -> list[str]:
        """Lines for the user."""
        often = " ".join(character for character, _ in self.lost.most_common(IDS_SHOWN))
        count = sum(self.lost.values())
        told = [
            (self.losing, f"{count} characters have no token (most often {often}), so the model cannot read them"),
            (self.special, "special tokens of the tokenizer stand in the text, and the model reads them as such"),
            (self.templated, "the chat template changes the text"),
            (self.ended, "the chat template ends the prompt with an end token, after which a response may be empty"),
            (self.normalised, "the tokenizer's normaliser changes letters of the text"),
        ]
        lines = [f"prompts: {what}: {of_prompts(ids)}" for ids, what in told if ids]
        if self.shortened:
            lines.append("prompts: the tokenizer adds an end token to every text, which is left out of prompts")
        return lines


def check_prompts(
    encoder: Encoder,
    dataset: Dataset,
    *,
    most: Callable[[Problem], int | None] = lambda problem: None,
    room: int | None = None,
    rows: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PromptReport:
    """Encode every prompt that the dataset lists once, and tell what is not as it was written.

    most: tokens of a prompt, by its problem, that is not left out. room: tokens of a prompt that the model can read.
    rows: token ids that it can read. progress: is told how many of how many prompts are done.

    Raises:
        ConfigError: for a prompt that cannot be encoded, or that the model has no row for; for a chat template that
            makes the same of all prompts.
    """
    found = PromptReport()
    first = [*dataset.evaluation[:2]]
    texts: set[str] = set()
    contents: set[str] = set()
    problems = dict.fromkeys([*dataset.problems(), *dataset.evaluation])
    for number, problem in enumerate(problems, start=1):
        text, tokens = encoder.encoded(problem)
        progress(number, len(problems))
        check_rows(problem, tokens, encoder, rows)
        if len(texts) < 2:
            texts.add(text)
            contents.add(squeezed(problem.text))
        if problem in first and any(encoder.prompt(problem) != tokens for _ in range(RENDERED_AGAIN)):
            raise ConfigError(
                [f"{problem.id}: the model's chat template gives another prompt each time; use one that does not draw"]
            )
        limit = most(problem)
        if limit is not None and len(tokens) > limit:
            found.left_out.append(problem)
        else:
            look_at(problem, text, tokens, encoder, found, room)
    if len(texts) < len(contents) and encoder.tokenizer.chat_template:
        raise ConfigError(
            [
                f"prompts: the chat template makes the same text of all {len(problems)} prompts, so the model cannot"
                " read what is asked; use another template, model.chat_template=FILE"
            ]
        )
    return found


def check_rows(problem: Problem, tokens: list[int], encoder: Encoder, rows: int | None) -> None:
    """Refuse token ids beyond what the model has rows for.

    Raises:
        ConfigError: naming the token.
    """
    if rows is not None and max(tokens) >= rows:
        raise ConfigError(
            [
                f"{problem.id}: holds the token {encoder.spelled([max(tokens)])!r} of id {max(tokens)}, and the model"
                f" has embeddings of {rows} tokens: the tokenizer is that of another model"
            ]
        )


def look_at(
    problem: Problem, text: str, tokens: list[int], encoder: Encoder, found: PromptReport, room: int | None
) -> None:
    """Note in `found` what is to be told of one prompt."""
    found.count += 1
    found.longest = max(found.longest, len(tokens))
    found.over += [problem.id] if room is not None and len(tokens) > room else []
    if encoder.tokenizer.chat_template:
        found.ended += [problem.id] if tokens[-1] in encoder.end_ids else []
    else:
        found.shortened |= len(encoder.tokenizer(text)["input_ids"]) > len(tokens)
    normalised = encoder.normalised(text)
    contents = [problem.prompt] if isinstance(problem.prompt, str) else [turn.content for turn in problem.prompt]
    if missing := letters(normalised) - letters(encoder.spelled(tokens)):
        found.lost += missing
        found.losing.append(problem.id)
    if any(token in content for token in encoder.tokenizer.all_special_tokens for content in contents):
        found.special.append(problem.id)
    if any(content not in text for content in contents):
        found.templated.append(problem.id)
    if squeezed(text) != squeezed(normalised):
        found.normalised.append(problem.id)


def squeezed(text: str) -> str:
    """Without white space, which tokenizers add and drop."""
    return "".join(text.split())


def letters(text: str) -> Counter[str]:
    """How often every character is there, but for white space."""
    return Counter(squeezed(text))


def of_prompts(ids: list[str]) -> str:
    return f"{len(ids)} prompt{'s' if len(ids) > 1 else ''} ({first_of(ids)})"


def first_of(ids: list[str]) -> str:
    return ", ".join(ids[:IDS_SHOWN]) + (", ..." if len(ids) > IDS_SHOWN else "")
