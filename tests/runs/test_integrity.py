"""Every kind of damage to every file of a checkpoint is found, and nothing else is taken for damage."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sspo_cli.runs.integrity import MANIFEST, Damaged, check, damage, remarks, seal

FILES = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": bytes(range(256)) * 20,
    "tokenizer.json": b"{}",
    "trainer/optimizer.safetensors": bytes(1000),
    "trainer/pending.json": b"[]",
    "trainer/progress.json": b'{"step": 2}',
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """One that was sealed, as it is after a copy: nothing is known of it but what its manifest says."""
    made = tmp_path / "made"
    for name, content in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    seal(made)
    assert damage(made) == []
    return Path(shutil.copytree(made, tmp_path / "run" / "checkpoints" / "step_000002"))


def flip(file: Path) -> None:
    """Change one byte; size and time of change stay."""
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n")


def test_a_whole_checkpoint_passes_and_so_does_another_folder(checkpoint: Path, tmp_path: Path) -> None:
    check(checkpoint)
    (checkpoint / "NOTES.md").write_text("my best one")
    (checkpoint / ".gitattributes").write_text("")
    check(checkpoint)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    check(tmp_path / "model")
    assert remarks(checkpoint) == remarks(tmp_path / "model") == []


@pytest.mark.parametrize("harm", [flip, cut, lengthen, Path.unlink], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", FILES)
def test_damage_to_any_file_is_found_and_named(checkpoint: Path, name: str, harm: Callable[[Path], None]) -> None:
    harm(checkpoint / name)
    found = damage(checkpoint)
    assert len(found) == 1 and found[0].startswith(f"{checkpoint / name}: damaged: it"), found
    with pytest.raises(Damaged) as raised:
        check(checkpoint)
    assert len(raised.value.problems) == 1 and "bring back what was saved" in raised.value.problems[0]


@pytest.mark.parametrize("name", ["adapter_config.json", "model-00001-of-00002.safetensors", "trainer/more.json"])
def test_a_file_that_was_not_saved_with_the_others_is_found(checkpoint: Path, name: str) -> None:
    (checkpoint / name).write_bytes(b"{}")
    assert damage(checkpoint) == [f"{checkpoint / name}: damaged: it was not saved with this checkpoint"]


def test_a_checkpoint_that_was_found_whole_is_looked_at_again_once_it_was_written_to(checkpoint: Path) -> None:
    check(checkpoint)
    cut(checkpoint / "tokenizer.json")
    assert len(damage(checkpoint)) == 1


@pytest.mark.parametrize("torn", ["", '{"files": {', "[]", '{"files": {}, "sha256": "0"}'])
def test_a_damaged_manifest_is_damage(checkpoint: Path, torn: str) -> None:
    (checkpoint / MANIFEST).write_text(torn)
    assert damage(checkpoint) == [f"{checkpoint / MANIFEST}: damaged: it is not the manifest that was saved"]


def test_a_manifest_that_somebody_fitted_to_other_weights_is_damage(checkpoint: Path) -> None:
    content = json.loads((checkpoint / MANIFEST).read_text())
    content["files"]["model.safetensors"]["sha256"] = "0" * 64
    (checkpoint / MANIFEST).write_text(json.dumps(content))
    assert "it is not the manifest that was saved" in damage(checkpoint)[0]


def test_a_missing_manifest_is_damage_unless_the_run_is_older_than_manifests(checkpoint: Path) -> None:
    (checkpoint / MANIFEST).unlink()
    assert damage(checkpoint) == []
    assert len(remarks(checkpoint)) == 1 and "before checkpoints had manifests" in remarks(checkpoint)[0]
    run = checkpoint.parent.parent
    (run / "manifest.json").write_text(json.dumps({"settings": {}}))
    assert "it is missing, and every checkpoint of this run was saved with one" in damage(checkpoint)[0]
    assert remarks(checkpoint) == []
