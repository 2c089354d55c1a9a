"""Ranking over files and folders of them: in chunks, in order, without losing a row."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import importlib.metadata
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

import numpy as np

from qa_emoji import durable
from qa_emoji.answer_columns import DECIMALS, SHAPES, AnswerColumns, Hit
from qa_emoji.parts import Parts, held
from qa_emoji.ranker import DEFAULT_SOURCES, EmojiRanker
from qa_emoji.tables import Chunk, Table, format_of
from qa_emoji.text_tables import TextTable
from qa_emoji.text_writer import TextWriter

if TYPE_CHECKING:
    import pandas as pd

    from qa_emoji.parquet_tables import ParquetWriter

OnProgress = Callable[[int, int | None], None]  # rows done, and rows in all as far as can be told
OnRead = Callable[[int, float | None], None]  # rows done of a file, and the share of the file, if known

_ANSWERS = 160_000  # of a part at most; a killed batch does at most a part again
_MOST_ROWS, _CHARACTERS = 32_768, 2**24  # of a part at most
_RANKED = 4_096  # texts at once
_PACKAGES = ("qa-emoji", "faiss-cpu", "numpy", "onnxruntime", "pandas", "sentencepiece")
REJECTS = ("row", "reason")


@dataclass(frozen=True)
class BatchOptions:
    """What to answer and how to write it.

    ``column`` None finds the column of the texts (`qa_emoji.tables.choose_column`). ``shape`` "wide" gives each row k
    answers in columns, "long" a row for each answer. The formats, of `qa_emoji.tables.FORMATS` and for the target also
    with ".gz", are told by the names of the files when None.
    """

    k: int = 5
    sources: tuple[str, ...] = DEFAULT_SOURCES
    candidates: tuple[str, ...] | None = None
    column: str | None = None
    shape: str = "wide"
    source_format: str | None = None
    target_format: str | None = None

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"The shape is one of {', '.join(SHAPES)}, not {self.shape!r}.")

    def kinds(self, source: Path | None, target: Path | None) -> tuple[str, str, bool]:
        """The formats of source and target, and whether the target is gzipped; None is standard input or output."""
        kind, _ = format_of(source, self.source_format)
        wanted = self.target_format or (("csv" if kind == "txt" else kind) if target is None else None)
        target_kind, zipped = format_of(target, wanted)
        if target_kind == "txt":
            raise ValueError("Plain text has no columns for answers; write csv, tsv, jsonl or parquet.")
        return kind, target_kind, zipped


@dataclass(frozen=True)
class Done:
    """What a batch did: rows answered and rejected, and the file of the rejected, if any."""

    answered: int
    rejected: int
    rejects: Path | None = None


@dataclass(frozen=True)
class Shard:
    """A file to rank, the file to write and the folder of its parts."""

    source: Path
    target: Path
    work: Path


def rank_files(
    ranker: EmojiRanker,
    source: Path,
    target: Path,
    options: BatchOptions = BatchOptions(),
    *,
    resume: bool = False,
    rejects: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Done:
    """Rank the texts of a file into another, or of all files of a folder into those of another folder.

    A target appears when it is whole. Rows that cannot be answered go to ``rejects``, TARGET.rejects.csv when not
    given, with number and reason. Until all is done TARGET.parts holds what has been; ``resume`` goes on from there, if
    it is there, and gives the same bytes as a batch that was not interrupted.

    Raises ValueError, in one sentence, for input that cannot be read and for parts of another batch.
    """
    shards = find_shards(source, target, options)
    progress = Progress(shards, on_progress)
    with held(parts_folder(target)):
        for shard in shards:
            done = rank_shard(
                ranker, shard, options, resume=resume, on_read=functools.partial(progress.read, shard=shard)
            )
            progress.finished(shard, done.answered + done.rejected)
        return publish_rejects(source, target, shards, rejects)


def rank_stream(
    ranker: EmojiRanker,
    source: Path | None,
    target: Path | None,
    options: BatchOptions = BatchOptions(),
    *,
    rejects: TextIO,
    on_progress: OnProgress | None = None,
) -> Done:
    """Rank what can be read but once, or into what can be written but once: None is standard input or output.

    Rejected rows are written as lines of CSV when they are met. Nothing of it can be resumed.
    """
    answered = rejected = 0

    def on_read(rows: int, share: float | None) -> None:
        if on_progress:
            on_progress(rows, round(rows / share) if share else None)

    with open_table(source, target, options) as table, _output(target) as out:
        writer, chunks = _ranked(ranker, table, options.kinds(source, target), options, on_read)
        reasons = csv.writer(rejects, lineterminator="\n")

        def parts() -> Iterator[bytes]:
            nonlocal answered, rejected
            for content, chunk in chunks:
                reasons.writerows([REJECTS] if chunk.rejects and not rejected else [])
                reasons.writerows(chunk.rejects)
                answered += len(chunk.texts)
                rejected += len(chunk.rejects)
                yield content

        writer.join(parts(), out)
    return Done(answered, rejected)


def find_shards(source: Path, target: Path, options: BatchOptions) -> list[Shard]:
    """The files to rank: one, or those of a folder and its subfolders but for names with a dot or underscore first.

    Raises ValueError when there is none, and when the target folder holds other files than theirs.
    """
    if not source.is_dir():
        if not source.is_file():
            raise FileNotFoundError(f"There is no file or folder {source}.")
        if target.is_dir():
            raise ValueError(f"{target} is a folder; {source} is ranked into a file.")
        if source.resolve() == target.resolve():
            raise ValueError(f"{target} cannot be both read and written.")
        options.kinds(source, target)
        return [Shard(source, target, parts_folder(target))]
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{target} lies in {source}, which is read; write elsewhere.")
    files = [
        file
        for file in sorted(source.rglob("*"))
        if file.is_file() and not any(part.startswith((".", "_")) for part in file.relative_to(source).parts)
    ]
    if not files:
        raise ValueError(f"There are no files in {source}.")
    shards = []
    for file in files:
        inside = file.relative_to(source)
        kind, _ = format_of(file, options.source_format)
        ending = options.target_format or ("csv" if kind == "txt" else None)
        written = (
            inside if ending is None else inside.with_name(f"{Path(inside.name.removesuffix('.gz')).stem}.{ending}")
        )
        options.kinds(file, written)
        shards.append(Shard(file, target / written, parts_folder(target) / inside))
    targets = {shard.target for shard in shards}
    if len(targets) < len(shards):
        raise ValueError(f"Two files of {source} would be written to one of {target}.")
    if strangers := sorted(file for file in target.rglob("*") if file.is_file() and file not in targets):
        raise ValueError(f"{strangers[0]} is no answer to a file of {source}; write to another folder.")
    return shards


def parts_folder(target: Path) -> Path:
    """Where the parts of a batch are until it is done."""
    return target.with_name(target.name + ".parts")


def rank_shard(
    ranker: EmojiRanker, shard: Shard, options: BatchOptions, *, resume: bool, on_read: OnRead | None = None
) -> Done:
    """Rank one file; the caller has the folder of its parts `held`, and they stay there for `publish_rejects`."""
    kinds = options.kinds(shard.source, shard.target)
    packages = (*_PACKAGES, "pyarrow") if "parquet" in kinds else _PACKAGES
    with open_table(shard.source, shard.target, options) as table:
        identity = {
            "input": _sha256(shard.source),
            "options": asdict(options),
            "model": model_identity(ranker),
            "packages": {name: importlib.metadata.version(name) for name in packages},
        }
        parts = Parts.open(shard.work, identity, resume=resume)
        finished = parts.finished()
        if finished is not None and (not shard.target.is_file() or shard.target.stat().st_size != finished):
            parts.begin(identity)
            finished = None
        if finished is None:
            try:
                writer, chunks = _ranked(ranker, table, kinds, options, on_read, skip=len(parts.done))
                for content, chunk in chunks:
                    parts.append(content, chunk.rejects, chunk.rows)
            finally:
                parts.discard_when_empty()
            shard.target.parent.mkdir(parents=True, exist_ok=True)
            whole = shard.work / "whole.partial"
            with whole.open("wb") as out:
                writer.join(parts.answers(), out)
            durable.publish(whole, shard.target)
            parts.finish(shard.target)
        rejected = sum(part.rejected for part in parts.done)
        return Done(sum(part.rows for part in parts.done) - rejected, rejected)


def publish_rejects(source: Path, target: Path, shards: list[Shard], rejects: Path | None) -> Done:
    """Write the rejected rows of finished shards to one file, or none when there are none, and remove the parts."""
    rejects = rejects or target.with_name(target.name + ".rejects.csv")
    beside = parts_folder(target) / "rejects.partial"
    of_folder = source.is_dir()
    rows = rejected = 0
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", *REJECTS] if of_folder else REJECTS)
        for shard in shards:
            parts = Parts(shard.work)
            rows += sum(part.rows for part in parts.done)
            for row in parts.rejects():
                writer.writerow([shard.source.relative_to(source).as_posix(), *row] if of_folder else row)
                rejected += 1
    if rejected:
        durable.publish(beside, rejects)
    else:
        rejects.unlink(missing_ok=True)
    shutil.rmtree(parts_folder(target))
    return Done(rows - rejected, rejected, rejects if rejected else None)


class Progress:
    """Adds up the progress of shards and tells how many rows there will be, judged by bytes."""

    def __init__(self, shards: Sequence[Shard], on_progress: OnProgress | None):
        self._sizes = {shard.source: shard.source.stat().st_size for shard in shards}
        self._total = sum(self._sizes.values())
        self._on_progress, self._rows, self._bytes = on_progress, 0, 0

    def read(self, rows: int, share: float | None, *, shard: Shard) -> None:
        """So many rows of a shard are done, and they are such a share of it."""
        self._tell(self._rows + rows, self._bytes + (share or 0) * self._sizes[shard.source])

    def finished(self, shard: Shard, rows: int) -> None:
        """A shard of so many rows is finished."""
        self._rows += rows
        self._bytes += self._sizes[shard.source]
        self._tell(self._rows, self._bytes)

    def _tell(self, rows: int, read: float) -> None:
        if self._on_progress:
            self._on_progress(rows, round(rows * self._total / read) if read else None)


@contextlib.contextmanager
def open_table(source: Path | None, target: Path | None, options: BatchOptions) -> Iterator[Table]:
    """The rows of a file or of standard input; ValueError and OSError as of the readers."""
    kind, target_kind, _ = options.kinds(source, target)
    where = "Standard input" if source is None else str(source)
    with contextlib.ExitStack() as stack:
        file: BinaryIO
        file = sys.stdin.buffer if source is None else stack.enter_context(source.open("rb", buffering=0))
        if kind != "parquet":
            yield TextTable(file, kind, where, options.column)
            return
        from qa_emoji.parquet_tables import ParquetTable

        if not file.seekable():  # the end of a Parquet file tells where its columns are
            spooled = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, spooled)
            file = spooled
        yield ParquetTable(file, where, options.column, as_values=target_kind != "parquet")


@contextlib.contextmanager
def _output(target: Path | None) -> Iterator[BinaryIO]:
    """Standard output, a pipe or device, or a file that appears when it is whole."""
    if target is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if target.exists() and not target.is_file():
        with target.open("wb") as out:
            yield out
        return
    beside = target.with_name(target.name + ".partial")
    try:
        with beside.open("wb") as out:
            yield out
        durable.publish(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _ranked(
    ranker: EmojiRanker,
    table: Table,
    kinds: tuple[str, str, bool],
    options: BatchOptions,
    on_read: OnRead | None,
    skip: int = 0,
) -> tuple[TextWriter | ParquetWriter, Iterator[tuple[bytes, Chunk]]]:
    """The writer of the target, and its parts with the chunks they are made of, but for the first ``skip``."""
    ranker.rank_batch([], options.k, options.sources, options.candidates)  # refuses what cannot be asked for
    k = min(options.k, max(1, len(ranker.index)))
    columns = AnswerColumns(table, k, options.shape)
    _, kind, zipped = kinds
    writer: TextWriter | ParquetWriter
    if kind == "parquet":
        from qa_emoji.parquet_tables import ParquetWriter

        writer = ParquetWriter(table, columns)
    else:
        writer = TextWriter(kind, table, columns, zipped=zipped)
    rows = max(1, min(_MOST_ROWS, _ANSWERS // k))
    size = max(1, _CHARACTERS // (k if options.shape == "long" else 1))

    def parts() -> Iterator[tuple[bytes, Chunk]]:
        done = 0
        for at, chunk in enumerate(table.chunks(rows, size, writer.why_not)):
            share = table.share_read()
            if at >= skip:
                hits: list[list[Hit]] = []
                for start in range(0, len(chunk.texts), _RANKED):
                    texts = chunk.texts[start : start + _RANKED]
                    hits += _hits(ranker.rank_batch(texts, k, options.sources, options.candidates), texts)
                answered = chunk.rejecting([None if found else "the index has no answer" for found in hits])
                yield writer.part(answered, [found for found in hits if found]), answered
            done += chunk.rows
            if on_read:
                on_read(done, share)

    return writer, parts()


def _hits(frame: pd.DataFrame, texts: list[str]) -> list[list[Hit]]:
    """The answers of each text, none where the frame has none for it."""
    cells = list(
        zip(*(frame[name] for name in ("answer", "name", "source")), frame["score"].round(DECIMALS), strict=True)
    )
    firsts = [*np.flatnonzero(frame["rank"].to_numpy() == 1).tolist(), len(frame)]
    questions, at = frame["question"], 0
    hits: list[list[Hit]] = []
    for text in texts:
        found = at + 1 < len(firsts) and questions.iat[firsts[at]] == text
        hits.append(cells[firsts[at] : firsts[at + 1]] if found else [])
        at += found
    return hits


def model_identity(ranker: EmojiRanker) -> str:
    """The sha256 of the encoder's weights and of the index's answers, codes and labels: what the answers depend on."""
    digest = hashlib.sha256(ranker.encoder.sha256.encode())
    for answer in ranker.index.answers:
        digest.update(repr((answer.id, answer.emoji, answer.name, answer.source)).encode())
    digest.update(ranker.index.codes().tobytes())
    for label in ranker.index.labels().values():
        digest.update(label.key.tobytes() + label.pieces.tobytes() + label.weights.tobytes())
    return digest.hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
