"""Loads the statements of a `.sql` file: each begins with a line `-- name: <identifier>`.

Statements are kept as bytes, which psycopg takes without calling them user input, and use its
`%(name)s` parameters.
"""

from pathlib import Path

_MARK = "-- name: "


def load(python_file: str) -> dict[str, bytes]:
    """The statements of the `.sql` file beside `python_file` (pass `__file__`), by name."""
    statements: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in Path(python_file).with_suffix(".sql").read_text().splitlines():
        if line.startswith(_MARK):
            name = line.removeprefix(_MARK).strip()
            if name in statements:
                raise ValueError(f"{python_file}: the statement {name!r} stands twice")
            lines = statements[name] = []
        else:
            lines.append(line)
    return {name: "\n".join(body).strip().rstrip(";").encode() for name, body in statements.items()}
