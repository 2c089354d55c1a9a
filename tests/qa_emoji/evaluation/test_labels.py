from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa_emoji.catalog import Catalog
from qa_emoji.evaluation import labels


@pytest.mark.parametrize(
    ("cell", "emojis"),
    [
        ("🍕 😋", ["🍕", "😋"]),
        ("🍕,😋;🍕", ["🍕", "😋"]),
        ("🍕😋", ["🍕", "😋"]),
        ('["🍕", "😋"]', ["🍕", "😋"]),
        ("👍🏿", ["👍"]),
        ("❤", ["❤️"]),
        ("👨‍👩‍👧🇺🇸1️⃣", ["👨‍👩‍👧", "🇺🇸", "1️⃣"]),
        (["🍕", "😋"], ["🍕", "😋"]),
    ],
)
def test_accepted_emojis_however_written(catalog, cell, emojis):
    assert labels.EmojiReader(catalog).read(cell) == emojis


@pytest.mark.parametrize(
    ("cell", "message"),
    [("", "no accepted"), ("pizza", "'pizza' is no emoji"), ("🍕x", "'x' is no emoji"), ("🇦", "cannot be an answer")],
)
def test_what_is_no_accepted_emoji(catalog, cell, message):
    with pytest.raises(ValueError, match=message):
        labels.EmojiReader(catalog).read(cell)


def test_every_base_form_reads_as_itself(catalog):
    reader = labels.EmojiReader(catalog)
    everything = [e.emoji for e in catalog.base_forms()]
    assert reader.read(" ".join(everything)) == everything


@given(st.text(alphabet="🍕😋👍🏿‍️🇺🇸 ,|x♀1⃣", max_size=12))
def test_any_cell_is_read_or_refused(cell):
    try:
        found = labels.EmojiReader(Catalog.load()).read(cell)
    except ValueError:
        return
    assert found
    assert all(Catalog.load()[e].is_base_form for e in found)


@pytest.mark.parametrize(
    ("content", "message"),
    [("0\t❤\n1\tx\n", "line 2: 'x' is no emoji"), ("", "says of no label"), ("a,😀\nb\n", "line 2")],
)
def test_a_bad_mapping_is_named(catalog, tmp_path, content, message):
    (tmp_path / "m.txt").write_text(content, "utf-8")
    with pytest.raises(ValueError, match=message):
        labels.read_mapping(tmp_path / "m.txt", catalog)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_mapping_in_broken_json(catalog, tmp_path, content):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.json should be lines of a label and its emojis, or a JSON object"):
        labels.read_mapping(tmp_path / "m.json", catalog)


def test_labels_with_separators_in_their_names(catalog):
    mapping = {"joy": ["😀"], "big love": ["❤️"], "love": ["😍"]}
    assert labels.mapped("big love", mapping) == ["❤️"]
    assert labels.mapped("joy, love", mapping) == ["😀", "😍"]
    assert labels.mapped(["big love", "joy"], mapping) == ["❤️", "😀"]
    for cell, message in (("big", "'big' is not in"), (None, "no label"), ([], "no label")):
        with pytest.raises(ValueError, match=message):
            labels.mapped(cell, mapping)
