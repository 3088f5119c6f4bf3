"""TRL's GRPOTrainer on the same workload, as fast as its documentation says how on a CPU.

What was chosen for it, and why:

- `loss_type="sapo"` with TRL's own temperatures, which are ours; `beta=0`: no reference model.
- float32, `bf16=False`: both sides compute in one precision.
- `gradient_checkpointing=False`: TRL's default of True computes every forward pass twice.
- `per_device_train_batch_size` = the responses of one update, `gradient_accumulation_steps=1`: one forward and backward
  pass an update, `steps_per_generation` = updates per rollout. Smaller micro-batches with accumulation were slower.
- `cache_implementation`: the default, which grows, or "static", which is allocated once; both are measured.
- `optim="adamw_torch_fused"`, TRL's default: one fused kernel.
- No logging, no saving, no evaluation, no bar, no tracker, no columns to remove, no data-loader workers.
- TRL's sampler, collator, reward call, metrics and optimizer step are all inside its step, as ours are inside ours.

Its phases are timed by wrapping its methods: `_generate_and_score_completions` without the scoring is the rollout (its
share spent in `_generate` beside it), `_get_per_token_logps_and_entropies` under no_grad is the scoring of old
log-probabilities, `training_step` without both, and the optimizer, are the update. A step lasts from one
generation to the next; what is outside all of these is "other".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from benchmarks.checkpoint import OLD_LOGP, random_ids
from benchmarks.reward import score
from benchmarks.workload import SEED, Workload, work_of

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

from trl import GRPOConfig, GRPOTrainer


class Clock:
    """Seconds by name; what calls itself counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.begun: dict[str, float] = {}

    def start(self, name: str) -> None:
        self.begun[name] = time.perf_counter()

    def stop(self, name: str) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - self.begun.pop(name)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name in self.begun:
                return function(*args, **kwargs)
            self.start(name)
            try:
                return function(*args, **kwargs)
            finally:
                self.stop(name)

        return call


class Timed(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer with a clock on its phases."""

    _get_per_token_logps_and_entropies: Callable[..., Any]
    _generate: Callable[..., Any]
    training_step: Callable[..., Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clock = Clock()
        self.rows: list[dict[str, Any]] = []
        self.begun = 0.0
        score_tokens = self._get_per_token_logps_and_entropies
        scoring = self.clock.timed("scoring", score_tokens)
        self._get_per_token_logps_and_entropies = lambda *args, **kwargs: (
            score_tokens(*args, **kwargs) if torch.is_grad_enabled() else scoring(*args, **kwargs)
        )
        self._generate = self.clock.timed("generation", self._generate)
        self.training_step = self.clock.timed("training_step", self.training_step)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        optimizer = super().create_optimizer(*args, **kwargs)
        optimizer.register_step_pre_hook(lambda *_: self.clock.start("optimizer"))
        optimizer.register_step_post_hook(lambda *_: self.clock.stop("optimizer"))
        return optimizer

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        self.close_step()
        call = self.clock.timed("experience", super()._generate_and_score_completions)
        output = call(inputs)
        mask_BT = output["completion_mask"]
        prompt_ids = [ids[mask.bool()] for ids, mask in zip(output["prompt_ids"], output["prompt_mask"], strict=True)]
        self.rows.append(
            {
                "updates": self.args.steps_per_generation // self.args.gradient_accumulation_steps,
                **work_of([ids.tolist() for ids in prompt_ids], mask_BT.sum(1).tolist()),
            }
        )
        return output

    def close_step(self) -> None:
        """The step that was under way is over: its seconds join its row."""
        now, spent = time.perf_counter(), self.clock.seconds
        if self.rows:
            rollout_s = spent["experience"] - spent["scoring"]
            update_s = spent["training_step"] - spent["experience"] + spent["optimizer"] + spent["clipping"]
            step_s = now - self.begun
            self.rows[-1] |= {
                "step_s": step_s,
                "rollout_s": rollout_s,
                "generation_s": spent["generation"],
                "scoring_s": spent["scoring"],
                "update_s": update_s,
                "other_s": step_s - rollout_s - spent["scoring"] - update_s,
            }
        self.clock.seconds = {}
        self.begun = now


class CloseLast(TrainerCallback):  # type: ignore[misc]
    """The last step ends with its last update, not with the clean-up after training."""

    def __init__(self, updates: int) -> None:
        self.updates = updates
        self.trainer: Timed | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.trainer is not None and state.global_step == args.max_steps:
            self.trainer.close_step()


def build(
    workload: Workload,
    folder: Path,
    threads: int,
    steps: int = 1,
    cache: str | None = None,
    seed: int = SEED,
    microbatches: int = 1,
    device: str = "cpu",
    dtype: str = "float32",
) -> Timed:
    """A trainer for `steps` rollout steps whose updates are cut into `microbatches`.

    dtype: of the weights; on a GPU matrix products are in bfloat16.
    """
    torch.set_num_threads(threads)
    arguments = GRPOConfig(
        output_dir=str(folder / "trl"),  # never written to
        loss_type="sapo",
        beta=0.0,
        seed=seed,
        use_cpu=device == "cpu",
        bf16=device == "cuda",
        gradient_checkpointing=False,
        per_device_train_batch_size=workload.responses // workload.updates // microbatches,
        gradient_accumulation_steps=microbatches,
        steps_per_generation=workload.updates * microbatches,
        num_generations=workload.samples_per_prompt,
        max_completion_length=workload.max_response_length,
        cache_implementation=cache,
        temperature=1.0,
        learning_rate=workload.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        max_steps=steps * workload.updates,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    close = CloseLast(workload.updates)
    trainer = Timed(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)),
        reward_funcs=lambda prompts, completions, **_: [
            score(prompt, completion, "") for prompt, completion in zip(prompts, completions, strict=True)
        ],
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_json(str(folder / "prompts.jsonl")),
        callbacks=[close],
    )
    close.trainer = trainer
    clip = trainer.accelerator.clip_grad_norm_
    trainer.accelerator.clip_grad_norm_ = trainer.clock.timed("clipping", clip)
    return trainer


def measure(
    workload: Workload, folder: Path, threads: int, steps: int, cache: str | None, seed: int, microbatches: int = 1
) -> list[dict[str, Any]]:
    """One row per rollout step, after one that warms up, as `ours.measure` gives them."""
    trainer = build(workload, folder, threads, steps + 1, cache, seed, microbatches)
    trainer.train()
    return trainer.rows[1:]


def measure_update(
    workload: Workload, folder: Path, threads: int, tokens: int, microbatches: int
) -> list[dict[str, Any]]:
    """Two updates as `ours.measure_update` makes them, by TRL's own loss and optimizer."""
    trainer = build(workload, folder, threads, microbatches=microbatches)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = microbatches
    trainer.create_optimizer_and_scheduler(2)
    S, size = workload.prompt_length[0], workload.responses // microbatches
    ids_BL = random_ids(workload, tokens)
    ones_BL = torch.ones_like(ids_BL)
    whole = {
        "prompt_ids": ids_BL[:, :S],
        "prompt_mask": ones_BL[:, :S],
        "completion_ids": ids_BL[:, S:],
        "completion_mask": ones_BL[:, S:],
        "advantages": torch.tensor([(-1.0) ** place for place in range(workload.responses)]),
        "old_per_token_logps": torch.full((workload.responses, tokens - S), OLD_LOGP),
    }
    rows = []
    for _ in range(2):
        begun = time.perf_counter()
        for first in range(0, workload.responses, size):
            part = {name: values[first : first + size] for name, values in whole.items()}
            trainer.compute_loss(trainer.model, part).backward()
        torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
        rows.append({"update_s": time.perf_counter() - begun, "tokens": ids_BL.numel()})
    return rows
