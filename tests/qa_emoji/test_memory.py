from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qa_emoji import Answer, EmojiIndex, EmojiRanker
from qa_emoji.cosine import unit_rows
from qa_emoji.memory import FEW, Label, Memory, Reading
from qa_emoji.runtime import Named


def words(weights):
    return np.array(list(weights), dtype=np.int32), np.array(list(weights.values()), dtype=np.float32)


def labels_of(keys, *pieces):
    return [
        Label(key.astype(np.float16), *words(each)) for key, each in zip(keys, pieces or [{}] * len(keys), strict=True)
    ]


def reading(keys, pieces=None, codes=None):
    codes = np.zeros((len(keys), 16), dtype=np.float32) if codes is None else codes
    return Reading(codes, np.asarray(keys, dtype=np.float32), pieces or [[]] * len(keys))


@pytest.mark.parametrize("n", [1, 2, FEW, FEW + 1, 20, 500])
def test_the_answer_that_is_meant_comes_first(rng, n):
    keys, codes = unit_rows(rng.normal(size=(n, 128))), unit_rows(rng.normal(size=(n, 16)))
    aimed = Memory(labels_of(keys), codes).aim(reading(keys))
    assert aimed.shape == (n, 16)
    assert aimed.dtype == np.float32
    assert np.linalg.norm(aimed, axis=1) == pytest.approx(np.ones(n), abs=1e-5)
    assert ((aimed @ codes.T).argmax(axis=1) == np.arange(n)).mean() > 0.9


def test_all_three_that_are_meant_come_first(rng):
    keys, codes = unit_rows(rng.normal(size=(600, 128))), unit_rows(rng.normal(size=(600, 16)))
    threes = rng.permutation(600).reshape(-1, 3)
    aimed = Memory(labels_of(keys), codes).aim(reading(unit_rows(keys[threes].sum(axis=1))))
    found, between = (
        np.mean(
            [
                np.isin(three, np.argsort(-cosines)[:5]).mean()
                for three, cosines in zip(threes, each @ codes.T, strict=True)
            ]
        )
        for each in (aimed, unit_rows(codes[threes].sum(axis=1)))
    )
    assert found > between + 0.03, (found, between)


def test_a_rare_word_counts_more_than_a_common_one_and_a_word_twice_counts_once(rng):
    keys = np.eye(4, 8)
    memory = Memory(labels_of(keys, {1: 1.0}, {1: 1.0, 2: 1.0}, {1: 1.0}, {}), unit_rows(rng.normal(size=(4, 16))))
    asked = [[1], [2], [2, 2, 7], [7]]
    relevance = memory.relevance(reading(np.zeros((4, 8)), asked))
    assert relevance[0, 3] == 0 < relevance[0, 0] == relevance[0, 1] < relevance[1, 1]
    assert (relevance[1] == relevance[2]).all()
    assert not relevance[3].any()


def test_together_questions_are_aimed_as_alone(rng):
    keys, codes = unit_rows(rng.normal(size=(60, 32))), unit_rows(rng.normal(size=(60, 16)))
    memory = Memory(labels_of(keys), codes)
    asked, theirs = unit_rows(rng.normal(size=(30, 32))), unit_rows(rng.normal(size=(30, 16)))
    together = memory.aim(reading(asked, codes=theirs))
    alone = [memory.aim(reading(asked[i : i + 1], codes=theirs[i : i + 1]))[0] for i in range(30)]
    assert together == pytest.approx(np.array(alone), abs=1e-4)


def test_a_question_without_any_text_in_common_gets_a_sound_code(rng):
    memory = Memory(labels_of(np.zeros((12, 4))), unit_rows(np.ones((12, 16))))
    aimed = memory.aim(reading(np.zeros((2, 4))))
    assert np.isfinite(aimed).all()


def test_labels_travel_with_the_index(small_index, tmp_path):
    small_index.save(tmp_path / "index")
    loaded = EmojiIndex.load(tmp_path / "index").labels()
    assert list(loaded) == [f"id-{i}" for i in range(5)]
    for answer_id, label in small_index.labels().items():
        assert (loaded[answer_id].key == label.key).all()
        assert loaded[answer_id].pieces.tolist() == label.pieces.tolist()
        assert loaded[answer_id].weights.tolist() == label.weights.tolist()
    small_index.remove(["id-0"])
    assert "id-0" not in small_index.labels()
    small_index.remove(["id-1", "id-2", "id-3", "id-4"])
    assert small_index.memory() is None


@pytest.mark.parametrize(
    "labels",
    [
        [Label(np.ones(9), *words({}))],
        [Label(np.full(8, np.nan), *words({}))],
        [Label(np.ones((1, 8)), *words({}))],
        [Label(np.ones(8), *words({-1: 1.0}))],
        [Label(np.ones(8), *words({1: np.inf}))],
        [Label(np.ones(8), words({1: 1.0})[0], words({})[1])],
        [None, None],
    ],
)
def test_labels_that_do_not_fit_are_refused_and_nothing_is_added(small_index, labels):
    with pytest.raises(ValueError, match=r"[Kk]eys|pieces of|1 answers came with 2 labels"):
        small_index.add([Answer("new", None, "new", "unseen")], np.ones((1, 16)), labels)
    assert "new" not in small_index


def test_a_name_is_found_by_its_words(ranker):
    names = [Named("new-1", "zeppelin mechanic", ("airship", "repair")), Named("new-2", "quartz teapot")]
    first, second = ranker.encoder.labels(names)
    assert first.key.dtype == np.float16
    assert np.linalg.norm(first.key.astype(float)) == pytest.approx(1, abs=1e-2)
    shared = set(first.pieces.tolist()) & set(second.pieces.tolist())
    assert set(ranker.encoder.tokenizer.encode("airship")) <= set(first.pieces.tolist())
    of_name, of_keywords = (ranker.encoder.tokenizer.encode(text)[0] for text in ("mechanic", "repair"))
    assert first.weights.min() > 0
    assert of_name not in shared
    assert of_keywords in first.pieces.tolist()


def test_a_new_name_is_found_at_once_and_found_no_more_when_it_is_gone(ranker):
    index = EmojiIndex(about=ranker.index.about)
    kept = [a for a in ranker.index.answers if a.source == "known"]
    codes, labels = ranker.index.codes([a.id for a in kept]), ranker.index.labels()
    index.add(kept, codes, [labels[a.id] for a in kept])
    code = ranker.encoder.encode(["zeppelin mechanic"])
    index.add([Answer("z", None, "zeppelin", "unseen")], code, ranker.encoder.labels([Named("z", "zeppelin mechanic")]))
    mine = EmojiRanker(index, ranker.encoder, ranker.vae)
    assert mine.rank("a zeppelin mechanic", k=1)[0].id == "z"
    index.remove(["z"])
    assert mine.rank("a zeppelin mechanic", k=1)[0].id != "z"


def test_an_index_without_names_is_searched_by_the_codes_of_texts(ranker):
    index = EmojiIndex(about=ranker.index.about)
    some = [dataclasses.replace(a) for a in ranker.index.answers[:50]]
    index.add(some, ranker.index.codes([a.id for a in some]))
    mine = EmojiRanker(index, ranker.encoder, ranker.vae)
    assert (mine.encode(["pizza"]) == ranker.encoder.encode(["pizza"])).all()


def test_scores_are_the_cosines_of_codes(ranker):
    texts = ["pizza tonight?", "where is my jellyfish", "so tired"]
    for text, code in zip(texts, ranker.encode(texts), strict=True):
        for answer in ranker.rank(text, k=7):
            assert answer.score == pytest.approx(float(answer.code @ code), abs=1e-4)
