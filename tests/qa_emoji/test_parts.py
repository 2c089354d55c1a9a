from __future__ import annotations

import json

import pytest

from qa_emoji import durable
from qa_emoji.parts import Parts, held

IDENTITY = {"input": "a", "options": {"k": 5}, "model": "m", "packages": {}}


def test_parts_come_back_in_order(tmp_path):
    parts = Parts.open(tmp_path / "p", IDENTITY, resume=True)
    parts.append(b"one", [(2, "null"), (3, 'a "b", c')], 4)
    parts.append(b"", [], 1)
    again = Parts.open(tmp_path / "p", IDENTITY, resume=True)
    assert list(again.answers()) == [b"one", b""]
    assert list(again.rejects()) == [("2", "null"), ("3", 'a "b", c')]
    assert [(part.rows, part.rejected) for part in again.done] == [(4, 2), (1, 0)]
    assert Parts.open(tmp_path / "p", IDENTITY, resume=False).done == []
    assert Parts(tmp_path / "p").done == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "000001.answers").write_bytes(b"tw0"),
        lambda folder: (folder / "000001.answers").unlink(),
        lambda folder: (folder / "000001.rejects.csv").write_bytes(b"9,other\n"),
        lambda folder: (folder / "journal.jsonl").write_bytes((folder / "journal.jsonl").read_bytes()[:-90]),
        lambda folder: (folder / "journal.jsonl").write_text(
            (folder / "journal.jsonl").read_text().replace('"rejected": 1', '"rejected": "x"')
        ),
    ],
)
def test_parts_after_a_damaged_one_are_made_again(tmp_path, damage):
    parts = Parts.open(tmp_path, IDENTITY, resume=False)
    parts.append(b"one", [], 1)
    parts.append(b"two", [(2, "null")], 1)
    parts.append(b"three", [], 1)
    damage(tmp_path)
    again = Parts.open(tmp_path, IDENTITY, resume=True)
    assert list(again.answers()) == [b"one"]
    again.append(b"2", [], 1)
    assert list(Parts(tmp_path).answers()) == [b"one", b"2"]


@pytest.mark.parametrize(("name", "message"), [("input", "input"), ("options", "options"), ("model", "index or other")])
def test_parts_of_another_job_are_refused(tmp_path, name, message):
    Parts.open(tmp_path, IDENTITY, resume=False)
    with pytest.raises(ValueError, match=f"begun with (an)?other {message}"):
        Parts.open(tmp_path, IDENTITY | {name: "b"}, resume=True)


def test_a_finished_job_needs_its_parts_no_longer(tmp_path):
    parts = Parts.open(tmp_path, IDENTITY, resume=False)
    parts.append(b"one", [(1, "null")], 2)
    assert parts.finished() is None
    (tmp_path / "target").write_bytes(b"12345")
    parts.finish(tmp_path / "target")
    again = Parts.open(tmp_path, IDENTITY, resume=True)
    assert again.finished() == 5
    assert not list(tmp_path.glob("*.answers"))
    assert [(part.rows, part.rejected) for part in again.done] == [(2, 1)]
    assert list(again.rejects()) == [("1", "null")]


def test_a_folder_is_held_by_one_and_goes_when_empty(tmp_path):
    with held(tmp_path / "p"):
        with pytest.raises(ValueError, match="Another batch is at work"), held(tmp_path / "p"):
            pass
        assert (tmp_path / "p").exists()
    assert not (tmp_path / "p").exists()
    with held(tmp_path / "p"):
        durable.write(tmp_path / "p" / "kept", json.dumps(IDENTITY).encode())
    assert (tmp_path / "p" / "kept").exists()
