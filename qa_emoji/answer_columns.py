"""The columns that a batch adds to its rows, wide or long, and how any cell is spelled as text or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from qa_emoji.tables import Table

SHAPES = ("wide", "long")
DECIMALS = 6  # of a score

Hit = tuple[str, str, str, float]  # answer, name, source, score
Hits = Sequence[Sequence[Hit]]  # of each row, best first
_KINDS = ("answer", "name", "source", "score")


class AnswerColumns:
    """The added columns: wide, four for each of k answers in one row; long, a row for each answer."""

    def __init__(self, table: Table, k: int, shape: str):
        """For rows of a table; ValueError for an unknown shape and for names that the table has already."""
        if shape not in SHAPES:
            raise ValueError(f"The shape is one of {', '.join(SHAPES)}, not {shape!r}.")
        self.k, self.shape = k, shape
        if shape == "long":
            self.kinds = {kind: kind for kind in ("rank", *_KINDS)}
        else:
            self.kinds = {f"{kind}_{rank}": kind for rank in range(1, k + 1) for kind in _KINDS}
        if twice := [name for name in table.names if name in self.kinds]:
            raise ValueError(f"The input has a column {twice[0]!r} already; rename it.")

    def cells(self, hits: Sequence[Hit]) -> list[list[Any]]:
        """The added cells of a row: of one line when wide, of a line for each answer when long."""
        if self.shape == "long":
            return [[rank, *hit] for rank, hit in enumerate(hits, 1)]
        flat = [cell for hit in hits for cell in hit]
        return [flat + [None] * (len(self.kinds) - len(flat))]

    def by_column(self, hits: Hits) -> dict[str, Sequence[Any]]:
        """The added cells of many rows, by column."""
        lines = [line for found in hits for line in self.cells(found)]
        return dict(zip(self.kinds, zip(*lines, strict=True) if lines else ((),) * len(self.kinds), strict=True))


def stranger(values: dict[str, Any], names: Sequence[str]) -> str | None:
    """Why a JSON object does not fit a table of these columns, or None."""
    return next((f"{name!r} is not in the first object" for name in values if name not in names), None)


def as_text(value: Any) -> str:
    """A cell as text: nothing for None, a text as it is, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return as_json(value) if isinstance(value, bool | list | dict | bytes) else str(value)


def as_json(value: Any) -> str:
    """JSON on one line: NaN and infinities as null, bytes as hexadecimal, what JSON does not know as text."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_known_to_json)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=_known_to_json)


def _known_to_json(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
