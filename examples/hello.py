"""Says hello: each argument of `main` becomes a field of the form, with the type that its annotation says.

    path  f/examples/hello     language  python3     summary  A greeting: a form with a field of each kind

A field whose argument has a default may be left empty. The words of the docstring stand below the fields, and what
`main` returns is the result: here an object, shown as a table.
"""

from datetime import date, datetime, timedelta
from enum import Enum
from typing import Literal


class Mood(Enum):
    """An enumeration is a list to choose from; its values are what is sent."""

    HAPPY = ":)"
    CALM = ":|"


def main(
    name: str,
    times: int = 1,
    language: Literal["en", "de", "fr"] = "en",
    mood: Mood = Mood.HAPPY,
    starts: date | None = None,
    friends: list[str] | None = None,
    options: dict[str, float] | None = None,
    loud: bool = False,
):
    """Greet somebody.

    Args:
        name: Whom to greet.
        times: How often.
        language: In which language.
        starts: The day of the first greeting; today when it is empty. The others follow day by day.
        friends: Who else is greeted.
        options: Anything with numbers in it: it comes back as it was sent.
    """
    word = {"en": "Hello", "de": "Hallo", "fr": "Bonjour"}[language]
    greeting = f"{word} {' and '.join([name, *(friends or [])])} {mood.value}"
    if loud:
        greeting = greeting.upper()
    first = starts or datetime.now().date()
    for number in range(times):
        print(f"{number + 1} of {times}: {greeting}")
    return {
        "greeting": greeting,
        "days": [first + timedelta(days=number) for number in range(times)],
        "options": options,
    }
