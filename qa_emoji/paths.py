"""Where the artefacts that come with the package lie: beside it in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _shipped(inside: str, beside: str) -> Path:
    installed = _PACKAGE / "shipped" / inside
    return installed if installed.exists() else _PACKAGE.parent / beside


def catalog_file() -> Path:
    """data/emojis.csv."""
    return _shipped("emojis.csv", "data/emojis.csv")


def default_index() -> Path:
    """The folder of the index that comes with the package."""
    return _shipped("index", "indexes/default")


def encoder_weights() -> Path:
    """The folder of the text encoder's weights."""
    return _PACKAGE / "weights"


def vae_weights() -> Path:
    """The folder of the VAE's weights."""
    return _PACKAGE.parent / "vae" / "weights"
