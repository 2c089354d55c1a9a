"""Images and codes: a convolutional variational autoencoder of 36x36 RGBA emoji images. Knows nothing of text.

``vae.ConvVAE`` and ``vae.VAEConfig`` need torch, which is imported when they are first asked for;
``vae.images`` needs only NumPy and Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vae import images

if TYPE_CHECKING:
    from vae.model import ConvVAE, VAEConfig

__all__ = ["ConvVAE", "VAEConfig", "images"]


def __getattr__(name: str) -> Any:
    if name in ("ConvVAE", "VAEConfig"):
        from vae import model

        return getattr(model, name)
    raise AttributeError(f"module 'vae' has no attribute {name!r}")
