from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sspo_cli.statistics.pass_at_k import bootstrap_interval, pass_at_k


@pytest.mark.parametrize(("samples", "correct"), [(4, 0), (4, 1), (4, 3), (4, 4), (7, 2)])
def test_pass_at_k_is_the_share_of_k_subsets_with_a_correct_sample(samples: int, correct: int) -> None:
    outcomes = [1] * correct + [0] * (samples - correct)
    for k in range(1, samples + 1):
        subsets = list(combinations(outcomes, k))
        assert pass_at_k(samples, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_more_than_the_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"outside 1\.\.4"):
        pass_at_k(4, 1, 5)


def test_the_bootstrap_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = bootstrap_interval(rng.normal(1.0, 2.0, size=80))
        covered += low <= 1.0 <= high
    assert 0.91 < covered / 400 < 0.98
