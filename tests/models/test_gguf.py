"""Models in GGUF files: the same function and the same tokens, made once, and never half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import LocalModel
from sspo_cli.models import gguf
from sspo_cli.models.base import find, identify, pinned
from sspo_cli.models.load import architecture, load_policy
from tests.gguf_files import BEGIN, END, PAD, TEMPLATE, TOKENS, tiny_llama, write_gguf

CPU = torch.device("cpu")
TOKEN_1L = torch.arange(5, 25)[None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders made of files are cached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def local(file: Path) -> LocalModel:
    return LocalModel(kind="local", path=str(file))


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(TOKEN_1L).logits
    return found


def test_a_file_is_the_function_and_the_tokenizer_that_were_written(tmp_path: Path) -> None:
    model = tiny_llama()
    file = write_gguf(tmp_path / "tiny.gguf", model)
    assert architecture(local(file)).hidden_size == model.config.hidden_size
    policy = load_policy(local(file), 0, CPU)
    assert torch.allclose(logits(policy.model), logits(model), atol=1e-5)
    assert {parameter.dtype for parameter in policy.model.parameters()} == {torch.float32}
    tokenizer = policy.tokenizer
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (BEGIN, END, PAD)
    assert tokenizer.chat_template == TEMPLATE and policy.stop_ids == [END]
    assert tokenizer.convert_ids_to_tokens(range(len(TOKENS))) == TOKENS
    # The tokenizer of this file takes digits apart, and what is before them is cut as if they were not there.
    assert tokenizer.tokenize("ab\n\n12") == ["ab", "ĊĊ", "1", "2"]


def test_a_file_is_unpacked_once_for_each_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    folder = gguf.unpacked(file)
    assert "is dequantized once, into" in capsys.readouterr().err
    assert gguf.unpacked(file) == folder and capsys.readouterr().err == ""
    first = identify(local(file), 0)
    moved = file.rename(tmp_path / "other.gguf")
    assert identify(local(moved), 0) == first
    write_gguf(moved, tiny_llama(seed=1))
    assert identify(local(moved), 0) != first and gguf.unpacked(moved) != folder


def test_a_damaged_folder_is_made_anew(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    before = (gguf.unpacked(file) / "model.safetensors").read_bytes()
    (gguf.unpacked(file) / "model.safetensors").write_bytes(before[:1000])
    assert (gguf.unpacked(file) / "model.safetensors").read_bytes() == before


KILLED = """
import sys, time
from pathlib import Path
from sspo_cli.models import gguf
whole = gguf.integrity.seal
def slow(folder):
    print("half", flush=True)
    time.sleep(60)
gguf.integrity.seal = slow
gguf.unpacked(Path(sys.argv[1]))
"""


@pytest.mark.long
def test_a_kill_half_way_leaves_nothing_that_is_taken_for_whole(tmp_path: Path, home: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    command = [sys.executable, "-c", KILLED, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "HF_HOME": str(home)}) as process:
        assert process.stdout is not None and process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    kept = list((home / "sspo" / "gguf").iterdir())
    assert [path.name.startswith(".partial-") for path in kept if path.is_dir()] == [True]
    begun = time.monotonic()
    folder = gguf.unpacked(file)
    assert time.monotonic() - begun < 30, "a lock of a killed process holds nobody up"
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]


def test_a_base_in_a_file_is_found_again_and_known_again(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    base = pinned(local(file), 0)
    assert find(base, tmp_path) == base
    write_gguf(file, tiny_llama(seed=1))
    with pytest.raises(ConfigError, match="has changed since"):
        find(base, tmp_path)
    file.unlink()
    with pytest.raises(ConfigError, match=r"tiny\.gguf is not there"):
        find(base, tmp_path)


LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def test_scaled_rotary_frequencies_are_read(tmp_path: Path) -> None:
    """The file of Llama 3 holds factors, which transformers leaves unread."""
    model = tiny_llama(rope_parameters={**LLAMA3, "original_max_position_embeddings": 8192})
    plain = tiny_llama(rope_parameters={"rope_type": "default", "rope_theta": 5e5})
    factors = (plain.model.rotary_emb.inv_freq / model.model.rotary_emb.inv_freq).tolist()
    file = write_gguf(tmp_path / "scaled.gguf", model, rope_factors=factors)
    found = load_policy(local(file), 0, CPU).model.model.rotary_emb.inv_freq
    assert torch.allclose(found, model.model.rotary_emb.inv_freq)
    assert not torch.allclose(found, plain.model.rotary_emb.inv_freq)
    with pytest.raises(ConfigError, match="not as those of Llama 3 are"):
        gguf.unpacked(write_gguf(tmp_path / "odd.gguf", model, rope_factors=[3.0, 1.0, 2.0, 1.5]))


def truncated(file: Path, share: float) -> Path:
    content = write_gguf(file, tiny_llama()).read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    return file


@pytest.mark.parametrize(
    "make, why",
    [
        (lambda file: write_gguf(file, tiny_llama(), architecture="clip"), "architecture clip is not supported"),
        (lambda file: truncated(file, 0.9), "truncated or damaged: "),
        (lambda file: truncated(file, 0.02), "truncated or damaged: "),
        (lambda file: file.write_text("GGUF files are nice") and file, "truncated or damaged: "),
        (lambda file: file.write_text("A text.") and file, "not a GGUF file: it does not begin with"),
        (lambda file: file.write_text("") or file, "not a GGUF file: it does not begin with"),
        (lambda file: write_gguf(file, tiny_llama(), left_out="blk.1.ffn_up.weight"), "lacks weights of the model"),
        (lambda file: write_gguf(file, tiny_llama(), pre="unheard-of"), "tokenizer.ggml.pre=unheard-of"),
        (lambda file: file, "no such file"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, home: Path, make: Any, why: str) -> None:
    file = make(tmp_path / "odd.gguf")
    with pytest.raises(ConfigError) as told:
        load_policy(local(file), 0, CPU)
    assert len(told.value.problems) == 1 and told.value.problems[0].startswith(f"model.path={file}: ")
    assert why in told.value.problems[0] and "\n" not in told.value.problems[0]
    assert not [path for path in home.rglob("*") if path.is_dir() and path.name not in ("sspo", "gguf")]


def test_without_the_package_its_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="install it with `pip install gguf`"):
        gguf.unpacked(file)
