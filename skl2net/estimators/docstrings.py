"""Docstrings of estimators: what several classes share is described once, in a base class."""

import inspect
import re


def documented(cls):
    """Complete the docstring of an estimator by the parameters and attributes that its base classes describe.

    Parameters are in the order of the signature, and attributes in that of the base classes, the own ones first.
    """
    if cls.__doc__ is None:  # python -OO
        return cls
    entries = {"Parameters": {}, "Attributes": {}}
    for base in cls.__mro__:
        sections = _sections(base.__doc__ or "")
        for title, known in entries.items():
            entries[title] = known | _entries(sections.get(title, "")) | known
    entries["Parameters"] = {name: entries["Parameters"][name] for name in inspect.signature(cls).parameters}
    own = _sections(cls.__doc__)
    completed = {"": own[""]} | {title: "\n".join(known.values()) for title, known in entries.items()}
    completed |= {title: text for title, text in own.items() if title not in completed}
    cls.__doc__ = "\n\n".join(
        f"{title}\n{'-' * len(title)}\n{text}" if title else text for title, text in completed.items()
    )
    return cls


def _sections(docstring):
    """Title -> text of the sections of a numpydoc docstring; what is before the first one has an empty title."""
    start, *sections = re.split(r"\n\n(?=\w[\w ]*\n-{3,}\n)", inspect.cleandoc(docstring))
    return {"": start} | {title: text for title, _, text in (section.split("\n", 2) for section in sections)}


def _entries(section):
    """Name -> entry of a section."""
    return {entry.split(" :")[0]: entry for entry in re.split(r"\n(?=\S)", section) if entry}
