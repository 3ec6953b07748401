"""The threads of a search, as a backend of joblib.

The engine iterates without Python's global lock, so that networks are trained side by side in threads, without copies
of the data. A thread cannot be ended from outside: each fit asks `limits_of_this_thread` what ends it early.
"""

import threading

from joblib.parallel import SequentialBackend, ThreadingBackend, get_active_backend


class SearchThreads(ThreadingBackend):
    """joblib's threads, whose fits end when joblib aborts them: after Ctrl-C, or after an error in one of them.

    Each thread trains one network at a time, by one thread of the engine. With ``n_jobs=1``, joblib trains them in the
    calling thread instead, by all threads of the engine.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self._is_aborted = False
        self.limits = (lambda: self._is_aborted, None)

    def get_nested_backend(self):
        """What runs in one of the threads stays in it."""
        nested = SequentialBackend(nesting_level=self.nesting_level + 1)
        nested.limits = (self.limits[0], 1)
        return nested, None

    def abort_everything(self, ensure_ready=True):
        """End the fits, and wait for them, but not for a scorer that takes long."""
        self._is_aborted, pool = True, self._pool
        super().abort_everything(ensure_ready)
        if pool is not None:
            waiting = threading.Thread(target=pool.join, daemon=True)
            waiting.start()
            waiting.join(0.4)


def limits_of_this_thread():
    """What a search demands of the fits in this thread: ``(is_cancelled, n_threads)``, both None outside of searches.

    ``is_cancelled() -> bool`` says whether the search no longer needs the fit. `n_threads` is the number of threads of
    the engine, None for all.
    """
    backend, _ = get_active_backend()
    return getattr(backend, "limits", (None, None))
