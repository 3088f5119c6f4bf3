"""Gradient checkpointing (arXiv 1604.06174): less memory for an update, at the cost of a second forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from sspo_cli.config.errors import ConfigError


@contextmanager
def recomputing(model: Any, *, wanted: bool) -> Iterator[None]:
    """What is computed inside the block keeps, of each layer of `model`, its inputs alone for the backward pass, which
    computes the layer again.

    transformers does so in train mode only, where dropout acts: here the model is in eval mode, so that the function
    that is trained is the one that samples.
    """
    if not wanted:
        yield
        return
    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    before = [layer.__dict__.get("forward") for layer in layers]
    for layer in layers:
        # Nothing random happens in a layer, so no random state is kept for its second run.
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    try:
        yield
    finally:
        for layer, forward in zip(layers, before, strict=True):
            del layer.forward
            if forward is not None:
                layer.forward = forward


def check_recomputing(model: Any) -> None:
    """Refuse a model whose layers cannot be computed again.

    Raises:
        ConfigError: naming the type of the model.
    """
    if not any(isinstance(layer, GradientCheckpointingLayer) for layer in model.modules()):
        raise ConfigError(
            [
                "engine.gradient_checkpointing=true: transformers marks no layers of models of type"
                f" {model.config.get_text_config().model_type}; lower engine.tokens_per_microbatch instead"
            ]
        )
