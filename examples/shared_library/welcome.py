"""Uses a library of the workspace: `f.examples.greetings` is the script at the path f/examples/greetings.

    path  f/examples/welcome     language  python3     summary  Uses a library of the workspace

Beside this script, `from .greetings import greet` means the same. Libraries may import others.
"""

from f.examples.greetings import WORDS, greet


def main(names: list[str], language: str = "en"):
    """Greet everybody.

    Args:
        names: Whom to greet.
        language: One of the languages that the library knows.
    """
    if language not in WORDS:
        raise ValueError(f"no words for {language!r}; there are: {', '.join(sorted(WORDS))}")
    return [greet(name, language) for name in names]
