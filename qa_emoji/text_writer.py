"""Writes chunks with their answers as CSV, TSV or JSON lines, gzipped or not."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from typing import Any, BinaryIO

from qa_emoji.answer_columns import AnswerColumns, Hits, as_json, as_text, stranger
from qa_emoji.tables import Chunk, Table

_BREAKS = ("\t", "\n", "\r")  # what a field of TSV cannot hold


class TextWriter:
    """Makes a part of the file from each chunk and the file of all parts."""

    def __init__(self, kind: str, table: Table, columns: AnswerColumns, *, zipped: bool):
        """For rows of a table; ValueError when the format cannot hold its columns."""
        self._kind, self._names, self._columns, self._zipped = kind, table.names, columns, zipped
        if kind == "jsonl" and len(set(self._names)) < len(self._names):
            raise ValueError(f"A JSON object cannot have two columns of one name: {', '.join(self._names)}.")

    def why_not(self, values: Any) -> str | None:
        """Why a row's own columns cannot be written, or None."""
        if isinstance(values, dict):
            if self._kind == "jsonl":
                return next((f"has {name!r} already" for name in self._columns.kinds if name in values), None)
            if reason := stranger(values, self._names):
                return reason
        if self._kind == "tsv" and any(mark in cell for cell in self._own(values) for mark in _BREAKS):
            return "a tab or line break, which TSV cannot hold"
        return None

    def part(self, chunk: Chunk, hits: Hits) -> bytes:
        """The rows of a chunk with their answers."""
        lines = _Lines()
        for values, found in zip(chunk.values, hits, strict=True):
            for cells in self._columns.cells(found):
                if self._kind == "jsonl":
                    own = values if isinstance(values, dict) else dict(zip(self._names, values, strict=True))
                    lines.append(as_json(own | dict(zip(self._columns.kinds, cells, strict=True))) + "\n")
                else:
                    self._add(lines, [*self._own(values), *map(as_text, cells)])
        return self._bytes(lines)

    def join(self, parts: Iterable[bytes], out: BinaryIO) -> None:
        """The header, if the format has one, and all parts."""
        if self._kind != "jsonl":
            header = _Lines()
            self._add(header, [*self._names, *self._columns.kinds])
            out.write(self._bytes(header))
        for part in parts:
            out.write(part)

    def _own(self, values: Any) -> list[str]:
        if isinstance(values, dict):
            values = [values.get(name) for name in self._names]
        return [as_text(value) for value in values]

    def _add(self, lines: _Lines, fields: list[str]) -> None:
        if self._kind == "tsv":
            lines.append("\t".join(fields) + "\n")
        else:
            csv.writer(lines).writerow(fields)

    def _bytes(self, lines: _Lines) -> bytes:
        content = "".join(lines).encode("utf-8")
        return gzip.compress(content, mtime=0) if self._zipped and content else content


class _Lines(list[str]):
    """What csv.writer writes to: it quotes the marks that end its lines, so it ends them with both; one is kept."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix("\r\n") + "\n")
