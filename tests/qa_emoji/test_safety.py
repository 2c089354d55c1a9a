"""Processes killed in the middle of a change, and readers beside a writer."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from qa_emoji import EmojiIndex, EmojiRanker, store
from qa_emoji.answer import emoji_id

KILLS = 30
REBUILDS = 20
READERS = 4
SCRIPT = Path("tests/qa_emoji/processes.py")
QUESTION = "Where shall we go this summer?"


class Nursery:
    """Starts and ends processes; see processes.py."""

    def __init__(self, errors: Path):
        environment = os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
        self.errors = errors
        with errors.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
            )  # fmt: skip

    def ask(self, *line: str | int) -> int:
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def start(self, role: str, *arguments: Path | int) -> int:
        return self.ask("start", role, *map(str, arguments))


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    started = Nursery(tmp_path_factory.mktemp("nursery") / "errors.txt")
    yield started
    started.process.stdin.close()
    started.process.wait(timeout=30)
    started.process.stdout.close()


@pytest.fixture
def pictures(tmp_path, catalog):
    for folder, names in (
        ("catalogue", [emoji_id(e.emoji) for e in catalog.base_forms()[:2]]),
        ("new", ["1fac9"]),
    ):
        (tmp_path / folder).mkdir()
        for i, name in enumerate(names):
            Image.new("RGBA", (36, 36), (90 * i, 200, 40, 255)).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def first_build(nursery, folder, pictures):
    """The seconds that a writer, which is then killed, takes until there is an index in a folder and it has changed."""
    pid, started = nursery.start("rebuild", folder, pictures / "catalogue"), time.monotonic()
    wait_for((folder / store.MANIFEST).exists)
    first = store.stamp(folder)
    wait_for(lambda: store.stamp(folder) != first)
    nursery.ask("kill", pid)
    return time.monotonic() - started


def wait_for(happened):
    latest = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < latest
        time.sleep(0.002)


@pytest.mark.parametrize("role", ["rebuild", "add"])
def test_an_index_answers_whenever_its_writer_is_killed(
    nursery, pictures, tmp_path, catalog, encoder, exported_vae, role
):
    folder = tmp_path / "index"
    longest = first_build(nursery, folder, pictures)
    base = {a.id for a in EmojiIndex.load(folder).answers}
    everything = {path.stem for path in (pictures / "catalogue").iterdir()}
    one = {emoji_id(catalog.base_forms()[0].emoji)}
    states = [base, base | {"1fac9"}] if role == "add" else [one, everything]
    moments, changes = random.Random(), 0
    for _ in range(KILLS):
        before = store.stamp(folder)
        pid = nursery.start(role, folder, pictures / ("new" if role == "add" else "catalogue"))
        time.sleep(moments.uniform(0, longest))
        assert nursery.ask("kill", pid) == -signal.SIGKILL, nursery.errors.read_text()
        index = EmojiIndex.load(folder)
        assert {a.id for a in index.answers} in states
        assert EmojiRanker(index, encoder, exported_vae).rank(QUESTION, k=1)
        changes += store.stamp(folder) != before
    assert changes  # some were killed at work


def test_readers_see_no_error_during_rebuilds(nursery, pictures, tmp_path):
    folder, stop = tmp_path / "index", tmp_path / "stop"
    first_build(nursery, folder, pictures)
    results = [tmp_path / f"reader-{i}.json" for i in range(READERS)]
    readers = [nursery.start("read", folder, stop, result) for result in results]
    wait_for(lambda: all(result.with_suffix(".started").exists() for result in results))
    writer = nursery.start("rebuild", folder, pictures / "catalogue", REBUILDS)
    assert nursery.ask("join", writer) == 0, nursery.errors.read_text()
    stop.touch()
    assert [nursery.ask("join", reader) for reader in readers] == [0] * READERS, nursery.errors.read_text()
    for result in results:
        reloads, answers = json.loads(result.read_text())
        assert reloads >= 1
        assert set(answers) == {1, 2}


def test_of_two_rebuilds_one_wins_and_the_other_says_so(nursery, pictures, tmp_path):
    folder = tmp_path / "index"
    first_build(nursery, folder, pictures)
    before = store.stamp(folder)
    with store.locked(folder):
        loser = nursery.start("rebuild", folder, pictures / "catalogue", 1)
        assert nursery.ask("join", loser) == 1
    assert f"Another process is changing the index in {folder}, so nothing was done" in nursery.errors.read_text()
    assert store.stamp(folder) == before
    assert nursery.ask("join", nursery.start("rebuild", folder, pictures / "catalogue", 1)) == 0
