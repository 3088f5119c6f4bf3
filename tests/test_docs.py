"""The pages of docs/ and beside them: links and anchors lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
# `name` of, or in, `file`; and `file` (`name`).
TO_CHANGE = [
    *re.findall(r"`(\w+)` (?:of|in)\s+`((?:sspo_cli|tests)/[\w/]+\.py)`", CONTRIBUTING),
    *((name, path) for path, name in re.findall(r"`(sspo_cli/[a-z_/]+\.py)`(?: \(`|: a `)(\w+)`", CONTRIBUTING)),
]
# `name` of `file`, and `file`: `name`.
NAMES = [
    *re.findall(r"`([\w.]+)` of\s+`(sspo_cli/[\w/]+\.py)`", ARCHITECTURE),
    *((name, path) for path, name in re.findall(r"`(sspo_cli/[\w/]+\.py)`: `([\w.]+)`", ARCHITECTURE)),
]
FENCED = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The names that GitHub and the site give to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    links = LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:sspo_cli|tests|conf)/[\w./]*)`", ARCHITECTURE))))
def test_every_path_of_the_architecture_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), TO_CHANGE)
def test_every_name_to_change_is_defined_in_its_file(name: str, path: str) -> None:
    code = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^ *(?:def |class )?{name}\b *[=(:]", code, flags=re.MULTILINE), f"{path} defines no {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_table_ends_with_an_empty_line(page: Path) -> None:
    """Else the paragraph below it is shown as its last row."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    assert not re.findall(r"^\|.*\n(?!\||\n|$).+", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_every_name_of_the_architecture_is_in_its_file(name: str, path: str) -> None:
    code = (ROOT / path).read_text(encoding="utf-8")
    for part in name.split("."):
        assert re.search(rf"^ *(?:def|class) {part}\b", code, flags=re.MULTILINE), f"{path} defines no {part}"


def test_the_site_lists_every_page() -> None:
    listed = set(re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert listed == pages


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    build = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        loaded = re.findall(r"<(?:script|link|img)[^>]* (?:src|href)=\"?(https?://[^\s\">]*)", page.read_text())
        assert loaded == [], page
