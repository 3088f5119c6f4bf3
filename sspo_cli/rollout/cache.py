"""Storage for decoding: slots that rows enter with an encoded prompt and leave when they are finished."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer

STATES = ("conv_states", "recurrent_states")


def prompt_cache(config: Any) -> DynamicCache:
    """An empty cache to encode prompts with: keys and values of all positions, whatever a layer's window, and states of
    a fixed size for the layers beside them that have those instead (convolutions, linear attention)."""
    cache = DynamicCache(config=config)
    attention = [isinstance(layer, CacheLayerMixin) for layer in cache.layers]
    if all(attention) or not any(attention):
        return DynamicCache()
    cache.layers = [DynamicLayer() if isinstance(layer, DynamicLayer) else layer for layer in cache.layers]
    return cache


@dataclass
class Columns:
    """Where rows are: the first `rows` of `slots`, each `width` columns wide.

    All rows end in the same column, `end`, wherever they began, so that a decoding step writes one column. Columns
    before `begin` belong to nobody.
    """

    slots: int
    width: int
    begin: int
    end: int
    rows: int = 0


class SlotCache(Cache):  # type: ignore[misc]
    """What the rows that decode together hold, and where. Storage is allocated once; entering, leaving and writing copy
    only what moves.

    Layers know `at`, not the cache: a cycle of references would keep the storage until Python looks for cycles.
    """

    def __init__(self, at: Columns) -> None:
        self.at = at
        self.layers: list[Any]
        self.states: list[SlotState] = []
        super().__init__(layers=[])

    @property
    def attention(self) -> list[SlotLayer]:
        return [layer for layer in self.layers if isinstance(layer, SlotLayer)]

    def enter(self, encoded: DynamicCache, of_M: Tensor) -> None:
        """Add a row for each entry of of_M, [M]: the row of `encoded`, prompts padded on the left, that it starts
        from."""
        if not self.layers:
            self.allocate(encoded)
        first = self.at.end - encoded.get_seq_length()
        begin = min(self.at.begin, first) if self.at.rows else first
        old, new = slice(self.at.rows), slice(self.at.rows, self.at.rows + len(of_M))
        for layer, source in zip(self.layers, encoded.layers, strict=True):
            if not isinstance(layer, SlotLayer):
                continue
            for stored, states in zip(layer.stored, (source.keys, source.values), strict=True):
                # Attention multiplies what it hides by 0, but empty storage may hold NaN.
                stored[old, :, begin : self.at.begin] = 0
                stored[new, :, begin:first] = 0
                stored[new, :, first : self.at.end] = states[of_M]
        self.at.begin, self.at.rows = begin, new.stop
        for state in self.states:
            state.stored[new] = state.of(encoded)[of_M]
            state.show(self.at.rows)

    def allocate(self, encoded: DynamicCache) -> None:
        """Slots for what every layer of `encoded` holds."""
        for number, source in enumerate(encoded.layers):
            if isinstance(source, CacheLayerMixin):
                self.layers.append(SlotLayer(self.at, source.keys, source.values))
                continue
            layer = copy.copy(source)
            self.layers.append(layer)
            for name in STATES:
                held = dict(getattr(source, name, {}))
                setattr(layer, name, held)
                self.states += [
                    SlotState(number, name, index, layer, state.new_empty(self.at.slots, *state.shape[1:]))
                    for index, state in held.items()
                    if state is not None
                ]

    def keep(self, rows: int, begin: int, source_M: Tensor, target_M: Tensor) -> None:
        """Shrink to `rows` rows that begin at column `begin` or later, rows source_M having moved to target_M."""
        self.at.rows, self.at.begin = rows, begin
        for layer in self.attention:
            for stored in layer.stored:
                stored[target_M, :, begin : self.at.end] = stored[source_M, :, begin : self.at.end]
        for state in self.states:
            state.stored[target_M] = state.stored[source_M]
            state.show(rows)

    def shift(self, columns: int) -> None:
        """Move everything `columns` to the left."""
        held = slice(self.at.begin, self.at.end)
        self.at.begin -= columns
        self.at.end -= columns
        for layer in self.attention:
            for stored in layer.stored:
                stored[: self.at.rows, :, self.at.begin : self.at.end] = stored[: self.at.rows, :, held].clone()


@dataclass
class SlotState:
    """A state of fixed size for each slot, [slots, ...]; `layer`, one of transformers' own, reads and writes the first
    rows of it as its state `index` called `name`."""

    number: int
    name: str
    index: int
    layer: Any
    stored: Tensor

    def of(self, cache: DynamicCache) -> Tensor:
        """The same state in another cache."""
        state: Tensor = getattr(cache.layers[self.number], self.name)[self.index]
        return state

    def show(self, rows: int) -> None:
        getattr(self.layer, self.name)[self.index] = self.stored[:rows]


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer of a `SlotCache`: what the model's attention writes to and reads from.

    A sliding window needs nothing of its own: the model's mask hides what lies outside it.
    """

    is_sliding = False

    def __init__(self, at: Columns, key_states: Tensor, value_states: Tensor) -> None:
        super().__init__()
        self.at = at
        self.lazy_initialization(key_states, value_states)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.stored = [
            states.new_empty(self.at.slots, states.shape[1], self.at.width, states.shape[3])
            for states in (key_states, value_states)
        ]
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        at, end = self.at, self.at.end + key_states.shape[-2]
        for stored, states in zip(self.stored, (key_states, value_states), strict=True):
            stored[: at.rows, :, at.end : end] = states
        keys, values = (stored[: at.rows, :, at.begin : end] for stored in self.stored)
        return keys, values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        return self.at.end - self.at.begin

    def get_max_length(self) -> int:
        return -1
