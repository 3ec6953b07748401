"""What an installation says of itself, and what wheels and source distributions contain."""

import inspect
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import skl2net
from skl2net import engines

PACKAGE = Path(skl2net.__file__).parent
EXTENSION = f"_compiled{EXTENSION_SUFFIXES[0]}"


def _python(*args, cwd, **environment):
    """What Python prints when it is started in a folder."""
    command = [sys.executable, "-X", "utf8", *args]
    environment = {**os.environ, **environment}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, encoding="utf-8", cwd=cwd, env=environment
    )
    return done.stdout + done.stderr


@pytest.fixture
def source_folder(tmp_path):
    """A checkout in which nothing was built."""
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "_compiled.c")
    shutil.copytree(PACKAGE, folder / "skl2net", ignore=ignored)
    return folder


@pytest.fixture
def installed(tmp_path):
    """A folder of installed packages, among them skl2net with an extension."""
    if not (PACKAGE / "engines" / EXTENSION).exists():
        pytest.skip("the compiled engine was not built")
    site = tmp_path / "site-packages"
    shutil.copytree(PACKAGE, site / "skl2net", ignore=shutil.ignore_patterns("__pycache__", "_compiled.c"))
    information = site / f"skl2net-{skl2net.__version__}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: skl2net\nVersion: {skl2net.__version__}\n")
    return site


def test_a_source_folder_that_hides_the_installed_package_is_named(source_folder, installed):
    """Started in the checkout, Python imports its `skl2net`, which has no extension."""
    warn = "from skl2net.engines import default_engine; print(default_engine().name)"
    expected = f"{source_folder / 'skl2net' / 'engines'} has no {EXTENSION}. If this is a source folder that hides"
    printed = _python("-c", warn, cwd=source_folder, PYTHONPATH=str(installed))
    assert "RuntimeWarning: skl2net runs on its reference engine" in printed
    assert expected in printed
    printed = _python("-m", "skl2net", cwd=source_folder, PYTHONPATH=str(installed))
    assert f"engine: reference (the slow one: {expected}" in printed
    assert _python("-c", warn, cwd=installed.parent, PYTHONPATH=str(installed)) == "compiled\n"


def test_warnings_are_filtered_by_the_name_of_the_package(source_folder):
    warn = "import warnings; warnings.filterwarnings('ignore', module='skl2net'); import skl2net.engines as e; "
    warn += "print(e.default_engine().name)"
    assert _python("-c", warn, cwd=source_folder) == "reference\n"


def test_what_is_public_is_listed():
    public = {name for name, value in vars(skl2net).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert skl2net.__all__ == sorted(public)


def test_the_module_prints_the_versions(tmp_path):
    printed = _python("-m", "skl2net", cwd=tmp_path, PYTHONPATH=str(PACKAGE.parent))
    assert f"skl2net: {skl2net.__version__}\n engine: " in printed
    assert "scipy: " in printed


def test_an_extension_that_was_never_built_is_not_called_a_circular_import(source_folder):
    printed = _python("-m", "skl2net", cwd=source_folder)
    assert "engine: reference (the slow one: " in printed
    assert "circular" not in printed


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libgomp.so.1: cannot open shared object file", name="skl2net.engines._compiled"),
        ImportError("cannot import name 'EpochTotals' from partially initialized module (circular import)"),
        ModuleNotFoundError("No module named 'numpy.core'", name="numpy.core"),
    ],
)
def test_an_extension_that_fails_to_load_gives_its_own_reason(monkeypatch, error):
    monkeypatch.setattr(engines, "_compiled", None)
    monkeypatch.setattr(engines, "_import_error", error, raising=False)
    assert engines.why_reference().endswith(f"fails to load ({type(error).__name__}: {error})")
