"""Key/value storage for sampling: the prompt is encoded once per group, storage is reserved once, rows can leave."""

from __future__ import annotations

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer


class ReservedLayer(DynamicLayer):  # type: ignore[misc]
    """A growing layer that writes into storage reserved for its final size instead of concatenating."""

    def __init__(self, filled: DynamicLayer, room: int) -> None:
        super().__init__()
        self.lazy_initialization(filled.keys, filled.values)
        self.stored = [reserve(filled.keys, room), reserve(filled.values, room)]
        self.length = filled.keys.shape[-2]
        self.expose()

    def expose(self) -> None:
        self.keys, self.values = (stored[:, :, : self.length] for stored in self.stored)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        end = self.length + key_states.shape[-2]
        for stored, states in zip(self.stored, (key_states, value_states), strict=True):
            stored[:, :, self.length : end] = states
        self.length = end
        self.expose()
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        for place, stored in enumerate(self.stored):
            stored[: len(indices), :, : self.length] = stored[indices, :, : self.length]
            self.stored[place] = stored[: len(indices)]
        self.expose()


def reserve(states: Tensor, room: int) -> Tensor:
    rows, heads, length, size = states.shape
    stored = states.new_empty(rows, heads, length + room, size)
    stored[:, :, :length] = states
    return stored


def repeat_and_reserve(cache: DynamicCache, repeats: int, room: int) -> None:
    """Repeat every prompt of `cache` for its group and make room for `room` more tokens, in place.

    Layers that do not simply grow (sliding windows, recurrent states) keep their own storage.
    """
    for place, layer in enumerate(cache.layers):
        layer.batch_repeat_interleave(repeats)
        if type(layer) is DynamicLayer:
            cache.layers[place] = ReservedLayer(layer, room)


def keep_rows(cache: DynamicCache, rows: Tensor) -> None:
    """Drop every row but `rows` from every layer, in place."""
    for layer in cache.layers:
        layer.batch_select_indices(rows)
