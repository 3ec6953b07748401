"""Particle swarm: minimisation by comparing errors alone, with no gradient.

`ParticleSwarm` holds the parameters and the loop, `SwarmState` what a warm start continues. An iteration is the `step`
below, in NumPy: `move` (velocities and positions), `hold` (what happens at the bounds), `links` (who informs whom). An
engine with a function `fly` does many of these iterations in one call, with the same random numbers; an objective of
the user's own is always minimised by `step`.

A penalty is added to each particle's error. The decays are refused (`skl2net.l2`): the personal bests that steer the
swarm are remembered, not moved, so that shrinking positions only disturbs the search.
"""

import copy
import inspect
import math
import pickle
import warnings
import zlib
from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
import scipy.optimize
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, Options, StrOptions

from skl2net.engines.interface import Motion
from skl2net.solvers.lbfgs import LBFGS
from skl2net.solvers.training import History, rewind, snapshot

_N_INFORMED = 3  # by each particle, in the random topology: SPSO-2006's and SPSO-2011's number


@dataclass(repr=False)
class SwarmState:
    """A swarm, as `swarm_` shows it and a warm start continues it.

    Parameters
    ----------
    positions, velocities : ndarray of shape (n_particles, n_parameters)
        Rows are flat parameter vectors: all weights, layer by layer, then all biases.
    best_positions : ndarray of shape (n_particles, n_parameters)
        Personal bests: where each particle found its smallest loss so far.
    best_losses : ndarray of shape (n_particles,)
        The loss there, penalty included; inf where a particle has met no finite loss yet.
    best_data_losses : ndarray of shape (n_particles,)
        The same without the penalty.
    neighbourhood_best : ndarray of intp, shape (n_particles,)
        Which particle's personal best is the best among the informants of each particle.
    topology : str
        The `topology` of the links.
    links : ndarray of bool, shape (n_particles, n_particles)
        Whether the particle of the column informs that of the row. Everyone informs itself.
    generator : numpy.random.Generator
        Source of the random numbers of the flight.
    n_iterations : int
        Iterations so far, of all calls.
    rest_loss : float
        Loss that the best has to undercut by `tol` before the patience runs out.
    seed_mark : int
        Checksum of the estimator's random state when the last call ended; a new seed shows in it.
    """

    positions: np.ndarray
    velocities: np.ndarray
    best_positions: np.ndarray
    best_losses: np.ndarray
    best_data_losses: np.ndarray
    neighbourhood_best: np.ndarray
    topology: str
    links: np.ndarray
    generator: np.random.Generator
    n_iterations: int = 0
    rest_loss: float = np.inf
    seed_mark: int = 0

    def __repr__(self):
        n, d = self.positions.shape
        return (
            f"<SwarmState of {n} particles in {d} dimensions, {self.topology!r} topology, after {self.n_iterations} "
            f"iterations: best loss {self.best_losses.min():.6g}>"
        )

    @property
    def best(self):
        """Index of the particle with the best personal best."""
        return int(self.best_losses.argmin())


class ParticleSwarm(BaseEstimator):
    r"""Particle swarm optimisation, as a solver of `L2NetClassifier` and `L2NetRegressor`.

    Each particle `x` is a whole network. It remembers its personal best `p`, knows the best `g` of the personal bests
    of its informants, and flies, with fresh uniform random numbers :math:`r_1, r_2 \in [0, 1)` for each weight:

    .. math::

        v \leftarrow \omega v + c_1 r_1 (p - x) + c_2 r_2 (g - x), \qquad x \leftarrow x + v

    The error of a particle is the data loss over all rows, plus the penalty of `l2_mode` and `alpha`. One iteration is
    one evaluation of all particles; the first iteration evaluates the swarm where it starts.

    Parameters
    ----------
    n_particles : int, default=30
        Size of the swarm.
    variant : {"inertia", "fips"}, default="inertia"
        "inertia" is the motion above (Shi & Eberhart 1998, with Clerc & Kennedy's constriction values). "fips", the
        fully informed swarm, averages over all informants `k` in place of `p` and `g` (Mendes, Kennedy & Neves 2004,
        their :math:`\chi = \omega` and :math:`\chi\varphi = c_1 + c_2`):
        :math:`v \leftarrow \omega v + \tfrac{1}{K}\sum_k (c_1 + c_2)\, r_k (p_k - x)`.
    topology : {"global", "ring", "von_neumann", "random"}, default="global"
        Who informs a particle besides itself: everyone; the two neighbours on a ring; the four neighbours on a torus
        of r x c particles, where r is the largest divisor of `n_particles` up to its root (a ring, where that is 1);
        or whoever drew it, each particle drawing 3 to inform, anew after each iteration that has not improved the
        swarm's best (SPSO-2006).
    inertia : float or (float, float), default=0.7298
        :math:`\omega`; a pair is a linear schedule from the first value to the second.
    inertia_iterations : int, default=None
        Iterations of the schedule, those of earlier warm-started calls included; afterwards the second value stays.
        None stands for `max_iter`.
    cognitive, social : float, default=1.49618
        :math:`c_1` and :math:`c_2`.
    initial_spread : float, default=0.5
        The first particle starts at the network's usual initial weights, the others are drawn from this multiple of
        the same (Glorot's) distribution, or where that leads out of the `bounds` uniformly between them. All start at
        rest.
    velocity_clamp : float, default=None
        Largest size of each entry of a velocity.
    bounds : float or (float, float), default=None
        Box that no weight and no bias may leave: ``(low, high)``, or `b` for ``(-b, b)``.
    boundary : {"bounce", "clamp", "reinitialise"}, default="bounce"
        What happens to an entry that leaves the box: it is reflected and its velocity turned around; set on the bound
        and its velocity to zero; or drawn anew, uniformly in the box, and its velocity set to zero.
    patience : int or inf, default=100
        Training has come to rest when the loss has not fallen by `tol` in this number of iterations (or in the
        estimator's `n_iter_no_change`, if that is more). A swarm often stands still for dozens of iterations before it
        improves again. With early stopping, the validation score is watched instead.
    objective : callable, default=None
        ``objective(y_true, y_pred, sample_weight) -> float`` to minimise in place of the data loss: it has to fall as
        predictions get better. The penalty is added to it as usual. `y_true` holds the labels (those of several binary
        targets as 0 and 1) or the targets (in the dtype of `X`), and `y_pred` the predictions as `predict` gives them,
        so that metrics of scikit-learn that want labels or values fit; `sample_weight`, passed by its name, is None or
        holds the weights, class weights included.
    polish : bool, default=False
        Whether L-BFGS finishes the best particle, within the `bounds`, as in
        :func:`scipy.optimize.differential_evolution`. It counts as one iteration, beyond `max_iter` perhaps. Not with
        an `objective`, of which L-BFGS would need a gradient.

    Notes
    -----
    The state of the swarm after `fit` is the estimator's `swarm_`, a `SwarmState`. It is kept when the estimator is
    pickled, because a warm start goes on from it; it takes three times `n_particles` the memory of the weights, and a
    byte for each pair of particles.

    The result depends on the seed alone, not on the number of threads.

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
    >>> net = L2NetClassifier((6,), solver=swarm, alpha=1e-5, max_iter=300, random_state=0).fit(X, y)
    >>> net.data_loss_ < 0.05  # the share of flowers that are misclassified
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
        "objective": [callable, None],
        "polish": ["boolean"],
    }

    def __init__(
        self,
        n_particles=30,
        *,
        variant="inertia",
        topology="global",
        inertia=0.7298,
        inertia_iterations=None,
        cognitive=1.49618,
        social=1.49618,
        initial_spread=0.5,
        velocity_clamp=None,
        bounds=None,
        boundary="bounce",
        patience=100,
        objective=None,
        polish=False,
    ):
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

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is looked for, and explained, below
    def minimise(self, problem, parameters, training, run=None):
        """Train.

        Parameters
        ----------
        problem : Problem
            Its rule is a penalty.
        parameters : ndarray of shape (n_parameters,)
            Where the first particle of a new swarm starts; not changed.
        training : Training
        run : SwarmState or None
            The swarm that goes on; it is not changed. Its personal bests are evaluated anew, since the data or
            the penalty may have changed.

        Returns
        -------
        parameters : ndarray of shape (n_parameters,)
            The best that was found, or under early stopping that of the best validation score.
        run : SwarmState
        """
        box = self._check()
        evaluate = _Evaluation(problem, training, self.objective)
        patience = max(self.patience, training.n_iter_no_change)
        validate = None if training.validate is None else _OncePerPosition(training.validate)
        training = replace(training, n_iter_no_change=patience, validate=validate)
        history = training.history
        parameters = np.clip(parameters, *box)
        if isinstance(run, SwarmState):
            state = self._go_on(run, problem, training, box, evaluate)
        else:
            state = self._start(parameters, problem, training, box)
        n_left, mark = training.begin(), snapshot(history)
        try:
            while n_left:
                n = min(n_left, self._in_one_go(problem, training, evaluate, state))
                flown, curves = evaluate.fly(state, self._motion(state, box, training.max_iter, n))
                best = flown.best_positions[flown.best]
                for loss, data_loss, weight_norm in curves:
                    # a swarm creeps: what counts is how far the loss has fallen over many iterations, not in one
                    stalled = loss >= flown.rest_loss - training.tol
                    flown.rest_loss = flown.rest_loss if stalled else loss
                    training.record(best, loss=loss, data_loss=data_loss, weight_norm=weight_norm, stalled=stalled)
                    history.t += problem.n_rows
                parameters, state, mark = best, flown, snapshot(history)
                if len(curves) < n:
                    self._raise_if_no_loss_is_finite(state)
                    training.diverged(self._advice())
                    break
                if training.at_rest:
                    if training.verbose:
                        print(f"{training.describe_rest()} Stopping.")
                    break
                n_left -= len(curves)
            else:
                if not self.polish:
                    training.warn_not_converged()
        except KeyboardInterrupt:
            rewind(history, mark)
            training.warn_interrupted()
        else:
            if self.polish:
                parameters = self._polish(problem, parameters, training, state, box)
        state.seed_mark = _checksum(training.random_state)
        return training.best(parameters).copy(), state

    def _check(self):
        """Validate the parameters; the box as (low, high)."""
        self._validate_params()
        if not isinstance(self.inertia, Real):
            pair = tuple(self.inertia)
            if len(pair) != 2 or not all(isinstance(w, Real) and 0 <= w < np.inf for w in pair):
                raise ValueError(
                    f"inertia must be a finite number >= 0, or a pair (from, to) of them; got {self.inertia!r}."
                )
        if self.polish and self.objective is not None:
            raise ValueError(
                "polish=True needs a gradient, and an objective of your own has none: set polish=False, or "
                "objective=None."
            )
        if self.objective is not None and not _takes_weights(self.objective):
            raise ValueError(
                f"objective={self.objective!r} cannot be called as objective(y_true, y_pred, sample_weight=...). Wrap "
                "it, as in lambda y_true, y_pred, sample_weight: max_error(y_true, y_pred)."
            )
        if self.bounds is None:
            return -np.inf, np.inf
        if isinstance(self.bounds, Real):
            return -float(self.bounds), float(self.bounds)
        box = tuple(self.bounds)
        if len(box) != 2 or not all(isinstance(b, Real) and np.isfinite(b) for b in box) or box[0] >= box[1]:
            raise ValueError(
                "bounds must be a number b > 0 for (-b, b), or a pair (low, high) of finite numbers with low < high; "
                f"got {self.bounds!r}."
            )
        return float(box[0]), float(box[1])

    def _start(self, parameters, problem, training, box):
        """A swarm about to be evaluated for the first time; the first particle is `parameters`."""
        generator = _generator(training.random_state)
        positions = self._scatter(self.n_particles, problem, training.random_state, box, generator)
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
        """Initial positions of `n` particles, drawn like the network's initial weights, or else within the box."""
        draws = [problem.network.initial_parameters(random_state, problem.dtype) for _ in range(n)]
        positions = np.reshape(draws, (n, problem.n_parameters)) * problem.dtype.type(self.initial_spread)
        outside = (positions < box[0]) | (positions > box[1])
        positions[outside] = _between(*box, generator, np.count_nonzero(outside))
        return positions

    def _go_on(self, run, problem, training, box, evaluate):
        """The swarm of an earlier call, under the parameters and on the data of this one."""
        state = copy.deepcopy(run)
        if state.seed_mark != _checksum(training.random_state):
            state.generator = _generator(training.random_state)
        n = self.n_particles
        if len(state.positions) != n:
            kept = np.sort(state.best_losses.argsort(kind="stable")[:n])
            fresh = self._scatter(n - len(kept), problem, training.random_state, box, state.generator)
            state.positions = np.concatenate([state.positions[kept], fresh])
            state.velocities = np.concatenate([state.velocities[kept], np.zeros_like(fresh)])
            state.best_positions = np.concatenate([state.best_positions[kept], fresh])
        for name in ("positions", "velocities", "best_positions"):
            setattr(state, name, getattr(state, name).astype(problem.dtype, copy=False))
        np.clip(state.positions, *box, out=state.positions)
        np.clip(state.best_positions, *box, out=state.best_positions)
        if (state.topology, len(state.links)) != (self.topology, n):
            state.topology, state.links = self.topology, links(self.topology, n, state.generator)
        losses, data_losses = evaluate(state.best_positions)
        losses = np.where(np.isfinite(losses), losses, np.inf)  # so that any loss is better
        # data, penalty or swarm have changed; rounding alone, of the penalty's sum here and in the engine, is no change
        if len(losses) != len(state.best_losses) or not np.allclose(losses, state.best_losses, rtol=1e-12, atol=0):
            state.best_losses, state.best_data_losses, state.rest_loss = losses, data_losses.copy(), np.inf
        state.neighbourhood_best = neighbourhood_best(state.links, state.best_losses)
        return state

    def _in_one_go(self, problem, training, evaluate, state):
        """Number of iterations after which, at the earliest, something has to be decided."""
        if not evaluate.in_engine:
            return 1
        # about 0.1 s, so that signals are heard: two operations a weight and row, and some for each random number and
        # pair of particles, at no less than one a nanosecond
        n = self.n_particles
        n_pulls = np.count_nonzero(state.links) if self.variant == "fips" else 2 * n
        work = 2 * n * problem.n_rows * problem.network.n_weights + 10 * n_pulls * problem.n_parameters + n * n
        return max(1, min(int(1e8 / work), training.n_until_rest))

    def _motion(self, state, box, max_iter, n):
        """The parameters of the next n iterations."""
        if isinstance(self.inertia, Real):
            inertia = np.full(n, float(self.inertia))
        else:
            first, last = self.inertia
            done = np.arange(state.n_iterations, state.n_iterations + n) / (self.inertia_iterations or max_iter)
            inertia = first + (last - first) * np.minimum(done, 1.0)
        return Motion(
            variant=self.variant,
            inertia=inertia,
            cognitive=float(self.cognitive),
            social=float(self.social),
            velocity_clamp=np.inf if self.velocity_clamp is None else float(self.velocity_clamp),
            box=box,
            boundary=self.boundary,
            n_informed=_N_INFORMED if self.topology == "random" else 0,
        )

    def _polish(self, problem, parameters, training, state, box):
        """Finish the best parameters by L-BFGS, enter them as one more iteration, and tell the swarm."""
        start = training.best(parameters)
        local = replace(
            training,
            history=History(),
            max_iter=_POLISH_ITER,
            tol=_POLISH_TOL,
            validate=None,
            verbose=False,
            stage=" of the polish",
        )
        with warnings.catch_warnings():
            # it goes on until rounding stops it, which is what is wanted here
            warnings.simplefilter("ignore", ConvergenceWarning)
            lbfgs = LBFGS(max_fun=np.inf, bounds=scipy.optimize.Bounds(*box), ftol=0.0)
            polished, _ = lbfgs.minimise(problem, start, local)
        if local.history.n_iter == _POLISH_ITER:
            warnings.warn(
                f"The polish failed to converge after {_POLISH_ITER} iterations of L-BFGS. Scale the data, or increase "
                "alpha.",
                ConvergenceWarning,
                stacklevel=2,
            )
        data_loss = problem.data_loss(polished)
        loss = data_loss + float(problem.penalty(polished))
        best = state.best
        if loss > state.best_losses[best] and training.validate is None:  # float32 may end a rounding error higher
            return parameters
        training.record(polished, loss=loss, data_loss=data_loss, weight_norm=problem.weight_norm(polished))
        if loss < state.best_losses[best]:
            state.best_positions[best], state.best_losses[best] = polished, loss
            state.best_data_losses[best] = data_loss
        return polished

    def _raise_if_no_loss_is_finite(self, state):
        if np.isfinite(state.best_losses).any():
            return
        advice = f"Scale the input to unit variance, or lower initial_spread (now {self.initial_spread:g})."
        if self.objective is not None:
            advice = "The objective has to be finite for some predictions at least."
        raise ValueError(f"No particle of the swarm has a finite loss. {advice}")

    def _advice(self):
        return (
            f"The swarm flew apart, with inertia={self.inertia!r}, cognitive={self.cognitive:g} and "
            f"social={self.social:g}. It holds together where inertia < 1 and cognitive + social < 2 * (1 + inertia) "
            "at least, as with 0.7298 and 1.49618; or set velocity_clamp or bounds."
        )


_POLISH_ITER = 15000
_POLISH_TOL = 1e-8  # largest entry of the gradient


class _Evaluation:
    """Losses of many parameter vectors: data loss or the user's objective, and the penalty.

    Called with a swarm, it returns two arrays of shape (n_particles,): the losses with and without penalty.
    """

    def __init__(self, problem, training, objective):
        self.problem, self.training, self.objective = problem, training, objective

    @property
    def in_engine(self):
        """Whether the engine can iterate the swarm by itself."""
        return self.objective is None and hasattr(self.problem.engine, "fly")

    def fly(self, state, motion):
        """Iterate a swarm, by `Problem.fly` or by one `step`; the new swarm and its curves."""
        if self.in_engine:
            flown, curves = self.problem.fly(state, motion)
            return flown, curves.tolist()
        flown = step(state, motion, self)
        if flown is None:
            return state, []
        best = flown.best
        weight_norm = self.problem.weight_norm(flown.best_positions[best])
        return flown, [(float(flown.best_losses[best]), float(flown.best_data_losses[best]), weight_norm)]

    def __call__(self, swarm):
        data_losses = self._data_losses(swarm)
        return data_losses + self.problem.penalty(swarm), data_losses

    def _data_losses(self, swarm):
        if self.objective is None:
            return self.problem.data_losses(swarm)
        return np.array([self._objective_of(parameters) for parameters in swarm])

    def _objective_of(self, parameters):
        training = self.training
        value = self.objective(training.y_true, training.predict(parameters), sample_weight=training.sample_weight)
        if not isinstance(value, (Real, np.ndarray)) or np.ndim(value) > 0:
            raise TypeError(f"The objective must return a number, got {value!r}.")
        if value == -np.inf:
            raise ValueError("The objective returned -inf, which nothing can improve on; it must be bounded below.")
        return float(value)


class _OncePerPosition:
    """A validation that remembers its last result: the best position of a swarm seldom changes."""

    def __init__(self, validate):
        self.validate, self.parameters, self.result = validate, None, None

    def __call__(self, parameters):
        if self.parameters is None or not np.array_equal(parameters, self.parameters):
            self.parameters, self.result = parameters, self.validate(parameters)
        return self.result


def links(topology, n, generator=None):
    """Who informs whom.

    Parameters
    ----------
    topology : {"global", "ring", "von_neumann", "random"}
        See `ParticleSwarm`.
    n : int
        Number of particles.
    generator : numpy.random.Generator, default=None
        Source of the random topology.

    Returns
    -------
    ndarray of bool, shape (n, n)
        Whether the particle of the column informs that of the row; true on the diagonal.

    Examples
    --------
    >>> links("ring", 5).astype(int)
    array([[1, 1, 0, 0, 1],
           [1, 1, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 1, 1],
           [1, 0, 0, 1, 1]])
    """
    if topology == "global":
        return np.ones((n, n), dtype=bool)
    who = np.arange(n)
    informed = np.eye(n, dtype=bool)
    if topology == "random":
        drawn = (_words(generator, n * _N_INFORMED) >> 32) * np.uint64(n) >> 32
        informed[drawn.astype(np.intp).reshape(n, _N_INFORMED), who[:, np.newaxis]] = True
    elif topology == "ring":
        informed[who, (who + 1) % n] = informed[who, (who - 1) % n] = True
    else:
        n_rows = max(r for r in range(1, int(n**0.5) + 1) if n % r == 0)
        row, column = np.divmod(who, n // n_rows)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            informed[who, (row + down) % n_rows * (n // n_rows) + (column + right) % (n // n_rows)] = True
    return informed


def neighbourhood_best(links, best_losses):
    """Index of the best personal best among the informants of each particle, ndarray of shape (n_particles,)."""
    return np.where(links, np.minimum(best_losses, np.finfo(np.float64).max), np.inf).argmin(axis=1)


def step(state, motion, evaluate):
    """One iteration: the swarm moves, unless it is the first, and remembers what it finds.

    Parameters
    ----------
    state : SwarmState
        Not changed, but for its generator.
    motion : Motion
        Of a single iteration.
    evaluate : callable
        ``evaluate(positions) -> (losses, losses without penalty)``.

    Returns
    -------
    SwarmState or None
        None if positions or velocities, or the losses of all personal bests, are not finite.
    """
    positions, velocities = state.positions, state.velocities
    if state.n_iterations:
        positions, velocities = move(state, motion)
        if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
            return None
    losses, data_losses = evaluate(positions)
    better = losses < state.best_losses
    best_losses = np.where(better, losses, state.best_losses)
    if not np.isfinite(best_losses.min()):
        return None
    linked = state.links
    if motion.n_informed and not best_losses.min() < state.best_losses.min():
        linked = links("random", len(linked), state.generator)
    return replace(
        state,
        positions=positions,
        velocities=velocities,
        best_positions=np.where(better[:, np.newaxis], positions, state.best_positions),
        best_losses=best_losses,
        best_data_losses=np.where(better, data_losses, state.best_data_losses),
        neighbourhood_best=neighbourhood_best(linked, best_losses),
        links=linked,
        n_iterations=state.n_iterations + 1,
    )


def move(state, motion):
    """Where a swarm flies: the canonical swarm (see `ParticleSwarm`) or the fully informed one, clamped and bounded.

    Parameters
    ----------
    state : SwarmState
        Not changed, but for its generator, which gives r₁ and r₂ of the first particle, then of the second, and so on;
        in the fully informed swarm an array for each informant.
    motion : Motion
        Of a single iteration.

    Returns
    -------
    positions, velocities : ndarray of shape (n_particles, n_parameters)
    """
    x, v, p = state.positions, state.velocities, state.best_positions
    inertia = float(motion.inertia[0])
    if motion.variant == "fips":
        velocities = inertia * v
        for i, linked in enumerate(state.links):
            informants = np.flatnonzero(linked)
            draws = uniform(state.generator, (len(informants), x.shape[1]), x.dtype)
            pull = (motion.cognitive + motion.social) / len(informants)
            velocities[i] += (pull * draws * (p[informants] - x[i])).sum(axis=0)
    else:
        draws = uniform(state.generator, (len(x), 2, x.shape[1]), x.dtype)
        velocities = inertia * v + motion.cognitive * draws[:, 0] * (p - x)
        velocities += motion.social * draws[:, 1] * (p[state.neighbourhood_best] - x)
    np.clip(velocities, -motion.velocity_clamp, motion.velocity_clamp, out=velocities)
    positions = x + velocities
    hold(positions, velocities, motion.box, motion.boundary, state.generator)
    return positions, velocities


def uniform(generator, shape, dtype):
    """Uniform random numbers in [0, 1), from the upper bits of a generator's words: one float64 or two float32 each.

    Every engine draws them so, that a seed may mean the same flight everywhere.

    Examples
    --------
    >>> uniform(np.random.Generator(np.random.SFC64(0)), (2,), np.float64).round(3)
    array([0.569, 0.235])
    >>> uniform(np.random.Generator(np.random.SFC64(0)), (2, 2), np.float32).round(3)
    array([[0.724, 0.569],
           [0.353, 0.235]], dtype=float32)
    """
    n = math.prod(shape)
    if dtype == np.float64:
        return ((_words(generator, n) >> 12) * 2.0**-52).reshape(shape)
    halves = _words(generator, (n + 1) // 2).view(np.uint32)[:n]
    return ((halves >> 9).astype(np.float32) * np.float32(2.0**-23)).reshape(shape)


def hold(positions, velocities, box, boundary, generator):
    """Bring entries that have left the box back into it, in place.

    Parameters
    ----------
    positions, velocities : ndarray of shape (n_particles, n_parameters)
    box : (float, float)
    boundary : {"bounce", "clamp", "reinitialise"}
        See `ParticleSwarm`.
    generator : numpy.random.Generator
        Source of the positions that are drawn anew.
    """
    low, high = box
    gone = (positions < low) | (positions > high)
    if not gone.any():
        return
    if boundary == "bounce":
        x = positions[gone]
        # an entry that overshoots by more than the width of the box stops at the opposite bound
        positions[gone] = np.clip(np.where(x < low, 2 * low - x, 2 * high - x), low, high)
        velocities[gone] *= -1
        return
    velocities[gone] = 0
    if boundary == "clamp":
        np.clip(positions, low, high, out=positions)
    else:
        positions[gone] = _between(low, high, generator, np.count_nonzero(gone))


def _between(low, high, generator, n):
    """Uniform random numbers between two bounds, ndarray of shape (n,)."""
    return low + (high - low) * uniform(generator, (n,), np.float64)


def _words(generator, n):
    """The next n 64-bit words of a generator."""
    return generator.bit_generator.random_raw(n)


def _takes_weights(objective):
    """Whether an objective can be called as it will be, as far as its signature is known."""
    try:
        signature = inspect.signature(objective)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None, None, sample_weight=None)
    except TypeError:
        return False
    return True


def _generator(random_state):
    """A fast generator, seeded by the estimator's random state."""
    return np.random.Generator(np.random.SFC64(random_state.randint(0, 2**32, size=4, dtype=np.uint32)))


def _checksum(random_state):
    """A number that shows whether a random state has been used or replaced."""
    return zlib.crc32(pickle.dumps(random_state.get_state(legacy=False)))
