"""Every script explains itself, and the small ones do their work."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

SCRIPTS = sorted(Path("scripts").glob("*.py"))


def command(script: Path) -> click.Command:
    module = runpy.run_path(str(script))
    return module["main"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_help_shows_the_examples_line_by_line(script):
    examples = [
        line for line in script.read_text("utf-8").split('"""')[1].splitlines() if f"scripts/{script.name}" in line
    ]
    shown = CliRunner().invoke(command(script), ["--help"], terminal_width=120).stdout.splitlines()
    assert examples
    assert {line.strip() for line in examples} <= {line.strip() for line in shown}


def test_demo(tmp_path):
    result = CliRunner().invoke(command(Path("scripts/demo.py")), ["--out", str(tmp_path / "demo.png")])
    assert result.exit_code == 0
    assert result.stdout.count("generated") == 12
    assert "known" in result.stdout
    assert "unseen" in result.stdout
    assert str(tmp_path / "demo.png") in result.stdout
    with Image.open(tmp_path / "demo.png") as sheet:
        assert sheet.size[0] > 500


def test_a_wrong_package_is_one_line_and_exit_code_2(tmp_path):
    result = CliRunner().invoke(
        command(Path("scripts/build_catalog.py")), [str(tmp_path), "--out", str(tmp_path / "c.csv")]
    )
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert not (tmp_path / "c.csv").exists()


def test_the_benchmark_runs(tmp_path):
    out, plot = tmp_path / "benchmark.json", tmp_path / "growth.png"
    result = CliRunner().invoke(
        command(Path("scripts/benchmark.py")), ["--smoke", "--out", str(out), "--plot", str(plot)]
    )
    assert result.exit_code == 0, result.stderr
    figures = json.loads(out.read_text("utf-8"))
    for part in ("latency", "throughput", "process", "drawing", "concurrency", "growth", "installed"):
        assert f"**{part}**" in result.stdout
        assert figures[part]
    assert [row["same answers"] for row in figures["concurrency"]] == ["yes"] * 4
    assert {row["what"] for row in figures["growth"]} == {
        "characters",
        "texts at once, each",
        "k",
        "codes searched, k=10",
    }
    with Image.open(plot) as drawn:
        assert drawn.size[0] > 500
