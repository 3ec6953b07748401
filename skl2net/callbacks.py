"""Callbacks for `set_callbacks`, beside those of `sklearn.callback`."""

import os
import pickle
import shutil
import threading
import warnings
from contextlib import suppress
from importlib.util import find_spec
from numbers import Integral
from pathlib import Path
from typing import Any

from skl2net._sklearn_private import FitCallback, without_callbacks
from skl2net.hints import Estimator

_PICKLE, _SKOPS = (".pkl", ".pickle"), (".skops",)


class Checkpoint(FitCallback):
    """Callback that saves the estimator during training, so that training can continue after a crash.

    The file is written under another name, flushed to the disk and renamed. Whenever the process is killed or the power
    fails, the file is whole, and at most `every` iterations are lost. It is saved again when `fit` ends. A file that is
    replaced keeps its permissions.

    Parameters
    ----------
    path : str or path-like
        The file, which is replaced if it exists. The suffix is the format: ``.skops`` for skops, ``.pkl`` or
        ``.pickle`` for pickle. Each fit needs a file of its own.
    every : int, default=10
        Number of iterations after which the file is written: epochs, steps of L-BFGS, iterations of a swarm, or calls
        of `partial_fit`. Writing a file takes some milliseconds.

    Raises
    ------
    ValueError
        If a parameter is invalid.
    ImportError
        If `path` needs skops and it is not installed.

    See Also
    --------
    sklearn.callback.ProgressBar : Progress of each fit.
    sklearn.callback.ScoringMonitor : Scores after each iteration.

    Notes
    -----
    The estimator in the file has been fitted, as if training had been stopped after the iteration, with everything that
    a warm start needs, and without callbacks. With ``warm_start=True`` and the same data, "pso" and, with
    ``learning_rate="constant"``, "sgd" and "adam" continue along the same trajectory, bit for bit; the parameter
    `warm_start` of the estimators names the exceptions. `max_iter` counts the iterations of each call, and the patience
    of the stopping rules is reset.

    If the file cannot be written, the first attempt raises the error; later failures only warn, so that training
    continues. A process that is killed while it writes leaves a file ``.name.*.tmp`` beside the file, which
    can be deleted.

    Examples
    --------
    >>> import pickle, tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skl2net import Checkpoint, L2NetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> path = Path(tempfile.mkdtemp(), "net.pkl")
    >>> net = L2NetClassifier((5,), learning_rate="constant", max_iter=100, tol=1.0, n_iter_no_change=30,
    ...                       warm_start=True, random_state=0)
    >>> net = net.set_callbacks(Checkpoint(path, every=10)).fit(X, y)
    >>> saved = pickle.loads(path.read_bytes())
    >>> saved.loss_curve_ == net.loss_curve_
    True
    >>> saved.set_params(max_iter=100 - len(saved.loss_curve_)).max_iter  # iterations that are left
    68
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 10) -> None:
        self.path = Path(path).resolve()
        self.every = every
        self._n_unsaved = 0
        self._has_saved = False
        if self.path.suffix not in _PICKLE + _SKOPS:
            raise ValueError(
                f"path={str(path)!r} does not say in which format to save. Use the suffix {', '.join(_PICKLE)} or "
                f"{_SKOPS[0]}."
            )
        if not isinstance(every, Integral) or isinstance(every, bool) or every < 1:
            raise ValueError(f"every must be a whole number of iterations, at least 1; got {every!r}.")
        if self.path.suffix in _SKOPS and find_spec("skops") is None:
            raise ImportError(f"path={str(path)!r} needs skops. Install it, or use the suffix .pkl.")

    def setup(self, estimator: Estimator, context: Any) -> None:
        """Check that training can continue from a file, and that the file can be written.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Its task.

        Raises
        ------
        TypeError
            If the estimator has no parameter `warm_start`.
        OSError
            If the folder does not exist, or no file can be written there.
        """
        if "warm_start" not in estimator.get_params(deep=False):
            raise TypeError(
                "Checkpoint needs the parameter warm_start, with which training continues, and "
                f"{type(estimator).__name__} has none. Set it on the network itself: the last step of a pipeline, or a "
                "network with the alpha or the units that a search has found."
            )
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {str(self.path.parent)!r} to save a checkpoint in. Create it.")
        if self.path.is_dir():
            raise IsADirectoryError(f"path={str(self.path)!r} is a folder. Pass the name of a file.")
        temporary = self._temporary()
        temporary.touch()
        temporary.unlink()

    def on_fit_task_end(self, estimator: Estimator, context: Any, *, fitted_estimator: Estimator = None) -> None:
        """Save the estimator if it is due.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The task that has ended.
        fitted_estimator : estimator, default=None
            The estimator as if training had ended with the task.
        """
        if fitted_estimator is None:
            return
        if context.max_subtasks == 0:
            self._n_unsaved += 1
            is_due = self._n_unsaved >= self.every
        else:
            is_due = context.task_name == "fit"
        if not is_due:
            return
        try:
            self._save(without_callbacks(fitted_estimator))
        except OSError as error:
            if not self._has_saved:
                raise
            warnings.warn(
                f"The checkpoint could not be written: {error}. The file is that of an earlier iteration, and training "
                "continues.",
            )
        else:
            self._n_unsaved, self._has_saved = 0, True

    def _temporary(self):
        """The file that is written before it gets its name; fits at once do not share it."""
        return self.path.with_name(f".{self.path.name}.{os.getpid()}-{threading.get_ident()}.tmp")

    def _save(self, estimator):
        temporary = self._temporary()
        try:
            with open(temporary, "wb") as file:
                with suppress(FileNotFoundError):
                    shutil.copymode(self.path, temporary)
                self._write(estimator, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(self.path.parent)

    def _write(self, estimator, file):
        if self.path.suffix in _PICKLE:
            pickle.dump(estimator, file)
        else:
            import skops.io

            skops.io.dump(estimator, file)


def _flush_folder(folder):
    """Flush the names of the files in a folder to the disk, where the system and the folder can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
