"""Peak memory of a fit on 1,000,000 x 20 numbers in float32, beside scikit-learn's, each in a process of its own.

``python examples/benchmarks/memory.py [TARGET ...]``; Linux only. A number is the largest resident memory during `fit`,
above that of the process before the data were there, divided by the size of `X` and `y`: 1 is no copy of anything.
"""

import subprocess
import sys

TARGETS = ("regression", "2 classes", "10 classes")
SOLVERS = ("adam", "lbfgs")
N_ROWS, N_FEATURES = 1_000_000, 20

MEASURE = f"""
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
library, target, solver, is_mapped = sys.argv[1:]
if library == "skl2net":
    from skl2net import L2NetClassifier as Classifier, L2NetRegressor as Regressor
else:
    from sklearn.neural_network import MLPClassifier as Classifier, MLPRegressor as Regressor

def status(name):
    return int(open("/proc/self/status").read().split(name)[1].split()[1]) * 1024

def data(n_rows):
    rng = np.random.default_rng(0)
    X = np.empty((n_rows, {N_FEATURES}), np.float32)
    for rows in np.array_split(X, 100):
        rows[:] = rng.standard_normal(rows.shape, np.float32)
    if target == "regression":
        return X, X[:, 0].copy()
    return X, np.arange(n_rows) % int(target.split()[0])

def fit(X, y):
    estimator = Regressor if target == "regression" else Classifier
    estimator(hidden_layer_sizes=(10,), solver=solver, max_iter=2, random_state=0).fit(X, y)

fit(*data(2000))  # loads the libraries
before = status("VmRSS")
X, y = data({N_ROWS})
if is_mapped == "True":
    X.tofile("X.dat")
    del X
    X = np.memmap("X.dat", np.float32, "r", shape=({N_ROWS}, {N_FEATURES}))
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # forget the peak so far
fit(X, y)
print((status("VmHWM") - before) / (X.nbytes + y.nbytes))
"""


def peak(library, target, solver, *, is_mapped=False, folder=None):
    """Peak memory of one fit, in multiples of the data."""
    command = [sys.executable, "-c", MEASURE, library, target, solver, str(is_mapped)]
    return float(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    print("| target | solver | skl2net | scikit-learn |\n|---|---|---|---|")
    for target in sys.argv[1:] or TARGETS:
        for solver in SOLVERS:
            found = [f"{peak(library, target, solver):.2f}" for library in ("skl2net", "scikit-learn")]
            print(f"| {target} | {solver} | {' | '.join(found)} |", flush=True)
