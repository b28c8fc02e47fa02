"""Item paths: `u/<user>/<name…>` and `f/<folder>/<name…>`."""

import re

from postmill.model.errors import BadRequest

MAX_PATH = 255

# No dots: no `..`, and no page's address that looks like a file. One character class: linear in the input's length.
_PART = re.compile(r"[A-Za-z0-9_\-]+\Z")


def check_path(path: str) -> str:
    """Return `path` when it names an item.

    Raises:
        BadRequest: says which part is wrong.
    """
    if len(path) > MAX_PATH:
        raise BadRequest(f"path is {len(path)} characters long; the limit is {MAX_PATH}")
    parts = path.split("/")
    if parts[0] not in ("u", "f") or len(parts) < 3:
        raise BadRequest(f"path {path!r} must be u/<user>/<name> (yours) or f/<folder>/<name> (a folder's)")
    for part in parts[1:]:
        if not _PART.match(part):
            raise BadRequest(f"path {path!r}: part {part!r} must be made of letters, digits, '_' and '-'")
    return path
