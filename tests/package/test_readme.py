"""The code in README and in the user guide runs, and prints what it says there."""

import contextlib
import io
import re
import shutil
import warnings
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]
PAGES.remove(ROOT / "docs" / "distributed.md")  # needs a cluster, see model_selection/test_distributed.py
WORKS_WITH = ROOT / "docs" / "works_with.md"  # needs other libraries
PAGES.remove(WORKS_WITH)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_prints_what_the_page_says(page, tmp_path, monkeypatch):
    """The words are the same; the numbers agree to 1 %, since training differs by rounding between machines.

    A block whose output the page does not show has to run. A page whose trainings stop early has to say so.
    """
    shutil.copy(ROOT / "docs" / "data" / "penguins.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if "sklearn.callback" in text:
        pytest.importorskip("sklearn.callback", reason="callbacks are new in scikit-learn 1.9")
        pytest.importorskip("rich")
    namespace = {}
    convergence = "ignore" if "ConvergenceWarning" in text else "error"
    for code, expected in _blocks(text):
        _run(code, expected, namespace, convergence)


@pytest.mark.long
@pytest.mark.parametrize("number", range(1, WORKS_WITH.read_text(encoding="utf-8").count("```python")))
def test_other_libraries_print_what_the_page_says(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = _blocks(WORKS_WITH.read_text(encoding="utf-8"))
    for library in re.findall(r"^(?:import|from) (\w+)", blocks[number][0], re.MULTILINE):
        pytest.importorskip(library)
    namespace = {}
    for i in (0, number):
        _run(*blocks[i], namespace)


def _blocks(text):
    """The blocks of code, each with the text that it prints, empty if it is not shown."""
    blocks = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, flags=re.DOTALL)
    assert text.count("```python") == len(blocks) > 0
    return blocks


def _run(code, expected, namespace, convergence="ignore"):
    with contextlib.redirect_stdout(io.StringIO()) as output, warnings.catch_warnings():
        warnings.simplefilter(convergence, ConvergenceWarning)
        exec(compile(code, "<block>", "exec"), namespace)
    printed = output.getvalue() if expected else ""
    assert _NUMBER.sub("#", printed).split() == _NUMBER.sub("#", expected).split()
    numbers = [[float(number) for number in _NUMBER.findall(text)] for text in (printed, expected)]
    assert numbers[0] == pytest.approx(numbers[1], rel=0.01)


def test_links_of_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE)}
    assert len(targets) > 5
    for target in targets:
        assert target[1:] in headings if target[0] == "#" else (ROOT / target).exists(), target
