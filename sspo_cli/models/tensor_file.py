"""A safetensors file written tensor by tensor, so that they are never in memory all at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

ALIGNMENT = 8  # bytes


def write_tensors(file: Path, described: Mapping[str, Tensor], tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Write `tensors`, float32 and on the CPU, in the order and with the shapes of `described`.

    The format: the length of a header in 8 bytes, the header in JSON, and the numbers.
    """
    header, end = {}, 0
    for name, tensor in described.items():
        begin, end = end, end + tensor.numel() * tensor.itemsize
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with file.open("xb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in tensors:
            stream.write(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
