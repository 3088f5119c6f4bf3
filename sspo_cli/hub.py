"""The Hugging Face hub, asked once and briefly, instead of retried for half a minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

ANSWER_WITHIN_S = 10.0


def why_not(path: str, kind: Literal["model", "dataset"], revision: str) -> str | None:
    """Why `path` cannot be downloaded from the hub right now; None if it can."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        HfApi().repo_info(path, repo_type=kind, revision=revision, timeout=ANSWER_WITHIN_S)
    except GatedRepoError:
        return "the hub asks you to accept its terms first (log in with `hf auth login`)"
    except RevisionNotFoundError:
        return f"the hub has no revision '{revision}' of it"
    except RepositoryNotFoundError:
        return "the hub has none of that name"
    except Exception:
        return "the hub cannot be reached"
    return None


@contextmanager
def not_asked() -> Iterator[None]:
    """Inside the block the hub is not asked: what is not on this machine is not there."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
