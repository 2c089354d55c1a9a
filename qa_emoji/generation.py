"""Emojis that nobody has drawn: decoded and painted, re-encoded from what was really drawn, and sifted.

A picture enters an index, or answers a question, when

- it shows something: at least `COVERAGE` of its area is opaque, and less of it is hazy than opaque;
- it can be recognised: the judge of `vae.judge` is as sure of its kind as of nine in ten real emojis new to it;
- it is stable: encoded again it points where it was decoded from, with a cosine of at least `CYCLE`;
- it is new: no existing emoji and no picture taken before has a latent code with a cosine above `NOVELTY` to its own.

A picture has no name. Its code for search is read from the existing emojis whose pictures are most like it
(`qa_emoji.fusion.read_images`). To draw for a question the same way is gone back: from the emojis that answer it to a
mixture of what they look like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from qa_emoji.answer import Answer
from qa_emoji.cosine import unit_rows
from qa_emoji.fusion import read_images
from vae import sampling

COVERAGE = 0.15
CYCLE = 0.9
NOVELTY = 0.97

_OPAQUE, _CLEAR = 0.75, 0.25
_KERNEL = 0.05  # width, in cosine, of the kernel over answers to a question
_MIXED = 5  # answers in a mixture
_PROPOSED = 256  # latent codes in each round: thinking of one costs a thousandth of drawing it
_DRAWS, _LEAST_DRAWN = 3, 16  # of them, those that promise most: for each that is still wanted, and in a round
_ROUNDS = 12


class Autoencoder(Protocol):
    """The exported VAE or one like it."""

    def encode(self, images: np.ndarray, *, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, 4, 36, 36) -> means and log-variances, each (n, 16)."""
        ...

    def draw(self, codes: np.ndarray) -> np.ndarray:
        """(n, 16) -> (n, 4, 36, 36)."""
        ...

    def recognised(self, images: np.ndarray) -> np.ndarray:
        """(n, 4, 36, 36) -> (n,) bool."""
        ...


class Illustrator:
    """Draws new emojis beside a set of existing answers."""

    def __init__(self, vae: Autoencoder, existing: Sequence[Answer], codes: np.ndarray):
        """``existing`` are answers with latent codes, at least one real; new pictures differ from all of them.

        ``codes`` are what each is found by, (n, 16) unit rows.
        """
        self.vae = vae
        rows = [row for row, answer in enumerate(existing) if answer.latent is not None]
        self._existing = [existing[row] for row in rows]
        self._real = np.array([answer.source != "generated" for answer in self._existing], dtype=bool)
        if not self._real.any():
            raise ValueError("New emojis are drawn beside existing ones, and there are none.")
        self._latents = np.stack([answer.latent for answer in self._existing if answer.latent is not None])
        self._looks = unit_rows(self._latents)
        self._codes = codes[rows]

    def draw(
        self,
        latents: np.ndarray,
        most: int,
        toward: np.ndarray | None = None,
        *,
        beside: list[np.ndarray] | None = None,
    ) -> list[Answer]:
        """At most ``most`` of the pictures drawn from latent codes, (n, 16), that the rule above lets pass.

        They are taken in the order given or, with a unit code ``toward``, by their cosine to it, which becomes their
        score. Each answer is named after the existing one it is most like; its code is read from its neighbours.
        ``beside`` are the unit latent codes, (16,), of pictures taken before; those of the new ones are added to it.
        """
        beside = [] if beside is None else beside
        pictures = self.vae.draw(latents)
        looks = unit_rows(self.vae.encode(pictures, steps=0)[0])
        stable = (looks * unit_rows(latents)).sum(axis=1) >= CYCLE
        likeness = looks @ self._looks.T  # (n, existing)
        passing = stable & shows_something(pictures) & self.vae.recognised(pictures) & (likeness.max(1) <= NOVELTY)
        codes = self.read(looks)
        scores = None if toward is None else codes @ toward
        order = np.arange(len(latents)) if scores is None else np.argsort(-scores, kind="stable")
        drawn: list[Answer] = []
        for i in _apart(looks, order[passing[order]], beside, most):
            name = f"like {self._existing[likeness[i].argmax()].name.removeprefix('like ')}"
            digest = hashlib.sha256(latents[i].tobytes()).hexdigest()[:10]
            score = None if scores is None else float(np.clip(scores[i], -1, 1))
            drawn.append(Answer(f"new-{digest}", None, name, "generated", score, None, codes[i], latents[i], self.vae))
        return drawn

    def read(self, looks: np.ndarray) -> np.ndarray:
        """What pictures say: codes for search, (n, 16) unit rows, of unit latent codes (n, 16)."""
        return read_images(looks, self._looks[self._real], self._codes[self._real])

    def toward(
        self, question: np.ndarray, n: int, generator: np.random.Generator, *, mixed: int = _MIXED
    ) -> np.ndarray:
        """n latent codes around what a question's unit code, (16,), would look like: (n, 16).

        Each is a random mixture of the latent codes of the ``mixed`` real answers nearest to the question.
        """
        cosines = self._codes[self._real] @ question
        nearest = np.argsort(-cosines, kind="stable")[:mixed]
        weights = _softmax(cosines[nearest] / _KERNEL)
        return sampling.mixtures(n, self._latents[self._real][nearest], weights, generator)

    def direction(self, question: np.ndarray) -> np.ndarray:
        """The unit direction, (16,), of latent codes that a question's unit code points to: the mean of `toward`."""
        cosines = self._codes[self._real] @ question
        return unit_rows((_softmax(cosines / _KERNEL) @ self._looks[self._real])[None])[0]

    def fresh(self, question: np.ndarray, n: int, generator: np.random.Generator) -> list[Answer]:
        """n new emojis drawn around a question's unit code, (16,): of many that could be, those nearest to it, scored.

        Where too little passes the rule the search goes further out; after `_ROUNDS` rounds there may be fewer than n.
        """

        tried: list[np.ndarray] = []  # unit latent codes: what did not pass is not drawn again

        def propose(attempt: int, wanted: int) -> np.ndarray:
            latents = self.toward(question, _PROPOSED, generator, mixed=_MIXED * (attempt + 1))
            return self._promising(latents, max(_LEAST_DRAWN, _DRAWS * wanted), question, tried)

        return self._gather(n, propose, question)

    def anywhere(self, n: int, generator: np.random.Generator) -> list[Answer]:
        """n new emojis, each a blend of two existing ones drawn at random; fewer as in `fresh`."""
        return self._gather(n, lambda *_: sampling.blends(2 * n, self._latents[self._real], generator))

    def _promising(self, latents: np.ndarray, most: int, question: np.ndarray, tried: list[np.ndarray]) -> np.ndarray:
        """Of latent codes (n, 16) those, at most ``most``, that would be new and nearest to the question if their
        pictures came out as they are meant to; they are added to those tried."""
        looks = unit_rows(latents)
        new = (looks @ self._looks.T).max(axis=1) <= NOVELTY
        order = np.argsort(-(self.read(looks) @ question), kind="stable")
        return latents[_apart(looks, order[new[order]], tried, most)]

    def _gather(
        self, n: int, propose: Callable[[int, int], np.ndarray], toward: np.ndarray | None = None
    ) -> list[Answer]:
        """Draw from proposals, round after round, until n pictures have passed.

        ``propose`` takes the number of the round and how many are wanted.
        """
        drawn: list[Answer] = []
        beside: list[np.ndarray] = []
        for attempt in range(_ROUNDS):
            latents = propose(attempt, n - len(drawn))
            if len(latents):
                drawn += self.draw(latents, n - len(drawn), toward, beside=beside)
            if len(drawn) == n:
                break
        return drawn


def _apart(looks: np.ndarray, order: np.ndarray, beside: list[np.ndarray], most: int) -> list[int]:
    """The first rows of unit latent codes (n, 16), in an order, that are new beside each other and others.

    Those taken are added to the others.
    """
    taken: list[int] = []
    for i in order.tolist():
        if len(taken) == most:
            break
        if not beside or (np.stack(beside) @ looks[i]).max() <= NOVELTY:
            taken.append(i)
            beside.append(looks[i])
    return taken


def shows_something(pictures: np.ndarray) -> np.ndarray:
    """Whether each picture, (n, 4, 36, 36), is opaque on at least `COVERAGE` and less hazy than opaque: (n,) bool."""
    alpha = pictures[:, 3].reshape(len(pictures), -1)
    opaque, hazy = (alpha > _OPAQUE).mean(axis=1), ((alpha > _CLEAR) & (alpha <= _OPAQUE)).mean(axis=1)
    return (opaque >= COVERAGE) & (hazy <= opaque)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
