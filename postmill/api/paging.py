"""`?page=&per_page=` of every list. 0 and 1 are both the first page: the contract's CLI sends 0."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

MOST = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list."""

    limit: int
    offset: int


async def _page(
    page: Annotated[int, Query(ge=0, le=10**9)] = 1, per_page: Annotated[int, Query(ge=1, le=10**9)] = 100
) -> Page:
    limit = min(per_page, MOST)
    return Page(limit, limit * max(page - 1, 0))


Paged = Annotated[Page, Depends(_page)]
"""A handler's parameter. More than 1,000 rows are never given at once."""
