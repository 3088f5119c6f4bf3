"""Files that are written tensor by tensor are those that safetensors writes."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from sspo_cli.models.tensor_file import write_tensors


def test_the_file_is_that_of_the_library(tmp_path: Path) -> None:
    tensors = {
        "0.exp_avg": torch.randn(3, 5),
        "0.step": torch.tensor(3.0),
        "10.exp_avg": torch.randn(4, 6).T,  # not contiguous
        "2.exp_avg": torch.empty(0, 7),
    }
    write_tensors(tmp_path / "ours", tensors, iter(tensors.items()))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
