from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qa_emoji import batch, durable
from qa_emoji.batch import BatchOptions
from qa_emoji.cli import main

TEXTS = ["pizza tonight?", "so tired", "two\nlines", "a,b", 'she said "hi"', "ünïcode 🍕", "tab\there", "r\rn"]


def run(*arguments: str | Path, **more) -> Result:
    return CliRunner().invoke(main, ["batch", *map(str, arguments)], **more)


def read(path: Path) -> list[dict]:
    """The rows of a file by a second reader."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content, path = gzip.decompress(content), path.with_suffix("")
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in content.decode().split("\n")[:-1]]
    if path.suffix == ".tsv":
        lines = [line.split("\t") for line in content.decode().split("\n")[:-1]]
        return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 50 rows instead of 32,768."""
    monkeypatch.setattr(batch, "_MOST_ROWS", 50)


@pytest.mark.parametrize("source", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("target", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_format_keeps_order_and_columns_and_has_the_rankers_answers(tmp_path, ranker, source, target):
    rows = [{"id": str(at), "text": text} for at, text in enumerate(TEXTS)]
    out = tmp_path / f"out.{target}"
    done = batch.rank_files(ranker, write(tmp_path / f"in.{source}", rows), out, BatchOptions(k=2))
    assert (done.answered, done.rejected, done.rejects) == (len(TEXTS), 0, None)
    answers = read(out)
    assert [(row["id"], row["text"]) for row in answers] == [(row["id"], row["text"]) for row in rows]
    for row in answers:
        for rank, answer in enumerate(ranker.rank(row["text"], k=2), 1):
            assert row[f"answer_{rank}"] == answer.emoji
            assert row[f"name_{rank}"] == answer.name
            assert row[f"source_{rank}"] == answer.source
            assert float(row[f"score_{rank}"]) == pytest.approx(answer.score, abs=2e-6)
    assert list(answers[0])[2:6] == ["answer_1", "name_1", "source_1", "score_1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"in.{source}", f"out.{target}"])


def test_long_has_a_row_for_each_answer(tmp_path, ranker):
    rows = [{"text": text, "label": at} for at, text in enumerate(TEXTS)]
    for target in ("out.csv", "out.parquet"):
        out = tmp_path / target
        batch.rank_files(ranker, write(tmp_path / "in.csv", rows), out, BatchOptions(k=3, shape="long"))
        answers = read(out)
        assert list(answers[0]) == ["text", "label", "rank", "answer", "name", "source", "score"]
        assert [row["text"] for row in answers] == [text for text in TEXTS for _ in range(3)]
        assert [int(row["rank"]) for row in answers] == [1, 2, 3] * len(TEXTS)
        assert [row["answer"] for row in answers[:3]] == [a.emoji for a in ranker.rank(TEXTS[0], k=3)]


def test_fewer_answers_than_asked_for_leave_cells_empty(tmp_path, ranker):
    options = BatchOptions(k=3, candidates=("🍕", "😴"))
    source = write(tmp_path / "in.jsonl", [{"text": "pizza"}, {"text": "sleep"}])
    batch.rank_files(ranker, source, tmp_path / "out.jsonl", options)
    batch.rank_files(ranker, source, tmp_path / "out.csv", options)
    assert [(row["answer_1"], row["answer_2"], row["answer_3"]) for row in read(tmp_path / "out.jsonl")] == [
        ("🍕", "😴", None),
        ("😴", "🍕", None),
    ]
    assert [row["answer_3"] for row in read(tmp_path / "out.csv")] == ["", ""]


def test_parquet_keeps_types(tmp_path, ranker):
    table = pa.table(
        {
            "when": pa.array([1, 2, None], pa.timestamp("ns", "UTC")),
            "tweet": pa.array(["hi", None, "bye"]).dictionary_encode(),
            "deep": [{"a": [1]}, {"a": None}, None],
            "raw": [b"\xff", b"", None],
            "n": pa.array([0.1, float("nan"), None], pa.float32()),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    done = batch.rank_files(ranker, tmp_path / "in.parquet", tmp_path / "out.parquet", BatchOptions(k=1))
    assert (done.answered, done.rejected) == (2, 1)
    assert done.rejects.read_text() == "row,reason\n2,null\n"
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.select(table.column_names).schema.equals(table.schema)
    assert (
        out.select(["when", "deep", "raw"]).to_pylist()
        == table.take([0, 2]).select(["when", "deep", "raw"]).to_pylist()
    )
    batch.rank_files(ranker, tmp_path / "in.parquet", tmp_path / "out.jsonl", BatchOptions(k=1))
    first, second = read(tmp_path / "out.jsonl")
    assert (first["deep"], first["raw"], second["n"]) == ({"a": [1]}, "ff", None)


def test_no_row_and_no_answerable_row(tmp_path, ranker):
    for name, content, rejected in (
        ("a.csv", "text\n", 0),
        ("b.jsonl", "", 0),
        ("c.csv", "text\n\n \n", 2),
        ("d.txt", "", 0),
    ):
        (tmp_path / name).write_text(content)
        for target in ("out.csv", "out.jsonl", "out.parquet"):
            done = batch.rank_files(ranker, tmp_path / name, tmp_path / target)
            assert (done.answered, done.rejected) == (0, rejected)
            assert read(tmp_path / target) == []


def test_rows_that_the_target_cannot_hold_are_rejected(tmp_path, ranker):
    (tmp_path / "in.jsonl").write_text(
        '{"text": "a", "n": 1}\n{"text": "b", "more": 1}\n{"text": "c\\td"}\n{"text": "e", "n": [1, null]}\n'
    )
    done = batch.rank_files(ranker, tmp_path / "in.jsonl", tmp_path / "out.tsv", BatchOptions(k=1))
    assert done.rejects.read_text() == (
        "row,reason\n2,'more' is not in the first object\n3,\"a tab or line break, which TSV cannot hold\"\n"
    )
    assert [(row["text"], row["n"]) for row in read(tmp_path / "out.tsv")] == [("a", "1"), ("e", "[1, null]")]
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text": "a", "answer_1": "mine"}\n')
    done = batch.rank_files(ranker, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert done.rejects.read_text() == "row,reason\n2,has 'answer_1' already\n"


@pytest.mark.parametrize("target", ["out.csv", "out.csv.gz", "out.jsonl", "out.parquet"])
def test_a_batch_killed_anywhere_goes_on_to_the_same_bytes(tmp_path, ranker, small_parts, target, monkeypatch):
    rows = [{"text": None if at % 60 == 7 else f"pizza {at}", "n": at} for at in range(170)]
    source, whole, out = write(tmp_path / "in.parquet", rows), tmp_path / f"whole.{target}", tmp_path / target
    expected = batch.rank_files(ranker, source, whole, BatchOptions(k=2))
    steps = 0

    class Killed(BaseException):
        pass

    def dying(path: Path, content: bytes, die_at: int) -> None:
        nonlocal steps
        steps += 1
        if steps == die_at:
            durable.beside(path).write_bytes(content[: len(content) // 2])
            raise Killed
        write_durably(path, content)

    write_durably = durable.write
    for die_at in range(2, 12):
        steps = 0
        with monkeypatch.context() as patch:
            patch.setattr(durable, "write", lambda path, content, at=die_at: dying(path, content, at))
            try:
                batch.rank_files(ranker, source, out, BatchOptions(k=2))
            except Killed:
                pass
            else:
                break
        done = batch.rank_files(ranker, source, out, BatchOptions(k=2), resume=True)
        assert out.read_bytes() == whole.read_bytes(), die_at
        assert (done.answered, done.rejected) == (expected.answered, expected.rejected) == (167, 3)
        assert done.rejects.read_bytes() == expected.rejects.read_bytes()
        assert not batch.parts_folder(out).exists()
    assert die_at > 7


KILLED = """
import sys
from qa_emoji import batch
from qa_emoji.cli import main
batch._MOST_ROWS = batch._RANKED = 40
main(["batch", *sys.argv[1:]])
"""


def test_sigkill_and_resume_on_the_command_line(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n" + "".join(f"{at},{'' if at % 100 == 3 else f'rain {at}'}\n" for at in range(3000)))

    def start(target: str, *options: str, **pipes) -> subprocess.Popen:
        command = [sys.executable, "-c", KILLED, str(source), str(tmp_path / target), "--shape", "long", *options]
        return subprocess.Popen(command, text=True, **pipes)

    assert start("whole.csv", stdout=subprocess.DEVNULL).wait(300) == 1
    process = start("out.csv", stdout=subprocess.DEVNULL)
    journal = tmp_path / "out.csv.parts" / "journal.jsonl"
    limit = time.monotonic() + 300
    while not (journal.exists() and journal.read_text().count("\n") >= 5) and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "out.csv").exists()
    with journal.open("a") as file:
        file.write('{"rows": 40, "rej')  # what a power cut may leave
    done = journal.read_text().count("\n")
    with start("out.csv", "--resume", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as resumed:
        out, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 1
    assert "2970 rows answered, 30 rejected" in out
    assert err == ""
    assert done >= 5
    for name in ("out.csv", "out.csv.rejects.csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("out", "whole", 1)).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("input", "another input"),
        ("options", "other options"),
        ("index", "another index"),
        ("packages", "other versions"),
    ],
)
def test_parts_of_another_batch_are_refused(tmp_path, ranker, small_parts, monkeypatch, change, message):
    source, out = write(tmp_path / "in.csv", [{"text": f"cat {at}"} for at in range(120)]), tmp_path / "out.csv"

    def interrupt(done: int, total: int | None) -> None:
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.rank_files(ranker, source, out, on_progress=interrupt)
    options = BatchOptions()
    if change == "input":
        source.write_text(source.read_text().replace("cat 7\n", "dog 7\n"))
    elif change == "options":
        options = BatchOptions(k=4)
    elif change == "index":
        monkeypatch.setattr(batch, "model_identity", lambda ranker: "another")
    else:
        monkeypatch.setattr(batch.importlib.metadata, "version", lambda name: "0")
    with pytest.raises(ValueError, match=message) as raised:
        batch.rank_files(ranker, source, out, options, resume=True)
    assert str(raised.value).endswith("begin anew without --resume.")
    assert batch.rank_files(ranker, source, out, options).answered == 120


def test_a_damaged_part_is_made_again(tmp_path, ranker, small_parts):
    source, out = write(tmp_path / "in.csv", [{"text": f"cat {at}"} for at in range(120)]), tmp_path / "out.csv"
    batch.rank_files(ranker, source, tmp_path / "whole.csv")

    def interrupt(done: int, total: int | None) -> None:
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.rank_files(ranker, source, out, on_progress=interrupt)
    part = batch.parts_folder(out) / "000001.answers"
    part.write_bytes(b"X" + part.read_bytes()[1:])
    batch.rank_files(ranker, source, out, resume=True)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_one_batch_at_a_time(tmp_path, ranker):
    from qa_emoji.parts import held

    source = write(tmp_path / "in.csv", [{"text": "hi"}])
    with held(tmp_path / "out.csv.parts"), pytest.raises(ValueError, match="Another batch is at work"):
        batch.rank_files(ranker, source, tmp_path / "out.csv")
    assert batch.rank_files(ranker, source, tmp_path / "out.csv").answered == 1


def test_folders(tmp_path, ranker):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    write(tmp_path / "in" / "b.parquet", [{"text": "hi"}, {"text": ""}])
    (tmp_path / "in" / "deep" / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "in" / ".hidden").write_text("no table")
    done = batch.rank_files(ranker, tmp_path / "in", tmp_path / "out", BatchOptions(k=1))
    assert (done.answered, done.rejected) == (3, 2)
    assert done.rejects == tmp_path / "out.rejects.csv"
    assert done.rejects.read_text() == "file,row,reason\nb.parquet,2,blank text\ndeep/a.txt,2,blank text\n"
    assert [row["text"] for row in read(tmp_path / "out" / "deep" / "a.csv")] == ["one", "two"]
    assert len(read(tmp_path / "out" / "b.parquet")) == 1
    batch.rank_files(ranker, tmp_path / "in", tmp_path / "as", BatchOptions(k=1, target_format="csv.gz"))
    assert sorted(path.name for path in (tmp_path / "as").rglob("*.*")) == ["a.csv.gz", "b.csv.gz"]
    (tmp_path / "out" / "stranger.csv").touch()
    with pytest.raises(ValueError, match=r"stranger\.csv is no answer to a file of"):
        batch.rank_files(ranker, tmp_path / "in", tmp_path / "out")


def test_streams():
    result = run("-", "-", "--format", "txt", "--to", "jsonl", "-k", "1", input="pizza\n\nrain\n")
    assert result.exit_code == 1
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["pizza", "rain"]
    assert result.stderr.splitlines() == ["row,reason", "2,blank text", "-: 2 rows answered, 1 rejected"]


def test_parquet_streams_through_pipes(tmp_path):
    source = write(tmp_path / "in.parquet", [{"text": text} for text in TEXTS])
    command = [sys.executable, "-c", "from qa_emoji.cli import main; main()", "batch", "-", "-", "--format", "parquet"]
    piped = subprocess.run(
        f"cat {source} | {subprocess.list2cmdline(command)} | cat > {tmp_path / 'out.parquet'}", shell=True, check=True
    )
    assert piped.returncode == 0
    assert [row["text"] for row in read(tmp_path / "out.parquet")] == TEXTS


def test_a_named_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with subprocess.Popen(["sh", "-c", f"printf 'pizza\\n\\n' > {tmp_path / 'pipe.txt'}"]):
        result = run(tmp_path / "pipe.txt", tmp_path / "out.csv", "-k", "1")
    assert result.exit_code == 1, result.output
    assert "1 rows answered, 1 rejected" in result.stdout
    assert (tmp_path / "out.csv.rejects.csv").read_text() == "row,reason\n2,blank text\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.csv.rejects.csv", "pipe.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.csv", "out.csv", "--column", "ask"], "in.csv has no column 'ask' but a, b."),
        (["in.csv", "out.csv"], "Say which column of in.csv has the texts: a, b."),
        (["in.csv", "out.txt"], "write csv, tsv, jsonl or parquet"),
        (["in.csv", "out"], "Say which format out has"),
        (["in.csv", "-", "--resume", "--column", "a"], "Only a batch from a file into a file can be resumed"),
        (["in.csv", "in.csv"], "cannot be both read and written"),
        (["nowhere.csv", "out.csv"], "There is no file or folder nowhere.csv"),
        (["in.csv", "nowhere/out.csv", "--column", "a"], "nowhere"),
        (["in.csv", "out.csv", "--column", "a", "-k", "0"], "k should be at least 1"),
        (["in.csv", "out.csv", "--column", "a", "--sources", "famous"], "not 'famous'"),
        (["in.csv", "out.csv", "--column", "a", "--candidates", "nope"], "'nope' is not in the index"),
        (["answered.csv", "out.csv"], "has a column 'answer_1' already"),
        (["numbers.parquet", "out.csv"], "holds no texts but int64"),
        (["broken.parquet", "out.csv"], "is not a sound Parquet file"),
        (["cut.csv.gz", "out.csv"], "is a broken gzip file"),
        (["empty", "out"], "There are no files in empty"),
        (["in.csv", "empty"], "empty is a folder"),
        (["empty", "empty/out"], "empty/out lies in empty"),
        (["in.csv", "out.csv", "--column", "a", "--workers", "2"], "--workers are for --engine ray"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("a,b\n1,2\n")
    Path("answered.csv").write_text("text,answer_1\nhi,x\n")
    write(Path("numbers.parquet"), [{"text": 1}])
    Path("broken.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    Path("cut.csv.gz").write_bytes(gzip.compress(b"text\nhi\n")[:-4])
    Path("empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_batch_leaves_the_target_alone(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    (tmp_path / "out.csv").write_text("precious")
    assert run(tmp_path / "in.csv", tmp_path / "out.csv").exit_code == 2
    assert (tmp_path / "out.csv").read_text() == "precious"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(texts=[None], target="out.parquet", source="in.parquet")  # no row is left of the part
@given(
    texts=st.lists(st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30), max_size=8),
    target=st.sampled_from(["out.csv", "out.jsonl", "out.parquet", "out.tsv", "out.csv.gz"]),
    source=st.sampled_from(["in.parquet", "in.jsonl"]),
)
def test_any_texts_are_answered_or_rejected(tmp_path, ranker, texts, target, source):
    rows = [{"id": at, "text": text} for at, text in enumerate(texts)]
    if source == "in.parquet":
        schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / source)
    else:
        write(tmp_path / source, rows)
    done = batch.rank_files(ranker, tmp_path / source, tmp_path / target, BatchOptions(k=1))
    answered = {int(row["id"]): row["text"] for row in read(tmp_path / target)}
    rejected = [int(row["row"]) - 1 for row in read(done.rejects)] if done.rejects else []
    assert sorted([*answered, *rejected]) == list(range(len(texts)))
    assert all(answered[at] == texts[at] for at in answered)
    breaks = "\t\n\r" if target == "out.tsv" else ""
    assert rejected == [at for at, text in enumerate(texts) if not (text or "").strip() or set(breaks) & set(text)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_parquet_file_is_read_or_refused_in_a_sentence(tmp_path, ranker, at, flip, cut):
    good = tmp_path / "good.parquet"
    if not good.exists():
        write(good, [{"text": text, "n": at} for at, text in enumerate(TEXTS)])
    content = bytearray(good.read_bytes())
    at %= len(content)
    if cut:
        del content[at:]
    else:
        content[at] ^= flip
    (tmp_path / "bad.parquet").write_bytes(content)
    options, refused = BatchOptions(k=1, column="text"), None
    try:
        done = batch.rank_files(ranker, tmp_path / "bad.parquet", tmp_path / "out.csv", options)
    except ValueError as error:
        refused = str(error)
    if refused is None:
        assert len(read(tmp_path / "out.csv")) == done.answered
    else:
        assert refused.endswith(".")
        assert "\n" not in refused
