"""Log-probabilities and entropies by pieces are those of the model's own logits, and so are their gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, Gemma3TextConfig

from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import Microbatch, pad_right, to_microbatch
from sspo_cli.models import head
from sspo_cli.models.head import Projected, projection
from sspo_cli.models.policy import Policy
from sspo_cli.types import Trajectory
from tests.steps import context_of, response_of, trajectory
from tests.tiny_models import ARCHITECTURES, NEOX, SHAPE, WHOLE_LOGITS, config_of, policy_of, random_policy

TEMPERATURE = 0.7


def group() -> list[Trajectory]:
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> list[int]:
        return torch.randint(2, 258, (count,), generator=generator).tolist()

    return [trajectory(draw(p), draw(t), None, 1.0) for p, t in ((3, 7), (9, 1), (2, 12), (5, 4))]


def microbatch() -> Microbatch:
    return to_microbatch(group(), 0, torch.device("cpu"))


def whole(model: Any) -> tuple[Tensor, Tensor]:
    """The same from all logits of one trajectory after the other, without padding."""
    logps, entropies = [], []
    for item in group():
        logits_LV = model(input_ids=item.token_L[None], use_cache=False).logits[0]
        logp_TV = (logits_LV[len(context_of(item)) - 1 : -1] / TEMPERATURE).log_softmax(-1)
        logps.append(logp_TV.gather(-1, torch.tensor(response_of(item))[:, None])[:, 0])
        entropies.append(torch.distributions.Categorical(logits=logp_TV).entropy())  # type: ignore[no-untyped-call]
    return pad_right(logps, 0.0), pad_right(entropies, 0.0)


def gradients(model: Any, logp_BT: Tensor, entropy_BT: Tensor, entropy_coef: float) -> Tensor:
    model.zero_grad()
    weight_BT = torch.linspace(-1, 2, logp_BT.numel()).reshape(logp_BT.shape)
    ((weight_BT * logp_BT).sum() + entropy_coef * (weight_BT.flip(0) * entropy_BT).sum()).backward()  # type: ignore[no-untyped-call]
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(head.LOGITS_AT_ONCE, "cpu", 258 * 5)
    monkeypatch.setattr(head, "POSITIONS_AT_LEAST", 1)


PIECES = [(name, 258 * 5, 0.3) for name in ARCHITECTURES]
ALSO = [("llama", 258 * 5, 0.0), ("phi", 258 * 5, 0.0), ("llama", 2**25, 0.0), ("llama", 2**25, 0.3)]


@pytest.mark.parametrize(("architecture", "logits_at_once", "entropy_coef"), [*PIECES, *ALSO])
def test_pieces_are_the_whole(
    architecture: str, logits_at_once: int, entropy_coef: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(head.LOGITS_AT_ONCE, "cpu", logits_at_once)
    monkeypatch.setattr(head, "POSITIONS_AT_LEAST", 1)
    policy, batch = random_policy(architecture, spread=0.15), microbatch()
    model = policy.model
    assert (projection(model) is None) == (architecture in WHOLE_LOGITS)
    found = token_logprobs(policy, batch, TEMPERATURE, entropy_gradient=entropy_coef > 0)
    expected = whole(model)
    for part, other in zip(found, expected, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-5, atol=1e-5)
        assert (part[~batch.mask_BT] == 0).all()
    assert found[1].requires_grad == (entropy_coef > 0)
    torch.testing.assert_close(
        gradients(model, *found, entropy_coef), gradients(model, *expected, entropy_coef), rtol=1e-3, atol=1e-4
    )


def test_a_model_that_changes_its_logits_is_asked_for_them() -> None:
    torch.manual_seed(0)
    config = Gemma3TextConfig(**SHAPE, final_logit_softcapping=0.5)
    model = AutoModelForCausalLM.from_config(config).eval()
    batch = microbatch()
    assert projection(model) is None
    found = token_logprobs(Policy(model, random_policy().tokenizer), batch, TEMPERATURE, entropy_gradient=True)
    expected = whole(model)
    for part, other in zip(found, expected, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradients(model, *found, 0.3), gradients(model, *expected, 0.3), rtol=1e-3, atol=1e-5)


def test_a_head_that_reads_more_than_the_hidden_states_is_left_to_the_model() -> None:
    """RemBERT widens the hidden states before its output layer."""
    wide = {"input_embedding_size": 16, "output_embedding_size": 48, "is_decoder": True}
    policy = policy_of(config_of("rembert", **NEOX, **wide), spread=0.15)
    assert projection(policy.model) is None
    found, expected = token_logprobs(policy, microbatch(), TEMPERATURE), whole(policy.model)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_the_gradient_written_out_is_the_derivative(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(head.LOGITS_AT_ONCE, "cpu", 22)
    monkeypatch.setattr(head, "POSITIONS_AT_LEAST", 1)
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    token_N = torch.randint(11, (5,), generator=generator)
    leaves = [leaf(5, 3), leaf(11, 3), *([leaf(11)] if bias else [])]

    def outputs(hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None = None) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = Projected.apply(hidden_ND, weight_VD, bias_V, token_N, TEMPERATURE)  # type: ignore[no-untyped-call]
        return found

    assert torch.autograd.gradcheck(outputs, leaves)


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the most logits, entries of a tensor with V columns, that any operation returned."""

    def __init__(self, V: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.V, self.entries = V, 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = operation(*args, **(kwargs or {}))
        weights = operation is torch.ops.aten.t.default
        for tensor in [] if weights else tree_leaves(found):
            if isinstance(tensor, Tensor) and tensor.ndim and tensor.shape[-1] == self.V:
                self.entries = max(self.entries, tensor.numel())
        return found


def test_no_tensor_of_all_logits_is_ever_made(small_pieces: None) -> None:
    policy, batch = random_policy(), microbatch()
    projection(policy.model)
    with Largest(258) as largest:
        logp_BT, _ = token_logprobs(policy, batch, TEMPERATURE)
        logp_BT.sum().backward()  # type: ignore[no-untyped-call]
    assert 0 < largest.entries <= 258 * 5 < 258 * int(batch.mask_BT.sum())


def test_in_bfloat16_only_the_products_are_rounded() -> None:
    exact, batch = random_policy(spread=0.15), microbatch()
    rounded = replace(exact, precision=torch.bfloat16)
    logp_BT, entropy_BT = token_logprobs(exact, batch, TEMPERATURE)
    expected = gradients(exact.model, logp_BT, entropy_BT, 0.0)
    found_BT, entropy_BT = token_logprobs(rounded, batch, TEMPERATURE)
    found = gradients(rounded.model, found_BT, entropy_BT, 0.0)
    assert found_BT.dtype == found.dtype == torch.float32
    assert 1e-5 < (found_BT - logp_BT).abs().max() < 0.1
    assert 0.99 < torch.cosine_similarity(found, expected, dim=0) < 1 - 1e-9


def test_in_bfloat16_the_gradient_belongs_to_the_log_probabilities(small_pieces: None) -> None:
    """The backward pass computes the logits anew, in the precision of the forward pass: p sums to 1 in both."""
    torch.manual_seed(0)
    hidden_ND = torch.randn(40, 16, requires_grad=True)
    weight_VD = torch.randn(258, 16, requires_grad=True)
    token_N = torch.randint(258, (40,))
    with torch.autocast("cpu", torch.bfloat16):
        logp_N, _ = Projected.apply(hidden_ND, weight_VD, None, token_N, 1.0)  # type: ignore[no-untyped-call]
    by_weight_VD = torch.autograd.grad(logp_N[:1].sum(), weight_VD)[0]
    # Summed over the vocabulary, onehot - p is zero.
    assert by_weight_VD.sum(0).abs().max() < 2e-2 * by_weight_VD.abs().max()
