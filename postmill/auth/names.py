"""E-mail addresses and the usernames made of them. Pure."""

import re

from postmill.model.errors import BadRequest

MAX_EMAIL = 255
# Not a judge of RFC 5322: one @, no spaces or control characters, something on both sides.
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+\Z")
# No dots: a username is a part of paths (model/path.py).
_USERNAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,49}\Z")
_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_\-]{0,49}\Z")
_FOREIGN = re.compile(r"[^A-Za-z0-9_\-]")


def check_email(email: str) -> str:
    """The address in lower case.

    Raises:
        BadRequest: it is none.
    """
    email = email.strip().lower()
    if len(email) > MAX_EMAIL or not _EMAIL.match(email):
        raise BadRequest(f"{email[:60]!r} is not an e-mail address of at most {MAX_EMAIL} characters")
    return email


def check_username(username: str) -> str:
    """The username, when it is one.

    Raises:
        BadRequest: says what it is made of.
    """
    if not _USERNAME.match(username):
        raise BadRequest(
            f"username {username[:60]!r} must have 1 to 50 letters, digits, '_' or '-', and not begin with '-'"
        )
    return username


def check_workspace(id: str) -> str:
    """The workspace's id, when it is one.

    Raises:
        BadRequest: says what it is made of.
    """
    if not _WORKSPACE.match(id):
        raise BadRequest(
            f"workspace id {id[:60]!r} must have 1 to 50 small letters, digits, '_' or '-',"
            " and begin with a letter or digit"
        )
    return id


def username_of(email: str) -> str:
    """A username from the part before the @: `Ann.Lee+x@corp.org` gives `ann_lee_x`."""
    local = _FOREIGN.sub("_", email.partition("@")[0].lower()).lstrip("-")
    return local[:45] or "user"
