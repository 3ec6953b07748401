"""The objectives of a swarm that its users choose: a function of labels and predictions, or a scorer of scikit-learn.

`as_objective` makes one function of both, ``objective(problem, parameters, y_true, sample_weight) -> float``, the lower
the better.
"""

import warnings
from functools import partial

from sklearn.metrics import get_scorer, get_scorer_names

from skl2net._sklearn_private import BaseScorer
from skl2net.problem import takes_weights


def as_objective(objective, *, is_weighted):
    """The objective of a `ParticleSwarm` as a function to minimise, or None.

    With `is_weighted`, it has to support weights of samples. Warns of a metric of scikit-learn that is passed bare and
    whose higher values are better, or which needs other predictions.
    """
    if objective is None:
        return None
    if isinstance(objective, str):
        objective = get_scorer(objective)
    if isinstance(objective, BaseScorer):
        if is_weighted and not takes_weights(objective):
            raise ValueError(
                f"objective={objective} does not support sample_weight, nor class weights, which multiply it. Pass an "
                "objective that does, or none of them."
            )
        return partial(_negative_score, objective)
    if not takes_weights(objective):
        raise ValueError(
            f"objective={objective!r} cannot be called as objective(y_true, y_pred, sample_weight=...). Wrap it, as in "
            "lambda y_true, y_pred, sample_weight: max_error(y_true, y_pred)."
        )
    _warn_if_a_scorer_is_meant(objective)
    return partial(_value, objective)


def _negative_score(scorer, problem, parameters, y_true, sample_weight):
    """What a scorer makes of the predictions; its sign is such that higher is better."""
    outputs = partial(problem.session.outputs, parameters)
    return -problem.decoder.scored(scorer, outputs, problem.task.X, y_true, sample_weight)


def _value(objective, problem, parameters, y_true, sample_weight):
    """What a function returns for the predictions."""
    decoder = problem.decoder
    y_pred = decoder.predictions(problem.session.outputs(parameters, raw=decoder.raw))
    return objective(y_true, y_pred, sample_weight=sample_weight)


def _warn_if_a_scorer_is_meant(objective):
    """Warn of a metric of scikit-learn that is not minimised, or that takes other predictions than `predict` makes."""
    for name in get_scorer_names():
        scorer = get_scorer(name)
        if scorer._score_func is not objective or scorer._kwargs:
            continue
        if scorer._sign > 0:
            why = "higher values of it are better, and an objective is minimised"
        elif scorer._response_method != "predict":
            why = f"it needs the result of {scorer._response_method}, and a function is given that of predict"
        else:
            return
        warnings.warn(f"objective={objective.__name__}: {why}. Pass the scorer, objective={name!r}.")
        return
