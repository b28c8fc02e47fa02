"""Pure reading of source: the signature of a script's entrypoint as JSON Schema, and what it imports."""

from postmill.language import bash, python
from postmill.language.schema import Signature

LANGUAGES: tuple[str, ...] = ("python3", "bash")
"""The contract's names of the languages that can be read."""


def signature(language: str, source: str, entrypoint: str = "main") -> Signature:
    """What `source` says about its arguments. Bash has no entrypoint: a script is one. Never raises for any source.

    Raises:
        KeyError: `language` is none of LANGUAGES.
    """
    match language:
        case "python3":
            return python.signature(source, entrypoint)
        case "bash":
            return bash.signature(source)
    raise KeyError(language)
