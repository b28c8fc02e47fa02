"""A figure with its floor, and how a run of them is printed and kept."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row: what was measured, the floor of the same run, and the aim ("reach", then "then")."""

    id: str
    what: str
    value: float
    unit: str
    floor: float | None = None
    floor_is: str = ""
    reach: str = ""
    then: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """The value under which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(figures: Sequence[Figure]) -> str:
    """Markdown."""
    lines = ["| id | what | here | floor | reach | then |", "| --- | --- | --- | --- | --- | --- |"]
    for figure in figures:
        floor = f"{figure.floor:,.3g} ({figure.floor_is})" if figure.floor is not None else ""
        value = f"**{figure.value:,.3g} {figure.unit}**"
        lines.append(f"| {figure.id} | {figure.what} | {value} | {floor} | {figure.reach} | {figure.then} |")
    return "\n".join(lines)


def keep(figures: Sequence[Figure], directory: Path) -> Path:
    """Write them as JSON."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "bench.json"
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    return path
