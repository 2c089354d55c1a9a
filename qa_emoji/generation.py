"""Emojis that nobody has drawn: decoded by the VAE, re-encoded from what was really drawn, and sifted.

A decoded picture enters an index, or answers a question, when

- it shows something: at least `COVERAGE` of its area is opaque, and less of it is hazy than opaque;
- it is stable: encoded again it points where it was decoded from, with a cosine of at least `CYCLE`;
- it is new: no existing emoji and no picture taken before has a cosine above `NOVELTY` to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from qa_emoji.answer import Answer
from qa_emoji.cosine import unit_rows
from vae import sampling

COVERAGE = 0.15
CYCLE = 0.9
NOVELTY = 0.97

_OPAQUE, _CLEAR = 0.75, 0.25
_SPREAD = 0.4  # how far around a question's direction to draw, as the length of the noise added to a unit vector
_DRAWS = 24  # for each fresh emoji wanted
_ROUNDS = 12


class Autoencoder(Protocol):
    """The exported VAE or one like it."""

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 4, 36, 36) -> means and log-variances, each (n, 16)."""
        ...

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, 16) -> (n, 4, 36, 36)."""
        ...


class Illustrator:
    """Draws new emojis beside a set of existing answers."""

    def __init__(self, vae: Autoencoder, existing: Sequence[Answer]):
        """``existing`` are answers with latent codes, at least one; new pictures differ from all of them."""
        self.vae = vae
        self._existing = [answer for answer in existing if answer.latent is not None]
        if not self._existing:
            raise ValueError("New emojis are drawn beside existing ones, and there are none.")
        self._latents = np.stack([answer.latent for answer in self._existing if answer.latent is not None])
        self._codes = unit_rows(self._latents)
        self._lengths = np.linalg.norm(self._latents, axis=1)

    def draw(self, latents: np.ndarray, most: int, toward: np.ndarray | None = None) -> list[Answer]:
        """At most ``most`` of the pictures decoded from latent codes, (n, 16), that the rule above lets pass.

        They are taken in the order given or, with a unit code ``toward``, by their cosine to it, which becomes their
        score. Each answer is named after the existing one it is most like; its code is that of the picture.
        """
        pictures = self.vae.decode(latents)
        codes = unit_rows(self.vae.encode(pictures)[0])
        stable = (codes * unit_rows(latents)).sum(axis=1) >= CYCLE
        likeness = codes @ self._codes.T  # (n, existing)
        scores = None if toward is None else codes @ toward
        order = np.arange(len(latents)) if scores is None else np.argsort(-scores, kind="stable")
        drawn: list[Answer] = []
        taken: list[int] = []
        passing = stable & shows_something(pictures) & (likeness.max(axis=1) <= NOVELTY)
        for i in order[passing[order]]:
            if (codes[taken] @ codes[i]).max(initial=-1) > NOVELTY:
                continue
            name = f"like {self._existing[likeness[i].argmax()].name.removeprefix('like ')}"
            digest = hashlib.sha256(latents[i].tobytes()).hexdigest()[:10]
            score = None if scores is None else float(np.clip(scores[i], -1, 1))
            drawn.append(Answer(f"new-{digest}", None, name, "generated", score, None, codes[i], latents[i], self.vae))
            taken.append(int(i))
            if len(drawn) == most:
                break
        return drawn

    def fresh(self, question: np.ndarray, n: int, generator: np.random.Generator) -> list[Answer]:
        """n new emojis drawn around a question's unit code, (16,): of many draws those nearest to it, scored.

        Where too little passes the rule the search goes further out; after `_ROUNDS` rounds there may be fewer than n.
        """

        def propose(attempt: int) -> np.ndarray:
            lengths = generator.choice(self._lengths, _DRAWS * n)
            return sampling.around(question, lengths, _SPREAD * 1.5**attempt, generator)

        return self._gather(n, propose, question)

    def anywhere(self, n: int, generator: np.random.Generator) -> list[Answer]:
        """n new emojis, each a blend of two existing ones drawn at random; fewer as in `fresh`."""
        return self._gather(n, lambda _: sampling.blends(2 * n, self._latents, generator))

    def _gather(self, n: int, propose: Callable[[int], np.ndarray], toward: np.ndarray | None = None) -> list[Answer]:
        """Draw from proposals, round after round, until n pictures have passed."""
        drawn: list[Answer] = []
        for attempt in range(_ROUNDS):
            others = Illustrator(self.vae, [*self._existing, *drawn]) if drawn else self
            drawn += others.draw(propose(attempt), n - len(drawn), toward)
            if len(drawn) == n:
                break
        return drawn


def shows_something(pictures: np.ndarray) -> np.ndarray:
    """Whether each picture, (n, 4, 36, 36), is opaque on at least `COVERAGE` and less hazy than opaque: (n,) bool."""
    alpha = pictures[:, 3].reshape(len(pictures), -1)
    opaque, hazy = (alpha > _OPAQUE).mean(axis=1), ((alpha > _CLEAR) & (alpha <= _OPAQUE)).mean(axis=1)
    return (opaque >= COVERAGE) & (hazy <= opaque)
