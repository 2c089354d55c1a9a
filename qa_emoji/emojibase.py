"""Reader of the npm package emojibase-data (emoji names, keywords, groups and versions from Unicode CLDR)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from qa_emoji.catalog import COMPONENT, VARIATION_SELECTOR, Catalog, Emoji, canonical

REGIONAL_INDICATOR_VERSION = 0.6  # the letters came with the flags of Emoji 0.6; emojibase gives them 0


def read(package: str | Path) -> Catalog:
    """The catalogue of an unpacked emojibase-data package: base forms first met, each followed by its skin tones.

    Raises ValueError, naming the file, when the folder is not such a package.
    """
    package = Path(package)
    try:
        entries = json.loads((package / "en" / "data.json").read_text(encoding="utf-8"))
        groups = json.loads((package / "meta" / "groups.json").read_text(encoding="utf-8"))
        return Catalog(emoji for entry in entries for emoji in _emojis(entry, groups))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{package} is not an unpacked emojibase-data package: {error}") from error


def _emojis(entry: dict, groups: dict) -> Iterator[Emoji]:
    def emoji(variant: dict, base: str) -> Emoji:
        letter = "group" not in variant
        return Emoji(
            emoji=_spell(variant),
            name=variant["label"],
            keywords=tuple(tag for tag in entry.get("tags", ()) if tag != variant["label"]),
            group=COMPONENT if letter else groups["groups"][str(variant["group"])],
            subgroup="regional-indicator" if letter else groups["subgroups"][str(variant["subgroup"])],
            version=REGIONAL_INDICATOR_VERSION if letter else variant["version"],
            base=base,
        )

    yield emoji(entry, base="")
    for variant in entry.get("skins", ()):
        yield emoji(variant, base=_spell(entry))


def _spell(entry: dict) -> str:
    """Unicode's fully qualified spelling: emojibase's own adds a selector wherever Unicode allows one."""
    presented_as_emoji = len(canonical(entry["emoji"])) > 1 or entry["type"] == 1
    points = [chr(int(point, 16)) for point in entry["hexcode"].split("-")]
    return "".join(points) if presented_as_emoji else "".join(points) + VARIATION_SELECTOR
