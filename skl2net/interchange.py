"""Fitted networks from and to scikit-learn and PyTorch.

What is exchanged: weights, parameters and, with scikit-learn, the optimiser's state, so that training goes on along the
same trajectory. The L2 rule is translated by `skl2net.convert_alpha` where the other side has it.
"""

import copy
import math
import warnings
from functools import partial
from itertools import chain

import numpy as np
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils.validation import check_is_fitted

from skl2net.engines.interface import GradientState
from skl2net.l2 import check_rule, l2_numbers
from skl2net.network import Network
from skl2net.report import RuleRun, loss_name
from skl2net.solvers.gradient import GradientRun
from skl2net.solvers.training import History

_SHARED_ATTRIBUTES = ("classes_", "_label_binarizer", "n_features_in_", "feature_names_in_")


def parameters_from_sklearn(cls, mlp):
    """Parameters of our estimator `cls` that make it the given multi-layer perceptron.

    Raises
    ------
    TypeError
        If `mlp` is not of the kind that `cls` stands for.
    """
    kind = MLPClassifier if is_classifier(cls()) else MLPRegressor
    if not isinstance(mlp, kind):
        raise TypeError(f"{cls.__name__}.from_sklearn takes a fitted {kind.__name__}; got {type(mlp).__name__}.")
    check_is_fitted(mlp)
    return {**mlp.get_params(deep=False), "l2_mode": "penalty_per_sample"}


def training_from_sklearn(mlp):
    """What the training of a multi-layer perceptron left behind, as ours would have left it.

    Returns
    -------
    network : Network
    parameters : ndarray of shape (n_parameters,)
    history : History
        Σw² and the losses that scikit-learn does not record are NaN.
    run : GradientRun or None
        None for L-BFGS, which keeps nothing.
    rule_run : RuleRun or None
        None where the number of items that the penalty was divided by cannot be known.
    """
    sizes = (mlp.coefs_[0].shape[0], *(coef.shape[1] for coef in mlp.coefs_))
    network = Network(sizes, mlp.activation, mlp.out_activation_)
    parameters = _flat(mlp.coefs_, mlp.intercepts_)
    optimiser = getattr(mlp, "_optimizer", None)
    if optimiser is None:
        history = History(loss_curve=[mlp.loss_], best_loss=mlp.loss_, n_iter=mlp.n_iter_)
        return network, parameters, _without_records(history, network, parameters), None, None

    loss_curve = list(mlp.loss_curve_)
    history = History(
        loss_curve=loss_curve,
        validation_scores=list(mlp.validation_scores_ or []),
        no_improvement=mlp._no_improvement_count,
        n_iter=mlp.n_iter_,
        t=mlp.t_,
    )
    if mlp.early_stopping:
        history.best_validation_score = mlp.best_validation_score_
        history.best_parameters = parameters.copy()
    elif is_classifier(mlp) or mlp.n_outputs_ == 1:
        # With several outputs scikit-learn reports the mean over outputs and we the sum: ours would never improve.
        history.best_loss = mlp.best_loss_
    adam = mlp.solver == "adam"
    n_rows, batch_size = _rows_and_batch(mlp)
    rate = mlp.learning_rate_init if adam else optimiser.learning_rate
    reductions = round(math.log(mlp.learning_rate_init / rate, 5)) if mlp.learning_rate == "adaptive" else 0
    run = GradientRun.start(parameters, n_rows, rate, adam=adam)
    if adam:
        run.state = GradientState(parameters.copy(), _flat(optimiser.ms), _flat(optimiser.vs), optimiser.t)
    else:
        n_updates = len(loss_curve) * -(-n_rows // batch_size)
        run.state = GradientState(parameters.copy(), _flat(optimiser.velocities), run.state.second, n_updates)
    run.n_reductions = reductions
    rule = check_rule("penalty_per_sample", mlp.alpha, n_layers=network.n_layers, solver=mlp.solver, learning_rate=rate)
    momentum = None if adam else mlp.momentum
    rule_run = RuleRun(
        rule,
        mlp.solver,
        rate,
        momentum,
        n=batch_size,
        updates_per_epoch=-(-n_rows // batch_size),
        n_items=n_rows,
        loss=loss_name(mlp.loss, network),
        schedule=not adam and mlp.learning_rate != "constant",
    )
    return network, parameters, _without_records(history, network, parameters), run, rule_run


def shared_attributes(fitted):
    """Fitted attributes that the two libraries have in common, copied."""
    return {name: copy.deepcopy(value) for name, value in vars(fitted).items() if name in _SHARED_ATTRIBUTES}


def to_sklearn(net, rule_run):
    """The multi-layer perceptron of scikit-learn that a fitted network of ours is.

    Parameters
    ----------
    net : L2NetClassifier or L2NetRegressor
    rule_run : RuleRun or None
        Of its last fit.

    Returns
    -------
    MLPClassifier or MLPRegressor
    """
    kind = MLPClassifier if is_classifier(net) else MLPRegressor
    if kind is MLPClassifier and net.loss == "squared_error":
        raise ValueError(
            "loss='squared_error' cannot be carried to MLPClassifier, which knows the log loss only and would go on "
            "training with that. For predictions outside skl2net use to_torch()."
        )
    left_out = []
    parameters = {name: value for name, value in net.get_params(deep=False).items() if name in kind().get_params()}
    parameters["activation"] = net._activation
    parameters["alpha"] = _sklearn_alpha(net, rule_run, left_out)
    if net.solver not in ("sgd", "adam", "lbfgs"):
        parameters["solver"] = "adam"
        left_out.append("the particle swarm (solver='adam' there)")
    if getattr(net, "class_weight", None) is not None:
        left_out.append(f"class_weight={net.class_weight!r} (pass sample_weight to fit and partial_fit)")
    if left_out:
        warnings.warn(
            f"{kind.__name__} predicts the same, but these cannot be carried to it and are missing when it is trained "
            f"further: {'; '.join(left_out)}.",
            UserWarning,
            stacklevel=3,
        )
    mlp = kind(**parameters)
    vars(mlp).update(shared_attributes(net))
    _give_training(mlp, net)
    return mlp


def to_torch(net):
    """A fitted network as ``torch.nn.Sequential``, see `L2NetClassifier.to_torch`."""
    import torch
    from torch import nn

    class Exp(nn.Module):
        def forward(self, z):
            return torch.exp(z)

    functions = {
        "identity": nn.Identity,
        "logistic": nn.Sigmoid,
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "softmax": partial(nn.Softmax, dim=1),
        "exp": Exp,
    }
    modules = []
    for coef, intercept in zip(net.coefs_, net.intercepts_, strict=True):
        linear = nn.Linear(*coef.shape)
        linear.weight = nn.Parameter(torch.from_numpy(coef.T.copy()))
        linear.bias = nn.Parameter(torch.from_numpy(intercept.copy()))
        modules += [linear, functions[net._activation]()]
    modules[-1] = functions[net.out_activation_]()
    return nn.Sequential(*modules)


def _flat(*lists):
    return np.concatenate([np.ravel(array) for arrays in lists for array in arrays])


def _rows_and_batch(mlp):
    """Rows in an epoch and in a batch, as far as a multi-layer perceptron remembers them."""
    n_rows = max(1, round(mlp.t_ / len(mlp.loss_curve_)))
    return n_rows, min(200 if mlp.batch_size == "auto" else mlp.batch_size, n_rows)


def _without_records(history, network, parameters):
    """Fill in what scikit-learn does not record: Σw² of the last iteration is known, the rest is NaN."""
    n_before = len(history.loss_curve) - 1
    history.weight_norm_curve = [np.nan] * n_before + [float(network.layer_sums_of_squares(parameters).sum())]
    history.validation_loss_curve = [np.nan] * len(history.validation_scores)
    return history


def _sklearn_alpha(net, rule_run, left_out):
    """Alpha of scikit-learn's rule; what it cannot express is added to `left_out`."""
    alphas = np.unique(net.alpha)
    if not alphas.any():
        return 0.0
    if len(alphas) > 1:
        left_out.append(f"one alpha per layer, {net.alpha!r} (alpha=0 there)")
        return 0.0
    alpha = float(alphas[0])
    if net.l2_mode == "penalty_per_sample":
        return alpha
    if net.l2_mode != "penalty" or rule_run is None:
        left_out.append(f"l2_mode={net.l2_mode!r} with alpha={alpha:g} (alpha=0 there)")
        return 0.0
    updates = rule_run.updates_per_epoch
    if updates is not None and net.t_ != len(net.loss_curve_) * updates * rule_run.n:
        left_out.append(
            "the same penalty in every batch (they differ in size, and smaller ones are penalised more there)"
        )
    return alpha / float(l2_numbers("penalty_per_sample", [1.0], None, rule_run.n).gradient[0])


def _give_training(mlp, net):
    """Give a multi-layer perceptron the weights of `net`, and what its training left behind."""
    continuation = net._continuation
    history, run = continuation.history, continuation.run
    mlp.coefs_ = [coef.copy() for coef in net.coefs_]
    mlp.intercepts_ = [intercept.copy() for intercept in net.intercepts_]
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_iter_", "t_", "loss_"):
        setattr(mlp, name, getattr(net, name))
    mlp._random_state = copy.deepcopy(continuation.random_state)
    if mlp.solver == "lbfgs":
        return
    mlp.loss_curve_ = list(net.loss_curve_)
    mlp.validation_scores_ = copy.copy(net.validation_scores_)
    mlp.best_validation_score_ = net.best_validation_score_
    mlp.best_loss_ = net.best_loss_
    if not is_classifier(net) and net.n_outputs_ > 1 and mlp.best_loss_ is not None:
        mlp.best_loss_ = np.inf  # of ours, the sum over outputs: the mean that it reports would always be better
    mlp._no_improvement_count = history.no_improvement
    mlp._best_coefs = [coef.copy() for coef in mlp.coefs_]
    mlp._best_intercepts = [intercept.copy() for intercept in mlp.intercepts_]
    if isinstance(run, GradientRun):
        mlp._optimizer = _sklearn_optimiser(mlp, net, run, history.t)


def _sklearn_optimiser(mlp, net, run, t):
    """scikit-learn's optimiser in the state that `run` is in."""
    network, state = net._network(), run.state
    shaped = [[*chain(*network.unpack(moment.copy()))] for moment in (state.first, state.second) if moment.size]
    arrays = mlp.coefs_ + mlp.intercepts_
    if mlp.solver == "adam":
        optimiser = AdamOptimizer(arrays, net.learning_rate_init, net.beta_1, net.beta_2, net.epsilon)
        optimiser.ms, optimiser.vs = shaped
        optimiser.t = state.n_updates
        return optimiser
    optimiser = SGDOptimizer(
        arrays, net.learning_rate_init, net.learning_rate, net.momentum, net.nesterovs_momentum, net.power_t
    )
    optimiser.velocities = shaped[0]
    optimiser.learning_rate = net._solver(len(run.order))._learning_rate(t, run.n_reductions)
    return optimiser
