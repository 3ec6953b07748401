"""What the source distribution and the wheels contain, and how an installed wheel behaves.

Run by ``nox -f .ci/noxfile.py -s distributions``; takes minutes, since it compiles the engine. Pytest's option
``--basetemp`` keeps the wheels.
"""

import os
import re
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
from setuptools import Distribution, Extension
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent.parent


def _run(*command, **options):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _build(source, folder, *options, **environment):
    """The one file that a build makes in a folder."""
    _run(sys.executable, "-m", "build", *options, "--outdir", folder, source, env={**os.environ, **environment})
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The source distribution."""
    return _build(ROOT, tmp_path_factory.mktemp("sdist"), "--sdist")


@pytest.fixture
def source(archive, tmp_path):
    """The source distribution, unpacked."""
    return _unpacked(archive, tmp_path / "source")


@pytest.fixture(scope="module")
def wheel(archive, tmp_path_factory):
    """The wheel for this machine."""
    folder = tmp_path_factory.mktemp("wheel")
    return _build(_unpacked(archive, folder / "source"), folder / "built", "--wheel")


@pytest.fixture(scope="module")
def pure_wheel(archive, tmp_path_factory):
    """The wheel of a machine without a compiler."""
    folder = tmp_path_factory.mktemp("pure")
    return _build(_unpacked(archive, folder / "source"), folder / "built", "--wheel", CC="no-such-compiler")


def _unpacked(archive, folder):
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


def _tracked():
    """The files of the repository, without the configuration of git."""
    names = _run("git", "ls-files", cwd=ROOT).splitlines()
    return {name for name in names if not name.startswith(".git")}


def _contents(wheel):
    """Names of the files of a wheel, without its metadata, and what the metadata file WHEEL says."""
    with ZipFile(wheel) as opened:
        names = opened.namelist()
        (about,) = (opened.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL"))
    return {name for name in names if ".dist-info/" not in name}, about


def test_the_source_distribution_is_the_repository(archive):
    with tarfile.open(archive) as opened:
        names = {member.name.partition("/")[2] for member in opened.getmembers() if member.isfile()}
    added = {name for name in names if re.match(r"PKG-INFO$|setup\.cfg$|skl2net\.egg-info/", name)}
    assert names - added == _tracked()


def test_a_wheel_has_the_package_and_an_engine_without_debug_information(wheel):
    names, about = _contents(wheel)
    (extension,) = (name for name in names if name.startswith("skl2net/engines/_compiled."))
    sources = {name for name in _tracked() if re.match(r"skl2net/.*\.(py|typed)$", name)}
    assert names == sources | {extension}
    assert "Root-Is-Purelib: false" in about
    with ZipFile(wheel) as opened:
        content = opened.read(extension)
    assert b".debug_info" not in content
    assert len(content) < 1_500_000


def test_a_wheel_without_the_engine_is_for_any_platform(pure_wheel, wheel):
    names, about = _contents(pure_wheel)
    assert pure_wheel.name.endswith("-py3-none-any.whl")
    assert "Root-Is-Purelib: true\nTag: py3-none-any" in about
    assert names == {name for name in _contents(wheel)[0] if "/_compiled." not in name}


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel is for Linux")
def test_the_wheel_needs_nothing_that_manylinux_does_not_have(wheel, tmp_path):
    _run(sys.executable, "-m", "auditwheel", "repair", "--strip", "-w", tmp_path, wheel)
    (repaired,) = tmp_path.iterdir()
    assert "manylinux" in repaired.name
    assert {name.partition("/")[0] for name in _contents(repaired)[0]} == {"skl2net"}  # no libraries were added


def test_an_installed_wheel_runs_the_engine_and_says_what_hides_it(wheel, source, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    _run(python, "-m", "pip", "install", "-q", wheel)
    assert "engine: compiled" in _run(python, "-m", "skl2net", cwd=tmp_path)
    hidden = _run(python, "-m", "skl2net", cwd=source)
    assert f"from the source folder {source / 'skl2net'}, where no extension was built" in hidden
    assert "instead of the installed package" in hidden


class _VisualStudio:
    """The compiler of Visual Studio, as far as it is asked."""

    compiler_type = "msvc"
    initialized = False

    def initialize(self, plat_name):
        self.initialized, self.cc = True, "cl.exe"


@pytest.fixture
def build_on_windows(monkeypatch):
    """Function that builds the extension with Visual Studio; returns the compiler and the arguments."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    import build_commands

    monkeypatch.setattr(build_commands.build_ext, "build_extension", lambda self, extension: None)
    extension = Extension("_compiled", ["_compiled.c"], extra_compile_args=["-O3"])
    command = build_commands.BuildExt(Distribution({"ext_modules": [extension]}))
    command.compiler = _VisualStudio()

    def build():
        command.build_extension(extension)
        return command.compiler.cc, extension.extra_compile_args

    return build


def test_visual_studio_builds_with_clang_cl(build_on_windows, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"C:/LLVM/bin/{name}.exe")
    assert build_on_windows() == ("C:/LLVM/bin/clang-cl.exe", ["/clang:-O3"])


def test_visual_studio_alone_is_told_what_is_missing(build_on_windows, monkeypatch):
    """The error of an optional extension is a warning of the build."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(CompileError, match="needs GCC or Clang, on Windows clang-cl"):
        build_on_windows()
