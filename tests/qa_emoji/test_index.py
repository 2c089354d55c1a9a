from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa_emoji import Answer, EmojiIndex, paths, questions, store
from qa_emoji import manifest as manifests
from qa_emoji.cosine import unit_rows


def contents(index: EmojiIndex) -> dict:
    return {
        a.id: (a, index[a.id].code.tolist(), None if a.latent is None else a.latent.tolist()) for a in index.answers
    }


def test_order_equals_brute_force_on_500_questions(ranker, catalog):
    texts = [q.text for q in questions.load("data/questions.csv", catalog)][:500]
    codes = ranker.encode(texts)
    cosines = codes @ ranker.index.codes().T
    ids = np.array([a.id for a in ranker.index.answers], dtype=object)
    scores, found = ranker.index.search(codes, 10)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :10]
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, order, axis=1), atol=1e-6)
    same = found == ids[order]
    row, column = np.nonzero(~same)  # equal scores may change places
    position = {answer_id: i for i, answer_id in enumerate(ids)}
    ours = [cosines[r, position[found[r, c]]] for r, c in zip(row, column, strict=True)]
    np.testing.assert_allclose(ours, scores[row, column], atol=1e-6)
    assert same.mean() > 0.99


def test_unnormalised_and_opposite_codes_score_by_cosine():
    index = EmojiIndex()
    codes = np.zeros((3, 16), dtype=np.float32)
    codes[0, 0], codes[1, :2], codes[2, 0] = 100, 0.01, -3
    index.add([Answer(str(i), None, str(i), "generated") for i in range(3)], codes)
    query = np.zeros((1, 16))
    query[0, 0] = 7
    scores, ids = index.search(query, 3)
    np.testing.assert_allclose(scores, [[1, np.sqrt(0.5), -1]], atol=1e-6)
    assert ids.tolist() == [["0", "1", "2"]]


def test_filtered_search_is_brute_force_over_the_filter(small_index, rng):
    query = rng.normal(size=(4, 16))
    some = ["id-1", "id-4", "id-5"]
    scores, ids = small_index.search(query, 5, ids=some)
    assert ids.shape == scores.shape == (4, 5)
    cosines = unit_rows(query) @ small_index.codes(some).T
    order = np.argsort(-cosines, axis=1)
    assert ids[:, :3].tolist() == np.array(some, dtype=object)[order].tolist()
    np.testing.assert_allclose(scores[:, :3], np.take_along_axis(cosines, order, 1), atol=1e-6)
    assert np.isnan(scores[:, 3:]).all()
    assert (ids[:, 3:] == None).all()  # noqa: E711 (elementwise)


def test_an_empty_index_answers_nothing():
    scores, ids = EmojiIndex().search(np.ones((2, 16)), 3)
    assert np.isnan(scores).all()
    assert ids.tolist() == [[None] * 3] * 2
    assert EmojiIndex().codes().shape == (0, 16)


def test_remove_and_add_again(small_index, rng):
    code = rng.normal(size=(1, 16))
    small_index.remove(["id-2", "id-0"])
    assert len(small_index) == 4
    assert "id-2" not in small_index
    small_index.add([Answer("id-2", "🆕", "again", "unseen")], code)
    assert small_index.search(code, 1)[1].tolist() == [["id-2"]]
    assert small_index.counts() == {"known": 1, "unseen": 3, "generated": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.remove(["id-1", "nobody"]), "no answer 'nobody'"),
        (lambda i: i.add([Answer("a", None, "a", "known"), Answer("id-1", None, "b", "known")], np.ones((2, 16))), "id-1 already; remove it first"),
        (lambda i: i.add([Answer("a", None, "a", "known")] * 2, np.ones((2, 16))), "a twice"),
        (lambda i: i.add([Answer("a", None, "a", "known")], np.ones((2, 16))), "1 answers came with 2 codes"),
        (lambda i: i.add([Answer("a", None, "a", "known")], np.ones((1, 8))), r"\(n, 16\)"),
        (lambda i: i.add([Answer("a", None, "a", "known")], np.full((1, 16), np.nan)), "finite"),
        (lambda i: i.add([Answer("a", None, "a", "known")], np.zeros((1, 16))), "points nowhere"),
        (lambda i: i.search(np.ones((1, 16)), 0), "k should be at least 1"),
        (lambda i: i.search(np.ones((1, 16)), 1, ids=["nobody"]), "no answer 'nobody'"),
    ],
)  # fmt: skip
def test_a_refused_change_changes_nothing(small_index, change, message):
    before = contents(small_index)
    with pytest.raises(ValueError, match=message):
        change(small_index)
    assert contents(small_index) == before


def test_a_name_without_end_is_refused(small_index):
    with pytest.raises(ValueError, match="has more than 10000 characters"):
        small_index.add([Answer("a", None, "a" * 10_001, "known")], np.ones((1, 16)))
    small_index.add([Answer("a", None, "a" * 10_000, "known")], np.ones((1, 16)))


@pytest.mark.parametrize("bad", [Answer("a", None, "half \ud83c", "known"), Answer("\ud83c", None, "a", "known")])
def test_what_cannot_be_written_is_refused(small_index, bad):
    before = contents(small_index)
    with pytest.raises(ValueError, match="holds half a character"):
        small_index.add([Answer("fine", None, "fine", "known"), bad], np.ones((2, 16)))
    assert contents(small_index) == before


@pytest.mark.parametrize("latent", [np.ones(8), np.full(16, np.nan), np.ones((16, 1))])
def test_a_latent_of_another_shape_is_refused(small_index, latent):
    with pytest.raises(ValueError, match="The latent code of a should be 16 finite numbers"):
        small_index.add([Answer("a", None, "a", "known", latent=latent)], np.ones((1, 16)))
    assert len(small_index) == 6


def test_codes_that_were_not_taken_in_leave_no_answers(small_index, monkeypatch):
    before = contents(small_index)

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("qa_emoji.code_index.CodeIndex.add", fail)
    with pytest.raises(MemoryError):
        small_index.add([Answer("a", None, "a", "known")], np.ones((1, 16)))
    assert contents(small_index) == before


@pytest.mark.parametrize("factory", ["auto", "IVF4,Flat"])
def test_the_factory_is_kept(small_index, tmp_path, factory):
    index = EmojiIndex(about={"note": "mine"}, factory=factory)
    index.add(small_index.answers, small_index.codes())
    index.save(tmp_path)
    manifest = store.read_manifest(tmp_path)
    assert (manifest["factory"], manifest["kind"]) == (factory, "Flat" if factory == "auto" else factory)
    loaded = EmojiIndex.load(tmp_path)
    assert loaded.kind == manifest["kind"]
    assert contents(loaded).keys() == contents(small_index).keys()
    for some in (None, ["id-1", "id-4"]):
        ours, theirs = (i.search(np.eye(16)[:3], 6, ids=some) for i in (loaded, small_index))
        assert ours[1].tolist() == theirs[1].tolist()
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / store.MANIFEST).read_bytes() == store.stamp(tmp_path)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(), st.text()), unique_by=lambda row: row[0], max_size=5))
def test_any_text_comes_back_as_it_was(tmp_path_factory, rows):
    answers = [Answer(i, emoji or None, name, "unseen") for i, emoji, name in rows]
    index = EmojiIndex()
    index.add(answers, np.random.default_rng(0).normal(size=(len(rows), 16)))
    folder = tmp_path_factory.mktemp("any")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        index.save(folder)
    assert EmojiIndex.load(folder).answers == answers


def test_save_and_load(small_index, tmp_path):
    small_index.remove(["id-3"])
    small_index.save(tmp_path / "new" / "index")
    loaded = EmojiIndex.load(tmp_path / "new" / "index")
    assert loaded.about == small_index.about
    assert [a.id for a in loaded.answers] == [a.id for a in small_index.answers]
    for answer_id, (answer, code, latent) in contents(small_index).items():
        ours = contents(loaded)[answer_id]
        assert ours[:2] == (answer, code)
        np.testing.assert_allclose(ours[2], latent, rtol=1e-6)
    loaded.add([Answer("more", None, "more", "known")], np.ones((1, 16)))
    assert len(loaded) == 6


def test_an_answer_without_a_picture_stays_without(tmp_path):
    index = EmojiIndex()
    index.add([Answer("plain", "🆗", "plain", "unseen")], np.ones((1, 16)))
    index.save(tmp_path)
    assert EmojiIndex.load(tmp_path)["plain"].latent is None


@pytest.mark.parametrize(("changes", "answers"), [(1, 6), (2, 4), (3, 3)])
def test_a_reader_that_is_overtaken_reads_one_index(small_index, tmp_path, monkeypatch, changes, answers):
    """The version before is still whole after one change; after more the reader starts again."""
    small_index.save(tmp_path)
    read, gone = store.stamp, [f"id-{i}" for i in range(changes)]

    def overtaken(folder):
        stamp = read(folder)
        while gone:
            small_index.remove([gone.pop()])
            small_index.save(tmp_path)
        return stamp

    monkeypatch.setattr(store, "stamp", overtaken)
    assert len(EmojiIndex.load(tmp_path)) == answers


def test_the_same_index_is_saved_as_the_same_bytes(small_index, tmp_path):
    for name in ("a", "b"):
        small_index.save(tmp_path / name)
    small_index.save(tmp_path / "a")
    files = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert files[0] == files[1]
    assert len(files[0]) == 5


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(paths.default_index(), folder)
    return folder


@pytest.mark.parametrize("part", ["codes", "answers", "latents", "labels"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_damaged_file_is_refused_by_name(copy, part, damage):
    (path,) = copy.glob(f"{part}-*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flipped" else content[:-7])
    with pytest.raises(ValueError, match=rf"{path.name}.*index build"):
        EmojiIndex.load(copy)


def resealed(manifest: dict) -> bytes:
    """A manifest with a checksum that is right, whatever it says."""
    return manifests._sealed({name: value for name, value in manifest.items() if name != "sha256"})


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "There is no index in"),
        ("{", "is broken"),
        ("[]", "not the manifest of an index"),
        ({"format": None}, "has format None"),
        ({"format": 99}, "has format 99"),
        ({"dim": 8}, "not belong together|not of this format"),
        ({"metric": "l2"}, "not the manifest of an index"),
        ({"counts": {"known": 1, "unseen": 0, "generated": 0}}, "not belong together"),
        ({"files": {}}, "not the manifest of an index"),
    ],
)
def test_a_bad_manifest_is_refused(copy, manifest, message):
    path = copy / "manifest.json"
    if manifest is None:
        path.unlink()
    elif isinstance(manifest, str):
        path.write_text(manifest)
    else:
        path.write_bytes(resealed(json.loads(path.read_text()) | manifest))
    with pytest.raises(ValueError, match=message) as raised:
        EmojiIndex.load(copy)
    assert "\n" not in str(raised.value)


def test_a_manifest_cannot_name_files_elsewhere(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["codes"]["name"] = "../../../etc/hostname"
    path.write_bytes(resealed(manifest))
    with pytest.raises(ValueError, match="not the manifest of an index"):
        EmojiIndex.load(copy)
