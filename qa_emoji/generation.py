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
_DRAWS = 6  # for each fresh emoji wanted
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

    def draw(self, latents: np.ndarray, most: int, toward: np.ndarray | None = None) -> list[Answer]:
        """At most ``most`` of the pictures drawn from latent codes, (n, 16), that the rule above lets pass.

        They are taken in the order given or, with a unit code ``toward``, by their cosine to it, which becomes their
        score. Each answer is named after the existing one it is most like; its code is read from its neighbours.
        """
        pictures = self.vae.draw(latents)
        looks = unit_rows(self.vae.encode(pictures, steps=0)[0])
        stable = (looks * unit_rows(latents)).sum(axis=1) >= CYCLE
        likeness = looks @ self._looks.T  # (n, existing)
        passing = stable & shows_something(pictures) & self.vae.recognised(pictures) & (likeness.max(1) <= NOVELTY)
        codes = self.read(looks)
        scores = None if toward is None else codes @ toward
        order = np.arange(len(latents)) if scores is None else np.argsort(-scores, kind="stable")
        drawn: list[Answer] = []
        taken: list[int] = []
        for i in order[passing[order]]:
            if (looks[taken] @ looks[i]).max(initial=-1) > NOVELTY:
                continue
            name = f"like {self._existing[likeness[i].argmax()].name.removeprefix('like ')}"
            digest = hashlib.sha256(latents[i].tobytes()).hexdigest()[:10]
            score = None if scores is None else float(np.clip(scores[i], -1, 1))
            drawn.append(Answer(f"new-{digest}", None, name, "generated", score, None, codes[i], latents[i], self.vae))
            taken.append(int(i))
            if len(drawn) == most:
                break
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
        """n new emojis drawn around a question's unit code, (16,): of many draws those nearest to it, scored.

        Where too little passes the rule the search goes further out; after `_ROUNDS` rounds there may be fewer than n.
        """

        def propose(attempt: int) -> np.ndarray:
            return self.toward(question, _DRAWS * n, generator, mixed=_MIXED * (attempt + 1))

        return self._gather(n, propose, question)

    def anywhere(self, n: int, generator: np.random.Generator) -> list[Answer]:
        """n new emojis, each a blend of two existing ones drawn at random; fewer as in `fresh`."""
        return self._gather(n, lambda _: sampling.blends(2 * n, self._latents[self._real], generator))

    def _gather(self, n: int, propose: Callable[[int], np.ndarray], toward: np.ndarray | None = None) -> list[Answer]:
        """Draw from proposals, round after round, until n pictures have passed."""
        drawn: list[Answer] = []
        for attempt in range(_ROUNDS):
            others = self._with(drawn) if drawn else self
            drawn += others.draw(propose(attempt), n - len(drawn), toward)
            if len(drawn) == n:
                break
        return drawn

    def _with(self, drawn: Sequence[Answer]) -> Illustrator:
        codes = np.stack([answer.code for answer in drawn if answer.code is not None])
        return Illustrator(self.vae, [*self._existing, *drawn], np.concatenate([self._codes, codes]))


def shows_something(pictures: np.ndarray) -> np.ndarray:
    """Whether each picture, (n, 4, 36, 36), is opaque on at least `COVERAGE` and less hazy than opaque: (n,) bool."""
    alpha = pictures[:, 3].reshape(len(pictures), -1)
    opaque, hazy = (alpha > _OPAQUE).mean(axis=1), ((alpha > _CLEAR) & (alpha <= _OPAQUE)).mean(axis=1)
    return (opaque >= COVERAGE) & (hazy <= opaque)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
