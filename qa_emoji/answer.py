"""An answer to a question: an emoji, or a picture that nobody has drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SOURCES = ("known", "unseen", "generated")


class Painter(Protocol):
    """What draws the picture of a latent code."""

    def draw(self, codes: np.ndarray) -> np.ndarray:
        """(n, 16) -> (n, 4, 36, 36), premultiplied alpha."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    ``source`` is "known" (seen in training), "unseen" (released since) or "generated" (drawn by the VAE; ``emoji`` is
    then None). ``score`` is the cosine to the question in [-1, 1] and ``rank`` counts from 1; both are None for an
    answer that no question has met. ``code`` is the unit vector that is searched, (16,) float32, and ``latent`` what
    the VAE draws the picture from, (16,) float32.
    """

    id: str
    emoji: str | None
    name: str
    source: str
    score: float | None = None
    rank: int | None = None
    code: np.ndarray | None = field(default=None, repr=False, compare=False)
    latent: np.ndarray | None = field(default=None, repr=False, compare=False)
    painter: Painter | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"An answer's source is one of {', '.join(SOURCES)}, not {self.source!r}.")

    def __str__(self) -> str:
        return self.emoji or self.id

    def image(self) -> Image:
        """The 36x36 RGBA picture that the VAE draws of this answer: for an emoji, its reconstruction.

        Raises ValueError for an answer without a latent code or a painter.
        """
        if self.latent is None or self.painter is None:
            raise ValueError(f"The answer {self.id} was made without a picture.")
        from vae import images

        return images.to_pil(self.painter.draw(self.latent[None])[0])


def emoji_id(emoji: str) -> str:
    """The id of an emoji's answer: its code points in hexadecimal, without variation selectors."""
    from vae import images

    return "-".join(f"{point:x}" for point in images.code_points(emoji))
