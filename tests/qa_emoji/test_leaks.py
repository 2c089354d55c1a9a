"""Nothing labelled unseen reaches training: no image, name, keyword or text, in no corpus and not in the tokenizer's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qa_emoji import corpora, encoder_jobs, jobs, paths, questions, training, vae_jobs
from qa_emoji.catalog import canonical
from qa_emoji.corpora import MENTIONS, Gate, Pair, Synset, mentions
from qa_emoji.encoder import TextEncoderConfig
from qa_emoji.tokenizer import Tokenizer, normalize
from vae.training import TrainingConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Corpora of a few lines in the form of the real ones, each with something unseen in it."""
    folder = tmp_path_factory.mktemp("corpora")
    files = {
        "emoogle/emoogle-emoji-keywords.json": json.dumps({"🍕": ["pizza", "shared"], "🦩": ["flamingo", "shared", "pink bird"]}),
        "emoji2vec/emoji_joined.txt": "cheese slice\t🍕\ncheese wheel\t🍕\nwaffle\t🧇\nsmile\t🧇\nleft\t🤚🏿\nstop sign\t🤚🏿\n",
        "emoji2vec/dev.txt": "smile\t🧇\tTrue\n",
        "emoji2vec/test.txt": "Cheese Wheel\t🍕\tTrue\nleft\t🤚🏾\tTrue\ncheese slice\t🚀\tFalse\n",
        "tweeteval_emoji/mapping.txt": "0\t❤\t_red_heart_\n1\t🥰\t_smiling_face_with_hearts_\n",
        "tweeteval_emoji/train_text.txt": "so sweet \ufe0f\nadorable\nlunch &amp; 🧇\nHeld  back\n",
        "tweeteval_emoji/train_labels.txt": "0\n1\n0\n0\n",
        "tweeteval_emoji/val_text.txt": "held back\n",
        "tweeteval_emoji/val_labels.txt": "0\n",
        "goemotions/labels.txt": "joy\nneutral\nlove\n",
        "goemotions/train.tsv": "what a day\t0\tid1\nit is a day\t1\tid2\nflamingo\t1\tid3\nthanks 🥰\t0\tid4\nso cute\t2\tid5\n",
        "wordnet/data.noun": "  1 licence\n00001 18 n 02 yo-yo 0 toy_boat 0 000 | a toy; \"he bought a toy\"; \"flamingo\"\n00002 18 n 01 New_York 0 000 | a city of many people on an island in a river\n",
        "wordnet/data.verb": "00001 29 v 01 bow_out(p) 0 000 00 | remove oneself\n",
        "wordnet/data.adj": "",
        "wordnet/data.adv": "",
        "wordnet/index.noun": "  1 licence\nnew_york n 1 0 1 0 00002\ntoy_boat n 2 0 2 0 00009 00001\nyo-yo n 1 0 1 0 00001\n",
        "data/messages.csv": "text,emojis\nsweet dreams,😴\nheld  back,😴\nso soft,🧸 😴\nrain on the way,🌧️ 🌂\n",
        "data/carriers.csv": "kind,text\nany,see the {}\nobject,give me my {}\nplace,go to {}\n",
        "data/goemotions.csv": "emotion,emojis\njoy,😀\nlove,😍 🥰\n",
    }  # fmt: skip
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (folder / "data/questions.csv").write_text(Path("data/questions.csv").read_text("utf-8"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def pairs(catalog, folder) -> dict[str, list[Pair]]:
    return corpora.training_pairs(catalog, folder, folder / "wordnet", folder / "data")


def test_no_unseen_emoji_labels_a_training_text(catalog, pairs):
    for name, part in pairs.items():
        assert part, name
        for pair in part:
            assert all(catalog[e].known and catalog[e].is_base_form for e in pair.emojis), pair


def words(emojis) -> set[str]:
    return {normalize(text) for e in emojis for text in (e.name, *e.keywords)}


def test_no_training_text_is_an_unseen_word_or_has_an_unseen_emoji(catalog, pairs):
    names = words(catalog.unseen()) - words(catalog.known())
    assert len(names) > 1000
    emojis = [canonical(e.emoji) for e in catalog.unseen()]
    for part in pairs.values():
        for pair in part:
            assert normalize(pair.text) not in names, pair
            assert pair.text.isascii() or not any(e in canonical(pair.text) for e in emojis), pair


def test_what_the_readers_keep_and_drop(pairs):
    keywords = {p.text: p.emojis for p in pairs["keywords"]}
    assert keywords["shared"] == ("🍕",)
    assert "🍕" in keywords["cheese slice"]
    assert "🤚" in keywords["stop sign"]
    assert not {"flamingo", "waffle", "pink bird"} & set(keywords)
    assert [(p.text, p.emojis) for p in pairs["tweets"]] == [("so sweet ", ("❤\ufe0f",))]
    assert [(p.text, p.emojis) for p in pairs["comments"]] == [("what a day", ("😀",))]
    assert {p.text for p in pairs["unlabelled"]} == {
        "cheese wheel",
        "left",
        "it is a day",
        "toy boat",
        "bow out",
    }
    assert [p.text for p in pairs["examples"]] == ["he bought a toy"]
    assert {p.text for p in pairs["definitions"]} == {
        "a toy",
        "a city of many people on an island in a river",
        "remove oneself",
    }
    assert {p.text for p in pairs["stand-ins"]} == {"toy boat", "bow out: remove, oneself"}
    asked = {p.text: p.emojis for p in pairs["questions"]}
    assert asked["rain on the way"] == ("🌧️", "🌂")
    assert not {"held  back", "so soft"} & set(asked)
    mentioned = {p.text: p.emojis for p in pairs["mentions"]}
    assert mentioned["see the cheese slice"] == ("🍕",)
    assert not any("toy boat" in text for text in mentioned), "its first sense is another"
    assert not any("yo-yo" in p.text for part in pairs.values() for p in part)
    assert len(pairs["typos"]) > 1000
    assert {len(p.text.split()) for p in pairs["fragments"]} <= {2, 3, 4, 5, 6}


def test_every_corpus_of_the_mixture_is_read(pairs):
    assert {name for name, _ in training.TextTrainingConfig().mixture} == set(pairs)


def test_what_is_mentioned(catalog):
    synsets = [
        Synset(("heron", "wader"), "a large bird", (), "animal", ("heron",)),
        Synset(("yo-yo",), "a toy", (), "object", ("yo-yo",)),
        Synset(("bank",), "a slope", (), "place", ()),
        Synset(("run",), "move fast", ()),
    ]
    carriers = {"animal": ["feed the {}"], "any": ["feed the {}"]}
    mentioned = list(mentions(synsets, [Pair("frog", ("🐸",))], carriers, Gate(catalog)))
    heron = Pair("feed the heron", (), "heron: wader, large, bird")
    assert mentioned == [*[heron] * MENTIONS, Pair("feed the frog", ("🐸",))]


def test_no_label_that_emoji2vec_tests_with_is_trained_on(pairs):
    assert "cheese wheel" not in {p.text for p in pairs["keywords"]}
    assert [p.emojis for p in pairs["unlabelled"] if p.text == "cheese wheel"] == [()]
    assert "left" not in {p.text for p in pairs["keywords"]}, "tested with in another skin tone"
    assert "🚀" not in {p.text: p.emojis for p in pairs["keywords"]}["cheese slice"]


def test_no_question_that_an_unseen_emoji_answers_is_trained_on(catalog, pairs):
    answered_by_unseen = {
        normalize(q.text)
        for q in questions.load("data/questions.csv", catalog)
        if not all(catalog[e].known for e in q.emojis)
    }
    assert len(answered_by_unseen) > 1000
    assert len(pairs["questions"]) > 400
    for part in pairs.values():
        assert not answered_by_unseen & {normalize(p.text) for p in part}


def test_no_dev_or_test_question_is_trained_on(catalog, pairs):
    held_out = {normalize(q.text) for q in questions.load("data/questions.csv", catalog) if q.split != "train"}
    assert len(held_out) > 1000
    for part in pairs.values():
        assert not held_out & {normalize(p.text) for p in part}


def test_questions_that_only_unseen_emojis_answer_are_dev_or_test(catalog):
    for question in questions.load("data/questions.csv", catalog):
        assert question.split != "train" or any(catalog[e].known for e in question.emojis)


def test_the_tokenizer_reads_the_gated_texts_alone(catalog, folder, monkeypatch):
    read = []

    def spy(texts, vocabulary):
        read.extend(texts)
        raise InterruptedError

    monkeypatch.setattr(Tokenizer, "train", spy)
    with pytest.raises(InterruptedError):
        encoder_jobs.train_encoder(
            catalog, folder, folder / "wordnet", folder / "out", data=folder / "data", work=folder
        )
    gate = Gate(catalog)
    assert len(read) > 1000
    assert not (words(catalog.unseen()) - words(catalog.known())) & {normalize(text) for text in read}
    assert all(gate.admits(text) for text in read)


def test_the_vae_is_trained_on_known_images_alone(catalog, tmp_path, monkeypatch):
    trained_on = []

    def spy(pictures, *, meaning, **_):
        trained_on.append((pictures, meaning))
        raise InterruptedError

    monkeypatch.setattr("vae.training.train", spy)
    config = TrainingConfig(epochs=1, arrangement=1.0)
    with pytest.raises(InterruptedError):
        vae_jobs.pretrain_vae(catalog, "twemoji", tmp_path, work=tmp_path, config=config)
    pictures, meaning = trained_on[0]
    np.testing.assert_array_equal(pictures, jobs.load_images("twemoji", catalog.known()))
    assert len(pictures) == 2654
    assert len(meaning.affinity) == sum(not e.base for e in catalog.known())


def test_judge_and_painter_are_trained_on_known_images_alone(catalog, tmp_path, monkeypatch):
    seen = []

    def spy_judge(pictures, kinds, held_out, **_):
        seen.append(pictures)
        return None, 0.0

    def spy_painter(model, pictures, codes, **_):
        seen.append(pictures)
        raise InterruptedError

    monkeypatch.setattr("vae.judge.train", spy_judge)
    monkeypatch.setattr("vae.painting.train", spy_painter)
    monkeypatch.setattr(vae_jobs, "load_images", lambda _, emojis: np.array([e.known for e in emojis]))
    monkeypatch.setattr(vae_jobs.ExportedVAE, "encode", lambda _, pictures: (np.zeros((len(pictures), 16)), None))
    with pytest.raises(InterruptedError):
        vae_jobs.train_painter(catalog, "twemoji", paths.vae_weights(), work=tmp_path)
    assert all(pictures.all() for pictures in seen)
    assert len(seen) == 2


@pytest.mark.parametrize("name", ["seed", "autoencoder"])
def test_peers_are_trained_on_known_images_alone(name, catalog, tmp_path, monkeypatch):
    def spy(pictures, **_):
        assert pictures.all()
        assert len(pictures) == 2654
        raise InterruptedError

    monkeypatch.setattr("vae.training.train", spy)
    monkeypatch.setattr("vae.peers.train_seed", spy)
    monkeypatch.setattr(vae_jobs, "load_images", lambda _, emojis: np.array([e.known for e in emojis]))
    with pytest.raises(InterruptedError):
        vae_jobs.train_peer(name, catalog, "twemoji", tmp_path, work=tmp_path)


def test_the_validation_tenth_keeps_variants_with_their_base_form(catalog):
    known = catalog.known()
    held = dict(zip((canonical(e.emoji) for e in known), vae_jobs.is_validation(known), strict=True))
    assert all(held[canonical(e.emoji)] == held[canonical(e.base)] for e in known if e.base)
    assert 0.05 < np.mean(list(held.values())) < 0.15


def test_the_loop_refuses_unseen_answers(catalog):
    with pytest.raises(ValueError, match="Only known base forms"):
        training.train(
            {}, catalog.base_forms("unseen"), np.eye(16, dtype=np.float32), None, model_config=TextEncoderConfig()
        )


@pytest.mark.parametrize(
    ("emoji", "known"), [("🤩", True), ("🧛", True), ("🥰", False), ("🧇", False), ("🇦", True), ("🦰", False)]
)
def test_emoji_5_is_the_last_known_version(catalog, emoji, known):
    assert catalog[emoji].known is known
