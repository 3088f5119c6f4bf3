"""The gradient is the derivative of the loss, by PyTorch's own finite differences."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sspo_cli.laws.cases import random_case
from sspo_cli.objectives.batch import Counts, PolicyBatch

from .cases import ALL, Variant, load, subject


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_the_gradient_is_the_derivative_of_the_loss(variant: Variant) -> None:
    if subject(variant).has_stop_gradient:
        pytest.skip("the gradient is not that of the loss")
    for seed in range(1, 4):
        batch, counts = random_case(seed, B=3, T=4)

        def loss(logp_BT: Tensor, batch: PolicyBatch = batch, counts: Counts = counts) -> Tensor:
            return load(variant)(replace(batch, logp_BT=logp_BT), counts).loss

        assert torch.autograd.gradcheck(loss, batch.logp_BT.where(batch.mask_BT, 0).requires_grad_())
