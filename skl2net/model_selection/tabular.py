"""`make_tabular_search`: preprocessing, size and strength of a network for a table, chosen together.

It puts together parts of scikit-learn and the search of `staged`. What decides from the data are the selectors of
columns and the splitter below.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import islice
from typing import Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target

from skl2net._sklearn_private import num_samples, routing_enabled, safe_indexing, target_encoder
from skl2net.estimators import L2NetClassifier, L2NetRegressor
from skl2net.hints import RandomState, Scoring
from skl2net.l2 import DEFAULT_ALPHA
from skl2net.model_selection.held_out_loss import HeldOutLoss
from skl2net.model_selection.staged import StagedSearchCV

_N_KNOTS, _N_KNOTS_FEW_ROWS = 16, 6
_FEW_VALUES = 4  # of a column that has no splines
_ROWS_PER_KNOT = 10
_MAX_CATEGORIES = 64  # of a column that is one-hot encoded
_MIN_FREQUENCY = 5  # of a category with a weight of its own: as many rows as the prior counts for
_MAX_ROWS_FOLDS = 1000  # above, a single split chooses as well


def make_tabular_search(
    task: Literal["classification", "regression"],
    *,
    cv: Any = None,
    scoring: Scoring = None,
    n_jobs: int | None = None,
    random_state: RandomState = None,
) -> StagedSearchCV:
    """Make a search for a network that takes a data frame as it is.

    The search is over an ordinary :class:`~sklearn.pipeline.Pipeline` of a
    :class:`~sklearn.compose.ColumnTransformer`, ``"columns"``, and a network with its defaults, ``"net"``, which is
    trained in float32. It chooses

    - whether numeric columns are expanded in splines, beside the columns themselves;
    - hidden layers of 100, 256, or 128 and 128 units;
    - then, with these, a third of the default strength of the L2 rule, the default, or three times as much.

    Parameters
    ----------
    task : {"classification", "regression"}
        Whether classes or numbers are predicted.
    cv : int, cross-validation generator or iterable, default=None
        Cross-validation splitting strategy. None for 4 folds, or for a single split with 20 % held out if there are
        more than 1,000 rows. Rows are shuffled with `random_state`, and stratified for classes. Others as in
        :class:`~sklearn.model_selection.GridSearchCV`.
    scoring : str or callable, default=None
        Score to maximise, as in :class:`~sklearn.model_selection.GridSearchCV`. None for the negative log loss or the
        negative mean squared error.
    n_jobs : int, default=None
        Number of networks to train at a time, see
        :class:`~skl2net.model_selection.StagedSearchCV`.
    random_state : int, RandomState instance or None, default=None
        Determines the folds, the initial weights and the order of the samples in training. Pass an int for
        reproducible results.

    Returns
    -------
    StagedSearchCV
        The search, not fitted. After ``fit`` it predicts with the chosen pipeline, and ``network_`` is its network.

    Raises
    ------
    ValueError
        If `task` is neither of the two.

    See Also
    --------
    skl2net.model_selection.StagedSearchCV : The search.
    skl2net.StagedSearchDisplay : Plot how far the candidates are apart.

    Notes
    -----
    The columns are sorted by their data types and values when the pipeline is fitted. All columns of an array are
    numeric.

    - Numeric columns: missing values are imputed with the median, and indicated by columns of their own. All is
      standardised, the splines too. The splines are piecewise linear, with 16 knots at quantiles, or 6 below 160 rows.
      Columns with at most 4 values have none, nor do tables with less than 60 rows.
    - Booleans, strings and categories are one-hot encoded. A missing value is a category. Categories with fewer than 5
      rows share a column, which those that are unknown in predictions share too.
    - Strings with more than 64 values are replaced by the mean of the target, by
      :class:`~sklearn.preprocessing.TargetEncoder`, and standardised.
    - Columns with a single value are dropped.
    - Dates are refused: what matters about them has to be extracted first.

    With metadata routing (``sklearn.set_config(enable_metadata_routing=True)``), `sample_weight` is passed to the
    network and the score.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skl2net import make_tabular_search
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> search = make_tabular_search("regression", random_state=0).fit(X, y)
    >>> search.best_params_["columns__numeric__expand__splines"], search.best_params_["net__alpha"]
    ('drop', 15.0)
    """
    if task not in ("classification", "regression"):
        raise ValueError(f"task must be 'classification' or 'regression', got {task!r}.")
    is_classification = task == "classification"
    net = (L2NetClassifier if is_classification else L2NetRegressor)(random_state=random_state)
    if scoring is None:
        scoring = HeldOutLoss() if is_classification else get_scorer("neg_mean_squared_error")
    if routing_enabled():
        net.set_fit_request(sample_weight=True)
        scoring = check_scoring(net, scoring).set_score_request(sample_weight=True)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=_MIN_FREQUENCY, sparse_output=False)
    means = target_encoder(of_classes=is_classification, random_state=random_state)
    columns = ColumnTransformer(
        [
            ("numeric", _imputed(("expand", _expansion())), NumericColumns(_N_KNOTS)),
            ("numeric_few_rows", _imputed(("expand", _expansion())), NumericColumns(_N_KNOTS_FEW_ROWS)),
            ("numeric_few_values", _imputed(), NumericColumns(0)),
            ("missing", MissingIndicator(error_on_new=False), MissingColumns()),
            ("categories", _text(("encode", one_hot)), CategoryColumns(max_values=_MAX_CATEGORIES)),
            ("many_categories", _text(("encode", means), ("scale", _scaler())), CategoryColumns(_MAX_CATEGORIES + 1)),
        ]
    )
    default = DEFAULT_ALPHA[net.l2_mode]
    sizes = {"net__hidden_layer_sizes": [(100,), (256,), (128, 128)], "net__alpha": [default]}
    plain, splines = (
        {
            "columns__numeric__expand__splines": [splines_of(_N_KNOTS)],
            "columns__numeric_few_rows__expand__splines": [splines_of(_N_KNOTS_FEW_ROWS)],
            **sizes,
        }
        for splines_of in (lambda n: "drop", lambda n: SplineTransformer(n, degree=1, knots="quantile"))
    )
    return StagedSearchCV(
        Pipeline([("columns", columns), ("float32", _function(np.float32)), ("net", net)]),
        [[plain, splines], {"net__alpha": [3 * default, default, default / 3]}],
        scoring=scoring,
        n_jobs=n_jobs,
        cv=FoldsOrHoldOut(is_classification, random_state=random_state) if cv is None else cv,
    )


def _scaler():
    scaler = StandardScaler()
    return scaler.set_fit_request(sample_weight=False) if routing_enabled() else scaler


def _imputed(*steps):
    return Pipeline([("impute", SimpleImputer(strategy="median")), *steps, ("scale", _scaler())])


def _text(*steps):
    return Pipeline([("text", _function(as_text)), *steps])


def _function(function):
    return FunctionTransformer(function, feature_names_out=_same_names)


def _same_names(_, names):
    """Names of the features of one column each. Unlike "one-to-one", an error before `fit`, which notebooks expect."""
    return list(names)


def _expansion():
    return FeatureUnion([("linear", "passthrough"), ("splines", "drop")])


@dataclass(frozen=True)
class NumericColumns:
    """Selector of the numeric columns whose splines have a number of knots, 0 for those that have none."""

    n_knots: int

    def __call__(self, X: Any) -> list[Hashable]:
        """Names or positions of the columns, see :class:`~sklearn.compose.ColumnTransformer`."""
        found = []
        for key, values in _numeric_columns(X):
            n_values = len(np.unique(values[~np.isnan(values)]))
            n_knots = _N_KNOTS if len(values) >= _ROWS_PER_KNOT * _N_KNOTS else _N_KNOTS_FEW_ROWS
            if n_values <= _FEW_VALUES or len(values) < _ROWS_PER_KNOT * n_knots:
                n_knots = 0
            if n_values > 1 and n_knots == self.n_knots:
                found.append(key)
        return found


@dataclass(frozen=True)
class MissingColumns:
    """Selector of the numeric columns where some values are missing."""

    def __call__(self, X: Any) -> list[Hashable]:
        """Names or positions of the columns, see :class:`~sklearn.compose.ColumnTransformer`."""
        return [key for key, values in _numeric_columns(X) if 0 < np.isnan(values).sum() < len(values)]


@dataclass(frozen=True)
class CategoryColumns:
    """Selector of the columns that are not numeric, by their number of values; a missing value is one."""

    min_values: int = 2
    max_values: int | None = None

    def __call__(self, X: Any) -> list[Hashable]:
        """Names or positions of the columns, see :class:`~sklearn.compose.ColumnTransformer`."""
        found = []
        for key, position in _columns_of(X, numeric=False):
            column = safe_indexing(X, position, axis=1)
            n_values = column.n_unique() if hasattr(column, "n_unique") else column.nunique(dropna=False)
            if self.min_values <= n_values <= (self.max_values or n_values):
                found.append(key)
        return found


def as_text(X: Any) -> np.ndarray:
    """The values as strings, and None for missing values of any kind, as encoders need them.

    Whole numbers have no decimal point, since pandas makes 1.0 of 1 where a value of the column is missing.
    """
    return np.frompyfunc(_text_or_none, 1, 1)(np.asarray(X, dtype=object))


def _text_or_none(value):
    if isinstance(value, str):
        return value
    text = str(int(value) if isinstance(value, float | np.floating) and value.is_integer() else value)
    return None if text in ("None", "nan", "<NA>", "NaT") else text


def _numeric_columns(X):
    """Each numeric column: its name or position, and its values, in which missing ones are NaN."""
    if not hasattr(X, "columns"):
        return enumerate(check_array(X, dtype=np.float64, ensure_all_finite=False).T)
    columns = _columns_of(X, numeric=True)
    if not columns:
        return []
    keys, positions = zip(*columns, strict=True)
    values = check_array(safe_indexing(X, positions, axis=1), dtype=np.float64, ensure_all_finite=False)
    return zip(keys, values.T, strict=True)


def _columns_of(X, *, numeric):
    """Name, or position if not all names are strings, and position of the columns of a frame that are numeric."""
    names = list(getattr(X, "columns", ()))
    keys = names if all(isinstance(name, str) for name in names) else range(len(names))
    found = []
    for position, dtype in enumerate(X.dtypes if names else ()):
        kind = _kind(dtype)
        if kind in "mM" or (kind == "O" and _starts_with_date(safe_indexing(X, position, axis=1))):
            raise ValueError(
                f"Column {names[position]!r} holds dates or times ({dtype}), which the network cannot take as they "
                "are. Replace it by numbers that mean the same in new data, such as the month, the day of the week, "
                "the hour, or the days since an event."
            )
        if (kind in "iufc") == numeric:
            found.append((keys[position], position))
    return found


def _starts_with_date(column):
    """Whether the first value of a column of objects that is not missing is a date, a time or a period of pandas."""
    first = next((value for value in column if _text_or_none(value) is not None), None)
    return isinstance(first, date | time | timedelta) or type(first).__name__ == "Period"


def _kind(dtype):
    """The kind of a data type of pandas or polars, in NumPy's letters."""
    if hasattr(dtype, "kind"):
        return dtype.kind
    return "f" if dtype.is_numeric() else "M" if dtype.is_temporal() else "O"


class FoldsOrHoldOut(BaseCrossValidator):
    """Four folds, or above a number of rows the first of five alone; shuffled, and stratified for classes.

    Parameters
    ----------
    stratify : bool
        Whether the target holds classes.
    max_rows : int, default=1000
        Largest number of rows for four folds.
    random_state : int, RandomState instance or None, default=None
        Determines the folds.
    """

    def __init__(self, stratify: bool, *, max_rows: int = _MAX_ROWS_FOLDS, random_state: RandomState = None) -> None:
        self.stratify = stratify
        self.max_rows = max_rows
        self.random_state = random_state

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Row numbers of training and test set of each split, see :class:`~sklearn.model_selection.KFold`."""
        is_stratified = self.stratify and type_of_target(y) in ("binary", "multiclass")
        n_splits = self.get_n_splits(X)
        folds = (StratifiedKFold if is_stratified else KFold)(
            5 if n_splits == 1 else n_splits, shuffle=True, random_state=self.random_state
        )
        return islice(folds.split(X, y, groups), n_splits)

    def get_n_splits(self, X: Any, y: Any = None, groups: Any = None) -> int:
        """Number of splits for a table."""
        return 1 if num_samples(X) > self.max_rows else 4
