"""Files of texts: CSV, TSV, JSON lines, plain text and Parquet, read in chunks, each but Parquet also gzipped.

A row that cannot be answered is never dropped: it is rejected with its number, counted from 1, and the reason. In CSV,
TSV and Parquet a row is a record below the header, in JSON lines and plain text a line; empty lines are rows too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

FORMATS = ("csv", "tsv", "jsonl", "txt", "parquet")
USUAL_COLUMNS = ("text", "question", "query", "sentence", "message", "tweet")  # looked for in this order
NOT_UNICODE = "not valid UTF-8"

_SUFFIXES = {**{f".{name}": name for name in FORMATS}, ".ndjson": "jsonl", ".pq": "parquet"}
_UNPAIRED = re.compile("[\ud800-\udfff]")  # also what "surrogateescape" makes of a byte that is not UTF-8

Refuse = Callable[[Any], str | None]  # why a row's own columns cannot be written, or None


@dataclass
class Chunk:
    """Some rows that follow each other: those to answer, with their numbers and own columns, and the rejected.

    ``values`` holds a list for each row, aligned with the table's names, or the dict of a JSON object. From Parquet
    to Parquet it is empty and ``batch`` a pyarrow.RecordBatch of the same rows.
    """

    rows: int = 0
    numbers: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    batch: Any = None

    def rejecting(self, reasons: Sequence[str | None]) -> Chunk:
        """The chunk without the rows to answer that have a reason against them."""
        kept = [at for at, reason in enumerate(reasons) if reason is None]
        if len(kept) == len(reasons):
            return self
        rows = np.array(kept, dtype=np.int64)  # Arrow wants a type of none, too
        more = [(number, reason) for number, reason in zip(self.numbers, reasons, strict=True) if reason is not None]
        return Chunk(
            rows=self.rows,
            numbers=[self.numbers[at] for at in kept],
            texts=[self.texts[at] for at in kept],
            values=[self.values[at] for at in kept] if self.values else [],
            rejects=sorted(self.rejects + more),
            batch=None if self.batch is None else self.batch.take(rows),
        )


class Table(Protocol):
    """A file of rows.

    ``names`` are its columns (of JSON lines, those of the first object) and ``column`` is the one of the texts.
    """

    names: list[str]
    column: str

    def chunks(self, rows: int, size: int, refuse: Refuse) -> Iterator[Chunk]:
        """All rows in order, in chunks of at most so many rows and about so many characters.

        The chunks of the same file and arguments are the same. Raises ValueError, in one sentence, when the file turns
        out to be broken.
        """
        ...

    def share_read(self) -> float | None:
        """How much of the file has been read, in [0, 1]; None when that is not known."""
        ...


def format_of(path: Path | None, named: str | None = None) -> tuple[str, bool]:
    """The format of a file, by what it is said to be or else by its name, and whether it is gzipped.

    A path of None is standard input or output. Raises ValueError when neither tells.
    """
    name = f"x.{named}" if named else "" if path is None else path.name.lower()
    suffix = os.path.splitext(name.removesuffix(".gz"))[1]
    if suffix not in _SUFFIXES:
        which = "standard input or output" if path is None else path
        raise ValueError(f"Say which format {which} has: {', '.join(FORMATS)}.")
    if name.endswith(".gz") and _SUFFIXES[suffix] == "parquet":
        raise ValueError("Parquet is compressed inside; it is not gzipped as well.")
    return _SUFFIXES[suffix], name.endswith(".gz")


def choose_column(names: Sequence[str], wanted: str | None, where: str) -> str:
    """The column of the texts: the one wanted, the only one, or the first with a usual name.

    Raises ValueError, listing the columns, when there is none or two of that name.
    """
    listed = ", ".join(names) or "no columns"
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        spelled = {name.strip().lower(): name for name in reversed(names)}
        wanted = next((spelled[usual] for usual in USUAL_COLUMNS if usual in spelled), None)
        if wanted is None:
            raise ValueError(f"Say which column of {where} has the texts: {listed}.")
    if wanted not in names:
        raise ValueError(f"{where} has no column {wanted!r} but {listed}.")
    if names.count(wanted) > 1:
        raise ValueError(f"{where} has {names.count(wanted)} columns named {wanted!r}.")
    return wanted


def why_not(text: Any) -> str | None:
    """Why a value cannot be answered, or None when it can."""
    if text is None:
        return "null"
    if not isinstance(text, str):
        return f"not a text but {type(text).__name__}"
    return "blank text" if not text or text.isspace() else None


def not_unicode(text: str) -> bool:
    """Whether a text holds half a surrogate pair or a byte that was not UTF-8."""
    return not text.isascii() and _UNPAIRED.search(text) is not None
