"""A small classifier of what kind of emoji an image shows, the yardstick for pictures that nobody has drawn.

Its last layer serves where photographs are measured by Inception features (Heusel et al. 2017, arXiv 1706.08500), and
how sure it is of a kind says whether a picture can be recognised at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae.images import CHANNELS
from vae.model import WEIGHTS, convolution
from vae.optimization import one_cycle
from vae.persistence import load_module, save_module
from vae.training import TrainingConfig, augment

_MOVES = TrainingConfig(augmented=0.9, recoloured=0.2, shift=0.1, scale=0.15, turn=0.2)


@dataclass(frozen=True)
class JudgeConfig:
    """``recognised_above`` is the 10th percentile of the top-class probability of real images held out of training."""

    kinds: tuple[str, ...]
    channels: int = CHANNELS
    width: int = 32
    features: int = 64
    recognised_above: float = 0.0


class Judge(nn.Module):
    """Convolutions, a layer of features, and a logit for each kind."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        w = config.width
        self.look = nn.Sequential(
            *convolution(config.channels, w),
            *convolution(w, 2 * w, stride=2),
            *convolution(2 * w, 4 * w, stride=2),
            nn.Flatten(),
            nn.Dropout(0.3),
        )  # (n, 4, 36, 36) -> (n, 4w * 81)
        self.features = nn.Sequential(nn.Linear(4 * w * 81, config.features), nn.GELU())
        self.kinds = nn.Sequential(nn.Dropout(0.3), nn.Linear(config.features, len(config.kinds)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, 64) and the probability of each kind (n, kinds) of images (n, 4, 36, 36)."""
        features, logits = self._logits(images)
        return features, torch.softmax(logits, dim=1)

    def _logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(self.look(images))
        return features, self.kinds(features)

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and config.json."""
        save_module(self, self.config, folder)

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Judge:
        """The judge of a folder, for use; without a folder, the one that comes with the package.

        Raises ValueError, in one sentence, when the files are missing, broken or do not belong together.
        """
        folder = WEIGHTS / "judge" if folder is None else Path(folder)
        return load_module(
            lambda **fields: cls(JudgeConfig(**fields)), folder, what="judge", maker="scripts/train_painter.py"
        )


def train(
    images: np.ndarray,
    kinds: list[str],
    held_out: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    steps: int = 1_200,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 0,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> tuple[Judge, float]:
    """Train a judge on the images that are not held out; it and its accuracy on those that are.

    Args:
        images: (n, 4, 36, 36) float32.
        kinds: what each of them shows.
        held_out: (n,) bool.
        weights: how often to draw each image against the others, (n,).
    """
    names = tuple(sorted(set(kinds)))
    labels = torch.tensor([names.index(kind) for kind in kinds])
    pictures, held = torch.as_tensor(images), torch.from_numpy(held_out)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = Judge(JudgeConfig(names)).train()
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(judge.parameters(), lr=learning_rate, weight_decay=0.05)
        chances = (torch.ones(len(images)) if weights is None else torch.as_tensor(weights)).float() * ~held
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, steps, learning_rate)
            rows = torch.multinomial(chances, batch_size, generator=generator)
            with torch.autocast("cpu", torch.bfloat16):
                _, logits = judge._logits(augment(pictures[rows], _MOVES, generator))
            loss = F.cross_entropy(logits.float(), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if on_step:
                on_step(step + 1, {"loss": loss.item()})
    judge.eval()
    with torch.no_grad():
        chance = judge(pictures[held])[1]
    accuracy = (chance.argmax(1) == labels[held]).float().mean().item()
    threshold = round(torch.quantile(chance.amax(1), 0.1).item(), 4)
    settled = Judge(JudgeConfig(names, recognised_above=threshold))
    settled.load_state_dict(judge.state_dict())
    return settled.eval(), accuracy
