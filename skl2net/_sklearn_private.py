"""The private names of scikit-learn that skl2net uses, each with a fallback."""

import os

try:
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as openmp_effective_n_threads
except ImportError:

    def openmp_effective_n_threads():
        """As many threads as processors that this process may use, or as ``OMP_NUM_THREADS`` says."""
        n_processors = getattr(os, "process_cpu_count", os.cpu_count)() or 1
        limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
        return min(int(limit), n_processors) if limit.isdigit() and int(limit) else n_processors
