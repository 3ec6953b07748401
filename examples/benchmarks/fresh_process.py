"""One fit in a process of its own: how long the import and the first fit take, and how much memory.

    python examples/benchmarks/fresh_process.py --workload digits --solver adam --dtype float32 --library skl2net

prints JSON. "fit" is all that a library does for its first fit once the data are there: what it loads when it is first
used and, with JAX, compiling. "peak" is the largest resident size of the process from then on, "before" is that before
the fit: the interpreter, the data, scikit-learn and skl2net, which prepare the case for every library, and the library.
"""

import argparse
import contextlib
import importlib
import json
import resource
import time
import warnings
from pathlib import Path

MODULES = {"skl2net": "skl2net", "scikit-learn": "sklearn.neural_network", "PyTorch": "torch", "JAX": "jax"}


def main(workload, solver, dtype, library, quick):
    """Import, fit, print."""
    begin = time.perf_counter()
    importlib.import_module(MODULES[library])
    import_seconds = time.perf_counter() - begin

    from peers import PEERS, Skl2net
    from workloads import WORKLOADS

    warnings.simplefilter("ignore")
    workload = WORKLOADS[workload].quick() if quick else WORKLOADS[workload]
    case = next(case for case in workload.cases() if (case.solver, case.dtype) == (solver, dtype))
    adapter = Skl2net() if library == Skl2net.name else PEERS[library]
    before = resident_mebibytes()
    reset_peak()
    begin = time.perf_counter()
    adapter.fit(case).run()
    fit_seconds = time.perf_counter() - begin
    report = {"import_seconds": import_seconds, "fit_seconds": fit_seconds, "before_mib": before, "peak_mib": peak()}
    print(json.dumps(report))


def _status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def resident_mebibytes():
    """Resident size; NaN where the system does not say."""
    return _status("VmRSS") if Path("/proc/self/status").exists() else float("nan")


def reset_peak():
    """Forget how large the process has been, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak():
    """Largest resident size since `reset_peak`, in MiB."""
    if Path("/proc/self/status").exists():
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("workload", "solver", "dtype", "library"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--quick", action="store_true")
    main(**vars(parser.parse_args()))
