"""The embedded model with the special tokens of chat models, and templates of the kinds that there are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from sspo_cli.models.source import EMBEDDED

# In the place of bytes that no UTF-8 text has. As in Qwen3, the last two are no special tokens.
TOKENS = {"<|im_start|>": "\u00f8", "<|im_end|>": "\u00f9", "<think>": "\u00fa", "</think>": "\u00fb"}
SPECIAL = ("<|im_start|>", "<|im_end|>")

CHAT = (
    "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)
THINKING = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' and loop.last and '</think>' not in message.content %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
    {{- message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHAT


def chat_tokenizer(template: str | None = CHAT) -> Any:
    """A byte tokenizer that ends texts with <eos>, and turns, by its template, with <|im_end|>."""
    content = json.loads((EMBEDDED / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    for token, byte in TOKENS.items():
        vocabulary[token] = vocabulary.pop(byte)
        like = {**content["added_tokens"][0], "special": token in SPECIAL}
        content["added_tokens"].append({**like, "id": vocabulary[token], "content": token})
    content["added_tokens"].sort(key=lambda added: added["id"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)), eos_token="<eos>", pad_token="<pad>"
    )
    tokenizer.chat_template = template
    return tokenizer


def chat_folder(folder: Path, template: str | None = CHAT) -> Path:
    """The embedded model in `folder`, with that tokenizer."""
    shutil.copytree(EMBEDDED, folder)
    chat_tokenizer(template).save_pretrained(folder)
    return folder
