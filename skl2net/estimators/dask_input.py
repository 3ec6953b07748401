"""Dask arrays and data frames as input: the rows stay on the workers, and the client only receives numbers about them.

`training_data` makes `Partitions` of them. The methods of the estimator validate and encode: here, a few rows that have
the classes or the range of the targets of all, and then each block on a worker. `predicted` and `score` go from block
to block, under any of Dask's schedulers.

This module imports Dask, and is itself imported when an estimator gets a Dask collection.
"""

import copy
import warnings
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import dask
import dask.array as da
import numpy as np
import scipy.sparse as sp
from dask import delayed
from distributed import default_client
from sklearn.base import is_classifier
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted

from skl2net._sklearn_private import validate_data, without_callbacks
from skl2net.engines import cluster
from skl2net.estimators.base import check_range, is_dask
from skl2net.estimators.classifier import codes_of_targets
from skl2net.estimators.regressor import r2
from skl2net.solvers.optimisers import OPTIMISERS
from skl2net.solvers.swarm import ParticleSwarm
from skl2net.target_scale import TargetScale


def training_data(net, X, y, sample_weight, *, continues=False, is_stream=False, classes=None, training=None):
    """What `BaseL2Net._training_data` returns for these arguments, of which `X` is a Dask collection.

    Returns
    -------
    TrainingData
        Its `X` are `Partitions`, and its `sample_weight` the numbers of samples in them, class weights included.
    """
    _check_solver(net)
    if training is not None:
        _check_validation(net, training)
    client = _client()
    blocks = _each(client, tuple, _blocks(X, y, sample_weight))
    facts = _gathered(client, partial(_facts_of, has_classes=is_classifier(net)), blocks)
    facts = [of_block for of_block in facts if of_block is not None]
    if not facts:
        raise ValueError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
    if not any(of_block.n_samples for of_block in facts):
        raise ValueError("Sample weights must contain at least one non-zero number.")
    # each twice, since scikit-learn warns of targets that are as many as the samples
    targets = np.repeat(np.concatenate([of_block.targets for of_block in facts]), 2, axis=0)
    dtype = np.float32 if all(of_block.dtype == np.float32 for of_block in facts) else np.float64
    data = net._training_data(_example(X, len(targets), dtype), targets, None, continues=continues, training=training)
    if training is None and data.target_scale is not None:
        if data.loss.is_robust:
            scale = _gathered(client, _targets_of, blocks, _robust_scale)
        else:
            _, mean, std = _Moments.combined([of_block.moments for of_block in facts])
            scale = TargetScale(mean, np.where(std > 0, std, 1.0))
        data = replace(data, target_scale=scale, decoder=net._decoder(scale))
    class_weight = None if data.class_weights is None else _weights_of_targets(net, facts, data.Y)
    on_workers = without_callbacks(net)
    for name in ("coefs_", "intercepts_", "_training_state", "feature_names_in_"):
        vars(on_workers).pop(name, None)
    like = replace(data, decoder=None, class_weights=None)
    rows = _each(client, partial(_encoded, net=on_workers, training=like, class_weight=class_weight), blocks)
    n_samples = np.array(_gathered(client, _n_samples, rows))
    is_weighted = sample_weight is not None or data.class_weights is not None
    if is_weighted:
        _check_weights(net, n_samples, data.X.dtype)
    partitions = cluster.Partitions(
        client,
        [of_block for of_block, n in zip(rows, n_samples, strict=True) if n > 0],
        n_samples[n_samples > 0],
        (sum(of_block.n_rows for of_block in facts), data.X.shape[1]),
        data.X.dtype,
    )
    weights = partitions.n_samples if is_weighted else None
    return replace(data, X=partitions, Y=None, sample_weight=weights, class_weights=None, engine=cluster.engine)


def predicted(net, X, method, *args, **kwargs):
    """What a method of a fitted network returns for `X` and these arguments: Dask arrays with the blocks of `X`."""
    net, X = _without_names(net, X), _array(X, "X")
    like = getattr(net, method)(np.zeros((1, X.shape[1]), X.dtype), *args, **kwargs)

    def blocks(like, which=...):
        return X.map_blocks(
            partial(_predicted, net=net, method=method, args=args, kwargs=kwargs, like=like[:0], which=which),
            dtype=like.dtype,
            chunks=(X.chunks[0], *((n,) for n in like.shape[1:])),
            drop_axis=1 if like.ndim == 1 else [],
            meta=like[:0],
        )

    return tuple(map(blocks, like, range(len(like)))) if isinstance(like, tuple) else blocks(like)


def score(net, X, y, sample_weight=None):
    """What the method `score` of a fitted network returns: the accuracy, or R²."""
    scored = partial(_scored, net=_without_names(net, X), has_classes=is_classifier(net))
    blocks = [delayed(scored, pure=False)(block) for block in _blocks(X, y, sample_weight)]
    parts = [part for part in dask.compute(*blocks) if part is not None]
    if is_classifier(net):
        return float(np.average([part[0] for part in parts], weights=[part[1] for part in parts]))
    errors, of_targets = sum(part[0] for part in parts), _Moments.combined([part[1] for part in parts])
    return r2(errors, of_targets.n_samples * of_targets.std**2)


class _Moments(NamedTuple):
    """Number of samples, and mean and standard deviation of each target."""

    n_samples: float
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, Y, weight):
        """Those of targets of shape (n_rows, n_outputs)."""
        if weight is not None:
            Y, weight = Y[weight > 0], weight[weight > 0]
        scale, is_constant = TargetScale.of(Y, weight), (Y[0] == Y).all(axis=0)
        n_samples = float(len(Y) if weight is None else weight.sum(dtype=np.float64))
        return cls(n_samples, scale.mean, np.where(is_constant, 0.0, scale.std))

    @classmethod
    def combined(cls, parts):
        """Those of all targets from those of parts; None is a part without samples."""
        n_samples, means, stds = map(np.stack, zip(*filter(None, parts), strict=True))
        between = cls.of(means, n_samples)
        return between._replace(std=np.hypot(between.std, np.sqrt(np.average(stds**2, axis=0, weights=n_samples))))


class _Facts(NamedTuple):
    """What has to be known of a block before all are encoded."""

    n_rows: int
    n_samples: float  # of rows, or the sum of their weights
    dtype: np.dtype
    targets: np.ndarray  # a few that have its classes, or the range of its targets
    counts: np.ndarray | None  # samples of each class, in the order of `targets`; rows that have each label
    moments: _Moments | None  # of the targets of a regression


def _facts_of(block, has_classes):
    """The `_Facts` of a block; None if it is empty."""
    X, y, weight = block
    check_consistent_length(X, y, weight)
    if X.shape[0] == 0:
        return None
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    n_samples = len(y) if weight is None else np.sum(weight, dtype=np.float64)
    counts = of_targets = None
    if has_classes and y.ndim == 2 and y.shape[1] > 1:
        targets, counts = np.repeat(np.unique(y)[:, np.newaxis], y.shape[1], axis=1), np.count_nonzero(y, axis=0)
    elif has_classes:
        labels, codes = np.unique(y, return_inverse=True)
        targets, counts = labels.reshape(-1, *y.shape[1:]), np.bincount(codes.ravel(), weight)
    elif y.dtype.kind in "biuf":
        targets = np.stack([y.min(axis=0), y.max(axis=0)])
        if n_samples > 0:
            of_targets = _Moments.of(y.reshape(len(y), -1), weight)
    else:
        targets = y  # which the estimator refuses
    return _Facts(len(y), n_samples, X.dtype, targets, counts, of_targets)


def _targets_of(block):
    _, y, weight = block
    return y if y.ndim == 2 else y[:, np.newaxis], weight


def _robust_scale(blocks):
    """The scale of all targets around their median, which no numbers about blocks determine."""
    targets, weights = zip(*blocks, strict=True)
    weight = None if weights[0] is None else np.concatenate(weights)
    return TargetScale.of(np.concatenate(targets), weight, is_robust=True)


def _encoded(block, net, training, class_weight):
    """``(X, Y, sample_weight)`` of a block, encoded like other data; None if it has no samples."""
    X, y, weight = block
    if X.shape[0] == 0:
        return None
    has_samples = weight is None or np.any(weight)
    data = net._training_data(X, y, weight if has_samples else None, training=training)
    weight = data.sample_weight
    if class_weight is not None:
        if class_weight.ndim == 1:
            of_targets = class_weight[codes_of_targets(data.Y)]
        else:
            of_targets = np.where(data.Y > 0.5, class_weight[:, 1], class_weight[:, 0]).prod(axis=1)
        weight = (of_targets if weight is None else weight * of_targets).astype(data.X.dtype)
    return (data.X, data.Y, weight) if has_samples else None


def _n_samples(rows):
    if rows is None:
        return 0.0
    X, _, weight = rows
    return float(X.shape[0] if weight is None else weight.sum(dtype=np.float64))


def _weights_of_targets(net, facts, Y):
    """Class weight of each class; for label indicators, of 0 and 1 of each label: array of shape (n_labels, 2)."""
    net._check_class_weight()
    if not net._label_binarizer.y_type_.startswith("multilabel"):
        labels, counts = (np.concatenate([getattr(f, name) for f in facts]) for name in ("targets", "counts"))
        codes, weights = np.searchsorted(net.classes_, labels.ravel()), np.empty(len(net.classes_))
        weights[codes] = net._weights_of_classes(codes, counts)
        return weights
    compute_sample_weight(net.class_weight, Y)  # refuses what does not fit the labels
    if isinstance(net.class_weight, list):
        return np.array([[of_label.get(value, 1.0) for value in (0, 1)] for of_label in net.class_weight])
    n_rows, n_with = (np.sum([getattr(f, name) for f in facts], axis=0) for name in ("n_rows", "counts"))
    counts = np.stack([n_rows - n_with, n_with], axis=1)
    return n_rows / (np.count_nonzero(counts, axis=1, keepdims=True) * np.maximum(counts, 1))


def _predicted(X, net, method, args, kwargs, like, which):
    return getattr(net, method)(X, *args, **kwargs)[which] if X.shape[0] else like


def _scored(block, net, has_classes):
    """Accuracy and number of samples of a block, or its sums of squared errors and the moments of its targets."""
    X, y, weight = block
    check_consistent_length(X, y, weight)
    if X.shape[0] == 0 or (weight is not None and not np.any(weight)):
        return None
    if has_classes:
        return net.score(X, y, weight), len(X) if weight is None else np.sum(weight)
    y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y").reshape(X.shape[0], -1)
    errors = (y - net.predict(X).reshape(y.shape)) ** 2
    return (errors if weight is None else weight[:, np.newaxis] * errors).sum(axis=0), _Moments.of(y, weight)


def _blocks(X, y, sample_weight):
    """``[X, y, sample_weight]`` of each block, delayed."""
    X = _array(X, "X")
    y = _array(y, "y", rows_of=X)
    weights = [None] * X.numblocks[0]
    if sample_weight is not None:
        weights = _array(sample_weight, "sample_weight", rows_of=X).to_delayed().ravel()
    return [[*block] for block in zip(X.to_delayed().ravel(), y.to_delayed().ravel(), weights, strict=True)]


def _array(data, name, rows_of=None):
    """Data as a Dask array whose blocks have all columns, and the same rows as those of another array."""
    if not is_dask(data):
        data = da.asarray(data)
    elif not isinstance(data, da.Array):
        if not hasattr(type(data), "to_dask_array"):  # an instance of Delayed has any attribute
            raise TypeError(f"`{name}` must be a Dask array or data frame, got {type(data).__name__}.")
        data = data.to_dask_array()
    if data.ndim > 1 and data.numblocks[1] > 1:
        data = data.rechunk({1: -1})
    if rows_of is None or data.chunks[0] == rows_of.chunks[0]:
        return data
    n, n_wanted = data.shape[0], rows_of.shape[0]
    if np.isnan(n) or np.isnan(n_wanted):
        if data.numblocks[0] == rows_of.numblocks[0]:  # each block checks its own
            return data
        raise ValueError(
            f"`{name}` has {data.numblocks[0]} blocks and `X` has {rows_of.numblocks[0]}, of unknown numbers of rows. "
            "Call compute_chunk_sizes() of both."
        )
    if n != n_wanted:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{n_wanted}, {n}]")
    if data.numblocks[0] > 1:
        warnings.warn(f"The blocks of `{name}` have other rows than those of `X`. It is rechunked to the rows of `X`.")
    return data.rechunk({0: rows_of.chunks[0]})


def _example(X, n_rows, dtype):
    """Rows of zeros with the columns of a Dask array or data frame."""
    if hasattr(type(X), "columns"):
        return type(X._meta)(np.zeros((n_rows, len(X.columns)), dtype), columns=X.columns)
    return sp.csr_array((n_rows, X.shape[1]), dtype=dtype)  # which takes no memory


def _without_names(net, X):
    """A fitted network for blocks without feature names, once those of a data frame are checked."""
    check_is_fitted(net)
    validate_data(net, _example(X, 1, np.float64), accept_sparse="csr", reset=False)
    net = copy.copy(net)
    vars(net).pop("feature_names_in_", None)
    return net


def _client():
    try:
        client = default_client()
    except ValueError:
        raise ValueError(
            "`X` is a Dask collection, and there is no Dask client whose workers could hold it. Start one with "
            "client = dask.distributed.Client(), or pass X.compute() and y.compute() if they fit into memory."
        ) from None
    if client.asynchronous:
        raise ValueError(
            "The Dask client is asynchronous, and fit waits for results. Start one without asynchronous=True."
        )
    return client


def _check_solver(net):
    """Refuse solvers that need more of the rows than sums over them."""
    if net.solver in OPTIMISERS:
        raise ValueError(
            f"solver={net.solver!r} does not support Dask collections: its mini-batches are drawn from all rows, and "
            "batches of the rows of one worker would be another algorithm. Set solver='lbfgs', whose result is that in "
            "memory, or call partial_fit with one block at a time, such as X.blocks[i].compute()."
        )
    if isinstance(net.solver, ParticleSwarm) and net.solver.objective is not None:
        raise ValueError(
            "A user-defined objective of ParticleSwarm needs the predictions of all rows, which stay on the workers. "
            "Set objective=None, or pass X.compute() and y.compute()."
        )


def _check_validation(net, training):
    """Refuse a validation set on the workers that could not be evaluated there."""
    if training.engine is None:
        raise ValueError("X_val is a Dask collection, and X is not. Pass X_val.compute() and y_val.compute().")
    if net.scoring is not None:
        raise ValueError(
            f"scoring={net.scoring!r} needs predictions, and those of a Dask collection stay on the workers. Set "
            "scoring=None for the loss, or pass X_val.compute() and y_val.compute()."
        )


def _check_weights(net, n_samples, dtype):
    if not n_samples.any():
        raise ValueError(
            f"class_weight={net.class_weight!r} gives all samples a weight of zero. Pass a positive weight."
        )
    check_range(n_samples, dtype, "The weights of the samples, multiplied with those of their classes,")


def _each(client, function, items):
    """The futures of a function of each item."""
    return client.compute([delayed(function, pure=False)(item) for item in items])


def _gathered(client, function, items, collect=list):
    """The results of a function of each item, or what a worker makes of the list of them."""
    results = delayed(collect, pure=False)([delayed(function, pure=False)(item) for item in items])
    return cluster.result(client, client.compute(results))
