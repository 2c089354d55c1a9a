"""Modules in folders: weights as safetensors, the config they were built with as json beside them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def save_module(module: nn.Module, config: Any, folder: str | Path, *, half: bool = False) -> None:
    """Write model.safetensors, in half precision if asked, and config.json, from a dataclass, to a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = module.state_dict()
    if half:
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")


def load_module(build: Callable[..., Module], folder: Path, *, what: str, maker: str) -> Module:
    """The module that ``build`` makes of the config's fields, with the weights of a folder, for use: in evaluation
    mode, without gradients.

    Raises ValueError, in one sentence that names the ``maker`` script, when the files are missing, broken or do not
    belong together.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
        fields = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
        module = build(**fields)
        module.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, ValueError, AttributeError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0].rstrip(".: ")
        raise ValueError(f"No sound {what} weights in {folder} ({reason}); {maker} makes them.") from error
    return module.eval().requires_grad_(False)
