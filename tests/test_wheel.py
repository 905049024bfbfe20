"""The wheel, installed outside the checkout, has all it needs: code, weights, templates, sample pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(words, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "auditor",
        "cli",
        "reports",
    }
    for part in ("auditor/weights/", "auditor/sample_data/kitchen/manifest.csv", "reports/templates/"):
        assert any(name.startswith(part) for name in names), part
    assert not [name for name in names if "__pycache__" in name]


def test_the_demo_runs_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    call([python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel], tmp_path)
    borrow_libraries(python, tmp_path)
    said = json.loads(call([python.with_name("auditor"), "demo", "--json"], tmp_path))
    assert (tmp_path / "demo-audit" / "report.html").is_file()
    assert said["counts"]["unreadable"]["findings"] == 4
    assert str(tmp_path) in call([python, "-c", "import auditor; print(auditor.__file__)"], tmp_path)


def call(words: list[object], folder: Path) -> str:
    """Run a command away from the checkout and return what it prints."""
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}
    environment["AUDITOR_CACHE"] = str(folder / "cache")
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def borrow_libraries(python: Path, folder: Path) -> None:
    """Let the new environment use this one's libraries but not this checkout; several GB stay unloaded."""
    home = call([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # A path in a .pth file is appended without running the .pth files in it, such as an editable install's.
    Path(home, "borrowed.pth").write_text("\n".join(sorted(libraries)) + "\n")
