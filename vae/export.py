"""Export of the VAE, its painter and its judge to ONNX, so that queries need no torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from vae import images
from vae.judge import Judge
from vae.model import ConvVAE
from vae.painter import Painter


def export(model: ConvVAE, folder: str | Path) -> None:
    """Write encoder.onnx (images -> mean, logvar) and decoder.onnx (codes -> images), for any number of rows."""
    config, folder = model.config, Path(folder)
    model = model.eval()
    codes = torch.zeros(2, config.latent_dim)
    to_onnx(_Encode(model), _blank(), folder / "encoder.onnx", ["images"], ["mean", "logvar"])
    to_onnx(_Decode(model), codes, folder / "decoder.onnx", ["codes"], ["images"])


def export_painter(painter: Painter, folder: str | Path) -> None:
    """Write painter.onnx (images -> images), for any number of rows."""
    to_onnx(painter.eval(), _blank(), Path(folder) / "painter.onnx", ["images"], ["painted"])


def export_judge(judge: Judge, folder: str | Path) -> None:
    """Write judge.onnx (images -> features, probabilities), for any number of rows."""
    to_onnx(judge.eval(), _blank(), Path(folder) / "judge.onnx", ["images"], ["features", "probabilities"])


def to_onnx(
    module: nn.Module,
    example: Tensor,
    path: Path,
    inputs: list[str],
    outputs: list[str],
    *,
    axes: tuple[str, ...] = ("n",),
) -> None:
    """Write a module of one tensor as ONNX with its leading ``axes`` free; weights inside the file."""
    with warnings.catch_warnings():
        # The checks of shapes are run once, on the example, and left out of the exported graph: that is meant.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={inputs[0]: dict(enumerate(axes))} | {name: {0: axes[0]} for name in outputs},
            opset_version=17,
            dynamo=False,
        )


def _blank() -> Tensor:
    return torch.zeros(2, *images.SHAPE)


class _Encode(nn.Module):
    def __init__(self, model: ConvVAE):
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.posterior(pictures)


class _Decode(nn.Module):
    def __init__(self, model: ConvVAE):
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        return self.model.decode(codes)
