"""Search for the number of hidden units: the current size is compared with a smaller and a larger one.

`play` is the tournament, and knows nothing of networks but the scores of their sizes. `NodeSweepCV` plays it with
cross-validated scores, as a search of scikit-learn.
"""

import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any, Literal

import numpy as np
from sklearn.exceptions import FitFailedWarning

from skl2net._sklearn_private import Interval
from skl2net.hints import Estimator, Strengths
from skl2net.model_selection.search import Search, checked_alphas, mean_score, split_scores, task_of, ties
from skl2net.training import layer_sizes


class NodeSweepCV(Search):
    r"""Search for the number of hidden units, by a tournament of networks under cross-validation.

    The network that `estimator` describes meets a smaller and a larger one, of `step` units less and more. The winner
    advances. While a neighbour wins, the step is doubled; when the middle wins for the first time, and each time from
    then on, the step is halved. When the middle wins at a step of `resolution`, the layer is settled. Several hidden
    layers take turns until none of them changes.

    A network *ties* with the best one so far if its mean score is at most one standard error behind. The standard error
    is that of the differences between the two in each fold. Of the three, the smallest network that ties is the winner.

    On a curve with one peak this finds the winner of the exhaustive grid with a number of networks that grows with the
    logarithm of the distance from the first size. Each size is evaluated once, and all on the same folds.

    Parameters
    ----------
    estimator : estimator object
        The network, or a pipeline or another meta-estimator around it. Its `hidden_layer_sizes` is the first size, and
        says how many hidden layers there are.
    param_name : str, default=None
        Name of the parameter that holds the sizes, as in ``"net__hidden_layer_sizes"``. It is an int or an array-like
        of int. None for the only parameter of `estimator` that is named `hidden_layer_sizes`.
    step : int, default=8
        Difference between the sizes of the first comparison in each turn. A power of two is halved without remainder.
    resolution : int, default=1
        The smallest step.
    min_units : int, default=1
        Smallest size of a layer.
    max_units : int, default=1000
        Largest size of a layer.
    alphas : array-like, default=None
        Strengths of the L2 rule to try with each size: a network competes with the alpha that gives it the highest mean
        score. The parameter is the `alpha` beside `param_name`. None to leave it alone.
    scoring : str, callable, list, tuple or dict, default=None
        Strategy to evaluate the networks, see :class:`~sklearn.model_selection.GridSearchCV`. With several metrics,
        `refit` names the one that decides.
    n_jobs : int, default=None
        Number of networks to train at a time, in threads of Python with one thread of the engine each, or in processes
        if `estimator` has no network of skl2net. None means 1 unless in a :class:`joblib.parallel_config` context. -1
        means as many as there are processors.
    refit : bool, str or callable, default=True
        Whether to fit the winner on all data. See :class:`~sklearn.model_selection.GridSearchCV` for the other types.
    cv : int, cross-validation generator or iterable, default=None
        Cross-validation splitting strategy; None is 5-fold. The splits are the same throughout the search, even if the
        generator draws others each time.
    verbose : int, default=0
        Verbosity; 1 prints each comparison.
    error_score : "raise" or float, default=nan
        Score of a fit that fails. By default, a network with a fit that diverges loses, and a `FitFailedWarning` says
        why.
    return_train_score : bool, default=False
        Whether `cv_results_` has training scores.

    Attributes
    ----------
    history_ : SweepHistory
        The comparisons, list of dict. `print` shows it as a table. The keys of each comparison are

        - ``"layer"``, index of the layer whose turn it is, and ``"step"``;
        - ``"size"``, the previous winner, tuple of int;
        - ``"sizes"``, the compared sizes from small to large, ``"scores"``, their mean scores, and with `alphas`
          ``"alphas"``, the alpha of each;
        - ``"winner"``, one of the sizes.
    param_name_ : str
        Name of the parameter that holds the sizes.
    cv_results_ : dict of ndarray
        The candidates, see :class:`~sklearn.model_selection.GridSearchCV`, without those of a comparison in which all
        fits failed.
    best_index_ : int
        Row of the winner in `cv_results_`.
    best_params_ : dict
        Parameters of the winner.
    best_score_ : float
        Mean score of the winner. It need not be the highest, see above.
    best_estimator_ : estimator
        The winner, fitted on all data.
    refit_time_ : float
        Seconds of that fit.
    scorer_ : callable or dict
        The scorer, or those of several metrics.
    n_splits_ : int
        Number of folds.
    multimetric_ : bool
        Whether there are several metrics.
    feature_names_in_ : ndarray of shape (n_features,)
        Feature names seen during `fit`, if they are all strings.

    See Also
    --------
    skl2net.NodeSweepDisplay : Plot the tournament.
    sklearn.model_selection.GridSearchCV : Exhaustive search.

    Notes
    -----
    Without the comparison with the best network so far, ties would add up: 20 units tie with 19, 19 with 18, and so on
    down to a network that is far behind.

    A curve with several peaks is searched from the first size, and the sweep may end at a peak that is not the highest.

    Ctrl-C ends the search and leaves this estimator as it was before `fit`.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2net import L2NetClassifier, NodeSweepCV
    >>> X, y = load_wine(return_X_y=True)
    >>> net = L2NetClassifier((8,), "tanh", solver="lbfgs", random_state=1)
    >>> sweep = NodeSweepCV(make_pipeline(StandardScaler(), net), step=4).fit(X, y)
    >>> sweep.best_params_
    {'l2netclassifier__hidden_layer_sizes': (6,)}
    >>> print(sweep.history_)
    comparison  step    smaller     middle      larger  winner
             1     4  4: 0.9...  8: 0.9...  12: 0.9...       8
             2     2  6: 0.9...  8: 0.9...  10: 0.9...       6
             3     2  4: 0.9...  6: 0.9...   8: 0.9...       6
             4     1  5: 0.9...  6: 0.9...   7: 0.9...       6
    """

    param_name_: str
    best_estimator_: Estimator
    best_params_: dict[str, Any]
    best_score_: float
    best_index_: int
    cv_results_: dict[str, Any]
    n_splits_: int
    refit_time_: float

    _parameter_constraints: dict = {
        **Search._parameter_constraints,
        "param_name": [str, None],
        "step": [Interval(Integral, 1, None, closed="left")],
        "resolution": [Interval(Integral, 1, None, closed="left")],
        "min_units": [Interval(Integral, 1, None, closed="left")],
        "max_units": [Interval(Integral, 1, None, closed="left")],
        "alphas": ["array-like", None],
    }
    _parameter_constraints.pop("pre_dispatch")

    def __init__(
        self,
        estimator: Estimator,
        *,
        param_name: str | None = None,
        step: int = 8,
        resolution: int = 1,
        min_units: int = 1,
        max_units: int = 1000,
        alphas: Strengths | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., int] = True,
        cv: Any = None,
        verbose: int = 0,
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_name = param_name
        self.step = step
        self.resolution = resolution
        self.min_units = min_units
        self.max_units = max_units
        self.alphas = alphas

    def _validate_params(self):
        super()._validate_params()
        self._find_parameter()
        if self.step < self.resolution:
            raise ValueError(f"step={self.step} is smaller than resolution={self.resolution}, the smallest step.")
        if self.min_units > self.max_units:
            raise ValueError(f"min_units={self.min_units} is larger than max_units={self.max_units}.")
        if self.alphas is not None:
            checked_alphas(self.alphas)

    @property
    def history_(self) -> "SweepHistory":
        """The comparisons, list of dict."""
        return SweepHistory(self._history)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        self.param_name_ = self._find_parameter()
        self._history, scoreboard = [], _Scoreboard(self, evaluate_candidates)
        comparisons = play(
            scoreboard.scores,
            self._first_size(),
            step=self.step,
            resolution=self.resolution,
            min_units=self.min_units,
            max_units=self.max_units,
        )
        with task_of(self, "search", callback_ctx, max_subtasks=None) as scoreboard.watched:
            for comparison in comparisons:
                if self.alphas is not None:
                    name = self._alpha_name()
                    comparison["alphas"] = [scoreboard.best_params[size][name] for size in comparison["sizes"]]
                self._history.append(comparison)
                if self.verbose:
                    pairs = zip(map(_shown, comparison["sizes"]), comparison["scores"], strict=True)
                    shown = ", ".join(f"{size} scores {score:.4f}" for size, score in pairs)
                    winner = _shown(comparison["winner"])
                    print(f"comparison {len(self._history)}: {shown}; the winner is {winner}")
        if self.max_units in comparison["winner"]:
            warnings.warn(
                f"The sweep ended at the largest size that it may try, {comparison['winner']}. Increase "
                f"max_units={self.max_units}.",
            )

    def _find_parameter(self):
        """Name of the parameter that holds the sizes."""
        names = self.estimator.get_params()
        if self.param_name is not None:
            if self.param_name not in names:
                raise ValueError(
                    f"param_name={self.param_name!r} is not a parameter of {type(self.estimator).__name__}; see its "
                    "get_params()."
                )
            return self.param_name
        found = [name for name in names if name.split("__")[-1] == "hidden_layer_sizes"]
        if len(found) != 1:
            what = f"has several: {', '.join(found)}" if found else "has none"
            raise ValueError(
                f"NodeSweepCV needs an estimator with one parameter hidden_layer_sizes, and "
                f"{type(self.estimator).__name__} {what}. Set param_name to the parameter that holds the sizes."
            )
        return found[0]

    def _first_size(self):
        value = self.estimator.get_params()[self.param_name_]
        size = layer_sizes(value, self.param_name_)
        if not size:
            raise ValueError(f"There is no hidden layer to sweep: {self.param_name_}={value!r}. Set a first size.")
        if not all(self.min_units <= n <= self.max_units for n in size):
            raise ValueError(
                f"The first size, {self.param_name_}={value!r}, must have between min_units={self.min_units} and "
                f"max_units={self.max_units} units in each layer."
            )
        return size

    def _candidates(self, size):
        """The parameters to try with a size."""
        name = self.param_name_
        value = size[0] if isinstance(self.estimator.get_params()[name], Integral) else size
        if self.alphas is None:
            return [{name: value}]
        return [{name: value, self._alpha_name(): alpha} for alpha in checked_alphas(self.alphas).tolist()]

    def _alpha_name(self):
        """Name of the parameter beside that of the sizes which holds the strength of the rule."""
        before, separator, _ = self.param_name_.rpartition("__")
        name = f"{before}{separator}alpha"
        if name not in self.estimator.get_params():
            raise ValueError(f"alphas needs a parameter {name!r}, and {type(self.estimator).__name__} has none.")
        return name

    def _select_best_index(self, refit, refit_metric, results):
        if callable(refit):
            return super()._select_best_index(refit, refit_metric, results)
        return best_rows(results, self.param_name_, refit_metric)[self._history[-1]["winner"]]


class _Scoreboard:
    """The scores of each size, evaluated when they are first asked for."""

    def __init__(self, search, evaluate_candidates):
        self.search = search
        self.evaluate_candidates = evaluate_candidates
        self.watched = {}
        self.results = {}
        self.best_params = {}
        self._scores = {}

    def scores(self, sizes):
        """Scores of each size in all folds, list of ndarray of shape (n_splits,)."""
        new = [size for size in sizes if size not in self._scores]
        if new:
            self._evaluate(new)
        return [self._scores[size] for size in sizes]

    def _evaluate(self, sizes):
        search = self.search
        candidates = {size: search._candidates(size) for size in sizes}
        everyone = [params for each in candidates.values() for params in each]
        subtasks = {"max_subtasks": len(everyone) * search.n_splits_, "sequential_subtasks": False}
        with task_of(search, "comparison", self.watched.get("callback_ctx"), **subtasks) as watched:
            try:
                self.results = self.evaluate_candidates(everyone, **watched)
            except ValueError as error:
                if search.error_score == "raise" or "fits failed" not in str(error):
                    raise
                if not self._scores:
                    raise ValueError(f"{self._advice(sizes)}{error}") from error
                # scikit-learn gives up where all fits of a call fail, but here others were fitted in earlier calls
                warnings.warn(str(error), FitFailedWarning)
                self._scores |= dict.fromkeys(sizes, np.full(search.n_splits_, search.error_score))
                self.best_params |= {size: candidates[size][0] for size in sizes}
                return
        metric = search._deciding_metric(self.results)
        rows, scores = best_rows(self.results, search.param_name_, metric), split_scores(self.results, metric)
        self._scores |= {size: scores[rows[size]] for size in sizes}
        self.best_params |= {size: self.results["params"][rows[size]] for size in sizes}
        if not any(np.isfinite(score).all() for score in self._scores.values()):
            raise ValueError(f"{self._advice(sizes)}Each has a fold without a finite score; see the warnings.")

    def _advice(self, sizes):
        return (
            f"No network of the first comparison, of {', '.join(map(str, sizes))} hidden units, could be evaluated. If "
            "training diverged, scale the features, lower learning_rate_init or change alpha; or start from another "
            f"{self.search.param_name_}. "
        )


class SweepHistory(list[dict[str, Any]]):
    """The comparisons of a sweep: a list of dict that prints as a table."""

    def __str__(self):
        several = any(len(comparison["size"]) > 1 for comparison in self)
        rows = [["comparison", *(["layer"] if several else []), "step", "smaller", "middle", "larger", "winner"]]
        for i, comparison in enumerate(self):
            cells = dict.fromkeys((-1, 0, 1), "")
            for j, size in enumerate(comparison["sizes"]):
                alpha = f" ({comparison['alphas'][j]:g})" if "alphas" in comparison else ""
                side = (size > comparison["size"]) - (size < comparison["size"])
                cells[side] = f"{_shown(size)}: {comparison['scores'][j]:.4f}{alpha}"
            layer = [str(comparison["layer"])] if several else []
            rows.append([str(i + 1), *layer, str(comparison["step"]), *cells.values(), _shown(comparison["winner"])])
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def play(scores, size, *, step, resolution, min_units, max_units):
    """Yield the comparisons of a tournament, see `NodeSweepCV` and its `history_`.

    `scores` is a function of a list of sizes that returns the scores of each in all folds. `size` is the first one.
    """
    best = np.array([-np.inf])
    layer, n_settled = 0, 0
    while n_settled < len(size):
        first, stride, is_growing = size, step, True
        while True:
            sizes = _neighbours(size, layer, stride, min_units, max_units)
            compared = scores(sizes)
            best = max(best, *compared, key=mean_score)
            winner = next(n for n, score in zip(sizes, compared, strict=True) if ties(score, best))
            means = [float(np.mean(score)) for score in compared]
            yield {"layer": layer, "step": stride, "size": size, "sizes": sizes, "scores": means, "winner": winner}
            if winner != size:
                size = winner
                stride *= 2 if is_growing else 1
            elif stride > resolution:
                stride, is_growing = max(stride // 2, resolution), False
            else:
                break
        n_settled = n_settled + 1 if size == first else 1
        layer = (layer + 1) % len(size)


def _shown(size):
    return str(size[0]) if len(size) == 1 else "-".join(map(str, size))


def _neighbours(size, layer, step, min_units, max_units):
    """A size, with a smaller and a larger one within the bounds, in this order."""
    units = {max(size[layer] - step, min_units), size[layer], min(size[layer] + step, max_units)}
    return [(*size[:layer], n, *size[layer + 1 :]) for n in sorted(units)]


def best_rows(results, param_name, metric):
    """For each size, the row in `cv_results_` of its candidate with the highest mean score."""
    means = [mean_score(scores) for scores in split_scores(results, metric)]
    rows = {}
    for row, params in enumerate(results["params"]):
        size = params[param_name]
        size = (size,) if isinstance(size, Integral) else size
        if size not in rows or means[row] > means[rows[size]]:
            rows[size] = row
    return rows
