"""The exported text encoder and VAE, run by ONNX Runtime: all that a query needs, without torch."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from qa_emoji import paths
from qa_emoji.cosine import unit_rows
from qa_emoji.tokenizer import FILE_NAME, PAD, Tokenizer
from vae import inference

_BATCH = 256
_MAKER, _DRAWING_MAKER = "scripts/pretrain_vae.py", "scripts/train_painter.py"


class ExportedEncoder:
    """Texts to unit codes."""

    files = ("encoder.onnx", FILE_NAME)

    def __init__(self, folder: str | Path | None = None):
        """Load from a folder; the shipped one when none is given. ValueError says what is missing or broken."""
        self.folder = paths.encoder_weights() if folder is None else Path(folder)
        self.sha256 = fingerprint(self.folder, self.files, "scripts/train_encoder.py")
        self.tokenizer = Tokenizer.load(self.folder)
        self._session = _session(self.folder / "encoder.onnx", "scripts/train_encoder.py")

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit codes of texts, (n, 16) float32; texts of like length are encoded together."""
        ids = [self.tokenizer.encode(text) for text in texts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        codes = np.empty((len(ids), self.dim), dtype=np.float32)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            padded = np.full((len(rows), len(ids[rows[-1]])), PAD, dtype=np.int64)  # (B, T)
            for at, row in enumerate(rows):
                padded[at, : len(ids[row])] = ids[row]
            codes[rows] = self._session.run(None, {"ids": padded})[0]
        return unit_rows(codes)

    @property
    def trained_against(self) -> str | None:
        """The sha256 of the VAE that the encoder was trained against, as its training.json says."""
        try:
            return str(json.loads((self.folder / "training.json").read_text())["vae_sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def dim(self) -> int:
        """The length of a code."""
        return self._session.get_outputs()[0].shape[1]


class ExportedVAE:
    """Images to posterior means and codes to images; what draws and judges them is loaded when first asked for."""

    files = ("config.json", "encoder.onnx", "decoder.onnx")
    drawing_files = ("painter.onnx", "judge.onnx", "judge/config.json")

    def __init__(self, folder: str | Path | None = None):
        """Load from a folder; the shipped one when none is given. ValueError says what is missing or broken."""
        self.folder = paths.vae_weights() if folder is None else Path(folder)
        self.sha256 = fingerprint(self.folder, self.files, _MAKER)
        self._bound, self._kl_weight = _numbers(self.folder / "config.json", _MAKER, "mean_bound", "kl_weight")
        self._encoder = _session(self.folder / "encoder.onnx", _MAKER)
        self._decoder = _session(self.folder / "decoder.onnx", _MAKER)

    def encode(self, images: np.ndarray, *, steps: int = inference.STEPS) -> tuple[np.ndarray, np.ndarray]:
        """Means, refined through the decoder in ``steps`` (`vae.inference`), and log-variances, each (n, 16) float32.

        Images are (n, 4, 36, 36) float32. Without steps it takes one pass and is some fifty times faster.
        """
        parts = [self._encoder.run(None, {"images": part}) for part in _parts(images)]
        mean, logvar = (np.concatenate(column) for column in zip(*parts, strict=True))
        refined = inference.refine(
            self.decode, images, mean, prior_weight=self._kl_weight, bound=self._bound, steps=steps
        )
        return refined, logvar

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Images, (n, 4, 36, 36) float32 in [0, 1], premultiplied alpha, of latent codes (n, 16) float32."""
        return np.concatenate([self._decoder.run(None, {"codes": part})[0] for part in _parts(codes)])

    def draw(self, codes: np.ndarray) -> np.ndarray:
        """What `decode` gives, gone over by the painter: the picture to show, of the same shape."""
        return np.concatenate([self._painter.run(None, {"images": part})[0] for part in _parts(self.decode(codes))])

    def judge(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, 64) of images and, for each, the probability of each kind of emoji (n, kinds), float32."""
        parts = [self._judge.run(None, {"images": part}) for part in _parts(images)]
        features, probabilities = (np.concatenate(column) for column in zip(*parts, strict=True))
        return features, probabilities

    def recognised(self, images: np.ndarray) -> np.ndarray:
        """Whether the judge is as sure of a kind as of nine in ten real emojis that it had not seen: (n,) bool."""
        return self.judge(images)[1].max(axis=1) >= self.recognised_above

    @functools.cached_property
    def drawing_sha256(self) -> str:
        """The fingerprint of what draws and judges pictures, apart from the codes."""
        return fingerprint(self.folder, self.drawing_files, _DRAWING_MAKER)

    @functools.cached_property
    def _painter(self) -> onnxruntime.InferenceSession:
        return _session(self.folder / "painter.onnx", _DRAWING_MAKER)

    @functools.cached_property
    def _judge(self) -> onnxruntime.InferenceSession:
        return _session(self.folder / "judge.onnx", _DRAWING_MAKER)

    @functools.cached_property
    def recognised_above(self) -> float:
        """How sure the judge is of all but the least clear tenth of real emojis that it had not seen."""
        return _numbers(self.folder / "judge" / "config.json", _DRAWING_MAKER, "recognised_above")[0]


def check_built_with(about: Mapping[str, object], encoder: ExportedEncoder, vae: ExportedVAE) -> None:
    """Raise ValueError when what an index remembers of its weights is not the fingerprint of these."""
    for name, folder, sha256 in (
        ("encoder", encoder.folder, encoder.sha256),
        ("vae", vae.folder, vae.sha256),
        ("painter", vae.folder, vae.drawing_sha256),
    ):
        if about.get(name) != sha256:
            raise ValueError(
                f"The index was built with other {name} weights than those in {folder}; "
                "rebuild it with `qa-emoji index build`."
            )


def fingerprint(folder: Path, files: Sequence[str], maker: str) -> str:
    """The sha256 over files of a folder, what an index remembers of the weights it was built with."""
    digest = hashlib.sha256()
    for name in files:
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise ValueError(f"{folder / name} is missing; {maker} makes it.") from error
    return digest.hexdigest()


def _numbers(path: Path, maker: str, *names: str) -> list[float]:
    try:
        config = json.loads(path.read_text())
        return [float(config[name]) for name in names]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is missing or no config; {maker} makes it anew.") from error


def _session(path: Path, maker: str) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own, without a common one to name
        raise ValueError(f"{path} is not a sound exported model; {maker} makes it anew.") from error


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    return [rows[start : start + _BATCH] for start in range(0, max(1, len(rows)), _BATCH)]
