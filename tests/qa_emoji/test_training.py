from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from qa_emoji.answer import emoji_id
from qa_emoji.corpora import Pair
from qa_emoji.cosine import unit_rows
from qa_emoji.encoder import TextEncoder, TextEncoderConfig, pad
from qa_emoji.tokenizer import Tokenizer
from qa_emoji.training import STAND_INS, Corpus, Neighbourhoods, TextTrainingConfig, encode_ragged, features_of, train

WORDS = {"🍕": "pizza cheese slice", "🚀": "rocket space launch", "🐶": "dog puppy bark", "🌧️": "rain wet cloud"}
MIXTURE = (("pairs", 0.75), ("plain", 0.25))


@pytest.fixture(scope="module")
def setting(catalog):
    pairs = [Pair(f"{a} {b}", (emoji,)) for emoji, words in WORDS.items() for a in words.split() for b in words.split()]
    tokenizer = Tokenizer.train([p.text for p in pairs] * 5, 285)
    rng = np.random.default_rng(0)
    known = [catalog[e] for e in WORDS]
    teacher = unit_rows(rng.normal(size=(4, 8)))
    rows = [list(WORDS).index(p.emojis[0]) for p in pairs]
    corpora = {
        "pairs": Corpus(pairs, teacher[rows]),
        "plain": Corpus([Pair(p.text, ()) for p in pairs], teacher[rows]),
        STAND_INS: Corpus(
            [Pair(text, ()) for text in ("ice: snow", "cake: sweet", "car")], unit_rows(rng.normal(size=(3, 8)))
        ),
    }
    codes = unit_rows(rng.normal(size=(4, 16)))
    model_config = TextEncoderConfig(len(tokenizer), embedding_dim=16, filters=16, hidden_dim=16, dropout=0)
    return corpora, known, codes, tokenizer, model_config, teacher


@pytest.mark.parametrize("loss", ["contrastive", "triplet"])
@pytest.mark.parametrize("teaching", [True, False])
@pytest.mark.parametrize("stand_ins", [0, 2])
def test_a_small_model_learns_its_pairs(setting, loss, teaching, stand_ins):
    corpora, known, codes, tokenizer, model_config, teacher = setting
    config = TextTrainingConfig(
        steps=600,
        batch_size=32,
        learning_rate=1e-2,
        loss=loss,
        margin=0.8,
        mixture=MIXTURE,
        siamese_batch=8,
        stand_ins=stand_ins,
        bfloat16=False,
    )
    model = train(
        corpora,
        known,
        codes,
        tokenizer,
        model_config=model_config,
        config=config,
        known_teacher=teacher if teaching else None,
    )
    pairs = corpora["pairs"].pairs
    with torch.no_grad():
        ours = encode_ragged(model, [tokenizer.encode(p.text) for p in pairs]).numpy()
    nearest = (unit_rows(ours) @ codes.T).argmax(1)
    assert np.mean([known[i].emoji == p.emojis[0] for i, p in zip(nearest, pairs, strict=True)]) > 0.9  # by chance 0.25


def test_keys_learn_what_names_do_not_say(setting):
    corpora, known, codes, tokenizer, model_config, _ = setting
    model_config = dataclasses.replace(model_config, key_dim=24, emojis=tuple(emoji_id(e.emoji) for e in known))
    config = TextTrainingConfig(
        steps=200, batch_size=32, learning_rate=1e-2, mixture=(("pairs", 1.0),), siamese_batch=8, own_share=0.8, bfloat16=False
    )  # fmt: skip
    model = train(corpora, known, codes, tokenizer, model_config=model_config, config=config)
    assert model.emojis.norm(dim=1).min() > 0.05
    pairs = corpora["pairs"].pairs
    with torch.no_grad():
        names, asked = (
            model.apart(model.vectors(model.hidden(features_of(model, [tokenizer.encode(t) for t in texts], 2))))[1]
            for texts in ([e.description for e in known], [p.text for p in pairs])
        )
        nearest = (asked @ torch.nn.functional.normalize(names + model.emojis).T).argmax(1)
    assert [known[i].emoji for i in nearest.tolist()] == [p.emojis[0] for p in pairs]


def test_vectors_of_other_emojis_than_those_trained_on_are_refused(setting):
    corpora, known, codes, tokenizer, model_config, _ = setting
    with pytest.raises(ValueError, match="should be those that it is trained on"):
        train(corpora, known, codes, tokenizer, model_config=dataclasses.replace(model_config, emojis=("1f9cb",)))


def test_an_unknown_loss_is_refused(setting):
    corpora, known, codes, tokenizer, model_config, _ = setting
    config = TextTrainingConfig(steps=1, batch_size=8, loss="magic", mixture=MIXTURE)
    with pytest.raises(ValueError, match="not 'magic'"):
        train(corpora, known, codes, tokenizer, model_config=model_config, config=config)


def test_a_killed_run_resumes_to_the_same_model(setting, tmp_path):
    corpora, known, codes, tokenizer, model_config, teacher = setting
    config = TextTrainingConfig(steps=12, batch_size=16, mixture=MIXTURE, siamese_batch=4, refresh=5)

    def run(**arguments) -> TextEncoder:
        return train(
            corpora,
            known,
            codes,
            tokenizer,
            model_config=model_config,
            config=config,
            known_teacher=teacher,
            **arguments,
        )

    def stop(step, losses):
        if step == 7:
            raise KeyboardInterrupt

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=tmp_path / "c.safetensors", on_step=stop)
    resumed = run(checkpoint=tmp_path / "c.safetensors")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


def test_half_of_the_stand_ins_are_near_the_questions():
    rng = np.random.default_rng(0)
    middles = np.eye(4, 8)
    vectors = unit_rows(np.repeat(middles, 50, axis=0) + 0.05 * rng.normal(size=(200, 8)))
    drawn = Neighbourhoods(vectors, size=50).draw(middles[:1].astype(np.float32), 80, rng)
    assert (drawn[:40] < 50).all()
    assert 3 <= (drawn[40:] < 50).sum() <= 20
    assert len(drawn) == 80


def test_an_embedding_sets_out_with_the_meanings_given(setting):
    corpora, known, codes, tokenizer, model_config, _ = setting
    vectors = np.random.default_rng(0).normal(size=(len(tokenizer), 16)).astype(np.float32)
    config = TextTrainingConfig(steps=1, batch_size=8, mixture=MIXTURE, embedding_learning_rate=0.0)
    model = train(corpora, known, codes, tokenizer, model_config=model_config, config=config, piece_vectors=vectors)
    np.testing.assert_array_equal(model.embedding.weight[1:].detach().numpy(), vectors[1:])


def test_ragged_encoding_keeps_the_order(setting):
    model = TextEncoder(setting[4]).eval()
    ids = [[5, 6, 7], [8], [9, 10, 11, 12, 13], [5, 6], [7]]
    with torch.no_grad():
        together, alone = encode_ragged(model, ids, parts=2), torch.cat([model(pad([row])) for row in ids])
    torch.testing.assert_close(together, alone)
