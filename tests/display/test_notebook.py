"""What notebooks show is well formed and escaped."""

from html.parser import HTMLParser

import pytest
from cases import classes, fit

from skl2net import L2NetClassifier, convert_alpha, list_conventions, notebook


class Balance(HTMLParser):
    """Counts the tags that are open."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "result",
    [
        fit(L2NetClassifier((3,), max_iter=2, random_state=0), *classes()).l2_report(),
        convert_alpha(1e-4, "penalty", "torch.SGD", learning_rate=0.1),
        list_conventions(),
        fit(L2NetClassifier((3,), max_iter=2, random_state=0), *classes()).l2_report().equivalents,
    ],
    ids=lambda result: type(result).__name__,
)
def test_the_html_is_well_formed(result):
    parser = Balance()
    parser.feed(result._repr_html_())
    parser.close()
    assert parser.open == []


def test_titles_are_escaped_and_cells_are_html():
    html = notebook.show("<a>", notebook.table([("1", "2")], header=("x", "y"), are_numbers=True))
    assert "&lt;a&gt;" in html
    assert "<thead><tr><th>x</th><th>y</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody>" in html
    assert "<tr><th>1</th><td>2</td></tr>" in notebook.table([("1", "2")])
