"""The catalogue of emojis: the one place that knows which emojis are known and which are unseen."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa_emoji import paths

KNOWN_UP_TO = 5.0  # Emoji 5.0, June 2017: the newest version when the seed was written
COMPONENT = "component"  # the group of regional-indicator letters, skin tones and hair styles
VARIATION_SELECTOR = "\ufe0f"  # asks for the emoji, and U+FE0E for the text presentation
COLUMNS = ("emoji", "name", "keywords", "group", "subgroup", "version", "base", "split")


@dataclass(frozen=True, slots=True)
class Emoji:
    """One row of the catalogue.

    ``base`` is the emoji this one is a skin-tone variant of, or "" for an emoji that stands by itself.
    """

    emoji: str
    name: str
    keywords: tuple[str, ...]
    group: str
    subgroup: str
    version: float
    base: str = ""

    @property
    def known(self) -> bool:
        """Whether the emoji existed when the seed was written, and so may be trained on."""
        return self.version <= KNOWN_UP_TO

    @property
    def split(self) -> str:
        """ "known" or "unseen"."""
        return "known" if self.known else "unseen"

    @property
    def is_base_form(self) -> bool:
        """Whether the emoji may be an answer: no skin-tone variant, letter or bare modifier."""
        return not self.base and self.group != COMPONENT

    @property
    def description(self) -> str:
        """The name and keywords as one text: what a text encoder reads of an answer."""
        return describe(self.name, self.keywords)


def describe(name: str, keywords: Sequence[str]) -> str:
    """A name and keywords as one text."""
    return f"{name}: {', '.join(keywords)}" if keywords else name


def canonical(emoji: str) -> str:
    """The emoji without variation selectors, which never distinguish two emojis."""
    return emoji.replace(VARIATION_SELECTOR, "").replace("\ufe0e", "")


class Catalog:
    """All emojis in the order of the catalogue file, found by character whatever its variation selectors."""

    def __init__(self, emojis: Iterable[Emoji]):
        self.emojis = tuple(emojis)
        self._by_character = {canonical(e.emoji): e for e in self.emojis}
        if len(self._by_character) != len(self.emojis):
            raise ValueError("The catalogue lists an emoji twice.")

    @classmethod
    def load(cls, path: str | Path | None = None) -> Catalog:
        """Read a catalogue CSV; without a path, the one that comes with the package.

        Raises ValueError for a file that is not a catalogue and FileNotFoundError for none.
        """
        if path is None:
            return _shipped()
        path = Path(path)
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file, strict=True)
                if tuple(rows.fieldnames or ()) != COLUMNS:
                    raise ValueError(f"its columns should be {', '.join(COLUMNS)}")
                return cls(map(_from_row, rows))
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError, csv.Error, ValueError) as error:
            raise ValueError(
                f"{path} is not an emoji catalogue ({error}); scripts/build_catalog.py makes one."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the catalogue as CSV; equal catalogues give equal bytes."""
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(_to_row(e) for e in self.emojis)

    def __len__(self) -> int:
        return len(self.emojis)

    def __iter__(self) -> Iterator[Emoji]:
        return iter(self.emojis)

    def __contains__(self, emoji: str) -> bool:
        return canonical(emoji) in self._by_character

    def __getitem__(self, emoji: str) -> Emoji:
        """The record of an emoji character; KeyError when the catalogue does not have it."""
        return self._by_character[canonical(emoji)]

    def known(self) -> list[Emoji]:
        """Every emoji that training may see, skin-tone variants and components included."""
        return [e for e in self.emojis if e.known]

    def unseen(self) -> list[Emoji]:
        """Every emoji that no training may see, skin-tone variants and components included."""
        return [e for e in self.emojis if not e.known]

    def base_forms(self, split: str | None = None) -> list[Emoji]:
        """The emojis that may be answers; of one split ("known" or "unseen") when named."""
        return [e for e in self.emojis if e.is_base_form and split in (None, e.split)]


@functools.cache
def _shipped() -> Catalog:
    return Catalog.load(paths.catalog_file())


def _to_row(e: Emoji) -> tuple[str, ...]:
    return (e.emoji, e.name, "|".join(e.keywords), e.group, e.subgroup, f"{e.version:g}", e.base, e.split)


def _from_row(row: dict[str, str]) -> Emoji:
    emoji = Emoji(
        emoji=row["emoji"],
        name=row["name"],
        keywords=tuple(k for k in row["keywords"].split("|") if k),
        group=row["group"],
        subgroup=row["subgroup"],
        version=float(row["version"]),
        base=row["base"],
    )
    if not emoji.emoji or not emoji.name:
        raise ValueError("a row lacks its emoji or its name")
    if row["split"] != emoji.split:
        raise ValueError(f"{emoji.name} is Emoji {emoji.version:g} and marked {row['split']}")
    return emoji
