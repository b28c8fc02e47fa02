"""A library: it has no `main`, so it is not run but imported by other scripts of the workspace.

    path  f/examples/greetings     language  python3     summary  A library for other scripts

Deploy it before the script that imports it, or after: the newest version is taken when a job starts.
"""

WORDS = {"en": "Hello", "de": "Hallo", "fr": "Bonjour"}


def greet(name: str, language: str = "en") -> str:
    """A greeting in one of the languages of WORDS."""
    return f"{WORDS[language]} {name}"
