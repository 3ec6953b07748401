"""Inventories for intersphinx of the packages that the pages refer to, written from the installed packages.

Documentation is built without a network. The sites of these packages have one page for each public object, at an
address that follows from its name, so that an inventory can be written from what is installed.
"""

import importlib
import inspect
import zlib

from sphinx.util.inventory import InventoryFile

# package -> (site, address of the page of an object, modules)
SITES = {
    "sklearn": (
        "https://scikit-learn.org/stable/",
        "modules/generated/{name}.html#{name}",
        [
            "base",
            "callback",
            "compose",
            "datasets",
            "ensemble",
            "linear_model",
            "metrics",
            "model_selection",
            "multioutput",
            "neural_network",
            "pipeline",
            "preprocessing",
            "utils.class_weight",
        ],
    ),
    "numpy": ("https://numpy.org/doc/stable/", "reference/generated/{name}.html#{name}", [""]),
    "scipy": ("https://docs.scipy.org/doc/scipy/", "reference/generated/{name}.html#{name}", ["optimize", "sparse"]),
    "joblib": ("https://joblib.readthedocs.io/en/stable/", "generated/{name}.html#{name}", [""]),
}

# What docstrings inherited from scikit-learn refer to.
LABELS = {
    "sklearn": [
        "accuracy_score std:label -1 modules/model_evaluation.html#accuracy-score Accuracy score",
        "r2_score std:label -1 modules/model_evaluation.html#r2-score R² score",
        "metadata_routing std:label -1 metadata_routing.html#metadata-routing Metadata routing",
        "classes_ std:term -1 glossary.html#term-classes_ -",
    ]
}


def write(folder):
    """Write an inventory for each package; the value of `intersphinx_mapping`."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for package, (site, address, modules) in SITES.items():
        lines = [line for module in modules for line in _lines(f"{package}.{module}".rstrip("."), address)]
        lines += LABELS.get(package, [])
        path = folder / f"{package}.inv"
        head = f"# Sphinx inventory version 2\n# Project: {package}\n# Version: \n# The rest is compressed by zlib.\n"
        path.write_bytes(head.encode() + zlib.compress("\n".join(lines).encode()))
        assert InventoryFile.loads(path.read_bytes(), uri=site).data, package
        mapping[package] = (site, str(path))
    return mapping


def _lines(module_name, address):
    """Lines for the public functions and classes of a module, and for the methods of the classes."""
    module = importlib.import_module(module_name)
    for name in dir(module):
        obj = getattr(module, name)
        full = f"{module_name}.{name}"
        if inspect.isclass(obj):
            yield f"{full} py:class 1 {address.format(name=full)} -"
            page = address.format(name=full).partition("#")[0]
            for method in dir(obj):
                if not method.startswith("_") and callable(getattr(obj, method, None)):
                    yield f"{full}.{method} py:method 1 {page}#{full}.{method} -"
        elif callable(obj):
            yield f"{full} py:function 1 {address.format(name=full)} -"
