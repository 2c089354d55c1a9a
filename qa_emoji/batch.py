"""Ranking over files."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from qa_emoji.ranker import COLUMNS, EmojiRanker

_CHUNK = 4096
_LONGEST_FIELD = 2**31 - 1  # texts may be of any length; the csv module's own limit is 131,072 characters


@dataclass(frozen=True)
class Done:
    """What a batch did: rows answered and rejected, and the file of the rejected."""

    answered: int
    rejected: int
    rejects: Path


def rank_csv(
    ranker: EmojiRanker,
    source: Path,
    target: Path,
    column: str,
    *,
    k: int,
    sources: Iterable[str],
    candidates: Iterable[str] | None,
    on_rows: Callable[[int], None] | None = None,
) -> Done:
    """Rank the texts in a column of a CSV into another, in chunks and in order; blank ones go to TARGET.rejects.csv.

    The target appears when it is whole. ``on_rows`` is told how many rows are done. Raises ValueError for a file
    without the column.
    """
    sources, candidates = list(sources), None if candidates is None else list(candidates)
    rejects, partial = (target.with_name(target.name + suffix) for suffix in (".rejects.csv", ".partial"))
    rejected: list[tuple[int, str]] = []
    done = 0
    with source.open(encoding="utf-8-sig", newline="") as rows:
        texts = _column(rows, source, column)
        try:
            with partial.open("w", encoding="utf-8", newline="") as out:
                writer = csv.writer(out, lineterminator="\n")
                writer.writerow(COLUMNS)
                while chunk := list(itertools.islice(texts, _CHUNK)):
                    rejected += [(done + i, "blank text") for i, text in enumerate(chunk, 1) if not text.strip()]
                    frame = ranker.rank_batch([text for text in chunk if text.strip()], k, sources, candidates)
                    writer.writerows(frame.itertuples(index=False))
                    done += len(chunk)
                    if on_rows:
                        on_rows(done)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    rejects.unlink(missing_ok=True)
    if rejected:
        with rejects.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("row", "reason"), *rejected])
    return Done(done - len(rejected), len(rejected), rejects)


def _column(rows: TextIO, source: Path, column: str) -> Iterator[str]:
    """The texts of a column, "" where a row is empty or too short."""
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(rows)
    header = next(reader, [])
    if column not in header:
        raise ValueError(f"{source} has no column {column!r} but {', '.join(header) or 'none'}.")
    at = header.index(column)

    def texts() -> Iterator[str]:
        try:
            yield from (row[at] if at < len(row) else "" for row in reader)
        except csv.Error as error:
            raise ValueError(f"{source}, line {reader.line_num}: {error}.") from error

    return texts()
