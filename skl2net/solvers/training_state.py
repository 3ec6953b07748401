"""The state of a training, from its start to what a fitted network keeps and saves."""

from dataclasses import dataclass, field

import numpy as np

from skl2net.l2 import AppliedRule
from skl2net.posterior import Posterior
from skl2net.solvers.curves import Curves
from skl2net.solvers.stopping import Progress
from skl2net.target_scale import TargetScale


@dataclass(frozen=True)
class TrainingState:
    """The state of a training before its first iteration, after each iteration, and at its end.

    `skl2net.fitting.fit_network` continues such a state and returns another. Its arrays are never changed.

    Parameters
    ----------
    random_state : numpy.random.RandomState
        The random stream. For the start of a training, also the seed of one: an int or an array of int.
    seed : int, None or "stream", default=None
        The parameter `random_state` of the estimator, "stream" for a `RandomState`. It shows whether the parameter has
        changed since.
    parameters : ndarray of shape (n_parameters,), default=None
        Weights and biases. None before they are drawn, and in a fitted network, where `coefs_` and `intercepts_` have
        them.
    solver_state : GradientState, SwarmState or None, default=None
        What the solver continues from besides the parameters.
    curves : Curves
        Learning curves, including those of the trainings that this one continues.
    progress : Progress
        Best loss, best validation score and patience.
    t : int, default=0
        Number of rows visited, including earlier trainings.
    n_iter : int, default=0
        Number of iterations of this training.
    loss, data_loss : float, default=nan
        Loss of the last iteration, with and without the penalty.
    n_total : float, default=0.0
        Number of training samples; for `partial_fit`, of all samples so far.
    applied_rule : AppliedRule, default=None
        The L2 rule as it ran. None if it is unknown.
    target_scale : TargetScale, default=None
        The units of the targets of a regression. None for their own.
    posterior : Posterior, default=None
        The posterior at the end of the training, if the plan says so.
    """

    random_state: np.random.RandomState
    seed: int | str | None = None
    parameters: np.ndarray | None = None
    solver_state: object = None
    curves: Curves = field(default_factory=Curves)
    progress: Progress = field(default_factory=Progress)
    t: int = 0
    n_iter: int = 0
    loss: float = np.nan
    data_loss: float = np.nan
    n_total: float = 0.0
    applied_rule: AppliedRule | None = None
    target_scale: TargetScale | None = None
    posterior: Posterior | None = None

    @property
    def is_validated(self):
        """Whether the last training was validated, with early stopping."""
        return self.progress.best_score is not None
