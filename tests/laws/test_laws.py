"""Every law of `sspo selftest` holds of every objective, and of every part and extra crossed with others."""

from __future__ import annotations

import pytest

from sspo_cli.laws.laws import LAWS

from .cases import ALL, Variant, subject


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("variant", ALL, ids=str)
def test_the_law_holds(variant: Variant, law: str) -> None:
    verdict = LAWS[law].verdict(subject(variant))
    assert verdict.outcome != "broken", verdict.reason
