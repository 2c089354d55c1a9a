"""Measures of the image side: reconstruction, neighbours, latents, drawn pictures and fresh answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qa_emoji.catalog import Catalog, Emoji
from qa_emoji.cosine import unit_rows
from qa_emoji.evaluation import by_codes
from qa_emoji.metrics import hit_at_k, judge
from qa_emoji.questions import Question
from qa_emoji.ranker import EmojiRanker
from qa_emoji.runtime import ExportedVAE
from vae import metrics

NEAREST = 3  # real emojis to a fresh picture


@dataclass(frozen=True)
class Pictures:
    """Emojis with their images, (n, 4, 36, 36) float32: known base forms, and all that is unseen but for variants.

    The unseen are the 351 base forms and four hair styles of Emoji 11 to 17.
    """

    known: Sequence[Emoji]
    known_images: np.ndarray
    unseen: Sequence[Emoji]
    unseen_images: np.ndarray

    @classmethod
    def load(cls, catalog: Catalog, load: Callable[[Sequence[Emoji]], np.ndarray]) -> Pictures:
        """All that a source of images has of a catalogue."""
        known, unseen = catalog.base_forms("known"), [e for e in catalog.unseen() if not e.base]
        return cls(known, load(known), unseen, load(unseen))

    @property
    def unseen_answers(self) -> np.ndarray:
        """Which of the unseen are base forms: (n,) bool."""
        return np.array([e.is_base_form for e in self.unseen])

    def encode(self, encode: Callable[[np.ndarray], np.ndarray]) -> Codes:
        """Codes of all."""
        return Codes(encode(self.known_images), encode(self.unseen_images))


@dataclass(frozen=True)
class Codes:
    """Codes of the images of `Pictures`, (n, d) each."""

    known: np.ndarray
    unseen: np.ndarray


def reconstruction(pictures: Pictures, codes: Codes, decode: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    """Mean squared error over images, pixels and channels."""
    return {
        "MSE unseen": float(metrics.squared_error(pictures.unseen_images, decode(codes.unseen)).mean()),
        "MSE known": float(metrics.squared_error(pictures.known_images, decode(codes.known)).mean()),
    }


def neighbours(pictures: Pictures, codes: Codes) -> dict[str, float]:
    """Share of the 10 known base forms nearest by cosine that are of an emoji's own Unicode subgroup."""
    others = pictures.unseen_answers
    groups = [e.subgroup for e in pictures.known]
    asking = [e.subgroup for e in pictures.unseen if e.is_base_form]
    precision = metrics.neighbour_precision
    return {
        "neighbours unseen": float(precision(codes.known, groups, codes.unseen[others], asking).mean()),
        "neighbours known": float(precision(codes.known, groups).mean()),
    }


def odd_images(rng: np.random.Generator) -> np.ndarray:
    """Blank, full, black, half-transparent, checked and noisy images, (8, 4, 36, 36) float32, premultiplied."""
    shape = (4, 36, 36)
    black, checked = np.zeros(shape), np.zeros(shape)
    black[3] = 1
    checked[:, ::2, ::2] = 1
    noise = rng.random((3, *shape))
    noise[:, :3] *= noise[:, 3:]
    return np.stack([np.zeros(shape), np.ones(shape), black, np.full(shape, 0.5), checked, *noise]).astype(np.float32)


def drawing(vae: ExportedVAE, real: np.ndarray, real_features: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
    """How drawn images, (n, 4, 36, 36), compare with real ones by the judge's features, and how new they are.

    ``real_features`` are the judge's of the ``real`` images, (m, 64).
    """
    features, probabilities = vae.judge(drawn)
    precision, recall = metrics.precision_recall(real_features, features)
    distance = metrics.novelty(drawn, real)
    return {
        "Fréchet": metrics.frechet_distance(real_features, features),
        "precision": precision,
        "recall": recall,
        "recognised": float((probabilities.max(axis=1) >= vae.recognised_above).mean()),
        "nearest real, least": float(distance.min()),
        "nearest real, median": float(np.median(distance)),
    }


def just_noticeable(pictures: Pictures) -> float:
    """The 1st percentile of how far a real base form is from the one most like it, root mean squared over pixels.

    Those are pairs that their artist meant to be told apart and that people do tell apart, with little between them.
    """
    nearest = metrics.novelty(pictures.known_images)
    return float(np.quantile(nearest[nearest > 1e-3], 0.01))  # some emojis share one picture


def image_only(
    catalog: Catalog,
    encode: Callable[[Sequence[str]], np.ndarray],
    codes: np.ndarray,
    questions: Sequence[Question],
) -> dict[str, float]:
    """hit@5 and hit@10 of the questions whose every accepted emoji is unseen, among all base forms.

    ``encode`` makes codes of texts without knowing what answers are called; ``codes`` are (n, 16), of the known base
    forms and then of the unseen ones, the latter made from images alone.
    """
    asked = [q for q in questions if q.kind(catalog) == "unseen"]
    emojis = [*catalog.base_forms("known"), *catalog.base_forms("unseen")]
    recommend = by_codes(encode, {e.emoji: code for e, code in zip(emojis, codes, strict=True)})
    ranked = recommend([q.text for q in asked], emojis, 10)
    judged = judge(ranked, [set(q.emojis) for q in asked])
    hits = {f"hit@{k}": float(hit_at_k(judged, k).mean()) for k in (5, 10)}
    return {"n": float(len(asked)), **hits}


def fresh_answers(ranker: EmojiRanker, questions: Sequence[Question]) -> dict[str, float]:
    """What is drawn for each question, encoded again from the picture: does it answer?

    The cosine of the question to what the picture says, and of the questions with a right answer in the first five,
    for how many one of the real emojis most like the picture is accepted.
    """
    real = [answer for answer in ranker.index.answers if answer.emoji and answer.latent is not None]
    looks = unit_rows(np.stack([answer.latent for answer in real if answer.latent is not None]))
    cosines, shared, right = [], [], []
    frame = ranker.rank_batch([q.text for q in questions], k=5)
    found = frame["answer"].to_numpy().reshape(len(questions), -1)
    for question, top in zip(questions, found, strict=True):
        drawn = ranker.draw(1, about=question.text)
        if not drawn:
            cosines.append(0.0)
            shared.append(False)
        else:
            cosines.append(drawn[0].score or 0.0)
            picture = ranker.vae.draw(np.stack([a.latent for a in drawn if a.latent is not None]))
            likeness = looks @ unit_rows(ranker.vae.encode(picture, steps=0)[0])[0]
            nearest = [real[i].emoji for i in np.argsort(-likeness, kind="stable")[:NEAREST]]
            shared.append(bool({*nearest} & {*question.emojis}))
        right.append(bool({*top} & {*question.emojis}))
    return {
        "cosine": float(np.mean(cosines)),
        "shared": float(np.mean(np.array(shared)[np.array(right)])),
        "right": float(np.sum(right)),
        "n": float(len(questions)),
    }
