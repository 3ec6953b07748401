"""Limits of threads: how threadpoolctl finds and limits those of the compiled engine, and `one_blas_thread`.

OpenMP's limit belongs to a thread: threads that Python starts under ``threadpool_limits(1)`` do not inherit it. So the
engine has a limit of its own, which belongs to the process, and respects both.
"""

import threading
from contextlib import contextmanager

import threadpoolctl

_one_at_a_time = threading.Lock()


@contextmanager
def one_blas_thread():
    """Keep BLAS to the calling thread: its others wake slowly, and spin where other processes want the processors.

    The limit belongs to the process: limits that overlap would leave each other's behind.
    """
    with _one_at_a_time, threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


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
