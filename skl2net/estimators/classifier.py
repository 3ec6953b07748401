"""The classifier."""

import copy
from contextlib import suppress
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, gen_batches
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from skl2net._sklearn_private import (
    StrOptions,
    available_if,
    check_partial_fit_first_call,
    fit_context,
    is_finite_number,
    validate_data,
)
from skl2net.activations import ActivationName
from skl2net.estimators.base import FLOATS, BaseL2Net, by_blocks, check_range
from skl2net.estimators.docstrings import documented
from skl2net.estimators.sparse_input import check_sparse
from skl2net.hints import (
    ArrayLike,
    ClassWeight,
    Floats,
    L2Mode,
    MatrixLike,
    NDArray,
    RandomState,
    Scoring,
    Sizes,
    SolverName,
    Strengths,
)
from skl2net.losses import CLASSIFICATION_LOSSES, ClassificationLoss
from skl2net.problem import Decoder
from skl2net.solvers.schedules import LearningRate
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.training import TrainingData

_ENCODED_AT_ONCE = 100_000  # labels: their numbers take 8 bytes each until they are stored


@documented
class L2NetClassifier(ClassifierMixin, BaseL2Net):
    r"""Multi-layer perceptron classifier whose L2 regularisation is a named, exact rule.

    `l2_mode` selects the rule and `alpha` its strength. The default is a Gaussian prior of precision 5 on every weight.
    Biases are never penalised nor decayed. Standardise the features, as for every neural network.

    The other parameters, attributes and methods are those of :class:`sklearn.neural_network.MLPClassifier`, and
    ``L2NetClassifier(l2_mode="penalty_per_sample", learning_rate="constant", ...)`` follows the same trajectory as
    ``MLPClassifier(...)``, with ``early_stopping=True`` if ``scoring="score"``.

    Parameters
    ----------
    loss : {"log_loss", "squared_error"}, default="log_loss"
        Loss function, a mean over samples of a sum over outputs: of the log loss, or of
        :math:`\tfrac12(\mathrm{output}-\mathrm{target})^2` between the softmax or logistic outputs and the one-hot
        targets.
    class_weight : dict, list of dict or "balanced", default=None
        Weights of the classes, multiplied with `sample_weight`. "balanced" gives each class the same sum of sample
        weights, see :func:`sklearn.utils.class_weight.compute_class_weight`. For multilabel targets, a list contains
        one dict for each label, and "balanced" ignores `sample_weight`, see
        :func:`sklearn.utils.class_weight.compute_sample_weight`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    See Also
    --------
    L2NetRegressor : Multi-layer perceptron regressor with the same L2 rules.
    L2NetClassifierCV : The same with `alpha` found by cross-validation.
    ParticleSwarm : Particle swarm optimisation, with its parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skl2net import L2NetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = L2NetClassifier((10,), solver="lbfgs", random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.95
    True
    >>> print(net.predict(X[:3]))
    [0 0 0]
    """

    classes_: NDArray[Any]

    _parameter_constraints: dict = {
        **BaseL2Net._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES))],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sizes = (100,),
        activation: ActivationName = "relu",
        *,
        loss: ClassificationLoss = "log_loss",
        solver: SolverName | ParticleSwarm = "adam",
        l2_mode: L2Mode = "prior",
        alpha: float | Strengths | None = None,
        class_weight: ClassWeight = None,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "cosine",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        max_iter: int | None = None,
        scoring: Scoring = None,
        posterior: bool = False,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.l2_mode = l2_mode
        self.alpha = alpha
        self.class_weight = class_weight
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.scoring = scoring
        self.posterior = posterior
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    @available_if(lambda estimator: estimator._has_updates())
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one pass over the given data, continuing from the previous call.

        Under ``l2_mode="prior"``, `N` is the number of samples in all calls so far, as Bayes' rule has it for a stream:
        the more data, the less the prior matters. Samples count again in repeated passes over the same data, which
        makes the rule weaker; ``l2_mode="penalty"`` keeps it constant.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a label indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample; not negative.
        classes : array-like of shape (n_classes,), default=None
            All classes that occur in any call. Required in the first call, optional later.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported by partial_fit, since the class frequencies of "
                "the whole stream are unknown. Compute the weights with "
                "sklearn.utils.class_weight.compute_class_weight and pass them as a dict."
            )
        return self._fit(X, y, sample_weight, is_stream=True, classes=classes)

    @by_blocks
    def predict(self, X: MatrixLike) -> NDArray[Any]:
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The predicted classes, or the predicted label indicator matrix.
        """
        return _labels(self, self._network_outputs(X, raw=True))

    @by_blocks
    def predict_proba(self, X: MatrixLike) -> Floats:
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`. All probabilities are in the open interval (0, 1); if there is only one
            class, its probability is 1.
        """
        P = self._network_outputs(X)
        if len(self.classes_) == 1:
            return np.ones_like(P)
        tiny = np.finfo(P.dtype).eps / 2
        np.minimum(np.maximum(P, tiny, out=P), 1 - tiny, out=P)
        return np.hstack([1 - P, P]) if P.shape[1] == 1 else P

    @by_blocks
    def predict_log_proba(self, X: MatrixLike) -> Floats:
        """Predict the logarithm of class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        P = self.predict_proba(X)
        return np.log(P, out=P)

    @by_blocks
    def decision_function(self, X: MatrixLike) -> Floats:
        """Compute the logits, the outputs of the network before the softmax or logistic function.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Columns in the order of `classes_`. For two classes, the logits of ``classes_[1]``.
        """
        raw = self._network_outputs(X, raw=True)
        return raw.ravel() if raw.shape[1] == 1 else raw

    @by_blocks
    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the accuracy of `predict`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The input.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a label indicator matrix, of which all labels of a sample have to be right.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        float
            The share of the samples that are classified correctly.
        """
        return float(super().score(X, y, sample_weight))

    def _training_data(self, X, y, sample_weight, *, continues=False, is_stream=False, classes=None, training=None):
        is_known = continues or training is not None
        is_first_of_stream = is_stream and check_partial_fit_first_call(self, classes)
        check_sparse(X, with_csr=False)
        check_sparse(y, with_csr=True, name="y")
        dtype = FLOATS if training is None else training.X.dtype
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=dtype, order="C", reset=not is_known
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if is_first_of_stream:
            is_multilabel = type_of_target(y).startswith("multilabel")
            if is_multilabel and not np.array_equal(classes, np.arange(y.shape[1])):
                raise ValueError(
                    f"`y` is a label indicator matrix, whose classes are the numbers of its {y.shape[1]} columns, got "
                    f"classes={classes!r}. Pass classes={list(range(y.shape[1]))}."
                )
            self._label_binarizer = LabelBinarizer().fit(y if is_multilabel else classes)
        elif not is_known:
            self._label_binarizer = LabelBinarizer().fit(y)
        elif self.classes_ is not self._label_binarizer.classes_:
            self._label_binarizer = self._renamed_label_binarizer()
        self.classes_ = self._label_binarizer.classes_
        self._loss = CLASSIFICATION_LOSSES[self.loss][self._label_binarizer.y_type_]
        if training is not None:
            self._check_labels(y, same=False, name="y_val")
        elif continues or is_stream:
            self._check_labels(y, same=self.warm_start and not is_stream)
        Y = self._encoded(y, X.dtype)
        return TrainingData(
            X,
            Y,
            len(self.classes_) if Y.ndim == 1 else Y.shape[1],
            self._checked_weights(X, sample_weight),
            self._loss,
            Decoder(
                *(partial(function, self) for function in (_truth, _labels, _accuracy)),
                raw=True,
                estimator=self._with_outputs,
            ),
            stratify=_truth(self, Y) if self.early_stopping and Y.shape[1:] == (1,) else None,
            class_weights=None if self.class_weight is None else self._with_class_weights,
        )

    def _renamed_label_binarizer(self):
        """The encoder of classes that a user has renamed by setting `classes_`."""
        is_ascending = False
        with suppress(TypeError):  # no order
            is_ascending = np.array_equal(self.classes_, np.unique(self.classes_))
        if not is_ascending:
            raise ValueError(
                f"`classes_` must be in strictly ascending order, got {self.classes_!r}. Set it to the classes of the "
                "last fit, or call fit with warm_start=False to train a new network."
            )
        binarizer = copy.copy(self._label_binarizer)
        binarizer.classes_ = self.classes_
        return binarizer

    def _encoded(self, y, dtype):
        """Targets of known labels as `Task` takes them: numbers of classes, if there are three or more.

        Otherwise what the label binarizer makes of the labels, without the integers that it makes first.
        """
        if y.ndim != 1 or self._label_binarizer.y_type_.startswith("multilabel"):
            return self._label_binarizer.transform(y).astype(dtype)
        is_binary = len(self.classes_) <= 2
        Y = np.empty(len(y), dtype if is_binary else np.int32)
        for rows in gen_batches(len(y), _ENCODED_AT_ONCE):
            codes = np.searchsorted(self.classes_, y[rows])
            Y[rows] = codes == 1 if is_binary else codes
        return Y[:, np.newaxis] if is_binary else Y

    def _check_labels(self, y, *, same, name="y"):
        """Refuse targets that the network has no output for, or with `same` those that lack one of its classes."""
        labels, is_multilabel = unique_labels(y), type_of_target(y).startswith("multilabel")
        if is_multilabel != self._label_binarizer.y_type_.startswith("multilabel"):
            kinds = ("class labels", "a label indicator matrix")
            raise ValueError(f"`{name}` has {kinds[is_multilabel]}, and the network has {kinds[not is_multilabel]}.")
        if same and set(labels) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used if `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {labels}. Set warm_start=False to train a new network."
            )
        if len(np.setdiff1d(labels, self.classes_, assume_unique=True)):
            of_stream = "Name all classes in the first call to partial_fit."
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. `{name}` has "
                f"{labels}. {of_stream if name == 'y' else 'Remove the samples of other classes.'}"
            )

    def _with_class_weights(self, Y, sample_weight, dtype):
        """Weights of samples with encoded targets, multiplied by those of their classes, in the given dtype."""
        self._check_class_weight()
        if self._label_binarizer.y_type_.startswith("multilabel"):
            of_samples = compute_sample_weight(self.class_weight, Y)
        else:
            of_samples = self._weights_of_classes(codes_of_targets(Y), sample_weight)
        with np.errstate(over="ignore"):  # an infinite weight is out of range
            weight = of_samples if sample_weight is None else sample_weight * of_samples
        if not np.any(weight):
            raise ValueError(
                f"class_weight={self.class_weight!r} gives all samples a weight of zero. Pass a positive weight for at "
                "least one class of the samples."
            )
        check_range(weight, dtype, "The weights of the samples, multiplied with those of their classes,")
        return weight.astype(dtype, copy=False)

    def _check_class_weight(self):
        """Refuse class weights that are of the wrong type, not finite, or negative."""
        if isinstance(self.class_weight, str):
            return
        is_list, is_multilabel = (
            isinstance(self.class_weight, list),
            self._label_binarizer.y_type_.startswith("multilabel"),
        )
        if is_list and not (is_multilabel and all(isinstance(weights, dict) for weights in self.class_weight)):
            raise ValueError(
                f"class_weight={self.class_weight!r} is a list, which multilabel targets take, with one dict for each "
                "label. Pass one dict {class: weight}, such as "
                f"{dict(zip(self.classes_.tolist(), range(1, len(self.classes_) + 1), strict=True))}."
            )
        for weights in self.class_weight if is_list else [self.class_weight]:
            for label, weight in weights.items():
                if not is_finite_number(weight) or weight < 0:
                    raise ValueError(
                        f"class_weight gives the class {label!r} the weight {weight!r}. Pass finite numbers that are "
                        "not negative."
                    )

    def _weights_of_classes(self, codes, weight):
        """Class weight of each sample, from the number of its class."""
        if not isinstance(self.class_weight, str):
            return compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)[codes]
        # a sample without weight is as if it were not there, also for the balance of the classes
        counts = np.ones(len(codes), dtype=bool) if weight is None else weight > 0
        weight = None if weight is None else weight[counts]
        found, of_classes = np.unique(codes[counts]), np.zeros(len(self.classes_))
        of_classes[found] = compute_class_weight(
            self.class_weight, classes=found, y=codes[counts], sample_weight=weight
        )
        return of_classes[codes]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


# Functions rather than methods, since subclasses may have attributes of these names.


def _labels(net, raw):
    """Labels, or label indicator matrix, for the raw outputs of the network."""
    if net._label_binarizer.y_type_.startswith("multilabel"):
        return net._label_binarizer.inverse_transform(raw, threshold=0)
    return _classes(net, _codes(raw))


def _classes(net, codes):
    return net.classes_[np.zeros_like(codes) if len(net.classes_) == 1 else codes]


def _truth(net, Y):
    """Labels, or label indicator matrix, of encoded targets."""
    if net._label_binarizer.y_type_.startswith("multilabel"):
        return _labels(net, Y - 0.5)
    return _classes(net, codes_of_targets(Y))


def _accuracy(net, Y, raw, sample_weight):
    """What `score` returns for encoded targets and raw outputs."""
    if len(net.classes_) == 1:
        return 1.0
    if net._loss.takes_classes or raw.shape[1] == 1:
        correct = _codes(raw) == codes_of_targets(Y)
    else:
        correct = ((raw > 0) == (Y > 0.5)).all(axis=1)
    if sample_weight is None:
        return np.count_nonzero(correct) / len(correct)
    return float(np.average(correct, weights=sample_weight))


def _codes(raw):
    """Number of the predicted class of each row."""
    return raw.argmax(axis=1) if raw.shape[1] > 1 else (raw[:, 0] > 0).astype(np.intp)


def codes_of_targets(Y):
    """Number of the class of each row of targets that are not multilabel."""
    return Y if Y.ndim == 1 else (Y[:, 0] > 0.5).astype(np.intp)
