"""The type hints: type checkers accept typical uses, find mistakes, and are told where to look."""

import inspect
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from package import typed_uses

import skl2net
from skl2net import ParticleSwarm, display
from skl2net.solvers.base import Solver

HERE = Path(__file__).parent
USES = [
    use
    for name, use in vars(typed_uses).items()
    if inspect.isfunction(use) and use.__module__ == "package.typed_uses" and name not in ("flowers", "mistakes")
]


def test_the_package_says_that_it_has_type_hints():
    assert files("skl2net").joinpath("py.typed").is_file()


def test_typical_uses_pass_mypy_and_mistakes_do_not(tmp_path):
    pytest.importorskip("mypy")
    pytest.importorskip("matplotlib")
    command = [sys.executable, "-m", "mypy", "--config-file", HERE / "mypy.ini", "--cache-dir", tmp_path]
    environment = {**os.environ, "MYPYPATH": str(files("skl2net").joinpath(".."))}
    run = subprocess.run([*command, HERE / "typed_uses.py"], capture_output=True, text=True, env=environment)
    assert run.stdout.startswith("Success"), run.stdout + run.stderr


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_typical_uses_run(use, tmp_path):
    if use is typed_uses.plot:
        pytest.importorskip("matplotlib").use("Agg")
    needs_a_folder = use is typed_uses.save
    if needs_a_folder:
        pytest.importorskip("sklearn.callback")
    assert use(*[tmp_path] * needs_a_folder) is not None


def public():
    """Public functions, and the public methods that are ours, by their names."""
    for name in dict.fromkeys([*skl2net.__all__, *display.__all__]):
        value = getattr(skl2net, name)
        if inspect.isfunction(value):
            yield name, value
            continue
        for kind in value.__mro__:
            if not kind.__module__.startswith("skl2net.") or kind is Solver:
                continue
            for method, function in vars(kind).items():
                if method == "__init__" or not (method.startswith("_") or kind is ParticleSwarm):
                    for attribute in ("__func__", "fget", "fn"):  # of class methods, properties, available_if
                        function = getattr(function, attribute, function)
                    if inspect.isfunction(function):
                        yield f"{kind.__name__}.{method}", function


@pytest.mark.parametrize("function", dict(public()).values(), ids=list(dict(public())))
def test_everything_public_has_hints(function):
    signature = inspect.signature(function)
    without = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in ("self", "cls")
    ]
    assert without == []
    assert signature.return_annotation is not signature.empty
