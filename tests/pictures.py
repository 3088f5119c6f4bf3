"""`python -m tests.pictures`: make the pictures of the documentation anew, from real runs of this version.

A quarter of an hour on 2 cores. Pages are taken in a real browser, and a picture in which anything is cut is refused.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.views.browser import HERE, open_browser, resize, scheme, shoot

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

DOCS = Path(__file__).parents[1] / "docs"
PAGE_PIXELS = 1200
MARGIN_PIXELS = 24
# Above `arguments[0]` pixels: tables and figures that would have to be scrolled, and what leaves the screen.
CUT = """
return [...document.querySelectorAll(".scroll, pre, figure, table")].filter(node => {
  const box = node.getBoundingClientRect();
  return box.top < arguments[0] && (box.right > innerWidth || node.scrollWidth > node.clientWidth + 1);
}).map(node => node.textContent.trim().slice(0, 60));
"""
END_OF_FIGURES = "return document.querySelector('.figures').getBoundingClientRect().bottom + scrollY"


@dataclass(frozen=True)
class Picture:
    """docs/<name>: the file `made` that `sspo words` leaves, or, of a report.html, the page to the end of its first
    figures."""

    name: str
    words: tuple[str, ...]
    made: str


PICTURES = (
    Picture("compare.png", ("compare", "name=objectives"), "outputs/compare/objectives/report.html"),
    Picture(
        "report.png",
        ("sweep", "objective=grpo,sspo", "optim.lr=1e-5,3e-5,1e-4", "seed=0,1,2", "train.steps=20", "name=rates"),
        "outputs/sweep/rates/report.html",
    ),
    Picture(
        "learning_curve.svg", ("train", "objective=sspo", "name=first"), "outputs/train/first/plots/learning_curve.svg"
    ),
    Picture(
        "lens.svg", ("show", "objective", "sspo", "sapo", "gmpo", "grpo", "--plot", "--out", "lens.svg"), "lens.svg"
    ),
    Picture("inspect.svg", ("inspect", "name=cosines"), "outputs/inspect/cosines/plots/cosine.svg"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "names", nargs="*", help=f"of {', '.join(picture.name for picture in PICTURES)}; all by default"
    )
    parser.add_argument("--home", type=Path, help="where the runs are kept, and gone on with; a temporary folder")
    options = parser.parse_args()
    if unknown := set(options.names) - {picture.name for picture in PICTURES}:
        parser.error(f"no picture {', '.join(sorted(unknown))}")
    if not HERE:
        parser.error("pictures of pages need chromium and chromedriver")
    chosen = [picture for picture in PICTURES if not options.names or picture.name in options.names]
    with tempfile.TemporaryDirectory() as temporary, open_browser() as browser:
        home = options.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        for picture in chosen:
            make(picture, home, browser)
            print(f"docs/{picture.name}")
    return 0


def make(picture: Picture, home: Path, browser: Chrome) -> None:
    """Run the command where its file is missing, and put the picture into docs/."""
    made = home / picture.made
    if not made.is_file():
        subprocess.run([sys.executable, "-m", "sspo_cli", *picture.words], cwd=home, check=True)
    if made.name != "report.html":
        shutil.copyfile(made, DOCS / picture.name)
        return
    folder = str(made.parent.relative_to(home))
    subprocess.run([sys.executable, "-m", "sspo_cli", "report", folder, "--quiet"], cwd=home, check=True)
    take(made, DOCS / picture.name, browser)


def take(page: Path, file: Path, browser: Chrome) -> None:
    """A picture of the page from its top to the end of its first figures.

    Raises:
        ValueError: if anything there is cut.
    """
    resize(browser, PAGE_PIXELS)
    scheme(browser, "light")
    browser.get(page.resolve().as_uri())
    end = browser.execute_script(END_OF_FIGURES)
    if cut := browser.execute_script(CUT, end):
        raise ValueError(f"{page}: cut at {PAGE_PIXELS} pixels: {'; '.join(cut)}")
    shoot(browser, file, end + MARGIN_PIXELS)


if __name__ == "__main__":
    sys.exit(main())
