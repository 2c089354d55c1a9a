"""Parquet, read and written in chunks with pyarrow (the extra `parquet`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from qa_emoji.answer_columns import AnswerColumns, Hits, as_text, stranger
from qa_emoji.tables import NOT_UNICODE, Chunk, Refuse, choose_column, not_unicode, why_not

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("Parquet needs pyarrow: pip install 'qa-emoji[parquet]'.") from error

_TYPES = {"rank": pa.int32(), "score": pa.float64()}  # of the columns of an answer; the others are strings
_BUFFER = 2**20  # bytes of a column that are read at once


class ParquetTable:
    """A `qa_emoji.tables.Table` of a Parquet file; its rows stay Arrow's unless ``as_values``."""

    def __init__(self, file: BinaryIO, where: str, column: str | None = None, *, as_values: bool):
        """Read the schema; ValueError when the column is not there or has no texts, or the file is broken."""
        self._where, self._as_values, self._read = where, as_values, 0
        with self._sound():
            self._file = pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True)
            self.schema: pa.Schema = self._file.schema_arrow
        self.names: list[str] = list(self.schema.names)
        self.column = choose_column(self.names, column, where)
        self._at = self.names.index(self.column)
        held = self.schema.field(self._at).type
        if not _holds_texts(held.value_type if pa.types.is_dictionary(held) else held):
            raise ValueError(f"The column {self.column!r} of {where} holds no texts but {held}.")

    def chunks(self, rows: int, size: int, refuse: Refuse) -> Iterator[Chunk]:
        """As `qa_emoji.tables.Table.chunks`; the size of rows is what they are on average."""
        about = self._file.metadata
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        longest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
        batches = self._file.iter_batches(batch_size=max(1, min(rows, size // max(1, longest))))
        while (batch := self._next(batches)) is not None:
            with self._sound():
                chunk = self._chunk(batch, refuse)
            yield chunk
            self._read += len(batch)

    def _next(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        with self._sound():
            return next(batches, None)

    def _chunk(self, batch: pa.RecordBatch, refuse: Refuse) -> Chunk:
        texts = _texts(batch.column(self._at))
        reasons = [why_not(text) or (NOT_UNICODE if not_unicode(text) else None) for text in texts]
        chunk = Chunk(len(batch), list(range(self._read + 1, self._read + len(batch) + 1)), texts)
        if self._as_values:
            chunk.values = [list(row) for row in zip(*map(_values, batch.columns), strict=True)]
            reasons = [
                reason or _not_unicode(row) or refuse(row) for reason, row in zip(reasons, chunk.values, strict=True)
            ]
        else:
            chunk.batch = batch
        return chunk.rejecting(reasons)

    def share_read(self) -> float | None:
        """As `qa_emoji.tables.Table.share_read`, by the rows."""
        total = self._file.metadata.num_rows
        return self._read / total if total else None

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            because = " ".join(str(error).split()).rstrip(".")  # Arrow's messages may have several lines
            raise ValueError(f"{self._where} is not a sound Parquet file: {because}.") from error


class ParquetWriter:
    """Writes chunks with their answers as Parquet: each part a file of its own, then all of them one file."""

    def __init__(self, table: Any, columns: AnswerColumns):
        """For rows of a table; those of another format than Parquet are written as texts."""
        texts = pa.schema([(name, pa.string()) for name in table.names])
        self._own = table.schema if isinstance(table, ParquetTable) else texts
        self._columns = columns
        self._added = [pa.field(name, _TYPES.get(kind, pa.string())) for name, kind in columns.kinds.items()]
        self._schema = pa.schema([*self._own, *self._added], metadata=self._own.metadata)

    def why_not(self, values: Any) -> str | None:
        """Why a row's own columns cannot be written, or None."""
        return stranger(values, self._own.names) if isinstance(values, dict) else None

    def part(self, chunk: Chunk, hits: Hits) -> bytes:
        """The rows of a chunk with their answers, as a Parquet file."""
        batch = self._own_columns(chunk)
        if self._columns.shape == "long":
            batch = batch.take(pa.array(np.repeat(np.arange(len(hits)), [len(found) for found in hits])))
        cells = self._columns.by_column(hits)
        arrays = [pa.array(cells[field.name], field.type) for field in self._added]
        rows = pa.Table.from_arrays([*batch.columns, *arrays], schema=self._schema)
        sink = pa.BufferOutputStream()
        with self._writer(sink) as writer:
            writer.write_table(rows, row_group_size=max(1, len(rows)))
        return sink.getvalue().to_pybytes()

    def join(self, parts: Iterable[bytes], out: BinaryIO) -> None:
        """One file of all parts, a row group each."""
        with self._writer(out) as writer:
            for part in parts:
                rows = pq.ParquetFile(pa.BufferReader(part)).read()
                if len(rows):
                    writer.write_table(rows, row_group_size=len(rows))

    def _own_columns(self, chunk: Chunk) -> pa.RecordBatch:
        if chunk.batch is not None:
            return chunk.batch
        columns = []
        for at, name in enumerate(self._own.names):
            values = (row.get(name) if isinstance(row, dict) else row[at] for row in chunk.values)
            columns.append(pa.array([None if value is None else as_text(value) for value in values], pa.string()))
        return pa.RecordBatch.from_arrays(columns, schema=self._own)

    def _writer(self, sink: Any) -> pq.ParquetWriter:
        return pq.ParquetWriter(sink, self._schema, compression="zstd", write_page_checksum=True)


def _holds_texts(held: pa.DataType) -> bool:
    kinds = pa.types
    strings = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
    return any(is_kind(held) for is_kind in (*strings, kinds.is_binary, kinds.is_large_binary, kinds.is_null))


def _texts(column: pa.Array) -> list[Any]:
    """The texts of a column; a byte that is not UTF-8 becomes a lone surrogate."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return [None] * len(column)
    held = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "surrogateescape") for value in held]


def _values(column: pa.Array) -> list[Any]:
    """Python's values of a column; what Python cannot hold, such as a time in the year 10000, as Arrow spells it."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return _texts(column)
    except (ValueError, OverflowError):
        return column.cast(pa.string()).to_pylist()


def _not_unicode(values: list[Any]) -> str | None:
    return NOT_UNICODE if any(isinstance(value, str) and not_unicode(value) for value in values) else None
