"""How many threads the compiled engine and BLAS use, and how threadpoolctl limits them.

OpenMP's limit belongs to a thread: threads that Python starts under ``threadpool_limits(1)`` do not inherit it. So the
engine has a limit of its own, which belongs to the process, and respects both.
"""

import threading
from functools import cache

import threadpoolctl


class ThreadLimitController(threadpoolctl.LibController):
    """What threadpoolctl needs to find and to limit the threads of the compiled engine, as one of the API "openmp".

    Limits are those of the process if the main thread sets them. Another thread limits itself alone, through OpenMP:
    threads that overlap would otherwise leave each other's limits behind.
    """

    user_api = "openmp"
    internal_api = "skl2net"
    filename_prefixes = ("_compiled",)
    check_symbols = ("skl2net_get_num_threads",)

    def get_num_threads(self):
        """The limit of the process."""
        return self.dynlib.skl2net_get_num_threads()

    def set_num_threads(self, num_threads):
        """Set the limit of the process, in the main thread."""
        if threading.current_thread() is threading.main_thread():
            self.dynlib.skl2net_set_num_threads(num_threads)

    def get_version(self):
        """The engine has no version of its own."""
        return None


class OneBlasThread:
    """Context manager that holds BLAS to one thread, for vectors that are too short to be shared.

    The limit of BLAS belongs to the process. So the first Python thread that needs it sets it, and the last one that is
    done restores what was before. Ctrl-C may come between the lines here: `release` once more after it.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._holders = set()  # identifiers of Python threads
        self._before = None  # number of threads of each library

    def __enter__(self):
        with self._lock:
            self._holders &= {thread.ident for thread in threading.enumerate()}
            if not self._holders:
                self._before = [library.num_threads for library in _blas()]
            self._holders.add(threading.get_ident())
            for library in _blas():
                library.set_num_threads(1)

    def __exit__(self, *exception):
        self.release()

    def release(self):
        """End the hold of this thread, if it has one."""
        with self._lock:
            self._holders.discard(threading.get_ident())
            if not self._holders and self._before is not None:
                for library, n_threads in zip(_blas(), self._before, strict=True):
                    library.set_num_threads(n_threads)
                self._before = None


one_blas_thread = OneBlasThread()


@cache
def _blas():
    """The BLAS libraries of this process: to find them takes milliseconds, to limit them microseconds."""
    return threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
