"""The model folder and the prompts that both sides read, made once from the seed."""

from __future__ import annotations

import hashlib
import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.workload import SEED, Workload

PAD, EOS = "<pad>", "<eos>"
STOP = 1
PROMPTS_TRIED = 32
OLD_LOGP = -12.0
CHARACTERS = string.ascii_letters + string.digits
# The first entry of every embedding, the same for all tokens: what the output layer can tell all tokens' logits by.
CONSTANT = 1.0


def write(workload: Workload, folder: Path, threads: int) -> list[dict[str, Any]]:
    """A model folder with tokenizer, and prompts.jsonl, at `folder`. Its weights' hash."""
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(architecture(workload))
    if workload.mean_response_share is not None:
        set_mean_response(model, workload, workload.mean_response_share)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    lines = (json.dumps({"prompt": prompt, "answer": ""}) for prompt in prompts(workload))
    (folder / "prompts.jsonl").write_text("".join(f"{line}\n" for line in lines))
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return [{"weights_sha256": weights, "parameters": model.num_parameters()}]


def architecture(workload: Workload) -> LlamaConfig:
    """A stock Llama with tied embeddings; token 0 pads, token 1 ends a response."""
    return LlamaConfig(
        vocab_size=workload.vocabulary,
        hidden_size=workload.hidden,
        intermediate_size=workload.intermediate,
        num_hidden_layers=workload.layers,
        num_attention_heads=workload.heads,
        num_key_value_heads=workload.heads,
        max_position_embeddings=workload.positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=STOP,
        pad_token_id=0,
        dtype="float32",
    )


def make_tokenizer(tokens: int = 64) -> PreTrainedTokenizerFast:
    """One token a letter or digit, 64 with padding and end; the others are words that no prompt holds."""
    words = [PAD, EOS, *CHARACTERS]
    vocabulary = {word: place for place, word in enumerate([*words, *(f"<{i}>" for i in range(len(words), tokens))])}
    tokenizer = Tokenizer(WordLevel(vocabulary))
    tokenizer.pre_tokenizer = Split(Regex("."), behavior="isolated")
    tokenizer.decoder = Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS)


def prompts(workload: Workload) -> list[str]:
    shortest, longest = workload.prompt_length
    rng = np.random.default_rng(SEED)
    lengths = rng.integers(shortest, longest + 1, workload.prompts)
    return ["".join(rng.choice(list(CHARACTERS), length)) for length in lengths]


@torch.no_grad()
def set_mean_response(model: LlamaForCausalLM, workload: Workload, share: float) -> None:
    """Change the embedding of the end token so that responses have `share` of the cap as their mean length.

    All embeddings share one constant entry, so that the end token's own moves its logit and no other; no response goes
    on after the end token, so that nothing ever reads its embedding. Responses that cannot stop tell how long those
    that can would be: for every change of the logit, the probability of having stopped by each of their tokens.
    """
    embedding_VD = model.get_input_embeddings().weight
    embedding_VD[:, 0] = CONSTANT
    T = workload.max_response_length
    tokenizer = make_tokenizer()
    encoded = tokenizer(prompts(workload)[:PROMPTS_TRIED], padding=True, padding_side="left", return_tensors="pt")
    prompt_BS, attention_BS = encoded["input_ids"], encoded["attention_mask"]
    endless = {"do_sample": True, "top_k": 0, "max_new_tokens": T, "suppress_tokens": [STOP]}
    fast = {"cache_implementation": "static", "disable_compile": True}
    token_BL = model.generate(prompt_BS, attention_mask=attention_BS, **endless, **fast)
    attention_BL = torch.cat([attention_BS, torch.ones_like(token_BL[:, prompt_BS.shape[1] :])], 1)
    output = model.model(token_BL, attention_mask=attention_BL, use_cache=False)
    hidden_BTD = output.last_hidden_state[:, -T - 1 : -1]
    stop_BT = hidden_BTD @ embedding_VD[STOP]
    others_BT = torch.stack([others_logsumexp(hidden_TD @ embedding_VD.T) for hidden_TD in hidden_BTD])

    def mean_length(shift: float) -> float:
        going_BT = torch.sigmoid(others_BT - stop_BT - shift * hidden_BTD[..., 0])
        return float((1 + going_BT[:, : T - 1].cumprod(1).sum(1)).mean())

    low, high = -1000.0, 1000.0
    for _ in range(60):
        shift = (low + high) / 2
        low, high = (shift, high) if mean_length(shift) > share * T else (low, shift)
    embedding_VD[STOP, 0] += shift


def others_logsumexp(logits_TV: Tensor) -> Tensor:
    logits_TV[:, STOP] = -torch.inf
    return logits_TV.logsumexp(1)


def random_ids(workload: Workload, tokens: int) -> Tensor:
    """One sequence of random tokens for every response, [B, L]; none pads or stops."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randint(2, workload.vocabulary, (workload.responses, tokens), generator=generator)
