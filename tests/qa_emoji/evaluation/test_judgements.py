from __future__ import annotations

import gzip
import json

import pandas as pd
import pytest

from qa_emoji.evaluation import judgements
from qa_emoji.evaluation.judgements import Columns

ROWS = [("Pizza night! ✨️", "🍕 😋"), ("so tired", "😴"), ('a "quoted", text', "🍕😋")]


@pytest.fixture(params=["csv", "tsv", "jsonl", "parquet", "csv.gz", "lists.jsonl", "lists.parquet"])
def file(request, tmp_path):
    path = tmp_path / f"in.{request.param}"
    frame = pd.DataFrame(ROWS, columns=["message", "answers"]).assign(topic=["food", "sleep", "food"])
    if request.param.startswith("lists"):
        frame["answers"] = [["🍕", "😋"], ["😴"], ["🍕", "😋"]]
    if "jsonl" in request.param:
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif "parquet" in request.param:
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if request.param == "tsv" else ",")
    return path


def test_every_format_reads_alike(file, catalog):
    asked = judgements.read(file, catalog, columns=Columns("message", "answers", "topic"))
    assert [q.text for q in asked.questions] == ["Pizza night! ✨", "so tired", 'a "quoted", text']
    assert [q.emojis for q in asked.questions] == [("🍕", "😋"), ("😴",), ("🍕", "😋")]
    assert [q.category for q in asked.questions] == ["food", "sleep", "food"]
    assert asked.rows == [1, 2, 3]
    assert asked.candidates is None
    assert asked.rejected == []
    asked.check()


def test_bad_rows_are_named_and_left_out(catalog, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text,emojis\nhi,👋\n ,👋\nbye,\nyes,👍\n", "utf-8")
    asked = judgements.read(path, catalog)
    assert asked.rows == [1, 4]
    assert asked.rejected == [(2, "no text"), (3, "no accepted emoji")]
    with pytest.raises(ValueError, match=r"2 of 4 rows of in.csv cannot be judged, the first in row 2: no text"):
        asked.check()
    asked.check(lenient=True)


def test_missing_cells_are_bad_rows_and_no_topics(catalog, tmp_path):
    frame = pd.DataFrame(
        {"text": ["a", None, "c", "\ufe0f"], "emojis": ["😀", "😀", None, "😀"], "category": [None] * 4}
    )
    for name in ("in.parquet", "in.jsonl"):
        if name == "in.parquet":
            frame.set_index(pd.Index(list("wxyz"))).to_parquet(tmp_path / name)
        else:
            frame.to_json(tmp_path / name, orient="records", lines=True)
        asked = judgements.read(tmp_path / name, catalog)
        assert [(q.text, q.category) for q in asked.questions] == [("a", "")]
        assert asked.rejected == [(2, "no text"), (3, "no accepted emoji"), (4, "no text")]


def test_with_no_row_left_even_the_lenient_refuse(catalog, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text,emojis\nbye,\n", "utf-8")
    with pytest.raises(ValueError, match="1 of 1 rows"):
        judgements.read(path, catalog).check(lenient=True)


def test_labels_and_a_mapping(catalog, tmp_path):
    (tmp_path / "t.txt").write_text("love \ufe0f you\nhaha\n", "utf-8")
    (tmp_path / "l.txt").write_text("0\n1\n")
    (tmp_path / "m.txt").write_text("0\t❤\t_red_heart_\n1\t😂\t_joy_\n", "utf-8")
    asked = judgements.read(tmp_path / "t.txt", catalog, labels=tmp_path / "l.txt", mapping=tmp_path / "m.txt")
    assert [(q.text, q.emojis) for q in asked.questions] == [("love  you", ("❤️",)), ("haha", ("😂",))]
    assert asked.candidates == ["❤️", "😂"]


def test_several_labels_in_a_cell_and_a_mapping_in_json(catalog, tmp_path):
    (tmp_path / "in.csv").write_text('text,label\na,joy\nb,"joy, big love"\nc,fear\nd,big love\n', "utf-8")
    (tmp_path / "m.json").write_text(json.dumps({"joy": ["😀", "😂"], "big love": "❤", "love": "😍", "big": "🐘"}))
    columns = Columns(accepted="label")
    asked = judgements.read(tmp_path / "in.csv", catalog, columns=columns, mapping=tmp_path / "m.json")
    assert [q.emojis for q in asked.questions] == [("😀", "😂"), ("😀", "😂", "🐘", "😍"), ("❤️",)]
    assert asked.rejected == [(3, "the label 'fear' is not in the mapping")]


def test_numbers_as_labels_in_parquet(catalog, tmp_path):
    pd.DataFrame({"text": ["a"], "emojis": [3]}).to_parquet(tmp_path / "in.parquet")
    (tmp_path / "m.csv").write_text("label,emoji\n3,😀\n", "utf-8")
    asked = judgements.read(tmp_path / "in.parquet", catalog, mapping=tmp_path / "m.csv")
    assert asked.questions[0].emojis == ("😀",)


def test_a_split_of_a_file(catalog, tmp_path):
    (tmp_path / "in.csv").write_text("text,emojis,split\na,😀,dev\nb,😀,test\n", "utf-8")
    assert judgements.read(tmp_path / "in.csv", catalog, split="test").rows == [2]
    with pytest.raises(ValueError, match="no rows of the split 'x'"):
        judgements.read(tmp_path / "in.csv", catalog, split="x")


def test_of_authored_questions_the_test_split_is_read(catalog):
    asked = judgements.read("data/questions.csv", catalog)
    assert {q.split for q in asked.questions} == {"test"}
    assert asked.source == "questions.csv, test split"


def test_what_was_trained_on_is_rejected(catalog, tmp_path):
    trained = judgements.trained_texts(catalog)
    (tmp_path / "in.csv").write_text("text,emojis\nRed  Heart,❤\nA brand new sentence,😀\n", "utf-8")
    asked = judgements.read(tmp_path / "in.csv", catalog).without(trained)
    assert asked.rows == [2]
    assert asked.rejected == [(1, "'Red  Heart' was trained on")]
    assert len(judgements.read("data/messages.csv", catalog).without(trained).questions) == 0
    authored = [judgements.read("data/questions.csv", catalog, split=s) for s in ("train", "dev", "test")]
    kept = [len(part.without(trained).questions) for part in authored]
    assert kept[0] == 0
    assert kept[1:] == [len(part.questions) for part in authored[1:]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "There is no file"),
        ("in.xlsx", b"", "should end in"),
        ("in.csv", b"a,b\n1,2\n", "has no column 'text' but a, b"),
        ("in.csv", b"text,emojis\n", "has no rows"),
        ("in.csv", b"text,emojis\nhi,x,y\n", "more fields than its head"),
        ("in.csv", b"text,emojis\nhi,x\nhi,x,y\n", "cannot be read"),
        ("in.csv", b"", "cannot be read"),
        ("in.csv", b"text,emojis\n\xff\xfe,x\n", "cannot be read"),
        ("in.csv.gz", b"not gzip", "cannot be read"),
        ("in.jsonl", b"{", "cannot be read"),
        ("in.parquet", b"PAR1", "cannot be read"),
        ("in.txt", b"hi\n", "needs a file of labels"),
    ],
)
def test_unreadable_files_are_a_sentence(catalog, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        judgements.read(tmp_path / name, catalog)


def test_texts_and_labels_of_other_lengths(catalog, tmp_path):
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(b"a\nb\n"))
    (tmp_path / "l.txt").write_text("😀\n", "utf-8")
    with pytest.raises(ValueError, match="2 texts stand against 1 labels"):
        judgements.read(tmp_path / "t.txt.gz", catalog, labels=tmp_path / "l.txt")
