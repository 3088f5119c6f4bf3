"""What people type who come from other tools, and what to write here: the one list of it.

Names are in lower case with underscores, several with the same answer in one row. {} is the value that was typed. An
answer that is a sentence says what there is instead.
"""

from __future__ import annotations

from collections.abc import Mapping

Table = Mapping[str, str]


def table(*rows: tuple[str, str]) -> Table:
    """Every name of the rows (NAMES, ANSWER) with its answer."""
    return {name: answer for names, answer in rows for name in names.split()}


SEVERAL = (
    "engine=ddp trains with several processes that hold all weights each, engine=fsdp with several that hold a part of"
    " each weight, and `sspo compare` and `sspo sweep` run cells on several GPUs"
)

SETTINGS = table(
    # how long
    ("max_steps num_steps n_steps total_steps total_training_steps training_steps num_train_steps", "train.steps={}"),
    ("iterations n_iters max_iters num_updates step", "train.steps={}"),
    (
        "num_train_epochs num_epochs n_epochs total_epochs epochs epoch",
        "train.steps=N for the length of training in rollouts, or batch.epochs={} for passes over each rollout",
    ),
    ("ppo_epochs num_ppo_epochs num_iterations mu", "batch.epochs={}"),
    # batches
    (
        "batch_size bs train_batch_size per_device_train_batch_size global_batch_size gen_batch_size",
        "batch.prompts={} for prompts per rollout; batch.samples_per_prompt responses are sampled for each",
    ),
    (
        "mini_batch_size ppo_mini_batch_size minibatch_size num_mini_batches",
        "batch.minibatches=N, the number of updates per pass over the rollout",
    ),
    (
        "micro_batch_size gradient_accumulation_steps grad_accum per_device_eval_batch_size microbatch"
        " ppo_micro_batch_size_per_gpu",
        "engine.tokens_per_microbatch=N; it sets memory and speed, and changes nothing that is learned",
    ),
    (
        "num_generations group_size n g num_samples n_samples num_return_sequences samples_per_prompt"
        " rollouts_per_prompt n_samples_per_prompt",
        "batch.samples_per_prompt={}",
    ),
    # responses
    (
        "max_completion_length max_new_tokens max_length response_length max_gen_len max_seq_len completion_length",
        "rollout.max_response_length={}",
    ),
    (
        "max_tokens",
        "rollout.max_response_length={} for the length of a response, or train.max_tokens={} for that of training",
    ),
    (
        "top_p top_k min_p repetition_penalty",
        "responses are sampled from the whole distribution; set rollout.temperature",
    ),
    ("stop_sequences stop_strings stop_words", "rollout.stop=[{}]"),
    # optimizer
    ("lr learning_rate actor_lr policy_lr base_lr step_size", "optim.lr={}"),
    ("lr_scheduler_type lr_scheduler scheduler lr_schedule lr_decay", "optim.schedule={}"),
    ("warmup num_warmup_steps lr_warmup_steps", "optim.warmup_steps={}"),
    ("warmup_ratio lr_warmup_ratio", "optim.warmup_steps=N, a number of updates"),
    ("grad_clip clip_grad gradient_clipping max_norm grad_norm", "optim.max_grad_norm={}"),
    ("wd l2", "optim.weight_decay={}"),
    ("optimizer optimiser adam_beta1 adam_beta2", "the optimizer is AdamW; see `sspo show optim`"),
    # objective
    ("algo algorithm loss loss_type method adv_estimator policy_loss trainer loss_fn", "objective={}"),
    ("beta kl_coef kl_loss_coef kl_beta init_kl_coef kl_penalty kl_coeff kl", "objective.kl.coef={}"),
    (
        "epsilon clip_range cliprange clip_ratio clip_eps eps clip eps_clip",
        "objective.gate.eps_low={} objective.gate.eps_high={}",
    ),
    ("epsilon_low clip_ratio_low", "objective.gate.eps_low={}"),
    ("epsilon_high clip_ratio_high", "objective.gate.eps_high={}"),
    ("tau gate_temperature", "objective.gate.tau_pos={} objective.gate.tau_neg={}"),
    ("entropy ent_coef entropy_coeff entropy_bonus", "objective.entropy_coef={}"),
    (
        "gamma gae_lambda lam vf_coef critic value_coef value_model",
        "there is no critic; objective.advantage says what rewards are compared with",
    ),
    # model
    ("model_name model_name_or_path model_path base_model pretrained policy actor", "model={}"),
    ("lora_r lora_rank r use_lora use_peft peft", "lora.rank={}"),
    ("lora_alpha", "lora.alpha={}"),
    ("target_modules lora_target_modules", "lora.targets={}"),
    ("load_in_4bit qlora quantization load_in_8bit", "model.quantize=nf4 lora.rank=16"),
    ("attn_implementation flash_attention use_flash_attn", "model.attention=flash_attention_2"),
    # data and reward
    (
        "dataset_name data data_path train_file train_files data_files train_data train_dataset task datasets env",
        "dataset={}",
    ),
    ("reward_fn reward_func reward_funcs reward_function reward_model rewards", "reward={}"),
    ("num_workers dataloader_num_workers n_workers num_proc", "reward.workers={}"),
    # machine
    ("cuda gpu accelerator use_cpu no_cuda cpu", "engine.device=cuda, cpu or auto"),
    (
        "gpus num_gpus n_gpus n_gpus_per_node nproc_per_node ddp world_size num_processes",
        "engine=ddp engine.processes={}",
    ),
    ("fsdp fsdp_size", "engine=fsdp engine.processes={}"),
    ("nnodes deepspeed tensor_parallel_size", SEVERAL),
    ("bf16 mixed_precision amp torch_dtype autocast", "engine.precision=bfloat16"),
    ("fp16 float16 half", "engine.precision=bfloat16; float16 is not supported"),
    ("engine.dtype trainer.precision", "engine.precision={}"),
    ("use_vllm vllm", "rollout=vllm"),
    ("sampler backend", "rollout={}"),
    # the run
    ("run_name experiment experiment_name exp_name job_name id exp", "name={}"),
    (
        "output out out_dir outdir output_path save_dir log_dir logdir default_local_dir checkpoint_dir save_path",
        "output_dir={}",
    ),
    ("random_seed rng_seed manual_seed rng", "seed={}"),
    ("seeds", "seed=0,1,2 with `sspo compare` or `sspo sweep`"),
    ("eval_steps eval_freq eval_interval test_freq eval_strategy", "train.eval_every={}"),
    ("save_steps save_freq save_interval checkpoint_every save_strategy", "train.save_every={}"),
    ("save_total_limit keep_last", "train.keep_checkpoints={}"),
    ("load_best_model_at_end metric_for_best_model save_best", "train.keep_best=eval/accuracy"),
    ("eval_size num_eval val_size eval_batch_size n_eval", "eval.problems={}"),
    ("report_to logger log_with tracking trackers", "tracker={}"),
    ("wandb", "tracker=wandb"),
    ("tensorboard", "tracker=tensorboard"),
    ("wandb_project project_name project", "tracker=wandb tracker.project={}"),
    ("logging_steps log_every log_freq log_interval", "every step is written to metrics.jsonl"),
    ("resume_from_checkpoint resume_from ckpt load_from checkpoint", "`sspo train --resume RUN`"),
    # options of Hydra and of other command lines
    ("config_name config_file cn config_path cp yaml", "`--config RUN/config.yaml`"),
    ("cfg info print_config dryrun", "`--dry-run`, which prints the configuration"),
    ("multirun m", "`sspo compare` or `sspo sweep`, which run several configurations"),
    (
        "force overwrite overwrite_output_dir f y yes exist_ok",
        "`--name NAME` for another folder; no run is overwritten",
    ),
    ("verbose v debug log_level", "every step is shown; `--quiet` shows less"),
)

# Choices by other names, by group.
CHOICES: Mapping[str, Table] = {
    "objective": table(
        ("ppo", "objective=ppo_clip"),
        ("pg vpg policy_gradient reinforce++", "objective=reinforce"),
        ("dpo kto orpo simpo", "{} learns from pairs of responses; objectives here learn from rewards"),
    ),
    "objective/gate": table(
        ("none linear no", "objective/gate=identity"),
        ("tanh", "objective/gate=log_tanh"),
        ("soft", "objective/gate=log_arctan"),
    ),
    "reward": table(
        ("accuracy match exact_match string", "reward=exact"),
        ("math_verify gsm8k latex", "reward=math"),
        ("custom function func code own", "reward=python reward.path=FILE.py"),
    ),
    "tracker": table(
        ("tb tensor_board", "tracker=tensorboard"),
        ("wb weights_and_biases w&b", "tracker=wandb"),
        ("false no off null disabled", "tracker=none"),
    ),
    "rollout": table(
        ("sglang", "rollout=vllm, or rollout=native, which samples in this process"),
        ("hf transformers", "rollout=generate"),
    ),
    "engine": table(
        ("fsdp2 zero deepspeed", "engine=fsdp"),
        ("multi accelerate megatron", SEVERAL),
        ("cpu cuda auto", "engine.device={}"),
        ("gpu", "engine.device=cuda"),
    ),
    "preset": table(("test debug fast tiny small dev", "preset=smoke")),
    "model": table(("random new untrained", "model=scratch")),
}

# What a name that is like no choice of a group can mean.
OWN_CHOICES: Table = {
    "model": "model=hub model.path={} for a model of the hub, model=local model.path=FOLDER for one on disk",
    "dataset": "dataset=hub dataset.path=OWNER/NAME for one of the hub, dataset=file dataset.path=FILE for your own",
    "reward": "reward=python reward.path=FILE.py for your own; `sspo new reward {}` writes one",
    "objective": "`sspo new objective {}` to begin one of your own",
}

# Values by other names, by the last name of their key.
FORMATS = table(("bf16 bf_16 fp16 float16 half", "bfloat16"), ("fp32 f32 float full 32", "float32"))
VALUES: Mapping[str, Table] = {
    "device": table(("gpu", "cuda")),
    "precision": FORMATS,
    "dtype": FORMATS,
    "schedule": table(
        ("cosine_with_warmup cosine_decay cosine_annealing cos", "cosine"),
        ("constant_with_warmup none const fixed", "constant"),
        ("linear_with_warmup linear_decay", "linear"),
    ),
    "direction": table(("higher maximize greater up high", "max"), ("lower minimize less down low", "min")),
    "quantize": table(("4bit int4 4 fp4 qlora", "nf4")),
    "attention": table(("flash flash_attention fa2 flash_attn", "flash_attention_2")),
    "targets": table(("all all_linear", "all-linear")),
    "mode": table(("disabled off false", "offline")),
}

# What is meant where a section is set as one value.
MAIN_KEYS: Table = {
    "objective.kl": "coef",
    "objective.correction": "level",
    "objective.overlong": "penalty",
    "lora": "rank",
    "optim": "lr",
    "train": "steps",
    "batch": "prompts",
    "eval": "problems",
    "compare": "metric",
    "sweep": "metric",
}

# Commands by other names; {} is what follows.
COMMANDS = table(
    ("evaluate test validate score measure", "eval {}"),
    ("resume continue restart", "train --resume {}"),
    ("run fit learn start launch finetune fine-tune rl", "train {}"),
    ("benchmark bench versus vs ab", "compare {}"),
    ("tune hpo grid search multirun gridsearch grid-search", "sweep {}"),
    ("ls list status ps log logs history experiments", "runs {}"),
    ("plot graph visualize view results summary figure html", "report {}"),
    ("sample generate chat infer predict responses", "samples {}"),
    ("save convert merge checkpoint", "export {}"),
    ("push upload sync track", "runs push {}"),
    ("init create make template scaffold", "new {}"),
    ("check env info diagnose health setup", "doctor"),
    ("verify laws self-test", "selftest {}"),
    ("explain describe docs doc settings options choices", "show {}"),
    ("config print-config preview dry-run", "train --dry-run {}"),
    ("gradients microscope", "inspect {}"),
    ("recipes", "recipe list"),
    ("metrics metric", "show metric {}"),
    ("help", "{} --help"),
    ("version", "--version"),
)
