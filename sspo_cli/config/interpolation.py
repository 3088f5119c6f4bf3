"""`${...}` in a configuration: which environment variables it may read, and what is wrong with one in a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

# The values of a configuration are shown and written down, and many variables hold secrets: these few do not.
READABLE = ("CUDA_VISIBLE_DEVICES", "HF_HOME", "HOME", "SCRATCH", "SLURM_*", "TMPDIR", "USER")
SECRET = "SLURM_JWT*"
NO_DEFAULT = object()
LITERAL = r"write a literal ${ as \${, in quotes on the command line"


@contextmanager
def listed_variables_only() -> Iterator[None]:
    """Inside the block, which must not be nested, `${oc.env:NAME}` reads what is READABLE and nothing else.

    Only there, because resolvers belong to the whole process, and that can be the user's own.
    """
    OmegaConf.register_new_resolver("oc.env", read_variable, replace=True)
    try:
        yield
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def read_variable(name: str, default: Any = NO_DEFAULT) -> str | None:
    """The resolver of `${oc.env:NAME}` and `${oc.env:NAME,DEFAULT}`.

    Raises:
        ValueError: for a variable that is not READABLE, with a default too; and for one that is not set, without.
    """
    name = str(name)
    if not any(fnmatchcase(name, pattern) for pattern in READABLE) or fnmatchcase(name, SECRET):
        raise ValueError(
            f"environment variable {name} cannot be read from a configuration, since its values are written to files"
            f" (allowed: {', '.join(READABLE)}; not {SECRET})"
        )
    if default is NO_DEFAULT and name not in os.environ:
        raise ValueError(f"environment variable {name} is not set; a default helps: ${{oc.env:{name},DEFAULT}}")
    return oc.env(name, *(() if default is NO_DEFAULT else (default,)))


def broken(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key under `node`, a DictConfig or a ListConfig, whose interpolation fails, and a line on it."""
    written: Any = OmegaConf.to_container(node)
    for key in written if OmegaConf.is_dict(node) else range(len(written)):
        if OmegaConf.is_interpolation(node, key):
            try:
                node[key]
            except OmegaConfBaseException as error:
                yield f"{prefix}{key}", f"{prefix}{key}={written[key]}: {reason(error)}"
        elif isinstance(written[key], dict | list):
            yield from broken(node[key], f"{prefix}{key}.")


def reason(error: OmegaConfBaseException) -> str:
    """What is wrong with an interpolation, and what to do about it."""
    told = str(error).split("\n")[0]
    _, ours, refused = told.partition("ValueError raised while resolving interpolation: ")
    return refused if ours else f"{told[:1].lower()}{told[1:]}; {LITERAL}"
