r"""Regular expressions of a schema, matched in time linear in the text.

The author of a script writes the pattern and its caller the text, and both may be hostile: with Python's `re` a pattern
such as `(a+)+$` holds the server for hours, and a running match cannot be stopped. So patterns are matched by the
engine that pydantic brings (Rust's `regex`): no backtracking, and a bound on the size of what it compiles. What such
an engine cannot do, look-around and backreferences, raises `PatternError`: no rule is skipped in silence.
"""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_PATTERN = 1000
"""Characters."""


class PatternError(ValueError):
    """The pattern cannot be matched here; the message says why."""


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> SchemaValidator:
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"it has {len(pattern)} characters, the limit is {MAX_PATTERN}")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except (SchemaError, UnicodeEncodeError) as error:
        # The last line says what; those before draw where.
        raise PatternError(str(error).strip().splitlines()[-1].removeprefix("error: ")) from None


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found anywhere in `text`, as JSON Schema means it (`^` and `$` tie it down).

    Raises:
        PatternError: too long, broken, too large, or in need of look-around or backreferences.
    """
    return _compiled(pattern).isinstance_python(text.encode("utf-8", "replace").decode())
