"""Fitted networks from and to scikit-learn's multi-layer perceptron.

What is exchanged: weights, parameters and the optimiser's state, so that training goes on along the same trajectory. A
penalty is converted to scikit-learn's.
"""

import copy
import math
import warnings
from itertools import chain

import numpy as np
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skl2net._sklearn_private import stochastic_optimizers
from skl2net.activations import ACTIVATIONS
from skl2net.engines.base import Task
from skl2net.l2 import PENALTIES, check_rule
from skl2net.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from skl2net.network import Network
from skl2net.problem import Problem
from skl2net.solvers.curves import Curve, Curves
from skl2net.solvers.gradient import GradientState
from skl2net.solvers.optimisers import OPTIMISERS
from skl2net.solvers.schedules import SCHEDULES, Position
from skl2net.solvers.stopping import Progress
from skl2net.solvers.training_state import TrainingState
from skl2net.training import make_solver, seed_kept

SGDOptimizer, AdamOptimizer = stochastic_optimizers()

_SHARED_ATTRIBUTES = ("classes_", "_label_binarizer", "n_features_in_", "feature_names_in_")


def from_sklearn(cls, mlp):
    """Convert a fitted MLP to the parameters, attributes and state of one of our estimators.

    Numbers that scikit-learn does not record are NaN in the state. The network is returned too.
    """
    kind = MLPClassifier if is_classifier(cls()) else MLPRegressor
    if not isinstance(mlp, kind):
        hint = ""
        if isinstance(mlp, Pipeline) and isinstance(mlp.steps[-1][1], kind):
            hint = (
                " Pass its last step, pipeline[-1], and put the result in its place: "
                f"pipeline.set_params({mlp.steps[-1][0]}=net)."
            )
        raise TypeError(f"{cls.__name__}.from_sklearn takes a fitted {kind.__name__}; got {type(mlp).__name__}.{hint}")
    check_is_fitted(mlp)
    parameters = {**mlp.get_params(deep=False), "l2_mode": "penalty_per_sample", "scoring": "score"}
    if kind is MLPRegressor:
        parameters["normalize_y"] = False
    sizes = (mlp.coefs_[0].shape[0], *(coef.shape[1] for coef in mlp.coefs_))
    network = Network(sizes, ACTIVATIONS[mlp.activation])
    if kind is MLPClassifier:
        loss = CLASSIFICATION_LOSSES["log_loss"][mlp._label_binarizer.y_type_]
    else:
        loss = REGRESSION_LOSSES[mlp.loss]
    rate = None if mlp.solver == "lbfgs" else mlp.learning_rate_init
    attributes = {**_shared_attributes(mlp), "_loss": loss, "max_iter_": mlp.max_iter, "learning_rate_init_": rate}
    return parameters, attributes, network, _state_after(mlp, network, loss, cls(**parameters))


def to_sklearn(net):
    """Convert a fitted network to scikit-learn's MLP."""
    kind = MLPClassifier if is_classifier(net) else MLPRegressor
    applied = net._training_state.applied_rule
    loss = net.loss if applied is None else applied.loss  # of the fit, whatever set_params says
    if kind is MLPClassifier and loss == "squared_error":
        raise ValueError(
            "MLPClassifier supports the log loss only, so loss='squared_error' cannot be converted. Use to_torch() to "
            "export predictions."
        )
    if net._activation not in _options(kind, "activation"):
        raise ValueError(
            f"{kind.__name__} supports {', '.join(sorted(_options(kind, 'activation')))} only, so "
            f"activation={net._activation!r} cannot be converted. Use to_torch() to export predictions."
        )
    lost = []
    # learning_rate_init=None and max_iter=None have scikit-learn's defaults, which are those of our partial_fit
    known, set_by_user = kind().get_params(), net.get_params(deep=False)
    parameters = {name: value for name, value in set_by_user.items() if name in known and value is not None}
    parameters["activation"] = net._activation
    parameters["hidden_layer_sizes"] = net._layer_sizes()[1:-1]
    parameters["alpha"] = _sklearn_alpha(net, lost)
    if net.solver not in (*OPTIMISERS, "lbfgs"):
        parameters["solver"] = "adam"
        lost.append("the particle swarm (solver='adam' there)")
    if applied is not None and applied.solver == net.solver in OPTIMISERS:  # of the fit, like the optimiser's state
        renamed = {"nesterov": "nesterovs_momentum"}
        parameters |= {renamed.get(name, name): value for name, value in applied.constants.items()}
        if net.learning_rate in _options(kind, "learning_rate") or not applied.has_schedule:
            parameters["learning_rate_init"] = applied.learning_rate
    if net.learning_rate not in _options(kind, "learning_rate"):
        parameters["learning_rate"] = "constant"
        if net.solver in OPTIMISERS:
            lost.append(f"learning_rate={net.learning_rate!r} (learning_rate='constant' there)")
    if net.early_stopping and net.scoring != "score" and net.solver != "lbfgs":
        lost.append(f"scoring={net.scoring!r} (scoring='score' there)")
    if kind is MLPRegressor:
        parameters["loss"] = loss
        if loss not in _options(kind, "loss"):
            parameters["loss"] = "squared_error"
            lost.append(f"loss={loss!r} (loss='squared_error' there)")
    if net._training_state.target_scale is not None:
        lost.append("targets in standard units (normalize_y=True; alpha counts in the units of `y` there)")
    if net.posterior_ is not None:
        lost.append("the posterior (predict has no return_std there)")
    if getattr(net, "class_weight", None) is not None:
        lost.append(f"class_weight={net.class_weight!r} (pass sample_weight to fit and partial_fit)")
    if lost:
        warnings.warn(
            f"{kind.__name__} makes the same predictions, but further training will ignore: {'; '.join(lost)}.",
            UserWarning,
        )
    mlp = kind(**parameters)
    vars(mlp).update(_shared_attributes(net))
    _give_training(mlp, net)
    return mlp


def _state_after(mlp, network, loss, net):
    """The state after the training of a multi-layer perceptron, as that of `net` would have left it."""
    parameters = _flat(mlp.coefs_, mlp.intercepts_)
    last_loss = getattr(mlp, "loss_", np.nan)  # interrupted before its first iteration, it has none
    optimiser = _optimiser_of_the_last_fit(mlp)
    loss_curve = [last_loss] if optimiser is None else list(mlp.loss_curve_)
    scores = list(getattr(mlp, "validation_scores_", None) or [])
    curves = Curves(
        Curve(loss_curve),
        Curve([np.nan] * (len(loss_curve) - 1) + [float(network.layer_sums_of_squares(parameters).sum())]),
        Curve(scores),
        Curve([np.nan] * len(scores)),
        Curve([np.nan] * len(loss_curve)),
    )
    solver_state = applied_rule = None
    n_rows = max(1, round(mlp.t_ / len(loss_curve)))  # as far as it remembers
    if optimiser is not None:
        name = "adam" if isinstance(optimiser, AdamOptimizer) else "sgd"
        fitted_by = make_solver(copy.copy(net).set_params(solver=name), n_rows)
        solver_state = _state_of(mlp, optimiser, fitted_by, n_rows)
        rule = check_rule("penalty_per_sample", mlp.alpha, n_layers=network.n_layers, solver=fitted_by)
        task = Task(network, loss, np.broadcast_to(parameters[:1], (n_rows, network.layer_sizes[0])))
        applied_rule = fitted_by.applied(Problem(task, rule, None), solver_state)
    return TrainingState(
        copy.deepcopy(mlp._random_state),
        seed_kept(mlp.random_state),
        parameters=parameters,
        solver_state=solver_state,
        curves=curves,
        progress=Progress(best_score=mlp.best_validation_score_) if scores else Progress(best_loss=min(loss_curve)),
        t=mlp.t_ if optimiser is not None else 0,
        n_iter=mlp.n_iter_,
        loss=loss_curve[-1],
        n_total=float(n_rows),
        applied_rule=applied_rule,
    )


def _optimiser_of_the_last_fit(mlp):
    """scikit-learn's optimiser; None if there is none, or if it is left from an earlier fit."""
    optimiser = getattr(mlp, "_optimizer", None)
    loss_curve = getattr(mlp, "loss_curve_", [])
    if optimiser is None or not loss_curve or loss_curve[-1] != mlp.loss_:
        return None
    moments = optimiser.ms if isinstance(optimiser, AdamOptimizer) else optimiser.velocities
    shapes = [moment.shape for moment in moments]
    return optimiser if shapes == [array.shape for array in (*mlp.coefs_, *mlp.intercepts_)] else None


def _state_of(mlp, optimiser, fitted_by, n_rows):
    """The state of scikit-learn's optimiser as one of ours."""
    if fitted_by.name == "adam":
        moments, n_updates = [_flat(optimiser.ms), _flat(optimiser.vs)], optimiser.t
        rate = optimiser.learning_rate_init
    else:
        moments = [_flat(optimiser.velocities)]
        n_updates = len(mlp.loss_curve_) * -(-n_rows // fitted_by.batch_size)
        rate = optimiser.learning_rate
    is_adaptive = getattr(optimiser, "lr_schedule", "constant") == "adaptive"
    n_reductions = round(math.log(optimiser.learning_rate_init / rate, 5)) if is_adaptive else 0
    return GradientState(fitted_by.name, np.stack(moments), n_updates, rate, n_reductions=n_reductions)


def _shared_attributes(fitted):
    """Fitted attributes that the two libraries have in common, copied."""
    return {name: copy.deepcopy(value) for name, value in vars(fitted).items() if name in _SHARED_ATTRIBUTES}


def _options(kind, parameter):
    """The values that scikit-learn supports for a parameter."""
    (options,) = kind._parameter_constraints[parameter]
    return options.options


def _flat(*lists):
    return np.concatenate([np.ravel(array) for arrays in lists for array in arrays])


def _sklearn_alpha(net, lost):
    """Alpha of scikit-learn's rule; what it cannot express is added to `lost`."""
    applied = net._training_state.applied_rule
    if applied is None:
        return net.alpha if net.l2_mode == "penalty_per_sample" and net.alpha is not None else 0.0
    alphas = np.unique(applied.rule.alpha)
    if not alphas.any():
        return 0.0
    if len(alphas) > 1:
        lost.append(f"one alpha per layer, {list(applied.rule.alpha)} (alpha=0 there)")
        return 0.0
    if applied.rule.mode not in PENALTIES:
        lost.append(f"l2_mode={applied.rule.mode!r} with alpha={alphas[0]:g} (alpha=0 there)")
        return 0.0
    if applied.rule.mode == "penalty_per_sample":
        return float(alphas[0])
    updates = applied.updates_per_epoch
    if updates is not None and net.t_ != len(net.loss_curve_) * updates * applied.n:
        lost.append("the same penalty in every batch (they differ in size, and smaller ones are penalised more there)")
    return float(applied.coefficients.penalty[0]) * applied.n


def _give_training(mlp, net):
    """Give a multi-layer perceptron the weights of `net`, and what its training left behind."""
    mlp.coefs_ = [coef.copy() for coef in net.coefs_]
    mlp.intercepts_ = [intercept.copy() for intercept in net.intercepts_]
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_iter_", "t_", "loss_", "best_loss_"):
        setattr(mlp, name, getattr(net, name))
    mlp._random_state = copy.deepcopy(net._training_state.random_state)
    if mlp.solver == "lbfgs":
        return
    mlp.loss_curve_ = net.loss_curve_
    mlp.validation_scores_ = net.validation_scores_
    mlp.best_validation_score_ = net.best_validation_score_
    if mlp.early_stopping and (mlp.validation_scores_ is None or net.scoring != "score"):
        # it was switched on after the fit, or another score was watched
        mlp.validation_scores_, mlp.best_validation_score_ = [], -np.inf
    has_scale = net._training_state.target_scale is not None
    is_other_loss = not is_classifier(net) and (net.n_outputs_ > 1 or has_scale or net._loss.name != mlp.loss)
    if not mlp.early_stopping and (mlp.best_loss_ is None or is_other_loss):
        # switched off after the fit; or ours is another loss, or the sum over outputs: not to be compared
        mlp.best_loss_ = np.inf
    mlp._no_improvement_count = 0
    mlp._best_coefs = [coef.copy() for coef in mlp.coefs_]
    mlp._best_intercepts = [intercept.copy() for intercept in mlp.intercepts_]
    state = net._training_state.solver_state
    if isinstance(state, GradientState) and state.name == mlp.solver and not has_scale:
        mlp._optimizer = _sklearn_optimiser(mlp, net, state)


def _sklearn_optimiser(mlp, net, state):
    """scikit-learn's optimiser in the given state."""
    network = net._network()
    moments = [[*chain(*network.unpack(moment.copy()))] for moment in state.moments]
    arrays = mlp.coefs_ + mlp.intercepts_
    if state.name == "adam":
        optimiser = AdamOptimizer(arrays, mlp.learning_rate_init, mlp.beta_1, mlp.beta_2, mlp.epsilon)
        optimiser.ms, optimiser.vs = moments
        optimiser.t = state.n_updates
        return optimiser
    optimiser = SGDOptimizer(
        arrays, mlp.learning_rate_init, mlp.learning_rate, mlp.momentum, mlp.nesterovs_momentum, mlp.power_t
    )
    (optimiser.velocities,) = moments
    position = Position(net.t_, 0, net.n_iter_, mlp.max_iter, state.n_reductions)
    schedule = SCHEDULES[mlp.learning_rate](mlp.learning_rate_init, mlp.power_t)
    optimiser.learning_rate = float(schedule.rates(1, 1, position)[0, 0])
    return optimiser
