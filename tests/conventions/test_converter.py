"""The converter on the page of the conventions says what `convert_alpha` says, in headless Chromium."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from skl2net import convert_alpha
from skl2net.conventions import CONVENTIONS
from skl2net.losses import LOSSES

DOCS = Path(__file__).parents[2] / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ASK = """
<pre id="answers"></pre>
<script>
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("alpha-converter");
  const number = Object.fromEntries(CONVERTER.conventions.map(({ name }, i) => [name, i]));
  const answers = QUESTIONS.map(({ source, target, ...values }) => {
    Object.assign(form.elements.source, { value: number[source] });
    Object.assign(form.elements.target, { value: number[target] });
    for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
    form.dispatchEvent(new Event("input"));
    const shown = [...form.querySelectorAll("label[data-name]:not([hidden])")].map((e) => e.dataset.name);
    const output = form.querySelector("output");
    return { shown, text: output.firstChild.textContent, code: output.querySelector("pre")?.textContent ?? "" };
  });
  document.getElementById("answers").textContent = JSON.stringify(answers);
});
</script>
"""


def questions(n, seed=0):
    """Random conversions between libraries."""
    rng = np.random.default_rng(seed)
    names = [name for name, convention in CONVENTIONS.items() if convention.curve is None]
    for _ in range(n):
        source, target = (str(name) for name in rng.choice(names, 2))
        number = 10 ** rng.uniform(-6, -1)
        yield {
            "source": source,
            "target": target,
            "alpha": float(f"{1 / number if CONVENTIONS[source].power < 0 else number:.4g}"),
            "learning_rate": float(f"{10 ** rng.uniform(-3, -1):.4g}"),
            "batch_size": int(rng.integers(2, 190)),
            "n_samples": int(rng.integers(300, 5000)),
            "n_epochs": int(rng.integers(2, 300)),
            "momentum": float(rng.choice([0, 0.5, 0.87])),
            "n_outputs": int(rng.integers(1, 9)),
            "solver": str(rng.choice(["sgd", "adam"])),
            "loss": str(rng.choice(list(LOSSES))),
        }


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_converter_says_what_convert_alpha_says(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_ext")
    import converter_data

    asked = list(questions(200))
    form = re.search(r"<form.*?</form>", (DOCS / "conventions.md").read_text(encoding="utf-8"), re.DOTALL).group()
    script = (DOCS / "_static" / "converter.js").read_text(encoding="utf-8")
    ask = ASK.replace("QUESTIONS", json.dumps(asked))
    page = f"<!doctype html><meta charset=utf-8>{form}<script>{converter_data.script()}{script}</script>{ask}"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    flags += ["--disable-component-update", "--no-first-run", f"--user-data-dir={tmp_path / 'user'}"]
    dom = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", str(tmp_path / "page.html")], capture_output=True, text=True, timeout=120
    ).stdout
    answers = json.loads(html.unescape(re.search(r'<pre id="answers">(.*?)</pre>', dom, re.DOTALL).group(1)))
    n_numbers = 0
    for question, answer in zip(asked, answers, strict=True):
        names = (question["source"], question["target"])
        given = {name: question[name] for name in answer["shown"]}
        try:
            expected = convert_alpha(question["alpha"], *names, **given)
        except ValueError:
            assert "λ =" not in answer["text"], (question, answer)
            continue
        if expected.alpha is None:
            assert "λ =" not in answer["text"], (question, answer)
            continue
        n_numbers += 1
        found = re.match(r"λ = (\S+) in (\S+), (exactly|though not exactly): (.*)\.", answer["text"])
        assert found, (question, answer, expected)
        assert float(found[1]) == pytest.approx(expected.alpha, rel=1e-5), (question, answer, expected)
        assert found[2] == expected.target
        assert (found[3] == "exactly") == expected.exact, (question, answer, expected)
        assert found[4] == expected.claim
        numbers = [
            re.sub(r"\d[\d.e+-]*", lambda n: f"{float(n[0]):.5g}", code) for code in (answer["code"], expected.code)
        ]
        assert numbers[0] == numbers[1]
    assert n_numbers > 100
