"""The lines of code that a conversion prints: a record's template, filled in for one run.

A line holds numbers only. What differs from the library's default is printed; what does not is left to it.
"""

import math
import string


def render(convention, solver, number, values, *, loss, is_linear):
    """The lines that use a number in a library.

    Parameters
    ----------
    convention : Convention
    solver : str or None
        Optimiser; None if it is not known.
    number : float
    values : dict
        Quantities of the run, in the terms of the library; None for those that are not known.
    loss : str or None
        Loss function; None if it is not known.
    is_linear : bool
        Whether the network has no hidden layers.

    Returns
    -------
    str
    """
    template = _template(convention, solver, is_linear)
    if not template:
        return ""
    optimiser = convention.optimisers.get(solver)
    values = values | _names(optimiser, values)
    arguments = [] if optimiser is None else [*_arguments(optimiser, values)]
    loss = loss or convention.loss or "log_loss"
    shown = {key: _setting(value) for key, value in values.items()}
    return template.format(
        **shown,
        number=f"{number:.12g}",
        arguments=", ".join(arguments),
        more="".join(f", {argument}" for argument in arguments),
        words="".join(arguments),
        batch="" if values.get("batch_size") is None else f", batch_size={values['batch_size']}",
        loss=convention.loss_arguments.get(loss, ""),
        sizes="hidden_layer_sizes=(), " if is_linear else "",
        kind="Regressor" if loss in ("squared_error", "poisson") else "Classifier",
    )


def _template(convention, solver, is_linear):
    code = convention.code
    if isinstance(code, str):
        return code
    keys = [*(["linear"] if is_linear else []), solver, None]
    return next((code[key] for key in keys if key in code), "")


def _names(optimiser, values):
    """What the optimiser is called, given its momentum."""
    if optimiser is None:
        return {}
    momentum = values.get("momentum")
    kind = "none" if not momentum else "nesterov" if values.get("nesterov") else "plain"
    momenta = optimiser.momenta
    return {"optimiser": momenta.get(kind) or momenta.get("plain") or ""}


def _arguments(optimiser, values):
    for argument in optimiser.arguments:
        keys = [key for _, key, _, _ in string.Formatter().parse(argument) if key]
        if any(_differs(values.get(key), optimiser.defaults.get(key)) for key in keys):
            yield argument.format(**{key: _setting(values.get(key)) for key in keys})


def _differs(value, default):
    if value is None:
        return False
    return default is None or not math.isclose(value, default, rel_tol=1e-14)


def _setting(value):
    """A setting as it is typed: a float stays one, since some libraries insist on it."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.12g}"
    return f"{text}.0" if text.isdigit() else text
