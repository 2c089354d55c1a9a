"""Readers of CSV, TSV, JSON lines and plain text: UTF-8 with or without a byte order mark, gzipped or not.

CSV is that of RFC 4180. TSV is that of IANA's text/tab-separated-values: a line is a row and quotes mean nothing.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
import math
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

from qa_emoji.tables import NOT_UNICODE, Chunk, Refuse, choose_column, not_unicode, why_not

LONGEST_ROW = 2**24  # characters; what is longer is a broken file

_GZIP_MAGIC = b"\x1f\x8b"
_PEEKED = 100  # lines of JSON that are searched for the first object
_TOO_LONG = f"longer than {LONGEST_ROW:,} characters"

_Record = tuple[list[str], str | None]  # fields, or what is wrong


class _Row(NamedTuple):
    """A row's columns (a list, or a dict of a JSON object), its text, its length, or what is wrong."""

    values: Any
    text: Any
    size: int
    reason: str | None


class TextTable:
    """A `qa_emoji.tables.Table` of CSV ("csv"), TSV ("tsv"), JSON lines ("jsonl") or plain text ("txt")."""

    def __init__(self, file: BinaryIO, kind: str, where: str, column: str | None = None):
        """Read what tells the columns; ValueError when the column is not there or the file is no such table.

        ``where`` names the file in messages.
        """
        self._where, self._raw, self._total = where, file, _size_of(file)
        buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
        start = buffered.peek(2)[:2]
        if start in (b"\xff\xfe", b"\xfe\xff"):
            raise ValueError(f"{where} is UTF-16; save it as UTF-8.")
        unzipped: Any = gzip.GzipFile(fileobj=buffered) if start == _GZIP_MAGIC else buffered
        newline = "" if kind == "csv" else "\n"
        self._stream = io.TextIOWrapper(unzipped, "utf-8-sig", "surrogateescape", newline)
        lines = _lines(self._stream)
        with self._sound():
            if kind == "txt":
                self.column = column or "text"
                self.names, self._rows = [self.column], _plain_rows(lines)
            elif kind == "jsonl":
                self._open_objects(lines, column)
            else:
                self._open_records(_csv_records(lines) if kind == "csv" else _tsv_records(lines), column)

    def _open_objects(self, lines: Iterator[str], column: str | None) -> None:
        peeked = list(itertools.islice(lines, _PEEKED))
        found = (values for line in peeked if (values := _object(line)[0]))
        self.names = list(next(found, {column or "text": None}))
        self.column = choose_column(self.names, None, self._where) if column is None else column
        self._rows = _object_rows(itertools.chain(peeked, lines), self.column)

    def _open_records(self, records: Iterator[_Record], column: str | None) -> None:
        self.names, reason = next(records, ([], None))
        if reason or not self.names or not_unicode("".join(self.names)):
            because = f" ({reason})" if reason else ""
            raise ValueError(f"{self._where} should begin with a line that names its columns{because}.")
        self.column = choose_column(self.names, column, self._where)
        self._rows = _record_rows(records, len(self.names), self.names.index(self.column))

    def chunks(self, rows: int, size: int, refuse: Refuse) -> Iterator[Chunk]:
        """As `qa_emoji.tables.Table.chunks`."""
        before, chunk, read = 0, Chunk(), 0
        while row := self._next():
            chunk.rows += 1
            read += row.size
            if reason := row.reason or why_not(row.text) or refuse(row.values):
                chunk.rejects.append((before + chunk.rows, reason))
            else:
                chunk.numbers.append(before + chunk.rows)
                chunk.texts.append(row.text)
                chunk.values.append(row.values)
            if chunk.rows == rows or read >= size:
                yield chunk
                before, chunk, read = before + chunk.rows, Chunk(), 0
        if chunk.rows:
            yield chunk

    def share_read(self) -> float | None:
        """As `qa_emoji.tables.Table.share_read`, by the bytes."""
        return min(1.0, self._raw.tell() / self._total) if self._total else None

    def _next(self) -> _Row | None:
        with self._sound():
            return next(self._rows, None)

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{self._where} is a broken gzip file: {str(error).rstrip('.')}.") from error


def _size_of(file: BinaryIO) -> int | None:
    try:
        return os.fstat(file.fileno()).st_size if file.seekable() else None
    except (OSError, AttributeError):
        return None


def _lines(stream: io.TextIOWrapper) -> Iterator[str]:
    """Lines with their ends; of one that is too long, the first `LONGEST_ROW` characters."""
    while line := stream.readline(LONGEST_ROW):
        rest = line
        while len(rest) == LONGEST_ROW and not rest.endswith(("\r", "\n")):
            rest = stream.readline(LONGEST_ROW)
        yield line


def _plain_rows(lines: Iterable[str]) -> Iterator[_Row]:
    for line in lines:
        reason = _TOO_LONG if len(line) == LONGEST_ROW else NOT_UNICODE if not_unicode(line) else None
        text = line.rstrip("\r\n")
        yield _Row([text], text, len(line), reason)


def _object_rows(lines: Iterable[str], column: str) -> Iterator[_Row]:
    for line in lines:
        values, reason = _object(line)
        if values is not None and column not in values:
            reason = f"no {column!r}"
        yield _Row(values, (values or {}).get(column), len(line), reason)


def _object(line: str) -> tuple[dict[str, Any] | None, str | None]:
    """The JSON object of a line, or what is wrong with it."""
    if len(line) == LONGEST_ROW or not line.strip():
        return None, "blank line" if len(line) < LONGEST_ROW else _TOO_LONG
    reason: str | None
    try:
        values = json.loads(line, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        values, reason = None, "broken JSON: nested too deeply"
    except ValueError as error:
        values, reason = None, f"broken JSON: {error}"
    else:
        reason = None if isinstance(values, dict) else f"not a JSON object but {type(values).__name__}"
        if not_unicode(line) or ("\\u" in line and not_unicode(json.dumps(values, ensure_ascii=False))):
            reason = NOT_UNICODE
    return (None, reason) if reason else (values, None)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError("a number is too large")
    return value


def _record_rows(records: Iterator[_Record], width: int, at: int) -> Iterator[_Row]:
    for values, broken in records:
        reason = broken or _wrong_record(values, width)
        yield _Row(values, values[at] if values and not reason else "", sum(map(len, values)) + width, reason)


def _wrong_record(values: list[str], width: int) -> str | None:
    if values and len(values) != width:
        return f"{len(values)} fields where the header has {width}"
    return NOT_UNICODE if not_unicode("".join(values)) else None


def _tsv_records(lines: Iterable[str]) -> Iterator[_Record]:
    for line in lines:
        fields = line.rstrip("\r\n")
        yield (fields.split("\t") if fields else []), (_TOO_LONG if len(line) == LONGEST_ROW else None)


def _csv_records(lines: Iterator[str]) -> Iterator[_Record]:
    """Records; a quote that breaks the rules or is never closed costs its line alone, not those after it."""
    csv.field_size_limit(LONGEST_ROW)  # the module's own limit is 131,072 characters
    again = _LinesOfRow(lines)
    reader = csv.reader(again, strict=True)
    while True:
        again.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            again.give_back_all_but_first()
            yield [], f"broken CSV: {error}"
        else:
            yield fields, None


class _LinesOfRow:
    """Lines for the csv module, which itself would read to the end for a quote that is not closed."""

    def __init__(self, lines: Iterator[str]):
        self._lines, self._again = lines, deque[str]()
        self._taken: list[str] = []
        self._size = 0

    def __iter__(self) -> _LinesOfRow:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self._size += len(line)
        if self._size >= LONGEST_ROW:
            raise csv.Error(_TOO_LONG)
        return line

    def begin(self) -> None:
        """A row begins."""
        self._taken.clear()
        self._size = 0

    def give_back_all_but_first(self) -> None:
        """The lines of the row after its first come again."""
        self._again.extendleft(reversed(self._taken[1:]))
