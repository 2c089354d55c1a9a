"""What every training run here shares: the learning-rate schedule and checkpoints that a killed run resumes from."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn


def one_cycle(step: int, steps: int, peak: float, *, warm_up: float = 0.25, floor: float = 1e-3) -> float:
    """The learning rate of one step: a cosine rise to the peak, then a cosine fall to ``floor`` times the peak.

    Smith and Topin 2017, arXiv 1708.07120.
    """
    turn = max(1, round(warm_up * steps))
    if step < turn:
        low, at = peak / 25, step / turn
        return low + (peak - low) * (1 - math.cos(math.pi * at)) / 2
    at = (step - turn) / max(1, steps - turn)
    return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * at)) / 2)


def digest(*parts: bytes) -> str:
    """A fingerprint of the data that a run is trained on."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


class Checkpoint:
    """The state of a training run in one safetensors file: model, Adam moments, random generator, step and settings.

    A run resumes only with the settings, data included, that it was started with.
    """

    def __init__(self, path: str | Path, settings: dict):
        self.path = Path(path)
        self.settings = json.dumps(settings, sort_keys=True, default=str)

    def save(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator | None = None,
    ) -> None:
        """Write the state beside the old file and switch in one step."""
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {
            f"optimizer.{index}.{name}": value
            for index, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        if generator:
            tensors["generator"] = generator.get_state()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".partial")
        save_file(tensors, beside, metadata={"step": str(step), "settings": self.settings})
        os.replace(beside, self.path)

    def resume(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator | None = None
    ) -> int:
        """Restore the state, if there is one; returns the number of steps already done.

        Raises ValueError when the file is broken or belongs to a run with other settings.
        """
        if not self.path.exists():
            return 0
        try:
            with safe_open(self.path, "pt") as file:
                metadata = file.metadata()
            tensors = load_file(self.path)
        except Exception as error:
            raise ValueError(f"The checkpoint {self.path} is broken; delete it to train from the start.") from error
        if metadata["settings"] != self.settings:
            raise ValueError(
                f"The checkpoint {self.path} is of a run with other settings; delete it or name another folder."
            )
        model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        state = optimizer.state_dict()
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                state["state"].setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict(state)
        if generator:
            generator.set_state(tensors["generator"])
        return int(metadata["step"])

    def clear(self) -> None:
        """Remove the file once the run is done."""
        self.path.unlink(missing_ok=True)
