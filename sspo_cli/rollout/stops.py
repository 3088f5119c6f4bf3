"""What ends a response, and its text for a reward: stop tokens, and strings that are found while tokens are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sspo_cli.types import Decoding

# Tokens that the last ones are decoded with: without what stands before it, a token can have another text.
BESIDE = 4


class Watch:
    """Reads the tokens of one response as they are drawn, and finds the one that completes one of `strings`.

    length: tokens of the response up to that one; None until it is there. Special tokens count as text.
    """

    def __init__(self, tokenizer: Any, strings: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.strings = strings
        self.reach = max(len(string.encode()) for string in strings) + BESIDE  # a token can be a single byte
        self.token_T: list[int] = []
        self.length: int | None = None

    def read(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            if self.length is not None:
                return
            self.token_T.append(token)
            if self.completes(self.token_T[-self.reach :]) and self.completes(self.token_T):
                self.length = len(self.token_T)

    def completes(self, tokens: Sequence[int]) -> bool:
        text = spelled(self.tokenizer, tokens)
        return any(string in text for string in self.strings)


def spelled(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Text with all special tokens."""
    return str(tokenizer.decode(tokens, skip_special_tokens=False))


def without_end(token_T: Sequence[int], decoding: Decoding) -> Sequence[int]:
    """The tokens of a response but for the stop token at its end."""
    return token_T[:-1] if token_T and token_T[-1] in decoding.stop_ids else token_T


def response_text(tokenizer: Any, token_T: Sequence[int], decoding: Decoding, *, special_tokens: bool = False) -> str:
    """The text of a response, as a reward reads it: up to the stop token or the first stop string, without that.

    special_tokens: whether those before it are part of the text.
    """

    def text(tokens: Sequence[int]) -> str:
        return str(tokenizer.decode(tokens, skip_special_tokens=not special_tokens))

    whole = spelled(tokenizer, token_T) if decoding.stop else ""
    found = [place for string in decoding.stop if (place := whole.find(string)) >= 0]
    if not found:
        return text(without_end(token_T, decoding))
    # The string can begin inside a token: `before` are the tokens that end in front of it, `rest` is of that token.
    end, count, before = min(found), len(token_T), whole
    while len(before) > end or not whole.startswith(before):
        count -= 1
        before = spelled(tokenizer, token_T[:count])
    rest = whole[len(before) : end]
    is_read = special_tokens or text(token_T[count : count + 1])
    return text(token_T[:count]) + (rest if is_read else "")
