"""Which Python a script gets."""

import os
import subprocess
import sys

import pytest

from postmill.environments import interpreters
from postmill.environments.interpreters import Interpreter, pick
from postmill.model.errors import BadRequest


def at(version: str) -> Interpreter:
    major, minor, patch = map(int, version.split("."))
    return Interpreter(version=(major, minor, patch), executable=f"/opt/{version}/python", prefix=f"/opt/{version}")


THREE = [at("3.13.1"), at("3.12.4"), at("3.11.7")]


@pytest.mark.parametrize(
    ("wish", "version"),
    [
        ("==3.12.*", "3.12.4"),
        (">=3.12", "3.13.1"),
        (">=3.11,<3.13", "3.12.4"),
        ("~=3.11.2", "3.11.7"),
        ("~=3.11", "3.13.1"),
        ("==3.11.7", "3.11.7"),
        ("!=3.13.*", "3.12.4"),
        ("<=3.12.0", "3.11.7"),
        (">3.12.4", "3.13.1"),
    ],
)
def test_the_newest_that_fits_is_taken(wish: str, version: str) -> None:
    assert pick(THREE, wish).full == version


@pytest.mark.parametrize("wish", ["==3.14.*", "<3.11", "==3.11.6", ">=3.13.2"])
def test_none_that_fits_is_an_error_that_names_those_there_are(wish: str) -> None:
    with pytest.raises(BadRequest, match=r"there are: 3\.13\.1, 3\.12\.4, 3\.11\.7"):
        pick(THREE, wish)


def test_a_wish_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadRequest, match="is not a Python version"):
        pick(THREE, "three")


def test_every_installed_python_is_real_and_says_its_version() -> None:
    found = interpreters.installed()
    assert interpreters.own() in found
    assert len({each.minor for each in found}) == len(found)
    for each in found:
        said = subprocess.run([each.executable, "-VV"], capture_output=True, text=True, check=True).stdout
        assert each.full in said
        assert each.version >= (3, 11)
        assert not os.path.islink(each.executable)


@pytest.mark.anyio
async def test_this_process_s_own_is_taken_where_it_fits() -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert await interpreters.choose("") == interpreters.own()
    assert await interpreters.choose(">=3.11") == interpreters.own()
    assert await interpreters.of_minor(own) == interpreters.own()


def test_uv_is_there() -> None:
    assert os.access(interpreters.uv(), os.X_OK)
