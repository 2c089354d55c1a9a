from __future__ import annotations

import os
from pathlib import Path

import pytest

from qa_emoji import durable


class Killed(BaseException):
    """The end of a process, after which nothing of it runs."""


@pytest.fixture
def done(monkeypatch):
    """What was brought to the disk, with the size it had, and what was put in its place, in order."""
    steps, replace = [], os.replace

    def synced(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        steps.append(path.name if path.is_dir() else (path.name, path.stat().st_size))

    def replaced(source, target):
        replace(source, target)
        steps.append(f"{source.name} -> {target.name}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return steps


def test_content_comes_to_the_disk_before_the_name(tmp_path, done):
    folder = tmp_path / "folder"
    folder.mkdir()
    durable.write(folder / "a", b"12345")
    assert done == [(".a.partial", 5), ".a.partial -> a", "folder"]
    done.clear()
    durable.put(folder / "a", b"1234567")
    assert done == [(".a.partial", 7), ".a.partial -> a"]
    done.clear()
    (tmp_path / "written").write_bytes(b"123")
    durable.publish(tmp_path / "written", folder / "a")
    assert done == [("written", 3), "written -> a", "folder"]
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert (folder / "a").read_bytes() == b"123"


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_what_fails_leaves_the_old_file_alone(tmp_path, monkeypatch, name):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    durable.write(tmp_path / "a", b"old")
    monkeypatch.setattr(os, name, full)
    with pytest.raises(OSError, match="No space left"):
        durable.write(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_writer_killed_at_any_step_leaves_the_old_file_or_the_new(tmp_path, monkeypatch):
    steps, left = 0, []

    def dying(call, die_at):
        def counted(*arguments, **options):
            nonlocal steps
            steps += 1
            if steps >= die_at:  # and so does all that would tidy up
                raise Killed
            return call(*arguments, **options)

        return counted

    for die_at in range(1, 10):
        folder, steps = tmp_path / str(die_at), 0
        folder.mkdir()
        durable.write(folder / "a", b"old")
        try:
            with monkeypatch.context() as patch:
                for name in ("open", "fsync", "replace", "unlink"):
                    patch.setattr(os, name, dying(getattr(os, name), die_at))
                durable.write(folder / "a", b"new")
        except Killed:
            left.append(((folder / "a").read_bytes(), durable.beside(folder / "a").exists()))
        else:
            break
        durable.write(folder / "a", b"newer")  # what was left is in nobody's way
        assert [path.name for path in folder.iterdir()] == ["a"]
    assert left == [(b"old", True), (b"old", True), (b"new", False), (b"new", False)]
    assert (folder / "a").read_bytes() == b"new"


def test_what_a_killed_writer_left_is_told_from_other_files():
    for name in ("a", "a.json", ".a", "a.partial", ".a.partial"):
        assert durable.meant(durable.beside(Path("x") / name)) == Path("x") / name
    for name in ("a", ".a", "a.partial", ".partial", "..partial", "a.b.partial"):
        assert durable.meant(Path("x") / name) is None
