"""The speed of whole fits: skl2net, scikit-learn, PyTorch and JAX do the same work, in one run.

Every library trains the same network from the same initial weights, on the same batches in the same order, with the
same hyper-parameters and L2 penalty, for the same number of updates; `workloads.py` has the plan, `peers.py` the
adapter of each library. Equal work must give equal results, so the final losses are compared, and a row where they
differ by more than a share of `workloads.TOLERANCE` is marked (≠). Run it with

    python examples/benchmarks/compare_peers.py --contended 2 4 --markdown table.md --json table.json

A full run takes half an hour on a quiet machine with 2 cores, with ``--repeats 3`` twenty minutes; ``--quick`` only
shows that it runs. Peers that are not installed are left out.

What is timed: of skl2net and scikit-learn, the call of `fit`, validation and label encoding included; of PyTorch
(eager) and JAX, the construction of the network and the optimiser and all epochs, shuffles included, from data that are
tensors already. JAX's epoch is one compiled function, compiled beforehand (the time that took stands in the second
table). PyTorch and JAX don't record the training loss, which skl2net and scikit-learn do. scikit-learn and PyTorch may
use one thread or as many as there are processors, whichever takes less time in a trial run: the threads of BLAS and
PyTorch are often in each other's way. Within a repetition the libraries take turns; runs of less than 0.1 s are
repeated, and their mean counts. All times are medians over repetitions, of which there are fewer where they take long;
where the median is `STEADY` times the smallest or more, the figure is marked (~).

``--contended 2 4`` adds tables of rows that are measured beside 2 and 4 processes that are always busy. Their column
"fair share" says how much more than fairly skl2net is slowed down. In the quiet row it keeps T of the P processors busy
(processor time over time, threads that wait spinning included). Beside N busy processes, T + N threads want P
processors, and a system that treats them alike slows each down (T + N) / P times: on 2 processors beside 2 and 4
processes, 1.5 and 2.5 times for T = 1, 2 and 3 times for T = 2. "Fair share" is our time over that of the quiet row,
divided by this number: 1 is fair, more is lost where threads wait for each other, and less is possible, since systems
favour threads that sleep now and then.

Then skl2net's losses of a regression on the inputs of some workloads. The last table has fits in processes of their own
(`fresh_process.py`): the import, the first fit, and the memory.

How to read the first table: a ratio is the peer's time divided by ours, so more than 1 means that skl2net is faster.
(The ratios that this project set out to reach are in the JSON file.) "Products" is the time that NumPy needs for the
matrix products of the same shapes and number and nothing else, as a share of our time: near 100 % nothing is left to
gain from anything but faster products; above it ours are faster, or, in tiny networks, the calls of NumPy dearer than
the whole fit. (For L-BFGS it is a lower limit, with one evaluation per iteration.) "GFLOP/s" counts the arithmetic of
those products over our time; what one large product reaches is printed with the machine.
"""

import argparse
import contextlib
import importlib
import importlib.util
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import threadpoolctl
from limit import Products, peak_gigaflops
from peers import PEERS, Skl2net, from_threads
from sklearn.exceptions import ConvergenceWarning
from workloads import PREDICT, TOLERANCE, WORKLOADS

import skl2net
from skl2net import L2NetRegressor, engines
from skl2net.losses import REGRESSION_LOSSES

SHORT = 0.1  # seconds below which a run is repeated
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
STEADY = 1.25  # median over smallest time from which a figure is called unsteady
PAUSE = 0.05  # seconds in which the idle threads of the last library stop spinning
BUDGET = 8  # seconds of a row after which there are no more than `FEWEST` repetitions
FEWEST = 3
CONTENDED = (
    "iris",
    "digits",
    "20000x100",
    "20000x784",
    "lbfgs-breast-cancer",
    "lbfgs-digits",
    "predict-1",
    "predict-100",
)
# workloads on whose inputs the losses of a regression are compared
LOSSES = ("iris", "digits", "20000x100")
# workload and solver of the fits in processes of their own, in float32
FRESH = (
    ("digits", "adam"),
    ("1000000x20", "adam"),
    ("5000-classes", "adam"),
    ("tf-idf", "adam"),
    ("20000x784", "adam"),
)


def timed(run):
    """Time one run, or take the mean of as many as fill `SHORT`.

    Returns
    -------
    seconds : float
        Of a run.
    processors : float
        Processors that the runs kept busy, on average.
    result
        That of the first run.
    """
    time.sleep(PAUSE)
    begin, begin_processors = time.perf_counter(), time.process_time()
    result, n_runs = run(), 1
    elapsed = time.perf_counter() - begin
    if elapsed < SHORT:
        n_runs = math.ceil(SHORT / elapsed)
        begin, begin_processors = time.perf_counter(), time.process_time()
        for _ in range(n_runs):
            run()
        elapsed = time.perf_counter() - begin
    return elapsed / n_runs, (time.process_time() - begin_processors) / elapsed, result


def warm_up(libraries):
    """Let each library fit something small, for what it only does once: PyTorch loads modules at the first update."""
    case = next(WORKLOADS["iris"].quick().cases())
    for library in libraries:
        library.fit(case).run()


def limited(job, one_thread):
    """Seconds, processors and result of a job; with one thread, if asked for."""
    with threadpoolctl.threadpool_limits(1) if one_thread else contextlib.nullcontext():
        seconds, processors, result = timed(job.run)
    return seconds / job.n_calls, processors, result


def measure(case, peers, repeats):
    """Let skl2net and its peers take turns at one case.

    Parameters
    ----------
    case : Case
    peers : list of adapters
    repeats : int

    Returns
    -------
    dict
        For JSON; "results" has an entry for each library.
    """
    libraries = [Skl2net(), *peers]
    if case.trains:
        jobs = [library.fit(case) for library in libraries]
    else:
        trained = case.trained()
        jobs = [library.predict(case, trained) for library in libraries]
    if case.workload.callers > 1:
        jobs = [from_threads(job, case.workload.callers) for job in jobs]
    products = Products(case)
    products.run()
    one_thread = {}
    for library, job in zip(libraries, jobs, strict=True):
        trials = [limited(job, one)[0] for one in (False, True)] if library.is_limited else [0, 1]
        one_thread[library.name] = trials[1] < trials[0]
    times, limits = {library.name: [] for library in libraries}, []
    processors = {library.name: [] for library in libraries}
    outcomes = {}
    begin = time.perf_counter()
    while len(limits) < repeats and (len(limits) < FEWEST or time.perf_counter() - begin < BUDGET):
        for library, job in zip(libraries, jobs, strict=True):
            elapsed, busy, outcomes[library.name] = limited(job, one_thread[library.name])
            times[library.name].append(elapsed)
            processors[library.name].append(busy)
        limits.append(products.n_passes * timed(products.run)[0])

    own, limit = median(times[Skl2net.name]), median(limits)
    row = {
        "workload": case.workload.name,
        "network": "-".join(map(str, case.network.layer_sizes)),
        "batch_size": case.batch_size,
        "solver": case.solver,
        "dtype": case.dtype,
        "n_iter": case.n_iter,
        "n_updates": case.n_updates,
        "products_seconds": limit,
        "products_share": limit / own,
        "gigaflops": 1e-9 * products.n_passes * products.n_operations / own,
        "results": {},
    }
    for library, job in zip(libraries, jobs, strict=True):
        name = library.name
        target, ratio = case.targets.get(name), median(times[name]) / own
        row["results"][name] = {
            "seconds": times[name],
            "median_seconds": median(times[name]),
            "processors": median(processors[name]),
            "steady": median(times[name]) < STEADY * min(times[name]),
            "one_thread": one_thread[name],
            "ratio": ratio,
            "target": target,
            "target_met": None if target is None else ratio >= target,
            "compile_seconds": job.compile_seconds,
            **case.summary(outcomes[name]),
        }
        row["results"][name]["equal"] = agree(row["results"][name], row["results"][Skl2net.name], case.dtype)
    return row


@contextlib.contextmanager
def busy_processes(n):
    """Run processes that are always busy beside the body, and end with this one at the latest."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(n)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def in_fresh_process(library, workload, solver, quick):
    """What `fresh_process.py` says of one fit."""
    command = [sys.executable, Path(__file__).with_name("fresh_process.py"), "--workload", workload]
    command += ["--solver", solver, "--dtype", "float32", "--library", library] + ["--quick"] * quick
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"workload": workload, "solver": solver, "library": library, **json.loads(done.stdout)}


def time_losses(workload, repeats):
    """Time the fits of a regression by Adam, in float32, under each loss: seconds by name.

    Hidden units are tanh: how many rectified ones end up constant, with subnormal weights, depends on the loss.
    """
    case = next(workload.cases())
    y = np.abs(case.X @ np.random.default_rng(0).standard_normal(case.X.shape[1]).astype(case.dtype))
    settings = {"batch_size": case.batch_size, "max_iter": case.n_iter, "quantile": 0.9, "random_state": 0}
    nets = {loss: L2NetRegressor(workload.hidden, "tanh", loss=loss, **settings) for loss in REGRESSION_LOSSES}
    seconds = {loss: [] for loss in nets}
    for _ in range(repeats):
        for loss, net in nets.items():
            seconds[loss].append(timed(lambda net=net: net.fit(case.X, y))[0])
    return {
        "workload": workload.name,
        "network": "-".join(map(str, (case.X.shape[1], *workload.hidden, 1))),
        "batch_size": case.batch_size,
        "seconds": {loss: median(times) for loss, times in seconds.items()},
    }


def agree(result, own, dtype):
    """Whether two libraries did the same work: as many iterations, and the same loss."""
    same_loss = math.isclose(result["loss"], own["loss"], rel_tol=TOLERANCE[dtype], abs_tol=1e-12)
    return same_loss and result["n_iter"] == own["n_iter"]


def machine(peers):
    """What the figures depend on."""
    modules = ("numpy", "scipy", *(peer.module for peer in peers))
    compiled = engines.default_engine().name == "compiled"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {"skl2net": skl2net.__version__, **{m: importlib.import_module(m).__version__ for m in modules}},
        "threads": {Path(pool["filepath"]).name: pool["num_threads"] for pool in threadpoolctl.threadpool_info()},
        "engine": engines.default_engine().name,
        "instruction_sets": engines._compiled.instruction_sets() if compiled else [],
        "product_gigaflops": {dtype: peak_gigaflops(dtype, lambda run: timed(run)[0]) for dtype in TOLERANCE},
    }


def _processor():
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def markdown(report):
    """The report as text with two tables."""
    names = list(dict.fromkeys(name for row in report["rows"] for name in row["results"]))
    parts = [_machine_text(report["machine"]), _speed_table(report["rows"], names[1:])]
    parts.append(_results_table(report["rows"], names))
    if unequal := [_label(row) for row in report["rows"] if not all(r["equal"] for r in row["results"].values())]:
        parts.append("**Unequal results (≠), so not equal work: " + "; ".join(unequal) + ".**")
    if unsteady := [_label(row) for row in report["rows"] if not all(r["steady"] for r in row["results"].values())]:
        parts.append("Unsteady times (~), not to be relied on: " + "; ".join(unsteady) + ".")
    quiet = {_label(row): row["results"][Skl2net.name] for row in report["rows"]}
    for n, rows in report["contended"].items():
        parts.append(f"Beside {n} busy processes:")
        parts.append(_contended_table(rows, names[1:], quiet, int(n), report["machine"]["cores"]))
    if report["losses"]:
        parts.append("The losses of a regression; those beside the squared error as multiples of its time:")
        parts.append(_losses_table(report["losses"]))
    if report["fresh"]:
        parts.append("In processes of their own:")
        parts.append(_fresh_table(report["fresh"]))
    return "\n\n".join(parts) + "\n"


def _machine_text(machine):
    peaks = ", ".join(f"{peak:.0f} GFLOP/s in {dtype}" for dtype, peak in machine["product_gigaflops"].items())
    sets = ", ".join(machine["instruction_sets"])
    return "\n".join(
        (
            f"- {machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f} at the start; one large "
            f"product by NumPy: {peaks}",
            f"- Python {machine['python']}, "
            + ", ".join(f"{m} {version}" for m, version in machine["versions"].items()),
            f"- engine: {machine['engine']}" + (f", of the instruction sets {sets} the last" if sets else ""),
            "- threads: " + ", ".join(f"{name} {n}" for name, n in machine["threads"].items()),
        )
    )


def _speed_table(rows, peers):
    header = ["workload", "solver", "dtype", "updates", "skl2net", *(f"vs {peer}" for peer in peers)]
    lines = [_line([*header, "products", "GFLOP/s"]), _line(["---"] * (len(header) + 2))]
    for row in rows:
        results = row["results"]
        lines.append(
            _line(
                [
                    *_cells(row),
                    _duration(results[Skl2net.name]["median_seconds"]),
                    *(_ratio(results.get(peer), results[Skl2net.name]) for peer in peers),
                    f"{100 * row['products_share']:.0f} %",
                    f"{row['gigaflops']:.3g}",
                ]
            )
        )
    return "\n".join(lines)


def fair_share(own, quiet, n_busy, n_processors):
    """How much more than fairly a run beside busy processes is slowed down; see the beginning of this file."""
    fairly = max(1, (quiet["processors"] + n_busy) / n_processors)
    return own["median_seconds"] / quiet["median_seconds"] / fairly


def _contended_table(rows, peers, quiet, n_busy, n_processors):
    header = ["workload", "solver", "dtype", "skl2net", "fair share", *(f"vs {peer}" for peer in peers)]
    lines = [_line(header), _line(["---"] * len(header))]
    for row in rows:
        own = row["results"][Skl2net.name]
        ratios = [_ratio(row["results"].get(peer), own) for peer in peers]
        before = quiet.get(_label(row))
        share = f"{fair_share(own, before, n_busy, n_processors):.2g}" if before else ""
        cells = _cells(row)
        lines.append(_line([*cells[:3], _duration(own["median_seconds"]), share, *ratios]))
    return "\n".join(lines)


def _losses_table(rows):
    squared_error, *others = rows[0]["seconds"]
    header = ["workload", squared_error, *others]
    lines = [_line(header), _line(["---"] * len(header))]
    for row in rows:
        seconds = row["seconds"]
        ratios = [f"{seconds[loss] / seconds[squared_error]:.2f}" for loss in others]
        name = f"{row['workload']} ({row['network']}, batch {row['batch_size']})"
        lines.append(_line([name, _duration(seconds[squared_error]), *ratios]))
    return "\n".join(lines)


def _fresh_table(fits):
    header = ["workload", "solver", "library", "import", "first fit", "before", "peak"]
    lines = [_line(header), _line(["---"] * len(header))]
    for fit in fits:
        times = [_duration(fit[part]) for part in ("import_seconds", "fit_seconds")]
        memory = [f"{fit[part]:.0f} MiB" for part in ("before_mib", "peak_mib")]
        lines.append(_line([fit["workload"], fit["solver"], fit["library"], *times, *memory]))
    return "\n".join(lines)


def _results_table(rows, names):
    header = ["workload", "solver", "dtype", "updates", *(f"{name}: time, loss" for name in names), "JAX compiles in"]
    lines = [_line(header), _line(["---"] * len(header))]
    for row in rows:
        compiling = max(result["compile_seconds"] for result in row["results"].values())
        results = [_result(row["results"].get(name)) for name in names]
        lines.append(_line([*_cells(row), *results, _duration(compiling) if compiling else ""]))
    return "\n".join(lines)


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def _cells(row):
    if row["solver"] == PREDICT:
        return [f"{row['workload']} ({row['network']})", row["solver"], row["dtype"], ""]
    return [
        f"{row['workload']} ({row['network']}, batch {row['batch_size']})",
        row["solver"],
        row["dtype"],
        str(row["n_updates"]),
    ]


def _label(row):
    return f"{row['workload']} {row['solver']} {row['dtype']}"


def _ratio(result, own):
    return "" if result is None else f"{result['ratio']:.3g}×{_marks(result, own)}"


def _result(result):
    return "" if result is None else f"{_duration(result['median_seconds'])}, {result['loss']:.6f}{_marks(result)}"


def _marks(*results):
    unequal, unsteady = not all(r["equal"] for r in results), not all(r["steady"] for r in results)
    return " ≠" * unequal + " ~" * unsteady


def _duration(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def main(workloads, peers, contended, repeats, quick, markdown_path, json_path):
    """Measure, print, write."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    installed = [PEERS[name] for name in peers if importlib.util.find_spec(PEERS[name].module)]
    warm_up([Skl2net(), *installed])
    repeats = 1 if quick else repeats
    report = {"machine": machine(installed), "tolerance": TOLERANCE, "rows": [], "contended": {}}
    report["rows"] = rows_of(workloads, installed, repeats, quick)
    for n in contended:
        with busy_processes(n):
            chosen = [name for name in CONTENDED if name in workloads]
            report["contended"][str(n)] = rows_of(chosen, installed, min(repeats, FEWEST), quick, few=True)
    report["losses"] = [
        time_losses(WORKLOADS[name].quick() if quick else WORKLOADS[name], repeats)
        for name in LOSSES
        if name in workloads
    ]
    report["fresh"] = []
    for workload, solver in FRESH:
        for library in [Skl2net(), *installed]:
            takes_part = library.name in (Skl2net.name, *WORKLOADS[workload].peers)
            if workload in workloads and takes_part:
                report["fresh"].append(in_fresh_process(library.name, workload, solver, quick))
    text = markdown(report)
    print(text)
    if markdown_path:
        markdown_path.write_text(text, encoding="utf-8")
    if json_path:
        json_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def rows_of(workloads, peers, repeats, quick, *, few=False):
    """The rows of the given workloads; of each only the first, if few are wanted."""
    rows = []
    for name in workloads:
        workload = WORKLOADS[name].quick() if quick else WORKLOADS[name]
        for case in itertools.islice(workload.cases(), 1 if few else None):
            rows.append(measure(case, [peer for peer in peers if peer.name in workload.peers], repeats))
            print(f"{_label(rows[-1])}: done", file=sys.stderr)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME")
    parser.add_argument(
        "--contended", nargs="+", type=int, default=[], metavar="N", help="beside N busy processes, too"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a tenth of the iterations, once, to see that it runs")
    parser.add_argument("--markdown", type=Path, dest="markdown_path", metavar="PATH")
    parser.add_argument("--json", type=Path, dest="json_path", metavar="PATH")
    main(**vars(parser.parse_args()))
