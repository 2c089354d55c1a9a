"""What the VAE is measured against: principal components, and the seed's own architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae.images import CHANNELS, SIZE
from vae.persistence import load_module, save_module
from vae.training import kl_to_prior


class PCA:
    """Principal components of images, as codes."""

    def __init__(self, images: np.ndarray, components: int):
        """Fit to images, (n, 4, 36, 36)."""
        flat = images.reshape(len(images), -1)
        self._shape, self._centre = images.shape[1:], flat.mean(axis=0)
        _, _, axes = np.linalg.svd(flat - self._centre, full_matrices=False)
        self._axes = axes[:components].T.astype(np.float32)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """(n, 4, 36, 36) -> (n, components)."""
        return (images.reshape(len(images), -1) - self._centre) @ self._axes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, components) -> (n, 4, 36, 36)."""
        return (self._centre + codes @ self._axes.T).reshape(-1, *self._shape)


@dataclass(frozen=True)
class SeedConfig:
    """Sizes and training of the seed's VAE."""

    latent_dim: int = 16
    filters: int = 64
    dropout: float = 0.8
    learning_rate: float = 0.003
    batch_size: int = 16
    draws: int = 68_500  # images, with repetition: the seed's 100 epochs over 685


class SeedVAE(nn.Module):
    """The seed's VAE: convolutions at full size, an unbounded log-variance, straight alpha channels."""

    def __init__(self, config: SeedConfig = SeedConfig()):
        super().__init__()
        self.config = config
        f = config.filters
        self.encoder = nn.Sequential(
            *(layer for i in range(3) for layer in (nn.Conv2d(f if i else CHANNELS, f, 3, padding=1), nn.ReLU())),
            nn.Flatten(),
            nn.Linear(f * SIZE * SIZE, 2 * config.latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.latent_dim, CHANNELS * SIZE * SIZE),
            nn.ReLU(),
            nn.Unflatten(1, (CHANNELS, SIZE, SIZE)),
            *(
                layer
                for i in range(3)
                for layer in (nn.ConvTranspose2d(f if i else CHANNELS, f, 3, padding=1), nn.ReLU())
            ),
            nn.Dropout(config.dropout),
            nn.ConvTranspose2d(f, CHANNELS, 3, padding=1),
        )

    def encode(self, images: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """(n, 4, 36, 36) -> mean and log-variance, each (n, 16)."""
        mean, logvar = self.encoder(torch.as_tensor(images, dtype=torch.float32)).chunk(2, dim=1)
        return mean, logvar

    def decode(self, codes: Tensor | np.ndarray) -> Tensor:
        """(n, 16) -> (n, 4, 36, 36) in [0, 1]."""
        return torch.sigmoid(self.decoder(torch.as_tensor(codes, dtype=torch.float32)))

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and config.json."""
        save_module(self, self.config, folder)

    @classmethod
    def load(cls, folder: str | Path) -> SeedVAE:
        """The model of a folder, for use; ValueError when it is missing or broken."""
        return load_module(
            lambda **fields: cls(SeedConfig(**fields)), Path(folder), what="seed VAE", maker="scripts/train_peers.py"
        )


def train_seed(
    images: np.ndarray,
    *,
    config: SeedConfig = SeedConfig(),
    seed: int = 0,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> SeedVAE:
    """Train the seed's VAE on images, (n, 4, 36, 36): cross-entropy summed over the image, plus KL, no augmentation."""
    pictures = torch.as_tensor(images)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = SeedVAE(config).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        for step in range(config.draws // config.batch_size):
            batch = pictures[torch.randint(len(pictures), (config.batch_size,))]
            with torch.autocast("cpu", torch.bfloat16):
                mean, logvar = (part.float() for part in model.encode(batch))
                logits = model.decoder(mean + torch.exp(logvar / 2) * torch.randn_like(mean)).float()
            error = F.binary_cross_entropy_with_logits(logits, batch, reduction="none").flatten(1).sum(1).mean()
            kl = kl_to_prior(mean, logvar)
            optimizer.zero_grad()
            (error + kl).backward()
            optimizer.step()
            if on_step:
                on_step(step + 1, {"cross_entropy": error.item(), "kl": kl.item()})
    return model.eval()
