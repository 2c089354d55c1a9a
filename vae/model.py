"""The convolutional variational autoencoder (Kingma and Welling 2013, arXiv 1312.6114)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae import images as emoji_images
from vae import inference
from vae.persistence import load_module, save_module

WEIGHTS = Path(__file__).resolve().parent / "weights"


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of a `ConvVAE`.

    The encoder halves the image twice, so ``image_size`` is a multiple of 4. Means lie within ±``mean_bound`` and
    log-variances within ``logvar_range``: no image, whatever it shows, has an infinite code. ``kl_weight`` weighs the
    KL term against squared error summed over pixels, in training and in inference (the beta of Higgins et al. 2017).
    """

    latent_dim: int = 16
    image_size: int = emoji_images.SIZE
    channels: int = emoji_images.CHANNELS
    width: int = 48
    mean_bound: float = 6.0
    logvar_range: tuple[float, float] = (-9.0, 2.0)
    kl_weight: float = 0.25


class ConvVAE(nn.Module):
    """Encoder to the mean and log-variance of a Gaussian over codes, and decoder back to images."""

    def __init__(self, config: VAEConfig = VAEConfig()):
        super().__init__()
        if config.image_size % 4:
            raise ValueError(f"image_size should be a multiple of 4, not {config.image_size}.")
        self.config = config
        w, small = config.width, config.image_size // 4
        self.encoder = nn.Sequential(
            nn.Conv2d(config.channels, w, 4, stride=2, padding=1, bias=False),  # 36 -> 18
            *_activation(w),
            nn.Conv2d(w, 2 * w, 3, stride=2, padding=1, bias=False),  # 18 -> 9
            *_activation(2 * w),
            Residual(2 * w),
            nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1, bias=False),  # 9 -> 5
            *_activation(4 * w),
            nn.Flatten(),
            nn.Linear(4 * w * ((small + 1) // 2) ** 2, 2 * config.latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.latent_dim, 4 * w),
            nn.GELU(),
            nn.Linear(4 * w, 4 * w),
            nn.GELU(),
            nn.Linear(4 * w, 2 * w * small**2),
            nn.Unflatten(1, (2 * w, small, small)),
            *_activation(2 * w),
            Residual(2 * w),
            nn.ConvTranspose2d(2 * w, 2 * w, 4, stride=2, padding=1, bias=False),  # 9 -> 18
            *_activation(2 * w),
            nn.Conv2d(2 * w, w, 3, padding=1, bias=False),
            *_activation(w),
            nn.ConvTranspose2d(w, config.channels, 4, stride=2, padding=1),  # 18 -> 36
            nn.Sigmoid(),
        )

    def posterior(self, images: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """The encoder's own guess at the posterior of each image, in one pass and with gradients.

        Args:
            images: (n, 4, 36, 36) float32 in [0, 1], premultiplied alpha.

        Returns:
            mean and log-variance, each (n, 16) float32, finite for every finite image.
        """
        images = torch.as_tensor(images, dtype=torch.float32)
        if images.shape[1:] != (self.config.channels, self.config.image_size, self.config.image_size):
            raise ValueError(f"Images should be (n, 4, 36, 36), not {tuple(images.shape)}.")
        mean, logvar = self.encoder(images).chunk(2, dim=1)  # (n, 32) -> 2 x (n, 16)
        low, high = self.config.logvar_range
        mean = self.config.mean_bound * torch.tanh(mean / self.config.mean_bound)
        return mean, low + (high - low) * torch.sigmoid(logvar)

    @torch.no_grad()
    def encode(self, images: Tensor | np.ndarray, *, steps: int = inference.STEPS) -> tuple[Tensor, Tensor]:
        """The posterior of each image, its mean refined through the decoder (`vae.inference`), without gradients.

        Args:
            images: (n, 4, 36, 36) float32 in [0, 1], premultiplied alpha.
            steps: of refinement; 0 leaves the mean as `posterior` guesses it.

        Returns:
            mean and log-variance, each (n, 16) float32, finite for every finite image.
        """
        images = torch.as_tensor(images, dtype=torch.float32)
        mean, logvar = self.posterior(images)
        refined = inference.refine(
            lambda codes: self.decode(codes).numpy(),
            images.numpy(),
            mean.numpy(),
            prior_weight=self.config.kl_weight,
            bound=self.config.mean_bound,
            steps=steps,
        )
        return torch.from_numpy(refined), logvar

    def reparameterise(self, mean: Tensor, logvar: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A code drawn from each posterior: mean + standard deviation x N(0, I), (n, 16)."""
        noise = torch.empty_like(mean).normal_(generator=generator)
        return mean + torch.exp(logvar / 2) * noise

    def decode(self, codes: Tensor | np.ndarray) -> Tensor:
        """Images of codes: (n, 16) -> (n, 4, 36, 36) in [0, 1], premultiplied alpha."""
        codes = torch.as_tensor(codes, dtype=torch.float32)
        if codes.ndim != 2 or codes.shape[1] != self.config.latent_dim:
            raise ValueError(f"Codes should be (n, {self.config.latent_dim}), not {tuple(codes.shape)}.")
        return premultiplied(self.decoder(codes))  # (n, 4, 36, 36)

    def forward(self, images: Tensor) -> Tensor:
        """Reconstructions: images decoded from the means that the encoder guesses, with gradients."""
        return self.decode(self.posterior(images)[0])

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and config.json."""
        save_module(self, self.config, folder)

    @classmethod
    def load(cls, folder: str | Path | None = None) -> ConvVAE:
        """The model of a folder, for use, without gradients; without a folder, the one that comes with the package.

        Raises ValueError, in one sentence, when the files are missing, broken or do not belong together.
        """
        folder = WEIGHTS if folder is None else Path(folder)
        return load_module(
            lambda **fields: cls(VAEConfig(**fields)), folder, what="VAE", maker="scripts/pretrain_vae.py"
        )


class Residual(nn.Module):
    """Two convolutions beside a short cut (He et al. 2015, arXiv 1512.03385)."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            *_activation(width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w), both."""
        return F.gelu(x + self.layers(x))


def convolution(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """A 3x3 convolution with its normalisation and activation."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), *_activation(outputs)


def premultiplied(images: Tensor) -> Tensor:
    """Images (n, 4, h, w) of straight colours with the colours multiplied by alpha."""
    alpha = images[:, 3:]
    return torch.cat([images[:, :3] * alpha, alpha], dim=1)


def _activation(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(width), nn.GELU()
