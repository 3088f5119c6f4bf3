"""The time that a chat template sees: one moment, whenever it is rendered."""

from __future__ import annotations

import string
from datetime import datetime
from functools import cache
from typing import Any

# The template's clock, as a macro of its own that stands in its place: functions cannot be passed to a template. It
# reads the format from left to right, as strftime does; what is no directive stays as it is. Transformers drops the
# line break at its end, so that the template behind it stays as it is too.
FROZEN_CLOCK = (
    "{%- macro strftime_now(format) -%}{%- set read = namespace(text='', open='') -%}"
    "{%- for character in format -%}"
    "{%- if read.open or character == '%' -%}"
    "{%- set read.open = read.open + character -%}"
    "{%- if read.open in directives -%}"
    "{%- set read.text = read.text + directives[read.open] -%}{%- set read.open = '' -%}"
    "{%- elif read.open | length > longest -%}"
    "{%- set read.text = read.text + read.open -%}{%- set read.open = '' -%}"
    "{%- endif -%}"
    "{%- else -%}{%- set read.text = read.text + character -%}{%- endif -%}"
    "{%- endfor -%}{{- read.text + read.open -}}{%- endmacro %}\n"
)
LETTERS, FLAGS = string.ascii_letters + "%+", ("", "-", "_", "^", "#", "0", "E", "O")


@cache
def clock(time: str) -> dict[str, Any]:
    """What the macro reads: all that strftime writes at `time`, by directive, and how long a directive can be."""
    moment = datetime.fromisoformat(time)
    written = {word: moment.strftime(word) for word in (f"%{flag}{letter}" for flag in FLAGS for letter in LETTERS)}
    return {"directives": {word: text for word, text in written.items() if text != word}, "longest": 2}
