"""What each Python value becomes in JSON."""

import json

import pytest

from tests.executors.conftest import Running

pytestmark = pytest.mark.anyio

_IMPORTS = """
import base64, collections, datetime as dt, decimal, enum, io, json, pathlib, types, uuid
from dataclasses import dataclass, field
from decimal import Decimal

class Colour(enum.Enum):
    RED = "r"
    DEEP = (1, 2)

class Number(enum.IntEnum):
    ONE = 1

class Text(str, enum.Enum):
    A = "a"

@dataclass
class Point:
    x: int
    when: dt.date = dt.date(2024, 1, 2)

class Model:
    def model_dump(self):
        return {"at": dt.time(1, 2)}

Pair = collections.namedtuple("Pair", "a b")

class Mine:
    pass

def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value

def cycle():
    value = {"a": [1]}
    value["a"].append({"b": value})
    return value
"""


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        ("None", "null"),
        ("True", "true"),
        ("10**400", "1" + "0" * 400),
        ("10**5000", "1" + "0" * 5000),
        ("-0.0", "-0.0"),
        ("1e300", "1e+300"),
        ("'a\"\\n\\u2028\\x00ü😀'", '"a\\"\\n\u2028\\u0000ü😀"'),
        ("'a\\ud800b'", '"a?b"'),
        ("[float('nan'), float('inf'), -float('inf')]", '["NaN","Infinity","-Infinity"]'),
        ("[Decimal('1.10'), Decimal('1E+5'), Decimal('-0.0')]", "[1.10,1E+5,-0.0]"),
        ("Decimal('1.' + '0' * 60 + '1')", "1." + "0" * 60 + "1"),
        ("[Decimal('NaN'), Decimal('-Infinity')]", '["NaN","-Infinity"]'),
        ("dt.datetime(2024, 2, 29, 1, 2, 3, 4, dt.timezone.utc)", '"2024-02-29T01:02:03.000004+00:00"'),
        ("dt.datetime(2024, 2, 29)", '"2024-02-29T00:00:00"'),
        ("[dt.date(2024, 2, 29), dt.time(1, 2)]", '["2024-02-29","01:02:00"]'),
        ("dt.timedelta(minutes=1, microseconds=5)", "60.000005"),
        ("[b'\\xff', bytearray(b'a'), memoryview(b'a'), b'']", '["/w==","YQ==","YQ==",""]'),
        ("uuid.UUID(int=1)", '"00000000-0000-0000-0000-000000000001"'),
        ("[Colour.RED, Colour.DEEP, Number.ONE, Text.A]", '["r",[1,2],1,"a"]'),
        ("(1, Pair(1, b''), range(3), collections.deque([1]))", '[1,[1,""],[0,1,2],[1]]'),
        ("[{3, 1, 2}, frozenset('ba'), set()]", '[[1,2,3],["a","b"],[]]'),
        ("[{'a': 1}.keys(), {'a': 1}.values(), {'a': 1}.items()]", '[["a"],[1],[["a",1]]]'),
        ("{1: 'a', None: 'b', True: 'c', 1.5: 'd'}", '{"1":"c","null":"b","1.5":"d"}'),
        (
            "{dt.date(2024, 1, 2): 1, Colour.RED: 2, (1, 2): 3, b'a': 4}",
            '{"2024-01-02":1,"r":2,"(1, 2)":3,"YQ==":4}',
        ),
        ("{1: 'a', '1': {2}}", '{"1":[2]}'),
        ("collections.OrderedDict(b=1, a=collections.Counter('x'))", '{"b":1,"a":{"x":1}}'),
        ("types.MappingProxyType({'a': 1})", '{"a":1}'),
        ("[Point(1), {'p': Point(2)}]", '[{"x":1,"when":"2024-01-02"},{"p":{"x":2,"when":"2024-01-02"}}]'),
        ("Model()", '{"at":"01:02:00"}'),
        ("pathlib.Path('/a/b')", '"/a/b"'),
        ("nested(100)", "[" * 100 + "]" * 100),
        ("[nested(500)[0], {3}]", None),
        ("[(x := [1]), x, {x[0]: x}]", '[[1],[1],{"1":[1]}]'),
    ],
)
async def test_a_value_becomes_json(value: str, becomes: str | None, run: Running) -> None:
    done = await run("python3", f"{_IMPORTS}\ndef main():\n    return {value}")
    assert done.outcome.ok, done.outcome
    assert becomes is None or done.outcome.result == becomes
    json.loads(done.outcome.result, parse_int=str)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{'a': [Mine()]}", "result.a[0]: a Mine cannot be turned into JSON"),
        ("{'not a name': {1}, 'b': [1, Mine]}", "result.b[1]: the class Mine cannot be turned into JSON"),
        ("[{'a b': io.BytesIO()}]", "result[0]['a b']: a BytesIO cannot be turned into JSON"),
        ("json", "result: a module cannot be turned into JSON"),
        ("map(str, [])", "result: a map cannot be turned into JSON"),
        ("1j", "result: a complex cannot be turned into JSON"),
        ("cycle()", "result.a[1].b: refers back to what contains it, which JSON cannot say"),
        ("nested(10_000)", "nested deeper than 500 levels"),
        ("nested(501)", "nested deeper than 500 levels"),
        ("[nested(501), {3}]", "nested deeper than 500 levels"),
    ],
)
async def test_what_has_no_json_is_named_with_its_place(value: str, says: str, run: Running) -> None:
    error = (await run("python3", f"{_IMPORTS}\ndef main():\n    return {value}")).error
    assert says in error["message"]
    assert len(error["message"]) < 1000
    assert error["stack"] == ""


async def test_an_error_in_the_users_own_conversion_is_the_users(run: Running) -> None:
    source = "class M:\n    def model_dump(self):\n        return 1 / 0\ndef main():\n    return [M()]"
    error = (await run("python3", source)).error
    assert error["name"] == "ZeroDivisionError"
    assert 'File "/job/script.py", line 3, in model_dump' in error["stack"]


async def test_a_result_of_a_million_values_comes_whole(run: Running) -> None:
    done = await run("python3", "def main():\n    return [{'n': n} for n in range(300_000)]")
    assert done.result == [{"n": n} for n in range(300_000)]
