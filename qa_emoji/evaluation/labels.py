"""What a cell of a file says: emojis however they are written, or labels that stand for emojis."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qa_emoji.catalog import Catalog, canonical

_SEPARATORS = re.compile(r"[\s,;|/\[\]()'\"]+")


class EmojiReader:
    """Finds the emojis of a catalogue in a cell, in their base form and the catalogue's spelling."""

    def __init__(self, catalog: Catalog):
        self.catalog = catalog
        longest_first = sorted((canonical(e.emoji) for e in catalog), key=len, reverse=True)
        self._emoji = re.compile("|".join(map(re.escape, longest_first)))

    def read(self, cell: Any) -> list[str]:
        """The emojis of a cell: a text with one or several, separated or not, or a list of such texts.

        Raises ValueError for a cell with none, and with anything else than emojis that may be answers.
        """
        text = canonical(" ".join(parts_of(cell)))
        accepted: dict[str, None] = {}
        for found in self._emoji.findall(text):
            record = self.catalog[found]
            record = self.catalog[record.base] if record.base else record
            if not record.is_base_form:
                raise ValueError(f"{found!r} cannot be an answer")
            accepted[record.emoji] = None
        if rest := _SEPARATORS.sub("", self._emoji.sub("", text)):
            raise ValueError(f"{rest!r} is no emoji of the catalogue")
        if not accepted:
            raise ValueError("no accepted emoji")
        return list(accepted)


def read_mapping(path: str | Path, catalog: Catalog) -> dict[str, list[str]]:
    """The emojis that each label stands for, of lines of a label and its emojis or of a JSON object.

    A first line without an emoji is a heading. Raises ValueError, naming the line, for one that cannot be read.
    """
    path, reader = Path(path), EmojiReader(catalog)
    pairs: Iterable[Sequence[Any]]
    try:
        content = path.read_text("utf-8-sig")
        if path.suffix == ".json":
            pairs = list(json.loads(content).items())
        else:
            pairs = list(csv.reader(content.splitlines(), delimiter="\t" if "\t" in content else ","))
    except (ValueError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path} should be lines of a label and its emojis, or a JSON object of them.") from error
    mapping: dict[str, list[str]] = {}
    for number, pair in enumerate(pairs, 1):
        try:
            mapping[str(pair[0]).strip()] = reader.read(pair[1])
        except (ValueError, IndexError) as error:
            if number > 1:
                reason = "it needs a label and an emoji" if isinstance(error, IndexError) else error
                raise ValueError(f"{path}, line {number}: {reason}.") from error
    if not mapping:
        raise ValueError(f"{path} says of no label what emoji it stands for.")
    return mapping


def mapped(cell: Any, mapping: Mapping[str, list[str]]) -> list[str]:
    """The emojis that the labels of a cell stand for; ValueError for a label that is not in the mapping, and none."""
    accepted: dict[str, None] = {}
    for part in parts_of(cell):
        label = part.strip()
        for name in [label] if label in mapping else _SEPARATORS.split(label):
            if name not in mapping:
                raise ValueError(f"the label {name!r} is not in the mapping")
            accepted.update(dict.fromkeys(mapping[name]))
    if not accepted:
        raise ValueError("no label")
    return list(accepted)


def parts_of(cell: Any) -> list[str]:
    """What a cell holds: the texts of a list or array, one text, or nothing where it is missing."""
    if isinstance(cell, str) or not hasattr(cell, "__len__"):
        missing = cell is None or cell != cell  # noqa: PLR0124 (NaN)
        return [] if missing else [str(cell)]
    return [str(part) for part in cell]
