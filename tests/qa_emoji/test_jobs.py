from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from qa_emoji import EmojiIndex, EmojiRanker, jobs, paths, store
from qa_emoji.answer import Answer, emoji_id
from qa_emoji.catalog import Catalog


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(paths.default_index(), folder)
    return folder


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture = Image.new("RGBA", (128, 96))
    ImageDraw.Draw(picture).ellipse((10, 10, 90, 90), fill="purple")
    picture.save(folder / "grape-soda.png")
    picture.rotate(90).save(folder / "1fac9.png")
    return folder


def test_the_shipped_index_holds_every_base_form(ranker, catalog):
    assert ranker.index.counts()["known"] == 1563
    assert ranker.index.counts()["unseen"] == 351
    assert ranker.index.counts()["generated"] >= 256
    assert {a.emoji for a in ranker.index.answers if a.emoji} == {e.emoji for e in catalog.base_forms()}


def test_a_rebuilt_index_is_the_shipped_one(tmp_path, catalog, encoder, exported_vae):
    some = Catalog(catalog.base_forms()[3::20])
    rebuilt = jobs.build_index(some, "twemoji", tmp_path, encoder=encoder, vae=exported_vae, generated=0).index
    shipped = EmojiIndex.load(paths.default_index())
    ids = [a.id for a in rebuilt.answers]
    assert len(ids) == len(some.emojis)
    np.testing.assert_allclose(rebuilt.codes(ids), shipped.codes(ids), atol=1e-2)
    assert rebuilt.about | {"generated": None} == shipped.about | {"generated": None}


def test_the_same_inputs_give_the_same_bytes(tmp_path, catalog, encoder, exported_vae):
    small = Catalog(catalog.base_forms()[::20])
    for name in ("a", "b"):
        jobs.build_index(small, "twemoji", tmp_path / name, encoder=encoder, vae=exported_vae, generated=20)
    files = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert files[0] == files[1]


def test_new_emojis_answer_at_once(copy, pictures, encoder, exported_vae, tmp_path):
    names = tmp_path / "names.csv"
    names.write_text("file,name,keywords\ngrape-soda.png,grape soda,fizzy drink|purple lemonade\n")
    index = EmojiIndex.load(copy)
    added = jobs.add_images(index, pictures, names, encoder=encoder, vae=exported_vae)
    assert {(a.id, a.emoji, a.name, a.source) for a in added} == {
        ("grape-soda", None, "grape soda", "unseen"),
        ("1fac9", "\U0001fac9", "1fac9", "unseen"),
    }
    index.save(copy)
    answers = EmojiRanker.load(copy).rank("grape soda", k=20, sources=["unseen"])
    assert "grape-soda" in [a.id for a in answers]
    assert answers[0].image().size == (36, 36)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("file,name\nghost.png,ghost\n", "names ghost.png, which is not in"),
        ("a,b\n1,2\n", "should be a CSV with the columns file, name"),
        ("file,name\nonly\n", "should be a CSV with the columns file, name"),
    ],
)
def test_bad_names_add_nothing(copy, pictures, encoder, exported_vae, tmp_path, names, message):
    (tmp_path / "names.csv").write_text(names)
    index = EmojiIndex.load(copy)
    with pytest.raises(ValueError, match=message):
        jobs.add_images(index, pictures, tmp_path / "names.csv", encoder=encoder, vae=exported_vae)
    assert len(index) == len(EmojiIndex.load(copy))


def test_bad_pictures_add_nothing(copy, pictures, encoder, exported_vae, tmp_path):
    index = EmojiIndex.load(copy)
    (pictures / "zzz.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"zzz\.png is truncated or not an image"):
        jobs.add_images(index, pictures, None, encoder=encoder, vae=exported_vae)
    with pytest.raises(FileNotFoundError, match=r"no \.png files"):
        jobs.add_images(index, tmp_path, None, encoder=encoder, vae=exported_vae)
    assert len(index) == len(EmojiIndex.load(copy))


def test_too_many_new_emojis_write_nothing(tmp_path, catalog, encoder, exported_vae, monkeypatch):
    monkeypatch.setattr("qa_emoji.generation.NOVELTY", -1.0)
    with pytest.raises(ValueError, match="Only 0 of 5 new emojis"):
        jobs.build_index(
            Catalog(catalog.base_forms()[:9]), "twemoji", tmp_path / "i", encoder=encoder, vae=exported_vae, generated=5
        )
    assert not (tmp_path / "i").exists()


def build(catalog, out, encoder, vae, **options):
    return jobs.build_index(catalog, "twemoji", out, encoder=encoder, vae=vae, **{"generated": 0} | options)


def test_a_rebuild_tells_what_changed_and_why(tmp_path, catalog, encoder, exported_vae, pictures):
    out, some = tmp_path / "index", catalog.base_forms()
    first = build(Catalog(some[:3]), out, encoder, exported_vae)
    assert [len(part) for part in (first.added, first.changed, first.dropped, first.skipped)] == [3, 0, 0, 0]
    with EmojiIndex.changing(out) as index:
        index.add([Answer("new-1", None, "like a face", "generated")], np.ones((1, 16)))
    stamp = store.stamp(out)
    second = build(Catalog(some[1:5]), out, encoder, exported_vae, dry_run=True, image_share=0.5)
    assert store.stamp(out) == stamp
    assert [a.emoji for a in second.added] == [e.emoji for e in some[3:5]]
    assert [a.emoji for a in second.changed] == [e.emoji for e in some[1:3]]
    assert [(str(a), why) for a, why in second.dropped] == [
        (some[0].emoji, "not in the catalogue"),
        ("new-1", "drawn anew"),
    ]


def test_a_dry_run_makes_no_folder(tmp_path, catalog, encoder, exported_vae):
    rebuilt = build(Catalog(catalog.base_forms()[:1]), tmp_path / "index", encoder, exported_vae, dry_run=True)
    assert len(rebuilt.added) == 1
    assert not (tmp_path / "index").exists()


def test_an_emoji_without_a_picture_is_skipped_and_named(tmp_path, catalog, pictures, encoder, exported_vae):
    some = catalog.base_forms()[:9]
    with_pictures = (some[1], some[6], some[7])
    for emoji in with_pictures:
        (pictures / f"{emoji_id(emoji.emoji)}.png").write_bytes((pictures / "1fac9.png").read_bytes())
    broken = pictures / f"{emoji_id(some[7].emoji)}.png"
    broken.write_bytes(b"nothing")
    done = []
    rebuilt = jobs.build_index(
        Catalog(some), str(pictures), tmp_path / "index", encoder=encoder, vae=exported_vae, generated=0,
        on_images=lambda *counts: done.append(counts),
    )  # fmt: skip
    assert [a.emoji for a in rebuilt.index.answers] == [e.emoji for e in with_pictures[:2]]
    assert [e for e, _ in rebuilt.skipped] == [e for e in some if e not in with_pictures[:2]]
    reasons = dict(rebuilt.skipped)
    assert reasons[some[7]] == f"{broken} is truncated or not an image."
    assert f"has no {emoji_id(some[0].emoji)}.png" in reasons[some[0]]
    assert done == [(2, 2)]


def test_nothing_to_build_of_writes_nothing(tmp_path, catalog, pictures, encoder, exported_vae):
    for some, message in ((catalog.base_forms()[:5], r"has no .*\.png"), ([], "no emoji that may be an answer")):
        with pytest.raises(ValueError, match=message):
            jobs.build_index(
                Catalog(some), str(pictures), tmp_path / "index", encoder=encoder, vae=exported_vae, generated=0
            )
    assert not (tmp_path / "index").exists()


def test_capital_suffixes_and_any_size(copy, pictures, encoder, exported_vae):
    Image.new("RGB", (3, 500), "teal").save(pictures / "tall.PNG", format="PNG")
    Image.new("L", (1, 1), 90).save(pictures / "dot.png")
    added = jobs.add_images(EmojiIndex.load(copy), pictures, None, encoder=encoder, vae=exported_vae)
    assert [a.id for a in added] == ["1fac9", "dot", "grape-soda", "tall"]


def test_images_of_a_folder(catalog, pictures):
    (pictures / "1f355.png").write_bytes((pictures / "1fac9.png").read_bytes())
    assert jobs.load_images(str(pictures), [catalog["🍕"]]).shape == (1, 4, 36, 36)
