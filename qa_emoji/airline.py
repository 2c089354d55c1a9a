"""The seed's own experiment: airline tweets to three emojis by triplets and a hinge. For the experiment alone, never
for shipped weights: the tweets' licence is non-commercial.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qa_emoji.corpora import existing
from qa_emoji.cosine import unit_rows
from qa_emoji.encoder import TextEncoder
from qa_emoji.losses import triplet_hinge
from qa_emoji.tokenizer import Tokenizer, normalize
from qa_emoji.training import encode_ragged, features_of
from vae.optimization import one_cycle

EMOJIS = {"positive": "🎉", "neutral": "😈", "negative": "😡"}
ANSWERS = tuple(EMOJIS.values())
SAMPLE, TRAIN = 5_000, 4_089  # tweets, and those of them that are trained on: the rest, 911, validates
MARGIN = 0.2


@dataclass(frozen=True)
class AirlineConfig:
    """How to train: batches of ``batch_size`` triplets, each tweet with a wrong answer drawn anew in each epoch.

    With ``head_only`` what the convolutions find, which a pretrained encoder brings, stays as it is.
    """

    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 3e-3
    dropout: float = 0.3
    head_only: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Triplets:
    """n tweets, the right and a wrong answer of each as places in `ANSWERS`: (n,) int64 both."""

    texts: list[str]
    right: np.ndarray
    wrong: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Outcome:
    """Of each validation tweet the place in `ANSWERS` of its best answer, (n,) int64, and, where answers are found by
    cosine, its hinge loss, (n,) float32."""

    predicted: np.ndarray
    losses: np.ndarray | None = None


def load(corpora: str | Path) -> list[tuple[str, str]]:
    """Tweets with their sentiment, in the file's order; of tweets that read alike after normalisation, the first.

    Raises FileNotFoundError for a missing file; ValueError, with the line, for a sentiment that is none.
    """
    path = existing(Path(corpora) / "airline" / "tweets.csv")
    tweets: dict[str, tuple[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            text, sentiment = row.get("text"), row.get("airline_sentiment")
            if not text or sentiment not in EMOJIS:
                raise ValueError(
                    f"{path}, line {reader.line_num}: it should have a text and an airline_sentiment, "
                    f"{', '.join(EMOJIS)}."
                )
            tweets.setdefault(normalize(text), (text, sentiment))
    return list(tweets.values())


def split(
    tweets: Sequence[tuple[str, str]],
    *,
    outside: bool = False,
    seed: int = 0,
    sample: int | None = None,
    train: int | None = None,
) -> tuple[Triplets, Triplets]:
    """A random sample of tweets in two, to train on and to validate on, each with one random wrong answer.

    With ``outside``, another sample of the same size, from the tweets that are not in the first: to choose a
    configuration by. The sizes are the seed's, `SAMPLE` and `TRAIN`, when not given. Raises ValueError when there are
    too few tweets.
    """
    sample, train = SAMPLE if sample is None else sample, TRAIN if train is None else train
    if not 0 < train < sample or len(tweets) < sample * (2 if outside else 1):
        raise ValueError(f"{len(tweets)} tweets are too few for a sample of {sample} with {train} to train on.")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(tweets))
    rows = order[sample : 2 * sample] if outside else order[:sample]
    parts = []
    for part in (rows[:train], rows[train:]):
        right = np.array([ANSWERS.index(EMOJIS[tweets[i][1]]) for i in part])
        parts.append(Triplets([tweets[i][0] for i in part], right, another(right, generator)))
    return parts[0], parts[1]


def another(right: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random wrong answer for each right one, as places in `ANSWERS`: (n,)."""
    return (right + generator.integers(1, len(ANSWERS), size=len(right))) % len(ANSWERS)


def train(
    model: TextEncoder,
    tokenizer: Tokenizer,
    triplets: Triplets,
    codes: np.ndarray,
    config: AirlineConfig = AirlineConfig(),
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> TextEncoder:
    """Train an encoder, in place, to point at the frozen codes of the right answers: (3, 16), in `ANSWERS`' order."""
    ids = [tokenizer.encode(text) for text in triplets.texts]
    answers = torch.from_numpy(codes)
    trained = torch.nn.ModuleList([model.hidden, model.code]) if config.head_only else model
    found = _found(model, ids) if config.head_only else None
    optimizer = torch.optim.Adam(trained.parameters(), lr=config.learning_rate)
    batches = len(ids) // config.batch_size
    steps = config.epochs * batches
    for epoch in range(config.epochs):
        draw = np.random.default_rng([config.seed, epoch])
        order, wrong = draw.permutation(len(ids)), another(triplets.right, draw)
        for batch in range(batches):
            step = epoch * batches + batch
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, steps, config.learning_rate, warm_up=0.1)
            rows = order[batch * config.batch_size : (batch + 1) * config.batch_size]
            with torch.random.fork_rng():
                torch.manual_seed(config.seed * steps + step)  # dropout draws from torch's global generator
                if found is None:
                    questions = encode_ragged(_for_training(model), [ids[i] for i in rows])
                else:
                    questions = _for_training(model).head(found[rows])
            loss = triplet_hinge(questions, answers[triplets.right[rows]], answers[wrong[rows]], MARGIN)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
            optimizer.step()
            if on_step:
                on_step(step + 1, {"hinge": loss.item()})
    return model.eval()


def _found(model: TextEncoder, ids: Sequence[Sequence[int]]) -> Tensor:
    """What the convolutions find in texts, without gradients: (n, filters x widths + E)."""
    with torch.no_grad():
        return features_of(model.eval(), ids, parts=64)


def _for_training(model: TextEncoder) -> TextEncoder:
    """Training mode, but codes are not centred over a batch: two in three tweets do have a direction in common, 😡."""
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d) and not module.affine:
            module.eval()
    return model


def validate(model: TextEncoder, tokenizer: Tokenizer, triplets: Triplets, codes: np.ndarray) -> Outcome:
    """The outcome of an encoder on triplets that it was not trained on."""
    with torch.no_grad():
        questions = encode_ragged(model.eval(), [tokenizer.encode(text) for text in triplets.texts], parts=16)
    return judge(questions.numpy(), triplets, codes)


def judge(questions: np.ndarray, triplets: Triplets, codes: np.ndarray) -> Outcome:
    """The outcome of codes of questions, (n, 16), of any length, against those of the answers, (3, 16)."""
    cosines = unit_rows(questions) @ unit_rows(codes).T  # (n, 3)
    rows = np.arange(len(triplets))
    gaps = cosines[rows, triplets.right] - cosines[rows, triplets.wrong]
    return Outcome(cosines.argmax(axis=1), np.maximum(0, MARGIN - gaps))


def by_linear_svm(train: Triplets, validation: Triplets) -> Outcome:
    """A peer without cosines: words and character n-grams by TF-IDF, and a linear SVM with balanced weights."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
    )
    peer = make_pipeline(features, LinearSVC(C=0.3, class_weight="balanced", random_state=0))
    peer.fit([normalize(text) for text in train.texts], train.right)
    return Outcome(peer.predict([normalize(text) for text in validation.texts]))
