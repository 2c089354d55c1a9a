from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from qa_emoji import Answer, EmojiIndex, paths, questions
from qa_emoji import index as index_module
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
        (lambda i: i.add([Answer("a", None, "a", "known"), Answer("id-1", None, "b", "known")], np.ones((2, 16))), "id-1 twice"),
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


def test_a_reader_that_is_overtaken_reads_the_new_index(small_index, tmp_path, monkeypatch):
    small_index.save(tmp_path)
    read, replaced = index_module.read_manifest, []

    def overtaken(folder):
        manifest = read(folder)
        if not replaced:
            replaced.append(True)
            small_index.remove(["id-0"])
            small_index.save(tmp_path)
        return manifest

    monkeypatch.setattr(index_module, "read_manifest", overtaken)
    assert len(EmojiIndex.load(tmp_path)) == 5


def test_saving_leaves_other_files_alone(small_index, tmp_path):
    (tmp_path / "answers-monday.csv").write_text("mine")
    small_index.save(tmp_path)
    small_index.remove(["id-0"])
    small_index.save(tmp_path)
    assert (tmp_path / "answers-monday.csv").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 5


def test_the_same_index_is_saved_as_the_same_bytes(small_index, tmp_path):
    for name in ("a", "b"):
        small_index.save(tmp_path / name)
    small_index.save(tmp_path / "a")
    files = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert files[0] == files[1]
    assert len(files[0]) == 4


def test_a_crash_while_saving_leaves_the_old_index(small_index, tmp_path, monkeypatch):
    small_index.save(tmp_path)
    before = contents(EmojiIndex.load(tmp_path))
    small_index.remove(["id-0"])
    replace, calls = os.replace, []
    for dies_at in range(1, 5):
        calls.clear()

        def dying(source, target, dies_at=dies_at):
            calls.append(target)
            if len(calls) == dies_at:
                raise OSError("the disk is full")
            replace(source, target)

        monkeypatch.setattr(os, "replace", dying)
        with pytest.raises(OSError, match="disk is full"):
            small_index.save(tmp_path)
        assert {k: v[1] for k, v in contents(EmojiIndex.load(tmp_path)).items()} == {k: v[1] for k, v in before.items()}
        assert not list(tmp_path.glob(".*"))
    monkeypatch.undo()
    small_index.save(tmp_path)
    assert len(EmojiIndex.load(tmp_path)) == 5


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(paths.default_index(), folder)
    return folder


@pytest.mark.parametrize("part", ["codes", "answers", "latents"])
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


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "There is no index in"),
        ("{", "is broken"),
        ("[]", "not the manifest of an index"),
        ('{"format": 1}', "not the manifest of an index"),
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
        path.write_text(json.dumps(json.loads(path.read_text()) | manifest))
    with pytest.raises(ValueError, match=message) as raised:
        EmojiIndex.load(copy)
    assert "\n" not in str(raised.value)


def test_a_manifest_cannot_name_files_elsewhere(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["codes"]["name"] = "../../../etc/hostname"
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="lacks its file"):
        EmojiIndex.load(copy)
