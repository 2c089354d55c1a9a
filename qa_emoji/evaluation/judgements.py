"""Readers of any file of texts with the emojis that are accepted as answers, or with labels that stand for emojis."""

from __future__ import annotations

import dataclasses
import gzip
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_emoji import paths, questions
from qa_emoji.catalog import Catalog, canonical
from qa_emoji.evaluation.labels import EmojiReader, mapped, parts_of, read_mapping
from qa_emoji.questions import Question
from qa_emoji.tokenizer import normalize

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Columns:
    """Which columns of a file hold what; one that is "" is not read.

    ``accepted`` holds emojis or, with a mapping, labels: one or several, separated or not, or a list.
    """

    text: str = "text"
    accepted: str = "emojis"
    category: str = "category"
    split: str = "split"


@dataclass(frozen=True)
class Judgements:
    """Questions that can be judged with their rows in the file, from 1; the emojis to choose among (catalogue
    spelling; None for all base forms); and the rows that cannot be judged, with the reason."""

    source: str
    questions: list[Question]
    rows: list[int]
    candidates: list[str] | None
    rejected: list[tuple[int, str]]

    def without(self, trained: Collection[str]) -> Judgements:
        """Reject the questions whose normalised text is among those that were trained on."""
        seen = [normalize(question.text) in trained for question in self.questions]
        kept = [(q, row) for q, row, drop in zip(self.questions, self.rows, seen, strict=True) if not drop]
        dropped = [
            (row, f"{q.text!r} was trained on")
            for q, row, drop in zip(self.questions, self.rows, seen, strict=True)
            if drop
        ]
        return dataclasses.replace(
            self,
            questions=[q for q, _ in kept],
            rows=[row for _, row in kept],
            rejected=sorted(self.rejected + dropped),
        )

    def check(self, *, lenient: bool = False) -> None:
        """Raise ValueError when rows were rejected, unless lenient, and when none is left."""
        total = len(self.questions) + len(self.rejected)
        if self.rejected and not (lenient and self.questions):
            row, reason = self.rejected[0]
            raise ValueError(
                f"{len(self.rejected)} of {total} rows of {self.source} cannot be judged, the first in row {row}: "
                f"{reason}; a lenient evaluation leaves them out."
            )


def read(
    path: str | Path,
    catalog: Catalog,
    *,
    columns: Columns = Columns(),
    split: str | None = None,
    mapping: str | Path | None = None,
    labels: str | Path | None = None,
) -> Judgements:
    """Read a CSV, TSV, JSONL or Parquet file (the text ones also as .gz), or a .txt file with a text on each line.

    Variation selectors are taken out of the texts: where an emoji was removed they may give it away. Skin tones count
    as their base form.

    Args:
        columns: the columns of a file that has any. Those for category and split may be missing.
        split: read the rows of this split alone; of a file of authored questions, test when not named.
        mapping: what labels stand for: lines of a label and its emojis, separated by a tab or a comma, or a JSON
            object. The emojis named in it are then the candidates.
        labels: for a .txt file, the file with the emojis or labels of each line.

    Raises ValueError or FileNotFoundError, in a sentence, for a file that cannot be read, without the columns, or with
    no row of the split.
    """
    path = Path(path)
    table = _table(path, columns, labels)
    if tuple(table.columns) == questions.COLUMNS and columns == Columns() and split is None:
        split = "test"
    named = read_mapping(mapping, catalog) if mapping else None
    for column in (columns.text, columns.accepted):
        if column not in table:
            present = ", ".join(map(str, table.columns))
            raise ValueError(f"{path} has no column {column!r} but {present or 'none'}.")
    if split is not None:
        if columns.split not in table:
            raise ValueError(f"{path} has no column {columns.split!r} to tell the split {split!r} by.")
        table = table[table[columns.split] == split]
    if table.empty:
        raise ValueError(f"{path} has no rows" + (f" of the split {split!r}." if split else "."))
    kept: list[Question] = []
    rows: list[int] = []
    rejected: list[tuple[int, str]] = []
    emojis = EmojiReader(catalog)
    for number, row in zip(table.index, table.to_dict("records"), strict=True):
        try:
            text = _text(row[columns.text])
            accepted = mapped(row[columns.accepted], named) if named else emojis.read(row[columns.accepted])
        except ValueError as error:
            rejected.append((int(number) + 1, str(error)))
            continue
        topic, part = ("".join(parts_of(row.get(column))) for column in (columns.category, columns.split))
        kept.append(Question(text, tuple(accepted), topic, part))
        rows.append(int(number) + 1)
    candidates = list(dict.fromkeys(e for part in named.values() for e in part)) if named else None
    source = f"{path.name}, {split} split" if split else path.name
    return Judgements(source, kept, rows, candidates, rejected)


def trained_texts(catalog: Catalog, corpora: Path | None = None, wordnet: Path | None = None) -> set[str]:
    """Normalised texts of the encoder's training, as far as they are at hand.

    The names and keywords of known emojis; in a checkout the authored training questions and messages; with the folders
    of the corpora and of WordNet too, every text.
    """
    from qa_emoji import corpora as readers

    data = paths.catalog_file().parent
    authored = data / "questions.csv"
    if corpora and wordnet and authored.is_file():
        pairs = readers.training_pairs(catalog, corpora, wordnet, data)
        return {normalize(pair.text) for part in pairs.values() for pair in part}
    texts = {normalize(text) for e in catalog.base_forms("known") for text in (e.name, *e.keywords)}
    if (messages := data / "messages.csv").is_file():
        texts |= {normalize(text) for text, _ in readers.messages(messages)}
    if authored.is_file():
        for question in questions.load(authored, catalog):
            if question.split == "train":
                texts.add(normalize(question.text))
            else:
                texts.discard(normalize(question.text))
    return texts


def _table(path: Path, columns: Columns, labels: str | Path | None) -> pd.DataFrame:
    import pandas as pd

    kind = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if labels and kind != ".txt":
        raise ValueError(f"A file of labels belongs to a .txt file with a text on each line, not to {path}.")
    try:
        if kind in (".csv", ".tsv"):
            separator = "\t" if kind == ".tsv" else ","
            table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            if not isinstance(table.index, pd.RangeIndex):
                raise ValueError("its rows have more fields than its head")
            return table
        if kind in (".jsonl", ".ndjson"):
            return pd.read_json(path, lines=True, dtype=False, convert_dates=False)
        if kind == ".parquet":
            return pd.read_parquet(path).reset_index(drop=True)
        if kind == ".txt":
            if not labels:
                raise ValueError("A .txt file needs a file of labels beside it")
            texts, accepted = _lines(path), _lines(Path(labels))
            if len(texts) != len(accepted):
                raise ValueError(f"{len(texts)} texts stand against {len(accepted)} labels in {labels}")
            return pd.DataFrame({columns.text: texts, columns.accepted: accepted})
    except ImportError as error:
        raise ModuleNotFoundError("Parquet needs the extra: pip install 'qa-emoji[evaluate]'.") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:  # of pandas, Arrow, Unicode and gzip
        raise ValueError(f"{path} cannot be read: {error}.") from error
    raise ValueError(f"{path} should end in .csv, .tsv, .jsonl, .parquet or .txt, the text ones with .gz if they are.")


def _lines(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = content.decode("utf-8-sig").removesuffix("\n")
    return text.split("\n") if text else []


def _text(cell: Any) -> str:
    text = canonical(cell) if isinstance(cell, str) else ""
    if not text.strip():
        raise ValueError("no text")
    return text
