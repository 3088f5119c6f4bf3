"""What a row of a dataset is framed with: a template over its fields, and a system message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2

from sspo_cli.config.schema import PromptSection
from sspo_cli.config.template import compiled
from sspo_cli.data.fields import BadField
from sspo_cli.data.problem import Message


def frame(
    prompt: str | tuple[Message, ...], fields: Mapping[str, Any], section: PromptSection
) -> str | tuple[Message, ...]:
    """`prompt` with what `section` puts around it: the template around a text, the system message before it.

    fields: all fields of the row, which the template reads by their names, besides `prompt`.

    Raises:
        BadField: for a template that fails on the row or is set for messages; for a system message of the row's own
            beside dataset.system_prompt.
    """
    if section.prompt_template is not None:
        if not isinstance(prompt, str):
            raise BadField(
                "is a list of messages, and dataset.prompt_template frames texts alone; put its words into the"
                " messages, or set dataset.prompt_template=null"
            )
        prompt = rendered(section.prompt_template, {**fields, "prompt": prompt})
    if section.system_prompt is None:
        return prompt
    messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    if any(message.role == "system" for message in messages):
        raise BadField(
            "has a system message of its own beside dataset.system_prompt; set dataset.system_prompt=null, or take"
            " the message out of the row"
        )
    return (Message("system", section.system_prompt), *messages)


def rendered(template: str, fields: Mapping[str, Any]) -> str:
    """`template` with the fields of a row.

    Raises:
        BadField: naming the field that the row lacks, and those that it has.
    """
    try:
        text = compiled(template).render(fields)
    except jinja2.UndefinedError as error:
        raise BadField(
            f"does not fit dataset.prompt_template: {error.message}; the row has: {', '.join(fields)}"
        ) from None
    except Exception as error:  # a template is code, and may raise anything on a row
        raise BadField(f"does not fit dataset.prompt_template: {' '.join(str(error).split())}") from None
    if not text.strip():
        raise BadField("gives an empty prompt through dataset.prompt_template")
    return text
