"""Ranking over files."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from qa_emoji.ranker import EmojiRanker

_CHUNK = 4096
COLUMNS = ("question", "rank", "answer", "name", "source", "score")


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
        reader = csv.DictReader(rows)
        if column not in (reader.fieldnames or ()):
            raise ValueError(f"{source} has no column {column!r} but {', '.join(reader.fieldnames or ['none'])}.")
        with partial.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(COLUMNS)
            while chunk := [row[column] or "" for row in itertools.islice(reader, _CHUNK)]:
                texts = [text for text in chunk if text.strip()]
                rejected += [(done + i, "blank text") for i, text in enumerate(chunk, 1) if not text.strip()]
                if texts:
                    writer.writerows(ranker.rank_batch(texts, k, sources, candidates).itertuples(index=False))
                done += len(chunk)
                if on_rows:
                    on_rows(done)
    rejects.unlink(missing_ok=True)
    if rejected:
        with rejects.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("row", "reason"), *rejected])
    partial.replace(target)
    return Done(done - len(rejected), len(rejected), rejects)
