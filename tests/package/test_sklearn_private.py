"""The private names of scikit-learn that the package uses, and the versions that have them."""

import re
from pathlib import Path

import pytest
import sklearn

import skl2net
from skl2net import L2NetClassifier, L2NetRegressor, L2NetRegressorCV, NodeSweepCV

TRIED = ("1.7", "1.8", "1.9")  # minor versions that sessions of nox test


def test_this_version_was_tried():
    if not sklearn.__version__.startswith(TRIED):
        pytest.skip(f"scikit-learn {sklearn.__version__} is none of {TRIED}: add it if all tests pass")
    assert sklearn.__version__.rpartition(".")[0] in TRIED


@pytest.mark.skipif(hasattr(sklearn, "callback"), reason="this scikit-learn has callbacks")
@pytest.mark.parametrize("estimator", [L2NetClassifier(), L2NetRegressorCV(), NodeSweepCV(L2NetRegressor())])
def test_callbacks_are_refused_before_scikit_learn_1_9(estimator):
    with pytest.raises(ImportError, match=r"Callbacks need scikit-learn 1\.9 or newer, and scikit-learn 1\.[78]"):
        estimator.set_callbacks(print)


def test_private_names_are_imported_nowhere_else():
    private = re.compile(r"from sklearn[.\w]* import .*\b_|from sklearn\.[.\w]*\._|import sklearn\.[.\w]*\._")
    for path in Path(skl2net.__file__).parent.rglob("*.py*"):
        if path.suffix in (".py", ".pyx") and path.name != "_sklearn_private.py":
            assert not private.search(path.read_text(encoding="utf-8")), path
