from __future__ import annotations

import json

import pytest

from qa_emoji import emojibase, paths
from qa_emoji.catalog import Catalog

ENTRIES = [
    {"label": "regional indicator A", "hexcode": "1F1E6", "emoji": "🇦", "type": 1, "version": 0},
    {
        "label": "waving hand", "hexcode": "1F44B", "emoji": "👋", "type": 1, "version": 0.6, "group": 1, "subgroup": 16,
        "tags": ["hello", "waving hand"],
        "skins": [{"label": "waving hand: dark", "hexcode": "1F44B-1F3FF", "emoji": "👋🏿", "type": 1, "version": 1, "group": 1, "subgroup": 16}],
    },
    {"label": "red heart", "hexcode": "2764", "emoji": "❤️", "type": 0, "version": 0.6, "group": 0, "subgroup": 14, "tags": []},
    {"label": "sparkles", "hexcode": "2728", "emoji": "✨️", "type": 1, "version": 0.6, "group": 6, "subgroup": 60, "tags": []},
    {"label": "flamingo", "hexcode": "1F9A9", "emoji": "🦩", "type": 1, "version": 12, "group": 3, "subgroup": 35, "tags": ["pink"]},
]  # fmt: skip
GROUPS = {
    "groups": {"0": "smileys-emotion", "1": "people-body", "3": "animals-nature", "6": "activities"},
    "subgroups": {"14": "heart", "16": "hand-fingers-open", "35": "animal-bird", "60": "event"},
}


@pytest.fixture
def package(tmp_path):
    for name, content in (("en/data.json", ENTRIES), ("meta/groups.json", GROUPS)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def test_counts_of_the_shipped_catalogue(catalog):
    assert len(catalog.base_forms("known")) == 1563
    assert len(catalog.base_forms("unseen")) == 351
    assert len(catalog.base_forms()) == 1914
    assert len(catalog.known()) == 2654
    assert len([e for e in catalog.unseen() if not e.base]) == 355


def test_a_rebuilt_file_is_the_same_to_the_byte(catalog, tmp_path):
    catalog.save(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == paths.catalog_file().read_bytes()


def test_reading_emojibase(package):
    catalog = emojibase.read(package)
    assert [e.emoji for e in catalog] == ["🇦", "👋", "👋🏿", "❤\ufe0f", "✨", "🦩"]
    assert [e.emoji for e in catalog.base_forms()] == ["👋", "❤\ufe0f", "✨", "🦩"]
    assert catalog["👋🏿"].base == "👋"
    assert catalog["👋"].description == "waving hand: hello"
    assert [e.split for e in catalog] == ["known"] * 5 + ["unseen"]


def test_variation_selectors_do_not_matter(catalog):
    assert catalog["❤"] is catalog["❤\ufe0f"]
    assert "☂" in catalog
    assert "x" not in catalog


@pytest.mark.parametrize(
    "content", ["", "a,b\n1,2\n", "emoji,name,keywords,group,subgroup,version,base,split\n🦩,f,,g,s,12,,known\n"]
)
def test_a_broken_catalogue_is_refused(tmp_path, content):
    (tmp_path / "c.csv").write_text(content)
    with pytest.raises(ValueError, match=r"c\.csv is not an emoji catalogue .*build_catalog"):
        Catalog.load(tmp_path / "c.csv")


def test_a_folder_that_is_no_package_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not an unpacked emojibase-data"):
        emojibase.read(tmp_path)
