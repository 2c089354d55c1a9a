"""Images and codes: a convolutional variational autoencoder of 36x36 RGBA emoji images. Knows nothing of text.

``vae.ConvVAE`` and ``vae.VAEConfig`` need torch, ``vae.images`` Pillow; they are imported when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae import images
    from vae.model import ConvVAE, VAEConfig

__all__ = ["ConvVAE", "VAEConfig", "images"]


def __getattr__(name: str) -> Any:
    if name == "images":
        return importlib.import_module("vae.images")
    if name in ("ConvVAE", "VAEConfig"):
        return getattr(importlib.import_module("vae.model"), name)
    raise AttributeError(f"module 'vae' has no attribute {name!r}")
