"""The positional parameters of a Bash script."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.language.bash import signature
from postmill.language.schema import DIALECT, MAX_SOURCE

_REQUIRED: dict[str, Any] = {"type": "string"}


_ARGUMENTS: list[tuple[str, str | None]] = [
    ('x="$1"', None),
    ("x=$1", None),
    ("x=${1}", None),
    ('x="${1}"', None),
    ('x="${01}"', None),
    ('local x="$1"', None),
    ("export x=$1", None),
    ("readonly x=$1", None),
    ('declare -r x="$1"', None),
    ('x="${1:?is needed}"', None),
    ('x="${1%/}"', None),
    ('x="${1,,}"', None),
    ('if true; then x="$1"; fi', None),
    ('[ -n "$1" ] && x="$1"', None),
    ('y=3 x="$1" command', None),
    ('for i in 1 2; do x="$1"; done', None),
    ('case "$0" in (a|b) ;; *) x="$1";; esac', None),
    ('echo $((2 << 1)); x="$1"', None),
    ('((y << 1)); x="$1"', None),
    ('echo "a \'b $(echo ")") c"; x=$1', None),
    ("a=(1 $(case b in b) echo;; esac) ')'); x=$1", None),
    ('x="${1:-default}"', "default"),
    ('x="${1:=default}"', "default"),
    ("x=${1-default}", "default"),
    ("x=${1=default}", "default"),
    ('x="${1-}"', ""),
    ('x="${1:-two words}"', "two words"),
    ("x=${1:-'single $quoted'}", "single $quoted"),
    ("x=\"${1:-'kept'}\"", "'kept'"),
    ('x="${1:-"inner \\" quote"}"', 'inner " quote'),
    ('x="${1:-a\\b\\$c}"', "a\\b$c"),
    ('x="${1:-{a}"', "{a"),
    ('x="${1:-#no}"', "#no"),
]


def test_an_assignment_of_a_position_is_an_argument() -> None:
    for line, default in _ARGUMENTS:
        found = signature(f"#!/bin/bash\n{line}\n")
        expected = _REQUIRED if default is None else {"type": "string", "default": default}
        assert (line, found.error, found.schema["properties"]) == (line, None, {"x": expected})
        assert found.schema["required"] == (["x"] if default is None else [])


@pytest.mark.parametrize("line", ['x="${1:-$(date)}"', "x=${1:-$HOME}", "x=${1:-`date`}", "x=${1:-~/here}"])
def test_a_computed_default_makes_an_argument_optional_without_a_default(line: str) -> None:
    found = signature(line)
    assert found.schema["properties"] == {"x": {"type": "string"}}
    assert found.schema["required"] == []


_LOOK_ALIKES = [
    '# x="$1"',
    "x='$1'",
    "x=\\$1",
    'x="a $1"',
    'x="$1$2"',
    'x="${1:-a}${2}"',
    'x="${1:+set}"',
    "x=${#1}",
    "x=${!1}",
    "x=$12",
    "x=$0",
    "x=$*",
    "x=${999}",
    'echo x="$1"',
    'echo "\nx=$1\n"',
    "cat <<EOF\nx=$1\nEOF",
    "cat <<-'EOF' | wc\n\tx=$1\n\tEOF",
    "cat <<A <<B\nx=$1\nA\nx=$1\nB",
    "y=$(x=$1; echo)",
    'f() { x="$1"; }; f a',
    'function f { local x="$1"; }',
    'function f() {\n x="$1"\n}',
    'f()\n(\nx="$1"\n)',
    'while [ $# -gt 0 ]; do case "$1" in -x) x="$2"; shift 2;; esac; done',
    "",
]


def test_what_only_looks_like_an_argument_is_none() -> None:
    for source in _LOOK_ALIKES:
        found = signature(source)
        assert (source, found.error, found.schema["properties"]) == (source, None, {})


def test_arguments_are_ordered_by_position_and_gaps_are_named() -> None:
    found = signature('last="${4:-z}"\nfirst="$1"\nagain="$1"\nthird="$3"')
    assert found.schema == {
        "$schema": DIALECT,
        "type": "object",
        "properties": {
            "first": {"type": "string"},
            "arg2": {"type": "string"},
            "third": {"type": "string"},
            "last": {"type": "string", "default": "z"},
        },
        "required": ["first", "third"],
        "order": ["first", "arg2", "third", "last"],
    }


def test_one_name_for_two_positions_stays_two_arguments() -> None:
    assert signature('x="$1"\nx="$2"\narg3="$4"').schema["order"] == ["x", "x_2", "arg3", "arg3_4"]


def test_a_shift_at_the_top_level_moves_the_positions_after_it() -> None:
    source = 'a="$1"; shift\nb="$1"\nshift 2\nc="$1"\nif x; then shift; fi\nd="$2"'
    assert signature(source).schema["order"] == ["a", "b", "arg3", "c", "d"]


def test_a_function_that_is_given_all_arguments_is_read() -> None:
    source = 'helper() {\n  local no="$5"\n}\nmain() {\n  local x="$1"\n  if x; then y="${2:-b}"; fi\n}\nmain "$@"\n'
    found = signature(source)
    assert found.schema["order"] == ["x", "y"]
    assert found.error is None


def test_descriptions_come_from_the_comment_beside_or_above() -> None:
    source = """#!/bin/bash
# strict

# who to greet,
# by name
x="$1"
# not this one
y="$2"   # how often

# far above

z="$3"
# -------
w="$4 # no comment"
v="${4:-# no comment either}"
"""
    found = signature(source)
    words = {name: rule.get("description") for name, rule in found.schema["properties"].items()}
    assert words == {"x": "who to greet, by name", "y": "how often", "z": None, "v": None}
    assert found.strict


def test_a_script_always_has_a_main_and_never_a_preprocessor() -> None:
    assert signature("").has_main and not signature("preprocessor() { :; }").has_preprocessor
    assert not signature("x=1\n# strict").strict


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ('x="$1"\necho "abc\n', 'line 2, column 6: a double quote (") is never closed'),
        ("echo 'abc", "line 1, column 6: a single quote (') is never closed"),
        ("y=$(date\n", "line 1, column 3: a '(' is never closed"),
        ("y=${1\n", "line 1, column 3: '${' is never closed"),
        ("if a; then b\n", "line 1, column 1: 'if' is never closed, expected 'fi'"),
        ("a\n  while a; do\n b", "line 2, column 3: 'while' is never closed, expected 'done'"),
        ("case a in\n a) b;;\n", "line 1, column 1: 'case' is never closed, expected 'esac'"),
        ("f() {\n a\n", "line 1, column 5: '{' is never closed, expected '}'"),
        ("a\nfi", "line 2, column 1: 'fi' closes nothing here"),
        ("if a; then b; done", "line 1, column 15: 'done' closes nothing here, expected 'fi'"),
    ],
)
def test_what_no_bash_accepts_is_an_error_with_its_place(source: str, error: str) -> None:
    found = signature(source)
    assert found.error == error
    assert found.error_line == int(error.split()[1].rstrip(","))


def test_the_form_of_a_broken_script_remains() -> None:
    assert signature('x="$1"\nif x; then\n  echo "\n').schema["order"] == ["x"]


_ACCEPTED = [
    "if { a; } then b; fi",
    "if a; then if b; then c; fi fi",
    "for ((i=0;i<3;i++)) do echo; done",
    "for ((i=0;i<3;i++)) { echo; }",
    "for x do echo $x; done",
    "select x in a b\ndo\n echo\ndone",
    "[[ $a =~ ^(x|y)$ && ( -n b ) ]] && { c; }",
    "echo if then fi done } esac {",
    "case $x in\n  if) a;;\n  (b|c) case y in z) w; esac ;&\n  *) ;;\nesac",
    "f() (a)\n{ b; }",
    "time ! { a; } > out 2>&1",
    "cat <<EOF\nit's \"\nEOF",
    "x=$(cat <<EOF\nit's\nEOF\n)",
    "ls !(a|b) # it's",
    "echo \\' ; echo it\\'s",
    "echo $'it\\'s'",
    "until a; do b; done < <(c)",
    "a=([x]=1 [y]='(')",
    "coproc { a; }",
    "cat <<EOF\nnever closed",
]


def test_what_bash_accepts_is_no_error() -> None:
    assert {source: signature(source).error for source in _ACCEPTED} == dict.fromkeys(_ACCEPTED)


_UNITS = [
    "a|",
    "<<E\n",
    "a=(",
    "a() ",
    "${",
    '"${a',
    "`",
    "'",
    '"',
    "$(",
    "((",
    "{ x=$1;",
    "if a;",
    "a)",
    "$(case a in ",
    "x=$1\n",
]


def test_a_hostile_script_is_answered() -> None:
    for unit in _UNITS:
        assert len(json.dumps(signature(unit * 2000).schema)) < 100_000


def test_a_script_is_read_up_to_its_limit() -> None:
    assert signature("#" * MAX_SOURCE).error is None
    assert "500,001 characters" in (signature("#" * (MAX_SOURCE + 1)).error or "")


_PIECES = st.sampled_from(
    [
        *"$\"'`\\{}()<>|&;#=\n\t \0\ud800é",
        "x=",
        "$1",
        "${2:-",
        "if ",
        "fi",
        "case ",
        " in ",
        "esac",
        "do",
        "done",
        "<<E",
        "for ",
    ]
)


@settings(max_examples=60, deadline=None, database=None)
@given(st.text(max_size=60) | st.lists(_PIECES, max_size=40).map("".join))
def test_no_text_makes_the_reader_raise(source: str) -> None:
    found = signature(source)
    assert json.loads(json.dumps(found.schema)) == found.schema
    json.dumps(found.schema, ensure_ascii=False).encode()
    (found.error or "").encode()
    assert found.schema["order"] == list(found.schema["properties"])
