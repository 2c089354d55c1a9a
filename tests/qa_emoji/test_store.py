from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa_emoji import Answer, EmojiIndex, manifest, paths, store

PARTS = ["codes", "answers", "latents", "labels"]


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def any_folder(tmp_path_factory):
    """A folder with an index of one answer, for tests that write its manifest anew each time."""
    folder = tmp_path_factory.mktemp("any") / "index"
    index = EmojiIndex()
    index.add([Answer("a", "🆕", "a", "known")], np.ones((1, 16)))
    index.save(folder)
    (folder / "sound.json").write_bytes(store.stamp(folder))
    return folder


@pytest.fixture
def folder(small_index, tmp_path):
    small_index.save(tmp_path / "index")
    return tmp_path / "index"


def ids(folder):
    return [answer.id for answer in EmojiIndex.load(folder).answers]


def forged(folder, original=store.MANIFEST, **changes):
    """The manifest of a folder with other facts, sealed as if it were ours."""
    read = json.loads((folder / original).read_text()) | changes
    sha256 = hashlib.sha256(rendered({name: value for name, value in read.items() if name != "sha256"})).hexdigest()
    return rendered({name: value for name, value in read.items() if name != "sha256"} | {"sha256": sha256})


def rendered(content):
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def refused(folder):
    """The one sentence with which an index is refused."""
    with pytest.raises(ValueError, match="index build") as raised:
        EmojiIndex.load(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_version_before_comes_back_and_goes_again(small_index, folder):
    before, raw = ids(folder), store.stamp(folder)
    small_index.remove(["id-0", "id-5"])
    small_index.save(folder)
    after = ids(folder)
    for expected in (before, after, before):
        assert [a.id for a in EmojiIndex.rollback(folder).answers] == expected
        assert ids(folder) == expected
    assert store.stamp(folder) == raw


def test_two_versions_are_kept_and_older_ones_deleted(small_index, folder):
    (folder / "answers-monday.csv").write_text("mine")
    for gone in ("id-0", "id-1", "id-2"):
        small_index.remove([gone])
        small_index.save(folder)
    assert len(list(folder.iterdir())) == 2 * 5 + 1
    assert (folder / "answers-monday.csv").read_text() == "mine"
    assert [a.id for a in EmojiIndex.rollback(folder).answers] == ["id-2", "id-3", "id-4", "id-5"]
    small_index.save(folder, keep_previous=False)
    assert len(list(folder.iterdir())) == 5 + 1
    with pytest.raises(ValueError, match="has no earlier version to go back to"):
        EmojiIndex.rollback(folder)


def test_saving_what_is_there_already_keeps_the_version_before(small_index, folder):
    small_index.remove(["id-0"])
    for _ in range(3):
        small_index.save(folder)
    assert len(EmojiIndex.rollback(folder)) == 6


def test_saving_mends_a_damaged_index(small_index, folder):
    for path in folder.iterdir():
        path.write_bytes(b"damaged")
    small_index.save(folder)
    assert len(ids(folder)) == 6
    assert len(list(folder.iterdir())) == 5


@pytest.mark.parametrize("part", [*PARTS, "manifest."])
def test_a_damaged_index_can_be_rolled_back(small_index, folder, part):
    before = {path.name for path in folder.iterdir()}
    small_index.remove(["id-0"])
    small_index.save(folder)
    (damaged,) = [p for p in folder.iterdir() if p.name.startswith(part) and p.name not in before - {store.MANIFEST}]
    damaged.write_bytes(b"damaged")
    refused(folder)
    assert len(EmojiIndex.rollback(folder)) == len(ids(folder)) == 6


@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_version_before_is_not_gone_back_to(small_index, folder, part):
    (old,) = folder.glob(f"{part}-*")
    small_index.remove(["id-0"])
    small_index.save(folder)
    old.write_bytes(old.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{old.name} is not as it was written"):
        EmojiIndex.rollback(folder)
    assert len(ids(folder)) == 5


def test_what_killed_writers_left_is_deleted(small_index, folder):
    digits = "0123456789ab"
    left = [
        f"codes-{digits}.faiss",
        f".latents-{digits}.npy.partial",
        ".manifest.json.partial",
        ".manifest-7.json.partial",
    ]
    mine = [".mine.partial", f"codes-{digits}.csv", "manifest-old.json"]
    for name in left + mine:
        (folder / name).write_text("left")
    small_index.remove(["id-0"])
    small_index.save(folder)
    names = {path.name for path in folder.iterdir()}
    assert names.isdisjoint(left)
    assert names.issuperset(mine)
    assert len(names) == 10 + len(mine)


class Killed(BaseException):
    """The end of a process, after which nothing of it runs."""


@pytest.mark.parametrize("dies_before", [True, False])
def test_a_crash_at_any_step_leaves_the_old_index_or_the_new(small_index, tmp_path, monkeypatch, dies_before):
    versions = []
    for gone in (None, "id-0", "id-1"):
        if gone:
            small_index.remove([gone])
        small_index.save(tmp_path / "versions")
        versions.append(ids(tmp_path / "versions"))
    _, old, new = versions
    steps, fatal, states = [], [0], []

    def dying(call):
        def counted(*arguments, **options):
            steps.append(call.__name__)
            if len(steps) >= fatal[0] and (dies_before or len(steps) > fatal[0]):
                raise Killed
            done = call(*arguments, **options)
            if len(steps) == fatal[0]:
                raise Killed
            return done

        return counted

    for name in ("replace", "fsync", "unlink", "open"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    while "through" not in states:
        folder = tmp_path / str(len(states))
        fatal[0] = 10**9
        again = EmojiIndex.load(tmp_path / "versions")
        again.remove([i for i in ids(tmp_path / "versions") if i not in new])
        again.add([Answer(i, None, i, "known") for i in old if i not in new], np.ones((1, 16)))
        again.save(folder)
        again.remove(["id-1"])
        again.save(folder)
        again.rollback(folder)
        before = ids(folder)
        again.remove(["id-2"])
        steps.clear()
        fatal[0] = len(states) + 1
        try:
            again.save(folder)
            states.append("through")
        except Killed:
            fatal[0] = 10**9
            states.append({tuple(before): "old", tuple(a.id for a in again.answers): "new"}[tuple(ids(folder))])
            assert len(EmojiIndex.rollback(folder)) in (5, 4)
        fatal[0] = 10**9
        again.remove(["id-3"])
        again.save(folder)
        assert len(list(folder.iterdir())) == 10
    assert states == sorted(states, key=["old", "new", "through"].index)
    assert states.count("old") > 10
    assert "new" in states


def test_everything_is_on_the_disk_before_it_is_in_force(small_index, tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        fsync(descriptor)
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    def renamed(source, target):
        replace(source, target)
        done.append(f"-> {Path(target).name.split('-')[0]}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    small_index.save(tmp_path / "index")
    files = [name for part in PARTS for name in (part, f"-> {part}")]
    order = [name.split("-")[0].removeprefix(".") if "->" not in name else name for name in done]
    assert order == [tmp_path.name.split("-")[0], *files, "index", "manifest.json.partial", "-> manifest.json", "index"]


def test_the_lock_is_for_one_and_ends_with_its_holder(small_index, folder):
    with store.locked(folder):
        for change in (small_index.save, EmojiIndex.rollback):
            with pytest.raises(BlockingIOError, match="Another process is changing the index") as raised:
                change(folder)
            assert "\n" not in str(raised.value)
        assert len(ids(folder)) == 6  # readers need no lock
    small_index.save(folder)


def test_a_folder_of_which_nothing_came_is_removed(tmp_path):
    with pytest.raises(ZeroDivisionError), store.locked(tmp_path / "a" / "b"):
        1 / 0
    assert not list(tmp_path.iterdir())


def test_a_change_that_fails_is_not_saved(folder):
    before = store.stamp(folder)

    def fails():
        with EmojiIndex.changing(folder) as index:
            index.remove(["id-0"])
            index.remove(["id-0"])

    with pytest.raises(ValueError, match="no answer 'id-0'"):
        fails()
    assert store.stamp(folder) == before
    with EmojiIndex.changing(folder) as index:
        index.remove(["id-0"])
    assert len(ids(folder)) == 5


def test_any_byte_changed_in_any_file_is_found(folder, rng):
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for position in range(0, len(content), 1 if path.name == store.MANIFEST else 7):
            damaged = bytearray(content)
            damaged[position] ^= int(rng.integers(1, 256))
            path.write_bytes(damaged)
            message = refused(folder)
            assert str(folder) in message
        for shorter in (content[:-1], content[: len(content) // 2], b"", content + b"\n"):
            path.write_bytes(shorter)
            refused(folder)
        path.write_bytes(content)
    assert len(ids(folder)) == 6


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_another_index_is_refused(folder, tmp_path, part, rng):
    other = EmojiIndex()
    other.add([Answer(str(i), None, str(i), "known") for i in range(7)], rng.normal(size=(7, 16)))
    other.save(tmp_path / "other")
    (theirs,), (ours,) = (tmp_path / "other").glob(f"{part}-*"), folder.glob(f"{part}-*")
    ours.write_bytes(theirs.read_bytes())
    assert "checksum differs" in refused(folder)
    files = json.loads((folder / store.MANIFEST).read_text())["files"]
    digest = hashlib.sha256(theirs.read_bytes()).hexdigest()
    (folder / manifest.file_name(part, digest)).write_bytes(theirs.read_bytes())
    files[part] = {"name": manifest.file_name(part, digest), "sha256": digest}
    (folder / store.MANIFEST).write_bytes(forged(folder, files=files))
    assert "not of this format" in (message := refused(folder)) or "do not belong together" in message


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200), part=st.sampled_from(PARTS))
def test_any_content_under_a_right_checksum_is_refused(any_folder, content, part):
    digest = hashlib.sha256(content).hexdigest()
    (any_folder / manifest.file_name(part, digest)).write_bytes(content)
    files = json.loads((any_folder / "sound.json").read_text())["files"]
    files[part] = {"name": manifest.file_name(part, digest), "sha256": digest}
    (any_folder / store.MANIFEST).write_bytes(forged(any_folder, "sound.json", files=files))
    refused(any_folder)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["format", "dim", "files", "counts", "codes", "name", "x"]), inner)
        ),
    )
)
def test_any_manifest_is_refused_in_one_sentence(any_folder, content):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode("utf-8", "surrogatepass")
    (any_folder / store.MANIFEST).write_bytes(raw)
    refused(any_folder)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={
        "dim": st.integers() | st.floats() | st.text(), "metric": st.text(), "factory": st.text() | st.integers(),
        "kind": st.text() | st.none(), "counts": st.dictionaries(st.text(), st.integers()) | st.none(),
        "files": st.dictionaries(st.sampled_from(PARTS), st.dictionaries(st.sampled_from(["name", "sha256"]), st.text())),
        "format": st.integers() | st.text(),
    }).filter(bool)
)  # fmt: skip
def test_any_sealed_facts_but_the_right_ones_are_refused(any_folder, changes):
    right = json.loads((any_folder / "sound.json").read_text())
    if all(right[name] == value for name, value in changes.items()):
        return
    (any_folder / store.MANIFEST).write_bytes(forged(any_folder, "sound.json", **changes))
    refused(any_folder)


def test_brackets_without_end_are_refused(folder):
    (folder / store.MANIFEST).write_bytes(b"[" * 100_000)
    assert "is broken" in refused(folder)


def test_a_newer_format_says_so(folder):
    (folder / store.MANIFEST).write_bytes(forged(folder, format=4))
    assert "has format 4, this package reads 3; update qa-emoji or rebuild it" in refused(folder)


def test_the_format_before_is_read(folder):
    files = json.loads((folder / store.MANIFEST).read_text())["files"]
    del files["labels"]
    (folder / store.MANIFEST).write_bytes(forged(folder, format=2, files=files, named=0))
    assert len(ids(folder)) == 6
    assert not EmojiIndex.load(folder).labels()
    (folder / store.MANIFEST).write_bytes(forged(folder, format=3, files=files))
    assert "is not the manifest of an index" in refused(folder)


def test_what_is_remembered_takes_no_name_of_the_manifest(tmp_path):
    with pytest.raises(ValueError, match="has its own 'files'"):
        EmojiIndex(about={"files": 1}).save(tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_a_file_or_link_in_place_of_the_folder(tmp_path, small_index):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="There is no index in"):
        EmojiIndex.load(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        small_index.save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_the_shipped_index_is_sound():
    assert store.read(paths.default_index()).manifest["metric"] == "cosine"
