"""The text encoder in NumPy and the exported VAE in ONNX Runtime: all that a query needs, without torch."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from qa_emoji import paths
from qa_emoji.answer import emoji_id
from qa_emoji.catalog import Emoji, describe
from qa_emoji.cosine import unit_rows
from qa_emoji.lookup import LookupEncoder
from qa_emoji.memory import Label, Reading
from qa_emoji.tokenizer import FILE_NAME, UNKNOWN, Tokenizer
from vae import inference

if TYPE_CHECKING:
    import onnxruntime

_BATCH = 256
_IN_KEYWORDS = 2 / 3  # what a word of a keyword counts beside one of the name
_ENCODER_MAKER = "scripts/train_encoder.py"
_MAKER, _DRAWING_MAKER = "scripts/pretrain_vae.py", "scripts/train_painter.py"


@dataclass(frozen=True)
class Named:
    """What an answer is called, with its id."""

    id: str
    name: str
    keywords: Sequence[str] = ()

    @classmethod
    def of(cls, emoji: Emoji) -> Named:
        """An emoji of the catalogue."""
        return cls(emoji_id(emoji.emoji), emoji.name, emoji.keywords)


class ExportedEncoder:
    """Texts to unit codes and keys, by NumPy."""

    files = ("config.json", "model.safetensors", FILE_NAME)

    def __init__(self, folder: str | Path | None = None):
        """Load from a folder; the shipped one when none is given. ValueError says what is missing or broken."""
        self.folder = paths.encoder_weights() if folder is None else Path(folder)
        config, weights, pieces = contents = _read(self.folder, self.files, _ENCODER_MAKER)
        self.sha256 = fingerprint(contents)
        self.tokenizer = Tokenizer.of_file(self.folder / FILE_NAME, pieces)
        try:
            tensors, settings = load(weights), json.loads(config)
            self._lookup = LookupEncoder(tensors, settings["widths"])
            self._emojis = dict(zip(settings["emojis"], tensors.get("emojis", ()), strict=True))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, SafetensorError) as error:
            raise ValueError(
                f"config.json and model.safetensors in {self.folder} are no sound encoder; "
                f"{_ENCODER_MAKER} makes them anew."
            ) from error
        if len(self.tokenizer) != self._lookup.vocabulary:
            raise ValueError(
                f"{FILE_NAME} in {self.folder} has {len(self.tokenizer)} pieces and the encoder "
                f"{self._lookup.vocabulary}; {_ENCODER_MAKER} makes them anew, together."
            )

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit codes of texts alone, whatever answers there are, (n, 16) float32."""
        return self.read(texts).codes

    def read(self, texts: Sequence[str]) -> Reading:
        """What the encoder makes of texts."""
        pieces = self.tokenizer.encode_all(texts) if len(texts) > 1 else [self.tokenizer.encode(t) for t in texts]
        codes = np.empty((len(texts), self.dim), dtype=np.float32)
        keys = np.empty((len(texts), self._lookup.key_dim), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            part = slice(start, start + _BATCH)
            codes[part], keys[part] = self._lookup.encode(pieces[part])
        return Reading(unit_rows(codes), unit_rows(keys), pieces)

    def labels(self, named: Sequence[Named]) -> list[Label]:
        """What questions find answers by, from how these are called.

        An emoji that the encoder was trained on has a vector of its own besides.
        """
        keys = self.read([describe(each.name, each.keywords) for each in named]).keys
        for row, each in enumerate(named):
            if each.id in self._emojis:
                keys[row] += self._emojis[each.id]
        labels = []
        for key, each in zip(unit_rows(keys).astype(np.float16), named, strict=True):  # as an index keeps them
            weights = dict.fromkeys(self.tokenizer.encode(" ".join(each.keywords)), _IN_KEYWORDS)
            weights |= dict.fromkeys(self.tokenizer.encode(each.name), 1.0)
            weights.pop(UNKNOWN, None)
            pieces = np.array(list(weights), dtype=np.int32)
            salience = self._lookup.salience[pieces]
            labels.append(Label(key, pieces, salience * np.array(list(weights.values()), dtype=np.float32)))
        return labels

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
        return self._lookup.dim


class ExportedVAE:
    """Images to posterior means and codes to images; what draws and judges them is loaded when first asked for."""

    files = ("config.json", "encoder.onnx", "decoder.onnx")
    drawing_files = ("painter.onnx", "judge.onnx", "judge/config.json")

    def __init__(self, folder: str | Path | None = None):
        """Take a folder; the shipped one when none is given. ValueError says when it has no config, later what else
        is missing or broken: models are loaded, and fingerprints taken, when they are first asked for."""
        self.folder = paths.vae_weights() if folder is None else Path(folder)
        self._bound, self._kl_weight = _numbers(self.folder / "config.json", _MAKER, "mean_bound", "kl_weight")
        self._encoder = _Model(self.folder / "encoder.onnx", _MAKER)
        self._decoder = _Model(self.folder / "decoder.onnx", _MAKER)
        self._painter = _Model(self.folder / "painter.onnx", _DRAWING_MAKER)
        self._judge = _Model(self.folder / "judge.onnx", _DRAWING_MAKER)

    def encode(self, images: np.ndarray, *, steps: int = inference.STEPS) -> tuple[np.ndarray, np.ndarray]:
        """Means, refined through the decoder in ``steps`` (`vae.inference`), and log-variances, each (n, 16) float32.

        Images are (n, 4, 36, 36) float32. Without steps it takes one pass and is some fifty times faster.
        """
        mean, logvar = self._encoder.run(images)
        refined = inference.refine(
            self.decode, images, mean, prior_weight=self._kl_weight, bound=self._bound, steps=steps
        )
        return refined, logvar

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Images, (n, 4, 36, 36) float32 in [0, 1], premultiplied alpha, of latent codes (n, 16) float32."""
        return self._decoder.run(codes)[0]

    def draw(self, codes: np.ndarray) -> np.ndarray:
        """What `decode` gives, gone over by the painter: the picture to show, of the same shape."""
        return self._painter.run(self.decode(codes))[0]

    def judge(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, 64) of images and, for each, the probability of each kind of emoji (n, kinds), float32."""
        features, probabilities = self._judge.run(images)
        return features, probabilities

    def recognised(self, images: np.ndarray) -> np.ndarray:
        """Whether the judge is as sure of a kind as of nine in ten real emojis that it had not seen: (n,) bool."""
        return self.judge(images)[1].max(axis=1) >= self.recognised_above

    @functools.cached_property
    def sha256(self) -> str:
        """The fingerprint of what makes codes of images and images of codes."""
        return fingerprint(_read(self.folder, self.files, _MAKER))

    @functools.cached_property
    def drawing_sha256(self) -> str:
        """The fingerprint of what draws and judges pictures, apart from the codes."""
        return fingerprint(_read(self.folder, self.drawing_files, _DRAWING_MAKER))

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


def fingerprint(contents: Iterable[bytes]) -> str:
    """The sha256 over the contents of files, what an index remembers of the weights it was built with."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


class _Model:
    """An exported model in ONNX Runtime, loaded when it is first run."""

    def __init__(self, path: Path, maker: str):
        self._path, self._maker = path, maker
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}  # by process: a fork has none of its threads
        self._loading = threading.Lock()

    def run(self, rows: np.ndarray) -> list[np.ndarray]:
        """The outputs for rows (n, ...) of its one input. Raises ValueError when the file is missing or broken."""
        session = self._sessions.get(os.getpid()) or self._load()
        name = session.get_inputs()[0].name
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        parts = [
            session.run(None, {name: rows[start : start + _BATCH]}) for start in range(0, max(1, len(rows)), _BATCH)
        ]
        return parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _load(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        if not self._path.is_file():
            raise ValueError(f"{self._path} is missing; {self._maker} makes it.")
        options = onnxruntime.SessionOptions()
        # The models take turns: idle threads of one that spin would hold the others' cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.intra_op_num_threads = cores()
        with self._loading:
            if os.getpid() not in self._sessions:
                try:
                    self._sessions[os.getpid()] = onnxruntime.InferenceSession(
                        str(self._path), options, providers=["CPUExecutionProvider"]
                    )
                except Exception as error:  # ONNX Runtime raises classes of its own, without a common one to name
                    raise ValueError(
                        f"{self._path} is not a sound exported model; {self._maker} makes it anew."
                    ) from error
            return self._sessions[os.getpid()]


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read(folder: Path, files: Sequence[str], maker: str) -> list[bytes]:
    contents = []
    for name in files:
        try:
            contents.append((folder / name).read_bytes())
        except OSError as error:
            raise ValueError(f"{folder / name} is missing; {maker} makes it.") from error
    return contents


def _numbers(path: Path, maker: str, *names: str) -> list[float]:
    try:
        config = json.loads(path.read_text())
        return [float(config[name]) for name in names]
    except OSError as error:
        raise ValueError(f"{path} is missing; {maker} makes it.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no config; {maker} makes it anew.") from error
