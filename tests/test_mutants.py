"""The mutation script stays in step with the code that it breaks."""

from __future__ import annotations

import pytest

from tests.laws.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.label)
def test_every_mutant_finds_the_text_that_it_replaces_once(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
