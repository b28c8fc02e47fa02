"""What the rows of a log or a stream would hold."""

import asyncio


class Store:
    """Fails as it is told."""

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.failures: list[Exception] = []
        self.lost = False

    async def append(self, position: int, text: str) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.rows[position] = text

    @property
    def text(self) -> str:
        """The rows in order, which must meet without a gap."""
        found = ""
        for position, text in sorted(self.rows.items()):
            assert position == len(found)
            found += text
        return found

    def on_lost(self) -> None:
        self.lost = True
