"""The mutation scripts stay in step with the code that they break."""

from __future__ import annotations

import pytest

from tests.engine import mutants as engine
from tests.laws import mutants as laws
from tests.laws.mutants import ROOT, Mutant


@pytest.mark.parametrize("mutant", [*laws.MUTANTS, *engine.MUTANTS], ids=lambda mutant: mutant.label)
def test_every_mutant_finds_the_text_that_it_replaces_once(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1


def test_the_tests_that_should_notice_are_there() -> None:
    assert engine.TESTS.keys() == engine.EDITS.keys()
    named = {test for tests in engine.TESTS.values() for test in tests}
    assert [test for test in sorted(named) if not (ROOT / test).exists()] == []
