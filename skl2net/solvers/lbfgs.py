"""L-BFGS, by scipy: full-batch minimisation of data loss plus penalty."""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS with the stopping rules of scikit-learn's MLP.

    It stops where the largest entry of the gradient is at most `tol`, or an iteration lowers the loss by less than a
    share of 2.2e-5·tol (scipy's default at the default tol; never less than the dtype can resolve), or after
    `max_iter` iterations or `max_fun` evaluations.

    Parameters
    ----------
    max_fun : int or inf
    bounds : scipy.optimize.Bounds, default=None
        Of the parameters. What of the gradient points out of them does not count.
    ftol : float, default=None
        Share that takes the place of the one above.
    """

    max_fun: int
    bounds: scipy.optimize.Bounds | None = None
    ftol: float | None = None

    def minimise(self, problem, parameters, training, run=None):
        """Minimise the objective of `problem`.

        Parameters
        ----------
        problem : Problem
        parameters : ndarray of shape (n_parameters,)
            Where to start; not changed.
        training : Training
        run : None
            Taken for the sake of one signature; L-BFGS keeps nothing from call to call.

        Returns
        -------
        parameters : ndarray of shape (n_parameters,)
        run : None
        """
        history, max_iter = training.history, training.begin()
        last = parameters.astype(np.float64)

        def objective(x):
            value, gradient = problem.objective_and_gradient(x.astype(problem.dtype))
            return value, gradient.astype(np.float64)

        def finish_iteration(intermediate_result):
            nonlocal last
            last = intermediate_result.x.copy()
            loss = float(intermediate_result.fun)
            training.record(
                last,
                loss=loss,
                data_loss=loss - float(problem.penalty(last)),
                weight_norm=problem.weight_norm(last),
            )

        ftol = max(2.2204460492503131e-05 * training.tol, float(np.finfo(problem.dtype).eps))
        try:
            result = scipy.optimize.minimize(
                objective,
                last,
                method="L-BFGS-B",
                jac=True,
                bounds=self.bounds,
                callback=finish_iteration,
                options={
                    "maxfun": self.max_fun,
                    "maxiter": max_iter,
                    "gtol": training.tol,
                    "ftol": ftol if self.ftol is None else self.ftol,
                },
            )
        except KeyboardInterrupt:
            training.warn_interrupted()
            return last.astype(problem.dtype), None

        solution = result.x.astype(problem.dtype)
        if not (np.isfinite(result.fun) and np.isfinite(solution).all()):
            training.diverged(
                "solver='lbfgs' has no learning rate; scale the input, and the targets of a regression, to unit "
                "variance, or increase alpha."
            )
        if not history.loss_curve:  # the start is a minimum already
            loss = float(result.fun)
            training.record(
                last, loss=loss, data_loss=loss - float(problem.penalty(last)), weight_norm=problem.weight_norm(last)
            )
            history.n_iter = 0
        if result.status != 0:
            advice = f"Increase max_iter (now {max_iter}) or max_fun (now {self.max_fun}), or scale the data."
            if result.status != 1:  # neither limit was reached
                advice = (
                    f"Its line search found no smaller loss: tol={training.tol:g} asks for more than the rounding of "
                    f"{problem.dtype} allows, or the data need scaling. Increase tol, or scale the data."
                )
            warnings.warn(
                f"lbfgs failed to converge after {history.n_iter} iteration(s): {result.message}. {advice}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return solution, None
