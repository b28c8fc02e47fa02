"""Bash's own rules: where the result comes from, how arguments become words."""

import pytest

from postmill.executors.bash import positional
from postmill.executors.contract import Limits, Task
from postmill.model.errors import BadRequest
from postmill.model.json_text import raw_members
from tests.executors.conftest import Running

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("echo first; echo last", "last"),
        ("echo out; sleep 0.05; echo err >&2", "out"),
        ("printf 'no newline'", "no newline"),
        ("echo '{\"a\": 1}'", '{"a": 1}'),
        ("echo last; echo; echo", "last"),
        ("printf 'windows\\r\\n'", "windows"),
        ("printf '  kept  \\n'", "  kept  "),
        ("printf 'bad \\377 byte\\n'", "bad � byte"),
        ("true", None),
        ("echo >&2", None),
        ("echo printed; echo 'from file' >result.out", "from file"),
        ("printf 'two\\nlines\\n' >result.out", "two\nlines"),
        (": >result.out", ""),
        ("echo '{\"n\": [1, null]}' >result.json; echo x >result.out; echo printed", {"n": [1, None]}),
        ("cd /tmp; echo 5 >result.json; echo printed", "printed"),
        ("echo 5 >../job/result.json", 5),
        ("mkdir result.json; echo printed", "printed"),
        ("exit 0", None),
        ("false; echo 'no set -e here'", "no set -e here"),
        ("echo $0 $#", "/job/main.sh 0"),
        ("sleep 0.1 & echo not waited for", "not waited for"),
    ],
)
async def test_where_the_result_comes_from(script: str, result: object, run: Running) -> None:
    assert (await run("bash", script)).result == result


@pytest.mark.parametrize(
    ("script", "name", "message"),
    [
        ("echo a; echo b >&2; exit 3", "ExecutionError", "exit code 3\n"),
        ("set -e; false; echo never", "ExecutionError", "exit code 1"),
        ("nosuchprogram", "ExecutionError", "exit code 127\n/job/main.sh: line 1: nosuchprogram: command not found"),
        ("kill -9 $$", "ExecutionError", "exit code 137"),
        ("if", "ExecutionError", "syntax error: unexpected end of file"),
        ("echo 5 >result.json; exit 1", "ExecutionError", "exit code 1"),
        ("echo '{not json' >result.json", "BadResult", "result.json is not JSON: "),
        (": >result.json", "BadResult", "result.json is not JSON: "),
        ("echo NaN >result.json", "BadResult", "NaN is no JSON number"),
        ("head -c 100000 /dev/zero | tr '\\0' x", "BadResult", "the last line of stdout is longer than 64 kB"),
    ],
)
async def test_failures_say_why(script: str, name: str, message: str, run: Running) -> None:
    error = (await run("bash", script)).error
    assert error["name"] == name
    assert message in error["message"]
    assert error["stack"] == ""


async def test_only_the_last_lines_of_the_output_are_in_the_message(run: Running) -> None:
    error = (await run("bash", "seq 100; exit 4")).error
    assert error["message"].split("\n") == ["exit code 4", *map(str, range(91, 101))]


async def test_the_wrapper_says_nothing_of_its_own(run: Running) -> None:
    done = await run("bash", "kill -TERM $$")
    assert done.error["message"] == "exit code 143"
    assert done.log == ""


async def test_a_script_sees_no_descriptor_but_the_usual(run: Running) -> None:
    done = await run("bash", "ls /proc/$$/fd >fds; echo $(<fds)")
    # 255 is the script file itself, as Bash reads it.
    assert done.result.split() == ["0", "1", "2", "255"]


async def test_the_wrapper_is_not_led_astray_by_the_environment(run: Running) -> None:
    env = {"BASH_ENV": "/job/main.sh", "CDPATH": "/", "IFS": "x", "LC_ALL": "C"}
    assert (await run("bash", "echo once", env=env)).log.count("once") == 2


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("1.10", "1.10"),
        ("1e400", "1e400"),
        ("12345678901234567890", "12345678901234567890"),
        ("7" * 5000, "7" * 5000),
        ("true", "true"),
        ("null", ""),
        ('"a\\nb"', "a\nb"),
        ('"\\u00fc"', "ü"),
        ('"\\ud800"', "?"),
        ('[ 1.0 , "a b" ,\n{ "k" : null } ]', '[1.0,"a b",{"k":null}]'),
        ('{ "q \\" q" : "x  y" }', '{"q \\" q":"x  y"}'),
        ("[ ]", "[]"),
    ],
)
def test_values_become_words(value: str, word: str) -> None:
    assert positional(Task("bash", 'x="$1"', f'{{ "x" : {value} }}')) == [word.encode()]


def test_arguments_go_by_position_whatever_order_they_came_in() -> None:
    script = 'first="$1"\nthird="$3"\nsecond="${2:-two}"'
    assert positional(Task("bash", script, '{"third": "c", "first": "a"}')) == [b"a", b"", b"c"]


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a"}', '{"a":}', '{"a":1,,}', "nonsense", '{"a": nope}', '{"a":1,}', '{"a":1 "b":2}', "{1:2}", "{} x"],
)
def test_arguments_that_are_not_json_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match=r"this is (not a JSON object|JSON, but no object)"):
        raw_members(text)


def test_members_keep_the_text_of_their_values() -> None:
    text = '\n{ "a" : 1.10 , "b":[ 1 ,2] ,"a b":"x\\u00fc", "n": -0 }\t'
    assert raw_members(text) == {"a": "1.10", "b": "[ 1 ,2]", "a b": '"x\\u00fc"', "n": "-0"}
    assert raw_members(" { } ") == {}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ('{"x": "a\\u0000b"}', "argument 'x' contains a NUL character"),
        ('{"x": "%s"}' % ("a" * 131_072), "argument 'x' has 131072 bytes; a program takes 131071 at most"),
    ],
)
def test_what_no_program_can_be_given_is_refused(args: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        positional(Task("bash", 'x="$1"', args))


def test_too_many_long_arguments_are_refused() -> None:
    script = "\n".join(f'a{at}="${{{at}}}"' for at in range(1, 10))
    args = ",".join(f'"a{at}":"{"x" * 130_000}"' for at in range(1, 10))
    with pytest.raises(BadRequest, match="together are over 1 MB"):
        positional(Task("bash", script, f"{{{args}}}"))


async def test_the_longest_argument_that_is_taken_can_be_given(run: Running) -> None:
    limits = Limits(timeout=30)
    done = await run("bash", 'x="$1"\necho ${#x}', {"x": "a" * 131_071}, limits=limits)
    assert done.result == "131071"
