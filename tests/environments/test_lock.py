"""The text of a lock: what is taken from a jail or from a stranger, and what is not."""

import pytest

from postmill.environments.lock import MAX_LOCK, Lock, read_lock
from postmill.model.errors import BadRequest

A, B = "a" * 64, "b" * 64


def test_what_the_resolver_prints_is_read_and_printed_anew() -> None:
    text = (
        "# py: 3.11\n# by hand\n"
        f"Zope.Interface==5.0 ; python_version < '3.12' \\\n    --hash=sha256:{B} \\\n    --hash=sha256:{A}\n"
        f"attrs==1.0+local --hash=sha256:{A}  # via x\n"
    )
    assert read_lock(text).text() == (
        f"# py: 3.11\nattrs==1.0+local \\\n    --hash=sha256:{A}\n"
        f"Zope.Interface==5.0 ; python_version < '3.12' \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
    )


@pytest.mark.parametrize("line", ["# py: 3.12", "#py: 3.12", "# py312", "# py: 3.12.4"])
def test_the_first_line_names_the_python(line: str) -> None:
    assert read_lock(f"{line}\n").python == "3.12"


@pytest.mark.parametrize(
    "line",
    [
        "six",
        "six==1.0",
        "six>=1.0 --hash=sha256:" + A,
        "six==1.0 --hash=md5:" + "a" * 32,
        "six==1.0 --hash=sha256:abc",
        "six==1.0 --hash=sha256:" + A + " --index-url=http://x",
        "--index-url https://evil.example/simple",
        "-r /etc/passwd",
        "-e .",
        "six @ file:///etc/passwd --hash=sha256:" + A,
        "six @ https://evil.example/six.whl --hash=sha256:" + A,
        "https://evil.example/six.whl --hash=sha256:" + A,
        "./six.whl --hash=sha256:" + A,
        "six==1.0 ; x @ y --hash=sha256:" + A,
        "six==1.0 ; \x1b[2J --hash=sha256:" + A,
        "${HOME}==1.0 --hash=sha256:" + A,
    ],
)
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(BadRequest, match="lock"):
        read_lock(line)


def test_a_package_stands_once_and_a_lock_has_an_end() -> None:
    with pytest.raises(BadRequest, match="twice"):
        read_lock(f"Six==1.0 --hash=sha256:{A}\nsix==1.1 --hash=sha256:{A}\n")
    with pytest.raises(BadRequest, match="over"):
        read_lock("#" * (MAX_LOCK + 1))


def test_the_key_is_of_what_is_installed_and_nothing_else() -> None:
    one = read_lock(f"a==1 --hash=sha256:{A}\nb==1 --hash=sha256:{B}\n")
    other = read_lock(f"# comment\nb==1 --hash=sha256:{B}\na==1 --hash=sha256:{A}\n")
    assert one.key("3.11.7") == other.key("3.11.7")
    assert len({one.key("3.11.7"), one.key("3.11.8"), one.without(frozenset({"a"})).key("3.11.7")}) == 3
    assert Lock().text() == ""
