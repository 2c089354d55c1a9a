"""The wheel, installed away from the sources, answers without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the unpacked wheel, the way an installation lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "."]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(installed)}
    work = installed.parent
    return subprocess.run(
        [sys.executable, *command], cwd=work, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_it_carries_weights_index_and_notices(installed):
    assert (installed / "vae/weights/decoder.onnx").exists()
    assert (installed / "qa_emoji/weights/model.safetensors").exists()
    assert (installed / "qa_emoji/shipped/index/manifest.json").exists()
    assert list(installed.glob("*.dist-info/licenses/THIRD_PARTY_NOTICES.md"))


def test_it_answers_from_another_directory_without_torch(installed):
    command = "from qa_emoji.cli import main; main()"
    answers = json.loads(run(installed, "-c", command, "rank", "Where shall we go this summer?", "-k", "5", "--json"))
    assert len(answers) == 5
    program = (
        "import sys, qa_emoji; qa_emoji.EmojiRanker.load().rank('hello'); "
        "assert 'torch' not in sys.modules; print(qa_emoji.__file__)"
    )
    assert Path(run(installed, "-c", program).strip()).is_relative_to(installed)
