"""README's code runs, and prints what README says."""

import contextlib
import io
import re
import warnings
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

README = Path(__file__).parent.parent / "README.md"
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")


def _blocks():
    """Pairs of a block of code and the output that follows it."""
    return re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_every_block_has_an_output():
    assert README.read_text(encoding="utf-8").count("```python") == len(_blocks()) > 0


def test_blocks_print_what_readme_says():
    """The words are the same; the numbers agree to 1 %, since training differs by rounding between machines."""
    namespace = {}
    for code, expected in _blocks():
        with contextlib.redirect_stdout(io.StringIO()) as output, warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            exec(compile(code, str(README), "exec"), namespace)
        printed = output.getvalue()
        assert _NUMBER.sub("#", printed).split() == _NUMBER.sub("#", expected).split()
        numbers = [[float(number) for number in _NUMBER.findall(text)] for text in (printed, expected)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.01)
