"""report.html: one run on one page, self-contained, opening from a file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from sspo_cli.runs import jsonl

SAMPLES_SHOWN = 12
HAS_A_BEST = ("eval/accuracy", "eval/pass@", "reward/")
STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.dim { color: var(--dim); } figure { margin: 1rem 0; background: #fff; border-radius: 6px; padding: .6rem; }
svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top; }
tr { border-bottom: 1px solid var(--line); } td.number, th.number { text-align: right; }
pre { font: 13px/1.45 ui-monospace, monospace; overflow-x: auto; }
td pre { margin: 0; white-space: pre-wrap; }
@media print { details { display: none; } }
"""


def write_report(folder: Path) -> Path:
    """Build report.html from what the run folder holds."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    sections = [
        f"<h1>{escape(folder.name)}</h1>",
        f'<p class="dim">{escape(headline(summary))}</p>',
        metrics_table(summary),
        *(f"<figure>{inline(plot)}</figure>" for plot in sorted((folder / "plots").glob("*.svg"))),
        "<h2>Responses of the last step</h2>",
        samples_table(jsonl.read(folder / "samples.jsonl")),
        "<h2>To repeat it</h2>",
        f"<pre>{escape((folder / 'command.sh').read_text(encoding='utf-8').splitlines()[-1])}</pre>",
        details("Configuration", folder / "config.yaml"),
        details("Versions, hardware and hashes", folder / "manifest.json"),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(folder.name)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def headline(summary: dict[str, Any]) -> str:
    return (
        f"objective {summary['objective']}, seed {summary['seed']}, {summary['steps']} steps in"
        f" {summary['minutes']:.1f} minutes, {summary['status']}"
    )


def metrics_table(summary: dict[str, Any]) -> str:
    """First, best and last of the metrics that a person reads first."""
    wanted = ["eval/accuracy", "eval/length", "reward/mean", "response/length", "response/truncated", "policy/entropy"]
    passes = [name for name in summary if name.startswith("eval/pass@") and not name.endswith(("_low", "_high"))]
    rows = []
    for name in (name for name in wanted[:1] + passes + wanted[1:] if name in summary):
        values = [f"{summary[name][part]:.4g}" for part in ("first", "best", "last")]
        values[1] = values[1] if name.startswith(HAS_A_BEST) else ""
        cells = "".join(f'<td class="number">{value}</td>' for value in values)
        rows.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    heads = "<tr><th></th>" + "".join(f'<th class="number">{part}</th>' for part in ("first", "best", "last")) + "</tr>"
    return f'<div class="scroll"><table>{heads}{"".join(rows)}</table></div>'


def samples_table(samples: list[dict[str, Any]]) -> str:
    """The first responses of the last step, whatever they are worth."""
    shown = [row for row in samples if row["step"] == samples[-1]["step"]][:SAMPLES_SHOWN]
    if not shown:
        return '<p class="dim">This run samples nothing while it learns.</p>'
    heads = table_row("th", ["prompt", "response", "reward", "advantage"])
    body = (
        table_row("td", [f"<pre>{escape(row['prompt'])}</pre>", f"<pre>{escape(row['response'])}</pre>",
                         number(row["reward"]), number(row["advantage"])])
        for row in shown
    )  # fmt: skip
    return f'<div class="scroll"><table>{heads}{"".join(body)}</table></div>'


def table_row(cell: str, values: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{value}</{cell}>" for value in values) + "</tr>"


def number(value: float | None) -> str:
    return "unscored" if value is None else f"{value:.2f}"


def inline(plot: Path) -> str:
    """The drawing without the XML prologue, which HTML does not know."""
    text = plot.read_text(encoding="utf-8")
    return text[text.index("<svg") :]


def details(title: str, file: Path) -> str:
    content = escape(file.read_text(encoding="utf-8"))
    return f"<details><summary>{escape(title)}</summary><pre>{content}</pre></details>"
