from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from qa_emoji.cli import main

FILE = "message,answers\npizza tonight with the kids?,🍕 😋\nI am so very tired of this,😴\nRed heart,❤\n,😀\n"


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *(str(a) for a in arguments)])


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.csv").write_text(FILE, "utf-8")
    return tmp_path / "mine.csv"


COLUMNS = ("--text", "message", "--accepted", "answers")


def test_authored_questions():
    result = run("data/questions.csv", "--split", "dev")
    assert result.exit_code == 0, result.output
    assert "| known |" in result.stdout
    assert "R-precision@5" in result.stdout


def test_bad_rows_are_refused_unless_lenient(mine):
    result = run(mine, *COLUMNS)
    assert result.exit_code == 2
    assert "2 of 4 rows of mine.csv cannot be judged, the first in row 3: 'Red heart' was trained on" in result.stderr
    result = run(mine, *COLUMNS, "--lenient")
    assert result.exit_code == 0
    assert "Left out: 2 rows" in result.stderr
    assert "| all | 2 | hit@5 |" in result.stdout


def test_files_are_written_and_compared_with(mine, tmp_path):
    result = run(mine, *COLUMNS, "--lenient", "--peer", "keywords", "--out", tmp_path / "a")
    assert result.exit_code == 0, result.output
    assert {p.suffix for p in (tmp_path / "a").iterdir()} == {".json", ".md", ".parquet", ".html"}
    assert len(json.loads((tmp_path / "a/evaluation.json").read_text("utf-8"))["questions"]) == 4
    for name in ("evaluation.json", "evaluation.parquet"):
        again = run(mine, *COLUMNS, "--lenient", "--compare", tmp_path / "a" / name)
        assert again.exit_code == 0, again.output
        assert "| all | 2 | hit@5 | qa-emoji − qa-emoji before | +0.000 (+0.000 to +0.000) | 1.000 |" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "train"], "has no column 'split'"),
        (["--text", "nope"], "has no column 'nope' but message, answers"),
        (["--compare", "nowhere.json"], "There is no run nowhere.json"),
        (["--mapping", "nowhere.txt"], "nowhere.txt"),
        (["--peer", "svm", "--lenient"], "not 'svm'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(mine, arguments, message):
    result = run(mine, *COLUMNS, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_suite_with_chosen_peers():
    result = run("data/questions.csv", "--suite", "--split", "dev", "--peer", "random", "--peer", "keywords")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "| questions | n | measure | qa-emoji | random | keyword search |"
    assert "| dev questions | 545 | hubness |" in result.stdout
