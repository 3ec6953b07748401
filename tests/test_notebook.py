"""What notebooks show: it is well formed, escaped, and links to pages that exist, if there is a site."""

import subprocess
import sys
from email.message import Message
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from cases import classes, fit

import skl2net
from skl2net import (
    L2NetClassifier,
    L2NetClassifierCV,
    L2NetRegressor,
    L2NetRegressorCV,
    NodeSweepCV,
    ParticleSwarm,
    convert_alpha,
    list_conventions,
    notebook,
)

API = Path(__file__).parent.parent / "docs" / "api.rst"
ESTIMATORS = [
    L2NetClassifier(),
    L2NetClassifierCV(),
    L2NetRegressor(),
    L2NetRegressorCV(),
    NodeSweepCV(L2NetClassifier()),
    ParticleSwarm(),
]


def shown():
    """A report, a conversion and the conventions, by the public names that their pages have."""
    net = fit(L2NetClassifier((3,), max_iter=2, random_state=0), *classes())
    return {
        "report.L2Report": net.l2_report(),
        "conventions.AlphaConversion": convert_alpha(1e-4, "penalty", "torch.SGD", learning_rate=0.1),
        "list_conventions": list_conventions(),
    }


@pytest.fixture
def project_urls(monkeypatch):
    """Function that sets the URLs in the metadata of the package; None if it is not installed."""

    def set_urls(*urls):
        def metadata(name):
            assert name == "skl2net"
            if urls == (None,):
                raise PackageNotFoundError(name)
            message = Message()
            for url in urls:
                message["Project-URL"] = url
            return message

        monkeypatch.setattr(notebook, "metadata", metadata)
        notebook.documentation_url.cache_clear()

    yield set_urls
    monkeypatch.undo()
    notebook.documentation_url.cache_clear()


@pytest.mark.parametrize("address", ["https://example.org/docs", "https://example.org/docs/"])
def test_everything_links_to_its_page_under_the_documentation_url(project_urls, address):
    project_urls("Source, https://example.org/source", f"Documentation, {address}")
    pages = API.read_text().split()
    for estimator in ESTIMATORS:
        name = type(estimator).__name__
        assert estimator._get_doc_link() == f"https://example.org/docs/generated/skl2net.{name}.html"
        assert f'href="https://example.org/docs/generated/skl2net.{name}.html"' in estimator._repr_html_()
        assert name in pages
    for name, result in shown().items():
        assert f'href="https://example.org/docs/generated/skl2net.{name}.html"' in result._repr_html_()
        assert name in pages


@pytest.mark.parametrize("urls", [(), ("Source, https://example.org/source",), (None,)])
def test_without_a_documentation_url_there_are_no_links(project_urls, urls):
    project_urls(*urls)
    for estimator in ESTIMATORS:
        assert estimator._get_doc_link() == ""
    for result in shown().values():
        assert "href" not in result._repr_html_()


def test_a_class_of_somebody_else_has_no_page_of_ours(project_urls):
    project_urls("Documentation, https://example.org/docs")
    other = type("TheirNet", (L2NetClassifier,), {"__module__": "their_package"})
    assert other()._get_doc_link() == ""


class Balance(HTMLParser):
    """Counts the tags that are open."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_is_well_formed_and_escaped(project_urls):
    project_urls("Documentation, https://example.org/docs")
    for result in shown().values():
        parser = Balance()
        parser.feed(result._repr_html_())
        parser.close()
        assert parser.open == []
    html = notebook.show("<a>", "b", notebook.table([("1", "2")], header=("x", "y"), are_numbers=True))
    assert "&lt;a&gt;" in html
    assert "<thead><tr><th>x</th><th>y</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody>" in html
    assert "<tr><th>1</th><td>2</td></tr>" in notebook.table([("1", "2")])


def test_the_metadata_are_read_when_a_link_is_made_and_not_on_import():
    code = "import skl2net.notebook as n; raise SystemExit(n.documentation_url.cache_info().misses)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert skl2net.notebook.documentation_url() is skl2net.notebook.documentation_url()
