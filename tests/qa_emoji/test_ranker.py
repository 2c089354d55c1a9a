from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qa_emoji import Answer, EmojiIndex, EmojiRanker, paths
from qa_emoji.cosine import unit_rows
from qa_emoji.runtime import ExportedEncoder, ExportedVAE


def test_five_answers_best_first(ranker):
    answers = ranker.rank("I burnt the toast again")
    assert [a.rank for a in answers] == [1, 2, 3, 4, 5]
    scores = [a.score for a in answers]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= s <= 1 for s in scores)
    assert {a.source for a in answers} <= {"known", "unseen"}
    code = ranker.encode(["I burnt the toast again"])[0]
    for answer in answers:
        assert answer.code.shape == (16,)
        assert answer.score == pytest.approx(float(answer.code @ code), abs=1e-6)


@pytest.mark.parametrize("source", ["known", "unseen", "generated"])
def test_each_source_answers_alone(ranker, source):
    answers = ranker.rank("a happy birthday cake", k=7, sources=(source,))
    assert [a.source for a in answers] == [source] * 7
    assert all((a.emoji is None) == (source == "generated") for a in answers)


def test_pictures_are_36_by_36_rgba(ranker):
    for answer in ranker.rank("a red car", k=3, sources=("known", "generated"), fresh=2):
        picture = answer.image()
        assert isinstance(picture, Image.Image)
        assert (picture.size, picture.mode) == ((36, 36), "RGBA")
        assert picture.getextrema()[3][1] > 128


def test_fresh_emojis_join_in_one_order_and_were_not_in_the_index(ranker):
    answers = ranker.rank("Where shall we go this summer?", k=5, fresh=4)
    fresh = [a for a in answers if a.source == "generated"]
    assert len(answers) == 9
    assert len(fresh) == len({a.id for a in fresh}) == 4
    assert not any(a.id in ranker.index for a in fresh)
    assert [a.score for a in answers] == sorted((a.score for a in answers), reverse=True)
    drawn_again = ranker.rank("Where shall we go this summer?", k=5, fresh=4)
    assert [a.id for a in drawn_again] == [a.id for a in answers]
    looks = unit_rows(np.stack([a.latent for a in ranker.index.answers if a.latent is not None]))
    drawn = unit_rows(np.stack([a.latent for a in fresh]))
    assert (drawn @ looks.T).max() < 0.99


def test_candidates_in_any_spelling(ranker):
    spelled = ranker.rank("love", k=5, candidates=["❤", "❤\ufe0e", "⚽️", "1f355", " 🍕 ", "2764"])
    assert {a.emoji for a in spelled} == {"❤\ufe0f", "⚽", "🍕"}
    assert spelled[0].emoji == "❤\ufe0f"
    generated = ranker.rank("love", k=1, sources=("generated",))[0]
    assert ranker.rank("x", sources=("generated",), candidates=[generated.id.upper()])[0].id == generated.id


def test_a_changed_index_answers_at_once():
    ranker = EmojiRanker.load()
    code = ranker.encode(["an utterly new thing"])
    ranker.rank("an utterly new thing", sources=["unseen"], fresh=1)
    ranker.index.add([Answer("new-thing", None, "new thing", "unseen")], code)
    assert ranker.rank("an utterly new thing", sources=["unseen"])[0].id == "new-thing"
    assert ranker.rank("x", candidates=["NEW-THING"])[0].id == "new-thing"
    ranker.index.remove(["new-thing"])
    with pytest.raises(ValueError, match="not in the index"):
        ranker.rank("x", candidates=["new-thing"])


def test_more_answers_than_there_are(ranker):
    assert len(ranker.rank("hello", k=10**6, candidates=["👋", "🙂"])) == 2
    assert len(ranker.rank("hello", k=10**4)) == 1914


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": ""}, ValueError, "blank"),
        ({"text": " \n\t\u3000"}, ValueError, "blank"),
        ({"text": None}, TypeError, "not NoneType"),
        ({"text": 3}, TypeError, "not int"),
        ({"text": b"hi"}, TypeError, "not bytes"),
        ({"k": 0}, ValueError, "k should be at least 1"),
        ({"k": -3}, ValueError, "k should be at least 1"),
        ({"k": 2.5}, TypeError, "whole number"),
        ({"k": "5"}, TypeError, "whole number"),
        ({"fresh": -1}, ValueError, "fresh should be at least 0"),
        ({"fresh": 201}, ValueError, "fresh should be at most 200"),
        ({"sources": ("known", "famous")}, ValueError, "not 'famous'"),
        ({"sources": ()}, ValueError, "at least one source"),
        ({"sources": (1,)}, ValueError, "not 1"),
        ({"candidates": ["🍕", "pizza!"]}, ValueError, "'pizza!' is not in the index"),
        ({"candidates": []}, ValueError, "None of the candidates"),
        ({"candidates": ["🦩"], "sources": ("known",)}, ValueError, "None of the candidates"),
        ({"candidates": "🍕🍔"}, TypeError, "list of emojis"),
        ({"candidates": [5]}, TypeError, "not int"),
    ],
)
def test_bad_arguments_get_one_sentence(ranker, arguments, error, message):
    with pytest.raises(error, match=message) as raised:
        ranker.rank(**{"text": "hello", **arguments})
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "🍕🍕",
        "\x00",
        "\ud800",
        "\udfff x \ud83c",
        "שלום עולם",
        "\u202eabc",
        "a" * 2**20,
        "\ufe0f",
        "؟",
        "\u200b",
        "👨‍👩‍👧‍👦" * 999,
    ],
)
def test_any_other_text_is_answered(ranker, text):
    assert len(ranker.rank(text, fresh=1)) == 6


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), min_size=1))
def test_hypothesis_texts_are_answered(text):
    ranker = shared_ranker()
    if text.isspace():
        with pytest.raises(ValueError, match="blank"):
            ranker.rank(text)
    else:
        assert len(ranker.rank(text)) == 5


_SHARED: list[EmojiRanker] = []


def shared_ranker() -> EmojiRanker:
    if not _SHARED:
        _SHARED.append(EmojiRanker.load())
    return _SHARED[0]


def test_batch_equals_single(ranker):
    texts = ["pizza tonight?", "so tired", "🎉🎉", "pizza tonight?"] * 3
    frame = ranker.rank_batch(texts, k=3, sources=("known", "generated"))
    assert list(frame.columns) == ["question", "rank", "answer", "name", "source", "score"]
    assert frame["question"].tolist() == [t for t in texts for _ in range(3)]
    for number, text in enumerate(texts):
        rows = frame.iloc[3 * number : 3 * number + 3]
        single = ranker.rank(text, k=3, sources=("known", "generated"))
        assert rows["answer"].tolist() == [str(a) for a in single]
        np.testing.assert_allclose(rows["score"], [a.score for a in single], atol=1e-6)


def test_batch_of_none_and_bad_batches(ranker):
    assert len(ranker.rank_batch([])) == 0
    with pytest.raises(ValueError, match=r"blank \(text 1\)"):
        ranker.rank_batch(["a", " "])
    with pytest.raises(TypeError, match="not one text"):
        ranker.rank_batch("hello")
    with pytest.raises(TypeError, match=r"not float \(text 1\)"):
        ranker.rank_batch(["a", float("nan")])


def test_no_torch_on_the_way_of_a_question(tmp_path):
    program = (
        "import sys, qa_emoji; assert 'numpy' not in sys.modules; "
        "r = qa_emoji.EmojiRanker.load(); r.rank('hello', fresh=2)[0].image(); r.rank_batch(['hello']); "
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def foreign_index(folder, part):
    index = EmojiIndex.load(paths.default_index())
    index.about[part] = "0" * 64
    index.save(folder)
    return folder


@pytest.mark.parametrize("part", ["encoder", "vae", "painter"])
def test_an_index_of_other_weights_is_refused(tmp_path, part):
    with pytest.raises(ValueError, match=f"built with other {part} weights .* index build"):
        EmojiRanker.load(foreign_index(tmp_path / "index", part))


def test_a_flipped_bit_in_the_weights_is_noticed(tmp_path):
    shutil.copytree(paths.encoder_weights(), tmp_path / "weights")
    path = tmp_path / "weights" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="other encoder weights"):
        EmojiRanker.load(encoder=tmp_path / "weights")


def test_a_changed_index_is_reloaded_once(ranker, tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(paths.default_index(), folder)
    reader = EmojiRanker.load(folder)
    first = reader.rank("pizza tonight?", k=1)[0]
    assert not reader.reload_if_changed()
    with EmojiIndex.changing(folder) as index:
        index.remove([first.id])
    assert reader.rank("pizza tonight?", k=1)[0].id == first.id
    assert reader.reload_if_changed()
    assert not reader.reload_if_changed()
    assert reader.rank("pizza tonight?", k=1)[0].id != first.id
    with pytest.raises(ValueError, match="is not in the index"):
        reader.rank("pizza tonight?", candidates=[first.id])
    EmojiIndex.rollback(folder)
    assert reader.reload_if_changed()
    assert reader.rank("pizza tonight?", k=1)[0].id == first.id


def test_a_broken_or_foreign_index_is_not_taken_over(tmp_path, small_index):
    folder = tmp_path / "index"
    shutil.copytree(paths.default_index(), folder)
    reader = EmojiRanker.load(folder)
    before = reader.rank("pizza tonight?", k=3)
    manifest = folder / "manifest.json"
    for break_it, message in (
        (lambda: small_index.save(folder), "was built with other encoder weights"),
        (lambda: manifest.write_bytes(manifest.read_bytes().replace(b"small", b"large")), "checksum differs"),
        (manifest.unlink, "There is no index"),
    ):
        break_it()
        with pytest.raises(ValueError, match=message):
            reader.reload_if_changed()
        assert reader.rank("pizza tonight?", k=3) == before


def test_an_index_in_memory_is_not_reloaded(ranker):
    with pytest.raises(ValueError, match="in memory alone"):
        EmojiRanker(ranker.index, ranker.encoder, ranker.vae).reload_if_changed()


@pytest.mark.parametrize(
    ("weights", "file"),
    [("encoder", f) for f in ExportedEncoder.files]
    + [("vae", f) for f in ExportedVAE.files + ExportedVAE.drawing_files],
)
def test_a_byte_changed_in_weights_is_found(tmp_path, weights, file):
    folder = tmp_path / weights
    shutil.copytree({"encoder": paths.encoder_weights, "vae": paths.vae_weights}[weights](), folder)
    content = (folder / file).read_bytes()
    for position in (0, len(content) // 3, len(content) - 1):
        damaged = bytearray(content)
        damaged[position] ^= 0x15
        (folder / file).write_bytes(damaged)
        with pytest.raises(ValueError) as raised:  # noqa: PT011 (of several kinds)
            EmojiRanker.load(**{weights: folder})
        assert str(folder) in str(raised.value)
        assert "\n" not in str(raised.value)
