from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from qa_emoji import paths
from qa_emoji.cli import main

TEXT = "Where shall we go this summer?"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def commands(group=main, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_rank_prints_a_line_for_each_answer(ranker):
    result = run("rank", TEXT, "-k", "3")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    for line, answer in zip(lines, ranker.rank(TEXT, k=3), strict=True):
        assert f"{answer.score:.3f}" in line
        assert answer.emoji in line


def test_rank_as_json(ranker):
    result = run("rank", TEXT, "-k", "5", "--json", "--fresh", "2", "--sources", "known")
    answers = json.loads(result.stdout)
    assert len(answers) == 7
    assert list(answers[0]) == ["rank", "id", "emoji", "name", "source", "score"]
    assert {a["source"] for a in answers} == {"known", "generated"}


def test_rank_among_candidates_with_pictures(tmp_path):
    result = run("rank", "good game!", "--candidates", "🎮, ⚽ 😂", "--pictures", tmp_path / "p.png")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 4
    with Image.open(tmp_path / "p.png") as sheet:
        assert sheet.size[0] > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rank", " "], "blank"),
        (["rank", "x", "-k", "0"], "k should be at least 1"),
        (["rank", "x", "--sources", "famous"], "not 'famous'"),
        (["rank", "x", "--sources", ""], "at least one source"),
        (["rank", "x", "--candidates", "🍕 nope"], "'nope' is not in the index"),
        (["rank", "x", "--fresh", "-1"], "fresh should be at least 0"),
        (["rank", "x", "--fresh", "100000"], "fresh should be at most 200"),
        (["rank", "x", "--index", "nowhere"], "There is no index in nowhere"),
        (["index", "info", "nowhere"], "There is no index in nowhere"),
        (["index", "verify", "nowhere"], "There is no index in nowhere"),
        (["index", "remove", "nowhere", "x"], "There is no index in nowhere"),
        (["index", "rollback", "nowhere"], "There is no index in nowhere"),
        (["index", "build", "out", "--factory", "HNSW32"], "not 'HNSW32'"),
        (["index", "add", "nowhere", "--images", "nowhere"], "There is no index in nowhere"),
        (["index", "build", "out", "--images", "nowhere"], "There is no folder of images at nowhere"),
        (["index", "build", "out", "--catalog", "nowhere.csv"], "nowhere.csv"),
        (["evaluate", "nowhere.csv"], "nowhere.csv"),
        (["batch", "nowhere.csv", "out.csv"], "nowhere.csv"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_generate(tmp_path):
    result = run("generate", "-n", "3", "--about", "a red balloon", "--out", tmp_path / "g.png")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 4
    with Image.open(tmp_path / "g.png") as sheet:
        assert sheet.size[0] > 300


def test_evaluate():
    result = run("evaluate", "data/questions.csv", "--split", "dev")
    assert result.exit_code == 0
    assert "| known |" in result.stdout
    assert "R-precision@5" in result.stdout


def test_index_build_add_remove_verify_info(tmp_path):
    catalog = tmp_path / "small.csv"
    catalog.write_text("".join(paths.catalog_file().read_text("utf-8").splitlines(keepends=True)[:60]), "utf-8")
    folder, pictures = tmp_path / "index", tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGBA", (20, 20), "teal").save(pictures / "teal.png")
    result = run("index", "build", folder, "--catalog", catalog, "--generated", "4")
    assert result.exit_code == 0, result.stderr
    assert "4 generated" in result.stdout
    assert result.stdout.startswith("added 37: 😀, 😃, ")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    dry = run("index", "build", folder, "--catalog", catalog, "--generated", "0", "--dry-run")
    assert "dropped 4: new-" in dry.stdout
    assert "(drawn anew)" in dry.stdout
    assert "(dry run, not written)" in dry.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "added teal" in run("index", "add", folder, "--images", pictures).stdout
    assert run("index", "verify", folder).stdout.startswith("Sound: ")
    assert run("index", "remove", folder, "teal").exit_code == 0
    assert run("index", "remove", folder, "teal").exit_code == 2
    assert run("index", "rollback", folder).exit_code == 0
    assert run("index", "remove", folder, "teal").exit_code == 0
    assert json.loads(run("index", "info", folder).stdout)["metric"] == "cosine"


def test_verify_notices_damage(tmp_path):
    shutil.copytree(paths.default_index(), tmp_path / "index")
    (file,) = (tmp_path / "index").glob("codes-*")
    file.write_bytes(file.read_bytes()[:-1])
    result = run("index", "verify", tmp_path / "index")
    assert result.exit_code == 2
    assert "checksum" in result.stderr


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_shows_an_example_and_is_in_the_readme(path, command):
    example = f"qa-emoji {' '.join(path)}"
    help_text = run(*path, "--help").stdout
    assert example in help_text
    assert example in Path("README.md").read_text("utf-8")


@pytest.mark.parametrize(
    "way",
    [
        ["prior", "-n", "5"],
        ["posterior", "-n", "5"],
        ["percentiles", "-n", "5"],
        ["percentiles", "-n", "5", "--axis", "1"],
        ["sweep", "--ticks", "3"],
        ["grid", "C", "--ticks", "3"],
        ["grid", "A", "--ticks", "3", "--jitter"],
        ["between", "🐱", "🚀", "-n", "5"],
        ["around", "a party under water", "-n", "5"],
    ],
)
def test_every_way_to_sample_draws_a_sheet(way, tmp_path):
    for name in ("a.png", "b.png"):
        result = run("sample", *way, "--seed", "3", "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "a.png") as first, Image.open(tmp_path / "b.png") as second:
        assert min(first.size) > 72
        assert first.tobytes() == second.tobytes()


def test_sampling_between_strangers_is_refused_in_a_line(tmp_path):
    result = run("sample", "between", "🐱", "xyz", "--out", tmp_path / "a.png")
    assert result.exit_code == 2
    assert result.stderr == "Error: The index has no picture of 'xyz'.\n"
