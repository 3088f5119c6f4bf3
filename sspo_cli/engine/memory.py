"""A lack of memory is told in the keys that change how much is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sspo_cli.config.schema import EvalConfig, TrainConfig
from sspo_cli.engine.device import device_of, microbatch_tokens
from sspo_cli.guards import OutOfMemory, is_out_of_memory

GIB = 2**30


@contextmanager
def memory_told(config: EvalConfig) -> Iterator[None]:
    """Whatever says inside the block that memory is not enough becomes an `OutOfMemory` in one line.

    Raises:
        OutOfMemory: naming the keys of `config` to change.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"{what(error)}: {ways_out(config)}") from None


def what(error: Exception) -> str:
    """What did not fit, as far as the allocator tells."""
    asked = re.search(r"tried to allocate ([\d.]+) ?(\w+)", str(error), re.IGNORECASE)
    if asked is None:
        return "out of memory"
    size = f"{float(asked[1]) / GIB:.2f} GiB" if asked[2] == "bytes" else f"{asked[1]} {asked[2]}"
    return f"out of memory: {size} more did not fit"


def ways_out(config: EvalConfig) -> str:
    """The keys that lower the memory of `config`, with what they say now."""
    engine, model = config.engine, config.model
    device = device_of(engine)
    held = engine.tokens_per_generation or ("65536" if device.type == "cpu" else "a quarter of the GPU's memory")
    ways = [f"lower engine.tokens_per_generation ({held} now) while sampling"]
    quantizes = frozen = True
    if isinstance(config, TrainConfig):
        ways = [f"lower engine.tokens_per_microbatch ({microbatch_tokens(engine, device)} now) in updates", *ways]
        if not engine.gradient_checkpointing:
            ways.append("set engine.gradient_checkpointing=true")
        if not config.lora.rank:
            ways.append("train adapters alone (lora.rank=16)")
        quantizes = config.lora.rank > 0
        frozen = quantizes or config.objective.reads_reference
    if frozen and model.dtype == "float32":
        ways.append("hold what is not trained in 16 bits (model.dtype=bfloat16)")
    if quantizes and model.quantize == "none":
        ways.append("or in 4 (model.quantize=nf4)")
    return ", ".join(ways)
