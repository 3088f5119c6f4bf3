"""The process that vLLM runs in, in an environment of its own: requests come in, drawn tokens go out.

Run by vllm_process.py as `PYTHON -I vllm_worker.py ORDERS ANSWERS FOLDER` (two file descriptors and a path), with the
Python of that environment: it imports vLLM and the standard library, nothing of this package. Orders and answers are
JSON lines. The first order holds the settings of the engine. FOLDER, which holds weights, goes with the process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any


def main(orders: int, answers: int, folder: Path) -> None:
    read: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=listen, args=(orders, read, folder), daemon=True).start()
    try:
        engine = Engine(read.get())
        write(answers, {"device": engine.device, "rows": engine.rows})
        while True:
            for order in waiting(read, wait=not engine.busy):
                if answer := engine.obey(order):
                    write(answers, answer)
            for answer in engine.step():
                write(answers, answer)
    except BaseException as error:
        write(answers, {"failed": f"{type(error).__name__}: {error}"})
        raise


def listen(orders: int, read: SimpleQueue[dict[str, Any]], folder: Path) -> None:
    """Read orders as they come, so that the writer never waits. The process ends when they end."""
    with open(orders, encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                read.put(json.loads(line))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def waiting(read: SimpleQueue[dict[str, Any]], *, wait: bool) -> list[dict[str, Any]]:
    """The orders that have come; at least one of them if `wait`."""
    found = [read.get()] if wait else []
    while True:
        try:
            found.append(read.get_nowait())
        except Empty:
            return found


def write(answers: int, found: Mapping[str, Any]) -> None:
    line = memoryview(json.dumps(found).encode() + b"\n")
    try:
        while line:
            line = line[os.write(answers, line) :]
    except OSError:
        Event().wait()  # nobody reads any more: the orders end too, and with them this process


class Engine:
    """vLLM in this process. device: what it computes on. rows: requests that it decodes together."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """settings: options of `vllm.LLM`; `no_text`, ids that are never drawn, and what is added to their logits."""
        from vllm import LLM
        from vllm.platforms import current_platform

        self.device = str(current_platform.device_type)
        self.no_text = {int(token): settings["masked"] for token in settings["no_text"]}
        self.llm = LLM(
            **settings["options"],
            enforce_eager=self.device == "cpu",  # compiling takes 39 s there; on a GPU it also makes graphs
            logprobs_mode="processed_logprobs",
            generation_config="vllm",  # not the model's own, which has a top_k or a penalty in it
            skip_tokenizer_init=True,
            disable_log_stats=True,
        )
        self.engine = self.llm.llm_engine
        self.rows = int(self.engine.vllm_config.scheduler_config.max_num_seqs)

    @property
    def busy(self) -> bool:
        return bool(self.engine.has_unfinished_requests())

    def obey(self, order: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Take a request, end some, take weights or score a prompt; the last two are answered at once."""
        if "end" in order:
            self.engine.abort_request([str(number) for number in order["end"]])
        elif "weights" in order:
            self.llm.collective_rpc(take_weights, args=(order["weights"], self.device))
            self.llm.reset_prefix_cache()
            return {"taken": order["weights"]}
        elif "score" in order:
            return {"scored": self.score(order["score"])}
        else:
            self.add(order)
        return None

    def score(self, tokens: list[int]) -> list[float]:
        """Log-probabilities of all tokens of a prompt but the first, at temperature 1; not while others are drawn."""
        from vllm import SamplingParams

        params = SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False)
        (output,) = self.llm.generate([{"prompt_token_ids": tokens}], params, use_tqdm=False)
        return [found[token].logprob for found, token in zip(output.prompt_logprobs[1:], tokens[1:], strict=True)]

    def add(self, order: Mapping[str, Any]) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=order["temperature"],
            max_tokens=order["max_tokens"],
            seed=order["seed"],
            stop_token_ids=order["stop_ids"],
            ignore_eos=True,
            logprobs=0,  # of the drawn token alone
            logit_bias=self.no_text or None,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA if order["at_once"] else RequestOutputKind.FINAL_ONLY,
        )
        self.engine.add_request(str(order["number"]), {"prompt_token_ids": order["prompt"]}, params)

    def step(self) -> list[Mapping[str, Any]]:
        """Draw the next tokens. Returns the tokens of finished requests, and new tokens of requests with `at_once`."""
        return [told(output) for output in self.engine.step()] if self.busy else []


def told(output: Any) -> Mapping[str, Any]:
    """Of a request: its number, tokens that were not told before, their log-probabilities, and whether it is done."""
    (drawn,) = output.outputs
    tokens = list(drawn.token_ids)
    logps = [found[token].logprob for found, token in zip(drawn.logprobs or [], tokens, strict=True)]
    return {"number": int(output.request_id), "tokens": tokens, "logps": logps, "done": output.finished}


def take_weights(worker: Any, folder: str, device: str) -> None:
    """Have vLLM's `worker` read all weights of the model anew.

    On a CPU each layer computes with a packed copy of its weights, which is made anew for every layer that is read. An
    output layer that shares the weights of the embedding is not read, and would go on with its old copy.
    """
    worker.reload_weights(weights_path=folder)
    if device != "cpu":
        return
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in worker.model_runner.get_model().modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
