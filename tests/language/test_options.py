"""What a script's head comment asks for."""

import pytest

from postmill.language.options import check, read_options
from postmill.model.errors import BadRequest
from postmill.model.options import Options

MB = 1024**2
ALL = "memory=512MB pids=32 files=64 disk=100MB inodes=1000 log=1MB network=none"
READ = Options(
    memory=512 * MB, pids=32, files=64, disk=100 * MB, inodes=1000, log=MB, network="none"
)  # fmt: skip


@pytest.mark.parametrize(
    ("language", "sign"),
    [("python3", "#"), ("bash", "#"), ("bun", "//"), ("deno", "//"), ("go", "//"), ("postgresql", "--"), ("new", "#")],
)
def test_each_language_has_them_in_its_own_comment(language: str, sign: str) -> None:
    assert read_options(f"{sign} limits: {ALL}\n", language) == READ
    other = "--" if sign == "#" else "#"
    assert read_options(f"{other} limits: {ALL}\n", language) == Options()


def test_several_lines_add_up() -> None:
    source = "#!/bin/bash\n\n# About it.\n#limits: pids=3, files=20\n# limits: log=2KB\necho\n"
    assert read_options(source, "bash") == Options(pids=3, files=20, log=2048)


def test_only_the_head_of_a_script_counts() -> None:
    assert read_options("import os\n# limits: pids=3\n", "python3") == Options()
    assert read_options("/* words\n and */ /* more */\n// limits: pids=3\nmain()", "bun") == Options(pids=3)
    assert read_options("/* words */ main()\n// limits: pids=3\n", "bun") == Options()
    assert read_options("/*\n// limits: pids=3\n", "bun") == Options()
    assert read_options("print('# limits: pids=3')\n", "python3") == Options()
    assert read_options("", "python3") == Options()


def test_what_is_not_said_in_the_right_words_is_a_comment() -> None:
    assert read_options("# Limits: be careful\n# the limits: none\n# limits\n", "python3") == Options()


def test_a_block_of_pep_723_does_not_disturb() -> None:
    block = '# /// script\n# dependencies = []\n# limits: this = "is not ours"\n# ///\n'
    assert read_options(f"{block}# limits: pids=3\n", "python3") == Options(pids=3)
    assert read_options(f"# limits: pids=3\n{block}def main(): ...\n", "python3") == Options(pids=3)
    assert read_options("# /// script\n# limits: pids=3\nimport os\n", "python3") == Options(pids=3)


def test_a_byte_order_mark_and_windows_lines_are_no_code() -> None:
    assert read_options("\ufeff# limits: pids=3\r\n# limits: files=20\r\n", "python3") == Options(pids=3, files=20)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("memroy=1GB", "there are disk, files, inodes, log, memory, network, pids"),
        ("memory", "memory needs a value"),
        ("memory=", "no size"),
        ("memory=lots", "no size"),
        ("memory=1TB", "no size"),
        ("memory=-1", "no size"),
        ("memory=1MB", "below 64MB"),
        ("pids=many", "a whole number"),
        ("pids=1.5", "a whole number"),
        ("pids=1", "below 2"),
        ("files=8", "below 16"),
        ("network=off", "one of host, filtered, none"),
        ("pids=3 pids=4", "given before"),
    ],
)
def test_nonsense_is_refused_with_its_line_and_word(words: str, told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_options(f"# About it.\n\n# limits: {words}\n", "python3")
    assert refused.value.message.startswith("line 3: ")
    assert words.split()[-1] in refused.value.message
    assert told in refused.value.message


def test_a_name_is_given_once_in_all_lines_together() -> None:
    with pytest.raises(BadRequest, match=r"line 2: .*'pids=4'.* given before"):
        read_options("# limits: pids=3\n# limits: pids=4\n", "python3")


BOUNDS = Options(
    memory=1024 * MB, pids=100, files=100, disk=100 * MB, inodes=1000, log=MB, network="filtered"
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (Options(memory=1025 * MB), r"memory=1025MB is over this instance's 1GB \(POSTMILL_JOB_MEMORY\)"),
        (Options(pids=101), r"pids=101 is over this instance's 100 \(POSTMILL_JOB_PIDS\)"),
        (Options(log=2 * MB), r"log=2MB is over this instance's 1MB \(POSTMILL_MAX_LOG\)"),
        (Options(network="host"), r"network=host is over this instance's filtered \(POSTMILL_NETWORK\)"),
    ],
)
def test_more_than_the_instance_gives_is_refused_with_both_values(options: Options, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        check(options, BOUNDS)


def test_what_the_instance_gives_may_be_asked_for() -> None:
    check(BOUNDS, BOUNDS)
    check(Options(), BOUNDS)
    check(Options(network="none", pids=2), BOUNDS)
