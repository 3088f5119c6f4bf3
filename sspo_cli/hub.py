"""The Hugging Face hub, asked once and briefly, instead of retried for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Kind = Literal["model", "dataset"]

ANSWER_WITHIN_S = 2.0


class Question:
    """Whether `path` can be downloaded right now, asked in a thread: no timeout of the client bounds the look-up of a
    name, nor a server that sends a byte now and then."""

    def __init__(self, path: str, kind: Kind, revision: str) -> None:
        from huggingface_hub import hf_api  # noqa: F401  takes time to import, which is not the hub's

        self.found: list[str | None] = []
        self.begun = time.monotonic()
        self.asking = threading.Thread(target=lambda: self.found.append(ask(path, kind, revision)), daemon=True)
        self.asking.start()

    def answer(self) -> str | None:
        """Why not; None if it can."""
        from huggingface_hub import constants

        self.asking.join(max(0.0, self.begun + ANSWER_WITHIN_S - time.monotonic()))
        return self.found[0] if self.found else f"the hub ({constants.ENDPOINT}) does not answer"


# Questions asked before the answer is needed, each answered once.
AHEAD: dict[tuple[str, Kind, str], Question] = {}

# Why the hub is not asked, where the environment has not forbidden it.
UNASKED: list[str] = []


def ask_ahead(path: str, kind: Kind, revision: str) -> None:
    """Ask now what `why_not` will want to know, so that the answer comes while something else takes time."""
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE:
        AHEAD[path, kind, revision] = Question(path, kind, revision)


def why_not(path: str, kind: Kind, revision: str) -> str | None:
    """Why `path` cannot be downloaded from the hub right now; None if it can. Takes ANSWER_WITHIN_S at most."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return UNASKED[-1] if UNASKED else "HF_HUB_OFFLINE is set"
    return (AHEAD.pop((path, kind, revision), None) or Question(path, kind, revision)).answer()


def ask(path: str, kind: Kind, revision: str) -> str | None:
    """`why_not`, for as long as the hub takes."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        HfApi().repo_info(path, repo_type=kind, revision=revision, timeout=ANSWER_WITHIN_S)
    except GatedRepoError:
        return "the hub asks you to accept its terms first (on its page, then log in with `hf auth login`)"
    except RevisionNotFoundError:
        return f"the hub has no revision '{revision}' of it"
    except RepositoryNotFoundError:
        return "the hub has none of that name, or shows it only to others (`hf auth login`)"
    except HFValidationError:
        return "that is no OWNER/NAME, as ids of the hub are"
    except Exception:
        return f"the hub ({constants.ENDPOINT}) cannot be reached"
    return None


@contextmanager
def not_asked(why: str) -> Iterator[None]:
    """Inside the block the hub is not asked: what is not on this machine is not there."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    added = [] if before else [why]
    UNASKED.extend(added)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        del UNASKED[len(UNASKED) - len(added) :]


def how_to_download(path: str, kind: Kind, revision: str = "main") -> str:
    """The command that brings `path` into the local cache."""
    of_kind = "" if kind == "model" else f" --repo-type {kind}"
    at = "" if revision == "main" else f" --revision {revision}"
    return f"`hf download {path}{of_kind}{at}`"


def download_model(path: str, revision: str) -> None:
    """Bring the files of a causal LM into the local cache: one form of its weights, and what stands beside them.

    Raises:
        OSError: if the network fails on the way.
    """
    from huggingface_hub import HfApi, snapshot_download

    names = [str(file.rfilename) for file in HfApi().model_info(path, revision=revision).siblings or []]
    weights = "*.safetensors" if any(name.endswith(".safetensors") for name in names) else "*.bin"
    beside = ["*.json", "*.jinja", "*.model", "*.txt"]
    snapshot_download(path, revision=revision, allow_patterns=[weights, *beside], ignore_patterns=["*/*"])
