"""Export of the text encoder to ONNX, so that queries need no torch."""

from __future__ import annotations

from pathlib import Path

import torch

from qa_emoji.encoder import TextEncoder
from qa_emoji.tokenizer import UNKNOWN
from vae.export import to_onnx


def export(model: TextEncoder, folder: str | Path) -> None:
    """Write encoder.onnx (ids -> codes), for any number of texts of any length."""
    ids = torch.full((2, 5), UNKNOWN)
    to_onnx(model, ids, Path(folder) / "encoder.onnx", ["ids"], ["codes"], axes=("texts", "pieces"))
