from __future__ import annotations

import numpy as np
import pytest

from qa_emoji import Answer, EmojiIndex, EmojiRanker
from qa_emoji.catalog import Catalog
from qa_emoji.cosine import unit_rows
from qa_emoji.memory import Label
from qa_emoji.runtime import ExportedEncoder, ExportedVAE


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.fixture(scope="session")
def encoder() -> ExportedEncoder:
    return ExportedEncoder()


@pytest.fixture(scope="session")
def exported_vae() -> ExportedVAE:
    return ExportedVAE()


@pytest.fixture(scope="session")
def ranker() -> EmojiRanker:
    return EmojiRanker.load()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def small_index(rng: np.random.Generator) -> EmojiIndex:
    """Six answers of three sources with random codes and latents, the five emojis with random labels."""
    answers = [
        Answer(f"id-{i}", None if source == "generated" else chr(0x1F600 + i), f"name {i}", source, latent=latent)
        for i, (source, latent) in enumerate(
            zip(("known", "known", "known", "unseen", "unseen", "generated"), rng.normal(size=(6, 16)), strict=True)
        )
    ]
    index = EmojiIndex(about={"note": "small"})
    keys = unit_rows(rng.normal(size=(5, 8))).astype(np.float16)
    weights = np.array([1, 0.5], dtype=np.float32)
    labels = [Label(key, np.array([i, 9], dtype=np.int32), weights) for i, key in enumerate(keys)]
    index.add(answers, rng.normal(size=(6, 16)), [*labels, None])
    return index
