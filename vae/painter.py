"""From a blurred picture to a clean one: a small network that goes over what the decoder drew.

Squared error makes a decoder answer doubt with blur, and the fewer the numbers the more the doubt. The painter sees the
decoded picture alone and redraws it with the flat areas and sharp edges of real emojis. It learns from a critic that
tells its pictures from real ones (Goodfellow et al. 2014, arXiv 1406.2661; Isola et al. 2017, arXiv 1611.07004).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from vae.images import CHANNELS
from vae.model import WEIGHTS, convolution, premultiplied
from vae.persistence import load_module, save_module


@dataclass(frozen=True)
class PainterConfig:
    """Sizes of a `Painter`; images are halved twice, so their size is a multiple of 4."""

    channels: int = CHANNELS
    width: int = 24


class Painter(nn.Module):
    """A U-Net (Ronneberger et al. 2015, arXiv 1505.04597) from images to images."""

    def __init__(self, config: PainterConfig = PainterConfig()):
        super().__init__()
        self.config = config
        w = config.width
        self.enter = _block(config.channels, w)  # 36
        self.halve = _block(w, 2 * w, stride=2)  # 36 -> 18
        self.quarter = nn.Sequential(_block(2 * w, 4 * w, stride=2), _block(4 * w, 4 * w))  # 18 -> 9
        self.widen = _double(4 * w, 2 * w)  # 9 -> 18
        self.merge = _block(4 * w, 2 * w)
        self.rewiden = _double(2 * w, w)  # 18 -> 36
        self.remerge = _block(2 * w, w)
        self.leave = nn.Conv2d(w, config.channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Clean images of blurred ones: (n, 4, 36, 36) in [0, 1], premultiplied alpha, both."""
        whole = self.enter(2 * images - 1)  # (n, w, 36, 36)
        half = self.halve(whole)  # (n, 2w, 18, 18)
        quarter = self.quarter(half)  # (n, 4w, 9, 9)
        half = self.merge(torch.cat([half, self.widen(quarter)], dim=1))
        whole = self.remerge(torch.cat([whole, self.rewiden(half)], dim=1))
        return premultiplied(torch.sigmoid(self.leave(whole)))  # (n, 4, 36, 36)

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and config.json."""
        save_module(self, self.config, folder)

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Painter:
        """The painter of a folder, for use; without a folder, the one that comes with the package.

        Raises ValueError, in one sentence, when the files are missing, broken or do not belong together.
        """
        folder = WEIGHTS / "painter" if folder is None else Path(folder)
        return load_module(
            lambda **fields: cls(PainterConfig(**fields)), folder, what="painter", maker="scripts/train_painter.py"
        )


class Critic(nn.Module):
    """Says of each region of an image how real it looks; its layers' slopes are bounded (Miyato et al. 2018)."""

    def __init__(self, channels: int = CHANNELS, width: int = 32):
        super().__init__()
        sizes = [channels, width, 2 * width, 4 * width]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise(sizes)
        )  # 36 -> 18 -> 9 -> 4
        self.verdict = spectral_norm(nn.Conv2d(sizes[-1], 1, 3, padding=1))

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Verdicts (n, 1, 4, 4), higher for real, and the features of each layer."""
        features = []
        x = 2 * images - 1
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.verdict(x), features


def _double(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the size, without the checkerboard of transposed convolutions (Odena et al. 2016)."""
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1))


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*convolution(inputs, outputs, stride))
