"""Templates of prompts: Jinja without access to anything but the fields of a row."""

from __future__ import annotations

from functools import cache

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


@cache
def compiled(template: str) -> jinja2.Template:
    return ENVIRONMENT.from_string(template)


@cache
def names_in(template: str) -> frozenset[str]:
    """The fields of a row that a template reads."""
    return frozenset(meta.find_undeclared_variables(ENVIRONMENT.parse(template)))


def template_problems(template: str | None) -> list[str]:
    """What is wrong with dataset.prompt_template, whatever the rows are."""
    if template is None:
        return []
    told = f"dataset.prompt_template={template!r}"
    if "{prompt}" in template.replace("{{prompt}}", ""):
        return [f"{told}: write {{{{ prompt }}}} for {{prompt}}; the template is Jinja, over all fields of a row"]
    try:
        compiled(template)  # which also knows the names of filters and tests
    except jinja2.TemplateSyntaxError as error:
        return [f"{told}: not a Jinja template: {error.message}"]
    if ENVIRONMENT.parse(template).find(nodes.Name) is None:
        return [f"{told}: must hold a field of the row, such as {{{{ prompt }}}}"]
    return []
