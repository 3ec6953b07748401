"""Particle swarm optimisation: minimisation without a gradient, by comparing errors.

`ParticleSwarm` holds the parameters and the loop. One iteration is `skl2net.engines.swarm.step`, and
`skl2net.engines.topology` has the topologies.

A penalty is added to the error of each particle. Decays are not supported: the personal bests that steer the swarm are
remembered, not moved, so that shrinking positions only disturbs the search.
"""

import copy
import pickle
import zlib
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names

from skl2net._sklearn_private import Interval, Options, StrOptions, is_finite_number
from skl2net.engines.random_numbers import new_generator, uniform_between
from skl2net.engines.swarm import SwarmMotion, iterate
from skl2net.engines.topology import N_INFORMED, links, neighbourhood_best
from skl2net.hints import Scoring
from skl2net.solvers.base import Diverged, Solver
from skl2net.solvers.curves import IterationTotals
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.monitor import Monitor
from skl2net.solvers.stopping import StoppingRule
from skl2net.solvers.swarm.objectives import as_objective
from skl2net.solvers.swarm.state import SwarmState
from skl2net.solvers.training_state import TrainingState

_POLISH = StoppingRule(max_iter=15000, tol=1e-8, n_iter_no_change=np.inf)  # tol: largest entry of the gradient


class ParticleSwarm(Solver, BaseEstimator):
    r"""Particle swarm optimisation, as a solver of `L2NetClassifier` and `L2NetRegressor`.

    Each particle `x` is the parameter vector of a whole network. `p` is its personal best, and `g` the best of the
    personal bests of its informants. In each iteration it moves, with new uniform random numbers
    :math:`r_1, r_2 \in [0, 1)` for each parameter:

    .. math::

        v \leftarrow \omega v + c_1 r_1 (p - x) + c_2 r_2 (g - x), \qquad x \leftarrow x + v

    The error of a particle is the data loss over all samples, plus the penalty of `l2_mode` and `alpha`. One iteration
    is one evaluation of all particles. The first iteration evaluates the initial positions.

    Parameters
    ----------
    n_particles : int, default=30
        Number of particles.
    variant : {"inertia", "fips"}, default="inertia"
        "inertia" is the motion above ([2]_, with the constants of [3]_). "fips" is the fully informed swarm [4]_, in
        which all :math:`K` informants attract the particle:
        :math:`v \leftarrow \omega v + \tfrac{1}{K}\sum_k (c_1 + c_2)\, r_k (p_k - x)`; in the notation of [4]_,
        :math:`\chi = \omega` and :math:`\chi\varphi = c_1 + c_2`.
    topology : {"global", "ring", "von_neumann", "random"}, default="global"
        Informants of a particle besides itself:

        - "global": all particles;
        - "ring": its two neighbours on a ring;
        - "von_neumann": its four neighbours on a torus of r x c particles, where r is the largest divisor of
          `n_particles` up to its square root;
        - "random": each particle informs 3 random particles, drawn again after each iteration that does not improve
          the best loss of the swarm [5]_.
    inertia : float or (float, float), default=0.7298
        :math:`\omega`. A pair is a linear schedule from the first value to the second.
    inertia_iterations : int, default=None
        Number of iterations of the schedule, counted over all warm-started calls. Afterwards the second value applies.
        None uses `max_iter`.
    cognitive, social : float, default=1.49618
        :math:`c_1` and :math:`c_2`.
    initial_spread : float, default=0.5
        The first particle starts at the usual initial weights of the network. The others are drawn from the same
        (Glorot's) distribution, scaled by this factor; entries outside the `bounds` are drawn uniformly between them.
        All initial velocities are zero.
    velocity_clamp : float, default=None
        Largest absolute value of each entry of a velocity. None for no limit.
    bounds : float or (float, float), default=None
        Bounds of all weights and biases: ``(low, high)``, or `b` for ``(-b, b)``. None for no bounds.
    boundary : {"bounce", "clamp", "reinitialise"}, default="bounce"
        How entries outside the bounds are treated: "bounce" reflects them and reverses their velocity; "clamp" sets
        them to the bound, and their velocity to zero; "reinitialise" draws them uniformly between the bounds, and sets
        their velocity to zero. Only used when `bounds` is not None.
    patience : int or inf, default=100
        Number of consecutive iterations with a total improvement smaller than `tol` before training stops, if it is
        larger than the estimator's `n_iter_no_change`. A swarm often makes no progress for dozens of iterations before
        it improves again. With early stopping, the validation score is monitored instead of the loss.
    objective : str, scorer or callable, default=None
        What to optimise instead of the data loss; the penalty is added.

        - The name of a scorer of scikit-learn, as "balanced_accuracy", "neg_log_loss" or "roc_auc", or a scorer made by
          :func:`~sklearn.metrics.make_scorer`: it is maximised, on the predictions that it asks for (labels,
          probabilities or decision values). `loss_` and `data_loss_` contain the negative score.
        - A function, called as ``objective(y_true, y_pred, sample_weight=...)``, where `y_pred` is the result of
          `predict`: it is minimised, as an error or a cost.

        `y_true` contains the labels (0 and 1 for multilabel targets) or the targets, in the units of `y` and the dtype
        of `X`.
        `sample_weight` is None or contains the weights, multiplied with the class weights.
    polish : bool, default=False
        Whether L-BFGS improves the best particle at the end, within the `bounds`, as in
        :func:`scipy.optimize.differential_evolution`. It counts as one iteration, possibly beyond `max_iter`. Not
        supported with an `objective` nor with ``loss="absolute_error"`` or ``"quantile"``, which have no gradient.

    Notes
    -----
    After `fit`, the estimator's attribute `swarm_` contains the state of the swarm, a `SwarmState`. It is pickled with
    the estimator, since a warm start continues from it. It takes ``3 * n_particles`` times the memory of the weights,
    one byte for each pair of particles, and 32 bytes for each iteration.

    Positions are the parameters that are trained: under a regressor with ``normalize_y=True``, those of a network for
    standardised targets. `bounds` and `velocity_clamp` then do not depend on the units of `y`.

    The result depends on the seed only, not on the number of threads.

    References
    ----------
    .. [1] Kennedy & Eberhart, "Particle swarm optimization", ICNN 1995.
    .. [2] Shi & Eberhart, "A modified particle swarm optimizer", CEC 1998.
    .. [3] Clerc & Kennedy, "The particle swarm: explosion, stability, and convergence in a multidimensional complex
       space", IEEE Transactions on Evolutionary Computation 6(1), 2002.
    .. [4] Mendes, Kennedy & Neves, "The fully informed particle swarm: simpler, maybe better", IEEE Transactions on
       Evolutionary Computation 8(3), 2004.
    .. [5] Clerc, "Standard particle swarm optimisation", 2012, hal-00764996.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.metrics import zero_one_loss
    >>> from skl2net import L2NetClassifier, ParticleSwarm
    >>> X, y = load_iris(return_X_y=True)
    >>> swarm = ParticleSwarm(n_particles=20, objective=zero_one_loss)
    >>> net = L2NetClassifier((6,), solver=swarm, alpha=0.01, max_iter=300, random_state=0).fit(X, y)
    >>> net.data_loss_ < 0.05  # the proportion of misclassified flowers
    True
    >>> net.swarm_.positions.shape  # 4 * 6 + 6 * 3 weights and 6 + 3 biases
    (20, 51)
    """

    _parameter_constraints: dict = {
        "n_particles": [Interval(Integral, 1, None, closed="left")],
        "variant": [StrOptions({"inertia", "fips"})],
        "topology": [StrOptions({"global", "ring", "von_neumann", "random"})],
        "inertia": [Interval(Real, 0, None, closed="left"), tuple, list],
        "inertia_iterations": [Interval(Integral, 1, None, closed="left"), None],
        "cognitive": [Interval(Real, 0, None, closed="left")],
        "social": [Interval(Real, 0, None, closed="left")],
        "initial_spread": [Interval(Real, 0, None, closed="neither")],
        "velocity_clamp": [Interval(Real, 0, None, closed="neither"), None],
        "bounds": [Interval(Real, 0, None, closed="neither"), tuple, list, None],
        "boundary": [StrOptions({"bounce", "clamp", "reinitialise"})],
        "patience": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "objective": [StrOptions(set(get_scorer_names())), callable, None],
        "polish": ["boolean"],
    }

    def __init__(
        self,
        n_particles: int = 30,
        *,
        variant: Literal["inertia", "fips"] = "inertia",
        topology: Literal["global", "ring", "von_neumann", "random"] = "global",
        inertia: float | Sequence[float] = 0.7298,
        inertia_iterations: int | None = None,
        cognitive: float = 1.49618,
        social: float = 1.49618,
        initial_spread: float = 0.5,
        velocity_clamp: float | None = None,
        bounds: float | Sequence[float] | None = None,
        boundary: Literal["bounce", "clamp", "reinitialise"] = "bounce",
        patience: float = 100,
        objective: Scoring = None,
        polish: bool = False,
    ) -> None:
        self.n_particles = n_particles
        self.variant = variant
        self.topology = topology
        self.inertia = inertia
        self.inertia_iterations = inertia_iterations
        self.cognitive = cognitive
        self.social = social
        self.initial_spread = initial_spread
        self.velocity_clamp = velocity_clamp
        self.bounds = bounds
        self.boundary = boundary
        self.patience = patience
        self.objective = objective
        self.polish = polish

    name = "pso"
    why_no_decay = "the swarm compares stored personal bests, which a decay would not change"

    def stopping(self, rule):
        """See `Solver.stopping`. A swarm improves in small steps, which are summed over many iterations."""
        return replace(rule, n_iter_no_change=max(self.patience, rule.n_iter_no_change), cumulative=True)

    @property
    def n_extra_iterations(self):
        """See `Solver`. The polish is one."""
        return int(self.polish)

    @np.errstate(over="ignore", invalid="ignore")  # non-finite numbers are detected below
    def minimise(self, problem, start, monitor):
        """See `Solver.minimise`.

        A warm start evaluates the personal bests again, since the data or the penalty may have changed.
        """
        objective = self._check(problem)
        box = self._box(problem.session.dtype)
        self._check_memory(problem)
        evaluate = _Evaluation(problem, objective)
        parameters, t = np.clip(start.parameters, *box), start.t
        before = start.solver_state
        if isinstance(before, SwarmState) and before.positions.shape[1:] == parameters.shape:
            state = self._resumed(before, parameters, problem, start.random_state, box, evaluate)
        else:
            state = self._new_swarm(parameters, problem, start.random_state, box)
        state = replace(state, seed_mark=_checksum(start.random_state))
        other_generator = copy.deepcopy(state.generator)
        n_left = monitor.stopping.max_iter
        while n_left:
            n = min(n_left, monitor.n_until_decision)
            if n > 1:
                motion = self._motion(state, box, monitor.stopping.max_iter, 1)
                n = min(n, evaluate.iterations_per_call(state, motion))
            motion = self._motion(state, box, monitor.stopping.max_iter, n)
            monitor.begin()
            # from another generator in the same state: an unfinished iteration must not change the last finished one
            other_generator.bit_generator.state = state.generator.bit_generator.state
            flown, totals = evaluate.iterate(replace(state, generator=other_generator), motion)
            if len(totals) < n:
                self._raise_if_no_loss_is_finite(flown)
                raise Diverged(self._advice(), n_unreported=len(totals))
            before, state, t = state, flown, t + problem.n_rows * n
            monitor.finish(state.best_positions[state.best], totals, solver_state=state, t=t)
            other_generator = before.generator
            if monitor.has_converged:
                monitor.announce_convergence("Stopping.")
                break
            n_left -= n
        if self.polish:
            return self._polish(problem, state, t, monitor, box)
        return None if monitor.has_converged else monitor.not_converged

    def _check(self, problem):
        """Validate the parameters; the objective as a function, or None."""
        self._validate_params()
        if not isinstance(self.inertia, Real):
            pair = tuple(self.inertia)
            if len(pair) != 2 or not all(is_finite_number(w) and w >= 0 for w in pair):
                raise ValueError(
                    f"inertia must be a finite number >= 0, or a pair (from, to) of them; got {self.inertia!r}."
                )
        if self.polish and self.objective is not None:
            raise ValueError(
                "polish=True needs a gradient, which a user-defined objective does not have. Set polish=False, or "
                "objective=None."
            )
        if self.polish:
            problem.task.loss.check_smooth("polish=True", "polish=False")
        return as_objective(self.objective, is_weighted=problem.is_weighted)

    def _box(self, dtype):
        """The bounds as (low, high), numbers of the dtype."""
        if self.bounds is None:
            return -np.inf, np.inf
        box = (-self.bounds, self.bounds) if isinstance(self.bounds, Real) else tuple(self.bounds)
        if len(box) != 2 or not all(map(is_finite_number, box)) or box[0] >= box[1]:
            raise ValueError(
                "bounds must be a number b > 0 for (-b, b), or a pair (low, high) of finite numbers with low < high; "
                f"got {self.bounds!r}."
            )
        low, high = dtype.type(box[0]), dtype.type(box[1])
        # inwards: the next float32 of 0.1 is larger
        low = low if float(low) >= box[0] else np.nextafter(low, dtype.type(np.inf))
        high = high if float(high) <= box[1] else np.nextafter(high, dtype.type(-np.inf))
        if low > high:
            raise ValueError(f"bounds={self.bounds!r} have no number of {dtype} between them. Move them apart.")
        return float(low), float(high)

    def _check_memory(self, problem):
        """Refuse a swarm that does not fit into memory, before drawing its positions for ever."""
        n = self.n_particles
        try:
            np.empty((4 * n, problem.network.n_parameters), dtype=problem.session.dtype), np.empty((n, n), dtype=bool)
        except (MemoryError, ValueError, OverflowError) as error:
            raise MemoryError(
                f"A swarm of n_particles={n} with {problem.network.n_parameters} parameters each does not fit into "
                f"memory: {error} Pass fewer particles."
            ) from None

    def _new_swarm(self, parameters, problem, random_state, box):
        """A swarm about to be evaluated for the first time; the first particle is `parameters`."""
        generator = new_generator(random_state)
        positions = self._scatter(self.n_particles, problem, random_state, box, generator)
        positions[0] = parameters
        n = len(positions)
        return SwarmState(
            positions,
            np.zeros_like(positions),
            positions.copy(),
            np.full(n, np.inf),
            np.full(n, np.inf),
            np.arange(n),
            self.topology,
            links(self.topology, n, generator),
            generator,
        )

    def _scatter(self, n, problem, random_state, box, generator):
        """Initial positions of `n` particles, see `initial_spread`."""
        draws = [problem.network.initial_parameters(random_state, problem.session.dtype) for _ in range(n)]
        positions = np.reshape(draws, (n, problem.network.n_parameters)) * problem.session.dtype.type(
            self.initial_spread
        )
        outside = (positions < box[0]) | (positions > box[1])
        positions[outside] = uniform_between(*box, generator, np.count_nonzero(outside))
        return positions

    def _resumed(self, before, parameters, problem, random_state, box, evaluate):
        """The swarm of an earlier training, under the parameters and on the data of this one."""
        same_stream = before.seed_mark == _checksum(random_state)
        generator = copy.deepcopy(before.generator) if same_stream else new_generator(random_state)
        positions, velocities, bests = before.positions, before.velocities, before.best_positions
        n, best = self.n_particles, before.best
        if len(positions) != n:
            kept = np.sort(before.best_losses.argsort(kind="stable")[:n])
            fresh = self._scatter(n - len(kept), problem, random_state, box, generator)
            positions = np.concatenate([positions[kept], fresh])
            velocities = np.concatenate([velocities[kept], np.zeros_like(fresh)])
            bests = np.concatenate([bests[kept], fresh])
            best = int(np.searchsorted(kept, best))
        positions, bests = (np.clip(array.astype(problem.session.dtype), *box) for array in (positions, bests))
        velocities = velocities.astype(problem.session.dtype)
        if not np.array_equal(bests[best], parameters):
            # the weights of the network were edited, or selected by their validation score
            positions[best] = bests[best] = parameters
            velocities[best] = 0
        linked = before.links
        if (before.topology, len(linked)) != (self.topology, n):
            linked = links(self.topology, n, generator)
        losses, data_losses = evaluate(bests)
        losses = np.where(np.isfinite(losses), losses, np.inf)  # any finite loss is better
        # differences of rounding between here and the engine do not mean that the data or the penalty have changed
        if len(losses) == len(before.best_losses) and np.allclose(losses, before.best_losses, rtol=1e-12, atol=0):
            losses, data_losses = before.best_losses, before.best_data_losses
        return SwarmState(
            positions,
            velocities,
            bests,
            losses,
            data_losses,
            neighbourhood_best(linked, losses),
            self.topology,
            linked,
            generator,
            before.n_iterations,
            spread=before.spread,
        )

    def _motion(self, state, box, max_iter, n):
        """The parameters of the next n iterations."""
        if isinstance(self.inertia, Real):
            inertia = np.full(n, float(self.inertia))
        else:
            first, last = self.inertia
            done = np.arange(state.n_iterations, state.n_iterations + n) / (self.inertia_iterations or max_iter)
            inertia = first + (last - first) * np.minimum(done, 1.0)
        return SwarmMotion(
            variant=self.variant,
            inertia=inertia,
            cognitive=float(self.cognitive),
            social=float(self.social),
            velocity_clamp=np.inf if self.velocity_clamp is None else float(self.velocity_clamp),
            box=box,
            boundary=self.boundary,
            n_informed=N_INFORMED if self.topology == "random" else 0,
        )

    def _polish(self, problem, state, t, monitor, box):
        """Improve the best parameters by L-BFGS, as one more iteration. Returns a warning if it did not converge."""
        progress, best = monitor.progress, state.best
        is_validated = progress.best_parameters is not None
        parameters = progress.best_parameters if is_validated else state.best_positions[best]
        start = TrainingState(None, parameters=parameters)
        local = Monitor(_POLISH, start, is_cancelled=problem.task.is_cancelled)

        def finish():
            polished = local.state.parameters
            data_loss = problem.data_loss(polished)
            loss = data_loss + float(problem.penalty(polished))
            if not (is_validated or loss <= state.best_losses[best]):
                return  # in float32, the loss may be higher by a rounding error
            after = state
            if loss < state.best_losses[best]:
                bests, losses = state.best_positions.copy(), state.best_losses.copy()
                data_losses = state.best_data_losses.copy()
                bests[best], losses[best], data_losses[best] = polished, loss, data_loss
                after = replace(state, best_positions=bests, best_losses=losses, best_data_losses=data_losses)
            totals = IterationTotals(loss, data_loss, problem.network.weight_norm(polished))
            monitor.finish(polished, [totals], solver_state=after, t=t, label="Polish, iteration")

        # ftol=0: continue down to the rounding error
        try:
            LBFGS(max_fun=np.inf, ftol=0.0, bounds=box).minimise(problem, start, local)
        except KeyboardInterrupt:
            if local.has_result:
                finish()
            raise
        finish()
        if local.n_iter == _POLISH.max_iter:
            return (
                f"The polish failed to converge after {_POLISH.max_iter} iterations of L-BFGS. Scale the data, or "
                "increase alpha."
            )
        return None

    def _raise_if_no_loss_is_finite(self, state):
        if np.isfinite(state.best_losses).any():
            return
        advice = f"Scale the input to unit variance, or lower initial_spread (now {self.initial_spread:g})."
        if self.objective is not None:
            advice = "The objective has to be finite for at least some predictions."
        raise ValueError(f"No particle of the swarm has a finite loss. {advice}")

    def _advice(self):
        return (
            f"The swarm is unstable with inertia={self.inertia!r}, cognitive={self.cognitive:g} and "
            f"social={self.social:g}. Choose inertia < 1 and cognitive + social < 2 * (1 + inertia), such as the "
            "defaults 0.7298 and 1.49618, or set velocity_clamp or bounds."
        )


class _Evaluation:
    """Losses of many parameter vectors: data loss or user-defined objective, plus penalty.

    Called with the positions of a swarm, it returns two arrays of shape (n_particles,): the losses with and without the
    penalty.
    """

    def __init__(self, problem, objective):
        self.problem, self.objective = problem, objective
        if objective is not None:
            task = problem.task
            self._y_true = _read_only(problem.decoder.truth(task.taken(task.Y)))
            self._sample_weight = _read_only(task.taken(task.sample_weight))

    def iterations_per_call(self, state, motion):
        """Largest number of iterations that one call of `iterate` should run."""
        return 1 if self.objective is not None else self.problem.session.swarm_iterations_per_call(state, motion)

    def iterate(self, state, motion):
        """Iterate a swarm. Returns the swarm and the totals of the finished iterations."""
        problem = self.problem
        if self.objective is None:
            state, curves = problem.session.iterate_swarm(state, problem.coefficients.penalty, motion)
        else:
            state, curves = iterate(state, motion, self, problem.network)
        state = replace(state, spread=state.spread.extended(curves[:, 3:]))
        return state, [*map(IterationTotals._make, curves[:, :3].tolist())]

    def __call__(self, swarm):
        data_losses = self._data_losses(swarm)
        return data_losses + self.problem.penalty(swarm), data_losses

    def _data_losses(self, swarm):
        if self.objective is None:
            return self.problem.session.losses(swarm)
        return np.array([self._objective_of(parameters) for parameters in swarm])

    def _objective_of(self, parameters):
        value = self.objective(self.problem, parameters, self._y_true, self._sample_weight)
        if np.ndim(value) > 0:
            raise TypeError(
                f"The objective must return a number, got {type(value).__name__} of shape {np.shape(value)}."
            )
        if not isinstance(value, (Real, np.ndarray)):
            raise TypeError(f"The objective must return a number, got {value!r}.")
        if value == -np.inf:
            raise ValueError("The objective returned -inf. It must be bounded below.")
        return float(value)


def _read_only(array):
    """A read-only view of an array, for user-defined code; None for None."""
    if array is not None:
        array = array.view()
        array.flags.writeable = False
    return array


def _checksum(random_state):
    """A checksum that detects whether a random state has been used or replaced."""
    return zlib.crc32(pickle.dumps(random_state.get_state(legacy=False)))
