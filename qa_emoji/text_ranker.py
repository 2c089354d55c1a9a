"""Answer questions with texts: the seed's original aim, one set of weights for questions and answers.

After Feng et al. 2015, "Applying Deep Learning to Answer Selection" (arXiv 1508.01585).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa_emoji.arguments import checked_texts, count
from qa_emoji.overlap import WordOverlap
from qa_emoji.runtime import ExportedEncoder

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("question", "rank", "answer", "score")  # of a batch


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """A candidate text as an answer: ``score`` is higher the better it answers, ``rank`` counts from 1, and ``code``
    is its unit vector, (d,) float32."""

    text: str
    score: float
    rank: int
    code: np.ndarray = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text


class TextRanker:
    """A text encoder and the texts that it may answer with."""

    def __init__(self, texts: Sequence[str], codes: np.ndarray, encoder: ExportedEncoder, *, overlap: float = 0.0):
        """Put the parts together.

        Args:
            texts: n different candidates.
            codes: (n, d) float32, their unit codes.
            encoder: what made the codes, and makes those of questions.
            overlap: what the share of the question's words in a candidate, by `WordOverlap`, adds to the cosine.

        Raises ValueError for no texts, the same text twice, codes of another shape or a negative overlap.
        """
        self._rows = {text: row for row, text in enumerate(texts)}
        if not texts or len(self._rows) < len(texts):
            raise ValueError("Candidates should be different texts, and at least one.")
        if codes.shape != (len(texts), encoder.dim):
            raise ValueError(f"{len(texts)} candidates need codes of shape {(len(texts), encoder.dim)}.")
        if not overlap >= 0:
            raise ValueError(f"overlap should be at least 0, not {overlap}.")
        self.texts, self.codes, self.encoder, self.overlap = tuple(texts), codes, encoder, overlap
        self._words = WordOverlap(texts) if overlap else None

    @classmethod
    def from_texts(cls, texts: Sequence[str], *, encoder: str | Path | None = None, overlap: float = 0.0) -> TextRanker:
        """A ranker of these texts, each once, by the encoder of a folder; the shipped one when none is given.

        The shipped encoder is made for emojis; scripts/train_text_ranker.py makes one for texts. Raises TypeError for
        what is not a text; ValueError for a blank one, for none, and for a folder without a sound encoder.
        """
        loaded, once = ExportedEncoder(encoder), list(dict.fromkeys(checked_texts(texts)))
        return cls(once, loaded.encode(once), loaded, overlap=overlap)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Codes of texts: (n, d) float32, rows of length 1.

        Raises TypeError for what is not a text, ValueError for a blank one.
        """
        return self.encoder.encode(checked_texts(texts))

    def rank(self, text: str, k: int = 5, candidates: Sequence[str] | None = None) -> list[TextAnswer]:
        """The k best answers to a question, best first; fewer when there are fewer. Equals stay in the order given.

        Args:
            text: any text; its first 2,000 characters count.
            k: how many answers.
            candidates: choose among these of the ranker's texts alone.

        Raises TypeError for arguments of another type; ValueError for a blank text, k < 1, and candidates that are
        none or not among the ranker's texts.
        """
        if not isinstance(text, str):
            raise TypeError(f"A question should be a text, not {type(text).__name__}.")
        (answers,) = self._ranked([text], count(k, "k", 1), candidates)
        return answers

    def rank_batch(self, texts: Sequence[str], k: int = 5, candidates: Sequence[str] | None = None) -> pd.DataFrame:
        """The k best answers to each question, a row each: question, rank, answer, score. Errors as of `rank`."""
        import pandas as pd

        texts = checked_texts(texts)
        ranked = self._ranked(texts, count(k, "k", 1), candidates)
        rows = [(text, a.rank, a.text, a.score) for text, answers in zip(texts, ranked, strict=True) for a in answers]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def scores(self, text: str, candidates: Sequence[str] | None = None) -> np.ndarray:
        """The score of each candidate, (n,) float32, in the order given; all texts when none are named."""
        code = self.encode([text])[0]
        return self._scores(text, code, self._chosen(candidates))

    def _ranked(self, texts: Sequence[str], k: int, candidates: Sequence[str] | None) -> list[list[TextAnswer]]:
        rows = self._chosen(candidates)
        ranked = []
        for text, code in zip(texts, self.encode(texts), strict=True):
            scores = self._scores(text, code, rows)
            best = np.argsort(-scores, kind="stable")[:k]
            ranked.append(
                [
                    TextAnswer(self.texts[rows[i]], float(scores[i]), rank, self.codes[rows[i]])
                    for rank, i in enumerate(best, 1)
                ]
            )
        return ranked

    def _scores(self, text: str, code: np.ndarray, rows: np.ndarray) -> np.ndarray:
        scores = self.codes[rows] @ code
        if self._words:
            scores += self.overlap * self._words.shares(text)[rows]
        return scores

    def _chosen(self, candidates: Sequence[str] | None) -> np.ndarray:
        """The rows of the candidates, each once."""
        if candidates is None:
            return np.arange(len(self.texts))
        if isinstance(candidates, str):
            raise TypeError("candidates should be a list of texts, not one text.")
        rows = []
        for candidate in dict.fromkeys(candidates):
            if not isinstance(candidate, str):
                raise TypeError(f"A candidate should be a text, not {type(candidate).__name__}.")
            if candidate not in self._rows:
                raise ValueError(f"The candidate {candidate!r} is not among the texts of this ranker.")
            rows.append(self._rows[candidate])
        if not rows:
            raise ValueError("Name at least one candidate.")
        return np.array(rows)
