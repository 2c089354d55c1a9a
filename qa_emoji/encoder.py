"""The text encoder: embedding, 1-D convolutions, masked max-pool beside a weighted mean, tanh, linear to 16 numbers.

One set of weights for questions and for any text of an answer, after Feng et al. 2015, "Applying Deep Learning to
Answer Selection" (arXiv 1508.01585). Beside its code a text gets a longer key, by which `qa_emoji.memory` finds the
answers that a question means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qa_emoji import paths
from qa_emoji.tokenizer import PAD, Tokenizer
from vae.persistence import load_module, save_module

_FREQUENT = 1e-3  # a piece of this probability counts half as much as a rare one, to begin with


@dataclass(frozen=True)
class TextEncoderConfig:
    """Sizes of a `TextEncoder`: ``filters`` of each of the ``widths``, a hidden layer, the code and the key.

    ``emojis`` are the ids of those that it keeps a vector of, which is added to the keys of their names.
    """

    vocabulary: int = 24_000
    embedding_dim: int = 128
    widths: tuple[int, ...] = (1, 2, 3)
    filters: int = 256
    hidden_dim: int = 384
    code_dim: int = 16
    key_dim: int = 128
    emojis: tuple[str, ...] = ()
    dropout: float = 0.1


class TextEncoder(nn.Module):
    """Piece ids to codes. The code of a text does not depend on its padding or its batch mates."""

    emojis: nn.Parameter | None

    def __init__(self, config: TextEncoderConfig = TextEncoderConfig()):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding_dim, padding_idx=PAD)
        # A 1-D convolution is one matrix over windows laid end to end: on a CPU faster than nn.Conv1d.
        self.convolutions = nn.ModuleList(
            nn.Linear(width * config.embedding_dim, config.filters) for width in config.widths
        )
        self.salience = nn.Embedding(config.vocabulary, 1)  # how much a piece counts in the mean, as a logarithm
        self.dropout = nn.Dropout(config.dropout)
        features = config.filters * len(config.widths) + config.embedding_dim
        self.hidden = nn.Sequential(
            nn.BatchNorm1d(features),
            nn.Tanh(),
            nn.Dropout(config.dropout),
            nn.Linear(features, config.hidden_dim),
            nn.BatchNorm1d(config.hidden_dim),
            nn.Tanh(),
        )
        self.code = nn.Sequential(
            nn.Linear(config.hidden_dim, config.code_dim),
            nn.BatchNorm1d(config.code_dim, affine=False),  # texts have no direction in common
        )
        self.key = nn.Sequential(
            nn.Linear(config.hidden_dim, config.key_dim), nn.BatchNorm1d(config.key_dim, affine=False)
        )
        what_names_do_not_say = nn.Parameter(torch.zeros(len(config.emojis), config.key_dim))
        self.register_parameter("emojis", what_names_do_not_say if config.emojis else None)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.zeros_(self.embedding.weight[PAD])
        nn.init.zeros_(self.salience.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Codes of texts.

        Args:
            ids: (B, T) int64 piece ids, padded at the end with `PAD`; at least one piece in each row.

        Returns:
            (B, 16) float32, of any length: the cosine normalises.
        """
        return self.head(self.features(ids))

    def head(self, features: Tensor) -> Tensor:
        """Codes from what texts have in them: (B, filters x widths + E) -> (B, 16)."""
        return self.code(self.hidden(features))

    def vectors(self, hidden: Tensor) -> Tensor:
        """Unit codes and unit keys, side by side, from the hidden layer: (B, hidden) -> (B, 16 + K) float32."""
        return torch.cat([F.normalize(head(hidden).float()) for head in (self.code, self.key)], dim=1)

    def apart(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The codes (B, 16) and the keys (B, K) of what `vectors` gives."""
        codes, keys = vectors.split([self.config.code_dim, self.config.key_dim], dim=1)
        return codes, keys

    def features(self, ids: Tensor) -> Tensor:
        """What texts have in them, (B, T) -> (B, filters x widths + E): the most of each filter, and the mean of their
        pieces."""
        length = ids.shape[1]
        padding = (ids == PAD)[:, :, None]  # (B, T, 1)
        embedded = self.dropout(self.embedding(ids))  # (B, T) -> (B, T, E), zero at padding
        weights = self.salience(ids).masked_fill(padding, -torch.inf).softmax(dim=1)  # (B, T, 1)
        mean = (weights * embedded).sum(dim=1)  # (B, E)
        embedded = F.pad(embedded, (0, 0, 0, max(self.config.widths) - 1))
        pooled = []
        for width, convolution in zip(self.config.widths, self.convolutions, strict=True):
            windows = torch.cat([embedded[:, at : at + length] for at in range(width)], dim=2)  # (B, T, width x E)
            features = convolution(windows).masked_fill(padding, -torch.inf)  # none that start in the padding
            pooled.append(features.amax(dim=1))  # (B, T, filters) -> (B, filters)
        return torch.cat([*pooled, mean], dim=1)

    @torch.no_grad()
    def start_from(self, vectors: Tensor, log_probability: Tensor) -> None:
        """Set out with meanings of pieces known from elsewhere.

        Args:
            vectors: (V, E) a vector for each piece.
            log_probability: (V,) how frequent each is in texts: frequent pieces count less in the mean (Arora et al.
                2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings").
        """
        self.embedding.weight.copy_(vectors)
        self.embedding.weight[PAD] = 0
        self.salience.weight[:, 0] = -torch.log1p(log_probability.exp() / _FREQUENT)

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors, in half precision, and config.json."""
        save_module(self, self.config, folder, half=True)

    @classmethod
    def load(cls, folder: str | Path | None = None) -> tuple[TextEncoder, Tokenizer]:
        """The encoder, without gradients, and tokenizer of a folder; without a folder, the shipped ones.

        Raises ValueError, in one sentence, when files are missing, broken or do not belong together.
        """
        folder = paths.encoder_weights() if folder is None else Path(folder)
        tokenizer = Tokenizer.load(folder)
        model = load_module(
            lambda **fields: cls(TextEncoderConfig(**fields)),
            folder,
            what="text encoder",
            maker="scripts/train_encoder.py",
        )
        if len(tokenizer) != model.config.vocabulary:
            raise ValueError(
                f"The tokenizer in {folder} has {len(tokenizer)} pieces and the encoder {model.config.vocabulary}; "
                "scripts/train_encoder.py makes them anew, together."
            )
        return model, tokenizer


def pad(ids: Sequence[Sequence[int]]) -> Tensor:
    """Rows of piece ids as one (B, T) int64 tensor, padded at the end."""
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in ids], batch_first=True, padding_value=PAD)
