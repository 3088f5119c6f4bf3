"""The chat template of a tokenizer: which one it is, with which arguments, and what ends a turn in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ModelConfig

NO_TEMPLATE = "none"
# As transformers compiles templates, but for a tag of its own that renders what stands inside it.
ENVIRONMENT = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
)
TAG = re.compile(r"\{%[-+]?\s*(?:end)?generation\s*[-+]?%\}")
# What transformers gives every template.
GIVEN = {"messages", "tools", "documents", "add_generation_prompt", "raise_exception", "strftime_now"}
ANSWER = "42"  # of an assistant whose turn is over


def choose_template(tokenizer: Any, model: ModelConfig) -> None:
    """Let `tokenizer` render with the template and the arguments that `model` names.

    Arguments become part of the template, as values for names that the caller does not give: so a checkpoint renders
    the same wherever it is loaded.

    Raises:
        ConfigError: for a file that is missing or no template, and for an argument that the template does not read.
    """
    if not isinstance(model, LocalModel | HubModel):
        return
    chosen = model.chat_template
    if chosen is not None:
        tokenizer.chat_template = None if chosen == NO_TEMPLATE else read_template(chosen)
    if not model.template_args:
        return
    if not tokenizer.chat_template:
        why = "there is none" if chosen == NO_TEMPLATE else "the model's tokenizer has none"
        raise ConfigError(
            [f"model.template_args={model.template_args}: goes to a chat template, and {why}; set model.chat_template"]
        )
    try:
        template = str(tokenizer.get_chat_template())
    except ValueError as error:  # of several templates none is the default
        raise ConfigError([f"model.template_args={model.template_args}: {' '.join(str(error).split())}"]) from error
    known = reads(template, given=tokenizer.special_tokens_map)
    if known is not None and (unread := [name for name in model.template_args if name not in known]):
        told = ", ".join(known) or "nothing"
        raise ConfigError(
            f"model.template_args.{name}: the chat template does not read it (it reads: {told})" for name in unread
        )
    tokenizer.chat_template = with_values(template, model.template_args)


def check_template(model: ModelConfig) -> None:
    """Refuse a file that is no template, before any weights are read.

    Raises:
        ConfigError: if it is missing, or no template.
    """
    if isinstance(model, LocalModel | HubModel) and model.chat_template not in (None, NO_TEMPLATE):
        read_template(str(model.chat_template))


def read_template(path: str) -> str:
    """The template in a file.

    Raises:
        ConfigError: if it is missing, no text, or no Jinja.
    """
    file, told = Path(path), f"model.chat_template={path}"
    if not file.is_file():
        raise ConfigError(
            [f"{told}: no such file (looked in {file.absolute().parent}); give a Jinja file, none, or null"]
        )
    try:
        template = file.read_text(encoding="utf-8")
        parsed(template)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{told}: not UTF-8 text: {error.reason} at byte {error.start}"]) from error
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError([f"{told}: not a Jinja template: line {error.lineno}: {error.message}"]) from error
    if not template.strip():
        raise ConfigError([f"{told}: the file is empty; set model.chat_template=none for no template"])
    return template


def parsed(template: str) -> Any:
    return ENVIRONMENT.parse(TAG.sub("", template))


def reads(template: str, given: Iterable[str]) -> list[str] | None:
    """The names that `template` reads and neither sets itself nor gets from transformers, which gives it the special
    tokens `given` too; None of one with tags that transformers may know."""
    try:
        return sorted(meta.find_undeclared_variables(parsed(template)) - GIVEN - set(given))
    except jinja2.TemplateSyntaxError:
        return None


def with_values(template: str, values: Mapping[str, Any]) -> str:
    """`template` with `values` for names that nobody gives it."""
    # A line each: transformers drops the line break behind a block, so that the template itself stays as it is.
    lines = (
        f"{{% set {name} = {name} if {name} is defined else {literal(value)} %}}\n" for name, value in values.items()
    )
    return "".join(lines) + template


def literal(value: Any) -> str:
    """A value of JSON as Jinja writes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(str(key))}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def stop_ids(tokenizer: Any, generation_config: Any) -> list[int]:
    """Token ids that end a response: the tokenizer's, the generation configuration's, and the chat template's."""
    listed = generation_config.eos_token_id
    ids = listed if isinstance(listed, list) else [listed]
    return sorted({token for token in (*ids, tokenizer.eos_token_id, end_of_turn(tokenizer)) if token is not None})


def end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the chat template puts behind what an assistant said, if there is one."""
    if not tokenizer.chat_template:
        return None
    turns = [{"role": "user", "content": "6*7="}, {"role": "assistant", "content": ANSWER}]
    try:
        rendered = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # a template that fails on them fails on the prompts in a moment, which is told
        return None
    _, said, behind = rendered.rpartition(ANSWER)
    tokens = tokenizer(behind.lstrip(), add_special_tokens=False)["input_ids"] if said else []
    return tokens[0] if tokens and is_special(tokenizer, tokens[0]) else None


def is_special(tokenizer: Any, token: int) -> bool:
    added = tokenizer.added_tokens_decoder.get(token)
    return token in tokenizer.all_special_ids or (added is not None and added.special)
