"""The page on security says what the table says, and so what the other tests prove."""

import pytest

from tests.containment.attacks import ATTACKS, MECHANISMS
from tests.containment.report import PAGE, attacks, claimed, mechanisms, written


def test_the_page_on_security_is_as_the_table() -> None:
    page = PAGE.read_text()
    assert page == written(page, claimed()), "run: python -m tests.containment.report"


def test_an_attack_that_gets_through_is_told() -> None:
    cells = dict(claimed())
    cells[ATTACKS[0].name, "L3"] = False
    assert attacks(cells).count("**succeeds**") == attacks(claimed()).count("**succeeds**") + 1


def test_each_attack_and_each_mechanism_has_a_line() -> None:
    assert len(attacks(claimed()).splitlines()) == len(ATTACKS) + 2
    assert len(mechanisms().splitlines()) == len(MECHANISMS) + 2


def test_a_page_without_a_place_for_the_tables_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place for its mechanisms"):
        written("# Security\n", claimed())
