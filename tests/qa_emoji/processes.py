"""Writers and readers of index folders as processes, for test_safety.py.

Run as a script it forks one for each line of input, having imported what they need once. Writers change a folder over
and over by the real jobs; in place of encoder and VAE they have a hash and a projection, so that most of their time is
spent writing. Lines: ``["start", role, *arguments]`` prints a process id, ``["kill", id]`` and ``["join", id]`` print
how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
import zlib
from pathlib import Path

import numpy as np

from qa_emoji import EmojiIndex, EmojiRanker, jobs, paths
from qa_emoji.catalog import Catalog
from qa_emoji.cosine import unit_rows
from qa_emoji.memory import Label
from qa_emoji.store import read_manifest

QUESTION = "Where shall we go this summer?"
NEW = "1fac9"  # the id of the emoji to add


class Hash:
    """As much of a text encoder as a build needs."""

    dim, folder = 16, Path("hash")

    def __init__(self):
        about = read_manifest(paths.default_index())
        self.sha256, self.trained_against = about["encoder"], about["vae"]

    def encode(self, texts):
        return self._hashes(texts, 16)

    def labels(self, named):
        pieces, weights = np.array([1], dtype=np.int32), np.ones(1, dtype=np.float32)
        return [Label(key.astype(np.float16), pieces, weights) for key in self._hashes([e.name for e in named], 128)]

    def _hashes(self, texts, dim):
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=dim) for text in texts]
        return unit_rows(np.reshape(rows, (len(texts), dim)))


class Projection:
    """As much of a VAE as a build needs."""

    folder = Path("projection")

    def __init__(self):
        about = read_manifest(paths.default_index())
        self.sha256, self.drawing_sha256 = about["vae"], about["painter"]
        self.matrix = np.random.default_rng(0).normal(size=(4 * 36 * 36, 16)).astype(np.float32)

    def encode(self, images):
        means = images.reshape(len(images), -1) @ self.matrix / 100
        return means, np.zeros_like(means)


ENCODER, VAE = Hash(), Projection()


def rebuild(folder: str, pictures: str, times: str = "inf") -> None:
    """Build an index of one emoji and of two by turns; the first is another than the one there is."""
    emojis, done = Catalog.load().base_forms()[:2], 0
    here = len(EmojiIndex.load(folder)) if Path(folder).exists() else 0
    while done < float(times):
        some = Catalog(emojis[: 1 + (here + done) % 2])
        jobs.build_index(some, pictures, Path(folder), encoder=ENCODER, vae=VAE, generated=0)
        done += 1


def add(folder: str, pictures: str) -> None:
    """Add an emoji to an index and remove it again by turns."""
    while True:
        with EmojiIndex.changing(folder) as index:
            if NEW in index:
                index.remove([NEW])
            else:
                jobs.add_images(index, Path(pictures), None, encoder=ENCODER, vae=VAE)


def read(folder: str, stop: str, result: str) -> None:
    """Rank until there is a file to stop for: how often the index was new, and how many answers there were."""
    ranker, reloads, answers = EmojiRanker.load(folder), 0, []
    Path(result).with_suffix(".started").touch()
    while not Path(stop).exists():
        reloads += ranker.reload_if_changed()
        answers.append(len(ranker.rank(QUESTION, k=5)))
        answers.append(len(EmojiRanker(EmojiIndex.load(folder), ranker.encoder, ranker.vae).rank(QUESTION, k=5)))
    Path(result).write_text(json.dumps([reloads, answers]))


ROLES = {"rebuild": rebuild, "add": add, "read": read}


def child(role: str, *arguments: str) -> None:
    code = 1
    try:
        ROLES[role](*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    Catalog.load()  # for all children
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        if command == "start":
            pid = os.fork()
            if not pid:
                child(*arguments)
            print(pid, flush=True)
        else:
            if command == "kill":
                os.kill(arguments[0], signal.SIGKILL)
            print(os.waitstatus_to_exitcode(os.waitpid(arguments[0], 0)[1]), flush=True)


if __name__ == "__main__":
    main()
