"""A policy: a causal language model with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sspo_cli.models.base import Base
from sspo_cli.models.template import stop_ids

MASKED = -1e9  # finite, so that 0 * MASKED is 0 in an entropy


@dataclass(frozen=True)
class Policy:
    """model: any AutoModelForCausalLM, in eval mode so that sampler and trainer see the same function.

    base: what its low-rank adapters stand on, which alone are trained; None if it has none. precision: of matrix
    products; weights and everything that is summed or exponentiated stay in the model's own.
    """

    model: Any
    tokenizer: Any
    base: Base | None = None
    precision: torch.dtype = torch.float32

    @property
    def adapted(self) -> bool:
        return self.base is not None

    def autocast(self, *, once: bool = False) -> torch.autocast:
        """The context in which the model is to be called. once: no weight is read twice, so none is kept in the lower
        precision until the end of the context."""
        lower = self.precision != torch.float32
        return torch.autocast(self.device.type, self.precision, enabled=lower, cache_enabled=not once)

    @property
    def device(self) -> torch.device:
        return torch.device(self.model.device)

    @cached_property
    def stop_ids(self) -> list[int]:
        """Token ids that end a response."""
        return stop_ids(self.tokenizer, self.model.generation_config)

    @property
    def pad_id(self) -> int:
        """Fills masked positions; its value is never read."""
        pad = self.tokenizer.pad_token_id
        return int(pad if pad is not None else self.stop_ids[0])

    @cached_property
    def no_text_V(self) -> Tensor | None:
        """What is added to the logits, by the sampler and the trainer alike: MASKED at ids that the tokenizer has no
        token for. No reward could see such a token. None if every id has a token.
        """
        vocabulary = self.model.get_output_embeddings().weight.shape[0]
        known = {*self.tokenizer.get_vocab().values(), *self.stop_ids}
        unknown = [token for token in range(vocabulary) if token not in known]
        if not unknown:
            return None
        mask_V = torch.zeros(vocabulary, device=self.device)
        mask_V[unknown] = MASKED
        return mask_V

    @property
    def rows(self) -> int:
        """Token ids that the model can read."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @property
    def positions(self) -> int | None:
        """Longest sequence in tokens that the model can read; None if unbounded."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def decode(self, token_ids: list[int]) -> str:
        """Text of a response, without special tokens."""
        return str(self.tokenizer.decode(token_ids, skip_special_tokens=True))
