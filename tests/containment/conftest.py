"""The scene of the attacks, for each test anew."""

from collections.abc import Iterator

import pytest

from tests.containment import scene


@pytest.fixture
def where() -> Iterator[scene.Scene]:
    with scene.laid_out() as made:
        yield made
