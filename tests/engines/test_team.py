"""The compiled engine's team of threads in a program of its own, on this machine and on those that can be emulated."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "team.cpp"
HEADERS = Path(__file__).parents[2] / "skl2net" / "engines"
MACHINES = {  # compiler, its options, what runs the program
    "this": ("c++", ["-pthread"], None),
    "musl": ("musl-gcc", ["-static"], None),
    "aarch64": ("aarch64-linux-gnu-g++", ["-pthread", "-static"], "qemu-aarch64-static"),
    "windows": ("x86_64-w64-mingw32-g++", [], "wine"),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_chunk_is_done_once_and_helpers_help(machine, tmp_path):
    """The checks of team.cpp."""
    compiler, options, emulator = MACHINES[machine]
    for tool in filter(None, [compiler, emulator]):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    if not HEADERS.exists():
        pytest.skip("needs the sources of the engine")
    program = tmp_path / "team.exe"
    subprocess.run([compiler, "-O2", "-I", HEADERS, PROGRAM, "-o", program, *options], check=True)
    environment = os.environ | {"WINEPREFIX": str(tmp_path / "wine"), "WINEDEBUG": "-all"}
    command = [program] if emulator is None else [emulator, program]
    assert subprocess.run(command, env=environment, timeout=600).returncode == 0
