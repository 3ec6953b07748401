"""The speed of whole fits beside two libraries in C: FANN, trained online, and nnet of R, trained by BFGS.

Both start from skl2net's initial weights. FANN makes the updates of skl2net, one sample at a time and without momentum,
of a network with logistic units and squared error; the mean squared errors at the end are printed and have to agree.
nnet minimises the same objective by BFGS with a dense matrix, except that it penalises the biases too: it runs as many
iterations as our L-BFGS, and the objectives at the end are printed. Run it with

    python examples/benchmarks/compare_c.py

It needs a C compiler and Debian's packages libfann-dev, r-base-core and r-cran-nnet. What is not installed is left out,
with a line. Only training is timed, and data are in memory before. Times are medians over repetitions in which the
libraries take turns.

The last row is the task of the README of SimpleChains.jl (Julia): loss and gradient of a network 24-8-2 with tanh
units for 200 samples. Its time is the published median of that README, on an unknown machine, and is marked as such.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skl2net import L2NetClassifier
from skl2net.activations import ACTIVATIONS
from skl2net.engines import default_engine
from skl2net.engines.base import Task
from skl2net.losses import REGRESSION_LOSSES
from skl2net.network import Network

LEARNING_RATE = 0.1
PENALTY = 0.01
SIMPLE_CHAINS = 5.657e-6  # seconds

FANN = r"""
#include <fann.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv) { /* n_rows, three layers, epochs, learning rate; numbers from stdin, text out */
    unsigned n = atoi(argv[1]), sizes[3] = {atoi(argv[2]), atoi(argv[3]), atoi(argv[4])}, epochs = atoi(argv[5]);
    struct fann *net = fann_create_standard_array(3, sizes);
    fann_set_activation_function_hidden(net, FANN_SIGMOID);
    fann_set_activation_function_output(net, FANN_SIGMOID);
    fann_set_activation_steepness_hidden(net, 0.5f);
    fann_set_activation_steepness_output(net, 0.5f);
    fann_set_train_error_function(net, FANN_ERRORFUNC_LINEAR);
    fann_set_learning_rate(net, atof(argv[6]));
    unsigned n_weights = fann_get_total_connections(net);
    float *weights = malloc(n_weights * sizeof(float)), *x = malloc(n * sizes[0] * sizeof(float)),
          *y = malloc(n * sizes[2] * sizeof(float));
    fread(weights, sizeof(float), n_weights, stdin);
    fread(x, sizeof(float), n * sizes[0], stdin);
    fread(y, sizeof(float), n * sizes[2], stdin);
    struct fann_connection *connections = malloc(n_weights * sizeof(struct fann_connection));
    fann_get_connection_array(net, connections);
    for (unsigned i = 0; i < n_weights; i++) connections[i].weight = weights[i];
    fann_set_weight_array(net, connections, n_weights);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned epoch = 0; epoch < epochs; epoch++)
        for (unsigned i = 0; i < n; i++) fann_train(net, x + i * sizes[0], y + i * sizes[2]);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double error = 0;
    for (unsigned i = 0; i < n; i++) {
        float *output = fann_run(net, x + i * sizes[0]);
        for (unsigned k = 0; k < sizes[2]; k++) {
            float difference = output[k] - y[i * sizes[2] + k];
            error += difference * difference;
        }
    }
    printf("%.9g %.9g\n", end.tv_sec - begin.tv_sec + 1e-9 * (end.tv_nsec - begin.tv_nsec), error / n);
    return 0;
}
"""

NNET = """
library(nnet)
path <- commandArgs(TRUE)[1]
read <- function(name) as.matrix(read.csv(file.path(path, name), header = FALSE))
x <- read("x.csv"); y <- read("y.csv"); weights <- c(read("weights.csv")); settings <- c(read("settings.csv"))
begin <- proc.time()[["elapsed"]]
net <- nnet(x, y, size = settings[1], Wts = weights, decay = settings[2], maxit = settings[3], softmax = ncol(y) > 1,
            entropy = ncol(y) == 1, abstol = 0, reltol = 0, MaxNWts = 1e6, trace = FALSE)
cat(proc.time()[["elapsed"]] - begin, net$value)
"""


def standardised(load):
    """Features in float64, and the classes."""
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def one_hot(y):
    """A column for each class; one for two."""
    Y = np.eye(y.max() + 1)[y]
    return Y[:, 1:] if Y.shape[1] == 2 else Y


def neuron_by_neuron(coefs, intercepts, *, bias_first):
    """Weights as both libraries order them: for each unit, those of its inputs, and its bias."""
    parts = []
    for coef, intercept in zip(coefs, intercepts, strict=True):
        columns = (intercept[np.newaxis], coef) if bias_first else (coef, intercept[np.newaxis])
        parts.append(np.concatenate(columns).T.ravel())
    return np.concatenate(parts)


def initial_weights(net, X, Y):
    """The weights from which a network starts, found by a fit that makes no step."""
    network = Network((X.shape[1], *net.hidden_layer_sizes, Y.shape[1]), ACTIVATIONS[net.activation])
    return network.unpack(network.initial_parameters(np.random.RandomState(net.random_state), X.dtype))


def timed(run):
    """Seconds of a call, and its result."""
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def compare_fann(program, name, X, y, hidden, n_epochs, repeats):
    """Online training: the times of both, and their mean squared errors."""
    X, Y = X.astype(np.float32), np.eye(y.max() + 1, dtype=np.float32)[y]
    net = L2NetClassifier(
        (hidden,),
        "logistic",
        loss="squared_error",
        solver="sgd",
        l2_mode="penalty",
        alpha=0.0,
        batch_size=1,
        learning_rate="constant",
        learning_rate_init=LEARNING_RATE,
        max_iter=n_epochs,
        shuffle=False,
        momentum=0.0,
        tol=0.0,
        n_iter_no_change=n_epochs,
        random_state=0,
    )
    data = [neuron_by_neuron(*initial_weights(net, X, Y), bias_first=False), X.ravel(), Y.ravel()]
    data = b"".join(array.astype(np.float32).tobytes() for array in data)
    arguments = [len(X), X.shape[1], hidden, Y.shape[1], n_epochs, LEARNING_RATE]
    ours, theirs = [], []
    for _ in range(repeats):
        seconds, _ = timed(lambda: net.fit(X, Y))  # labels of several columns: each output is logistic, as FANN's
        ours.append(seconds)
        done = subprocess.run([program, *map(str, arguments)], input=data, capture_output=True, check=True)
        theirs.append([float(number) for number in done.stdout.split()])
    error = float(np.mean(np.sum((net.predict_proba(X) - Y) ** 2, axis=1)))
    report(f"{name}, online, {n_epochs} epochs", "FANN", ours, [t for t, _ in theirs], error, theirs[0][1])


def compare_nnet(name, X, y, hidden, n_iter, repeats):
    """Full-batch training: the times of both, and their objectives."""
    Y = one_hot(y)
    net = L2NetClassifier(
        (hidden,),
        "logistic",
        solver="lbfgs",
        alpha=2 * PENALTY,
        max_iter=n_iter,
        tol=0.0,
        max_fun=10**9,
        random_state=0,
    )
    weights = neuron_by_neuron(*initial_weights(net, X, Y), bias_first=True)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for file, array in {"x": X, "y": Y, "weights": weights, "settings": [hidden, PENALTY, n_iter]}.items():
            np.savetxt(Path(folder, f"{file}.csv"), array, delimiter=",", fmt="%.17g")
        Path(folder, "nnet.R").write_text(NNET, encoding="utf-8")
        for _ in range(repeats):
            seconds, _ = timed(lambda: net.fit(X, y))
            ours.append(seconds)
            command = ["Rscript", str(Path(folder, "nnet.R")), folder]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            theirs.append([float(number) for number in done.stdout.split()])
    objective = len(X) * net.loss_
    report(f"{name}, {n_iter} iterations", "nnet", ours, [t for t, _ in theirs], objective, theirs[0][1])


def compare_gradient(repeats):
    """Loss and gradient of a small network, beside the published time of SimpleChains.jl."""
    generator = np.random.default_rng(0)
    X, Y = generator.random((200, 24)), 10 * generator.standard_normal((200, 2))
    network = Network((24, 8, 2), ACTIVATIONS["tanh"])
    session = default_engine().open(Task(network, REGRESSION_LOSSES["squared_error"], X, Y, n_threads=1))
    parameters = network.initial_parameters(np.random.RandomState(0), X.dtype)
    n_calls = 1000
    ours = [timed(lambda: [session.loss_and_gradient(parameters) for _ in range(n_calls)])[0] for _ in range(repeats)]
    print(
        f"| 24-8-2, 200 rows, gradient | SimpleChains.jl (published) | {1e6 * median(ours) / n_calls:.3g} µs | "
        f"{1e6 * SIMPLE_CHAINS:.3g} µs | {SIMPLE_CHAINS * n_calls / median(ours):.3g}× | |"
    )


def report(name, peer, ours, theirs, result, their_result):
    """A line of the table."""
    own, other = median(ours), median(theirs)
    print(
        f"| {name} | {peer} | {1e3 * own:.4g} ms | {1e3 * other:.4g} ms | {other / own:.3g}× | "
        f"{result:.6g}, {their_result:.6g} |",
        flush=True,
    )


def main(repeats):
    """Measure and print."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| task | peer | skl2net | peer's time | ratio | results of both |\n| --- | --- | --- | --- | --- | --- |")
    iris, cancer, digits = (standardised(load) for load in (load_iris, load_breast_cancer, load_digits))
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "online")
        Path(folder, "online.c").write_text(FANN, encoding="utf-8")
        command = ["cc", "-O3", "-o", program, Path(folder, "online.c"), "-lfann", "-lm"]
        if shutil.which("cc") and subprocess.run(command, capture_output=True).returncode == 0:
            compare_fann(program, "iris 4-10-3", *iris, 10, 1000, repeats)
            compare_fann(program, "digits 64-64-10", *digits, 64, 20, repeats)
        else:
            print("FANN left out: a program with libfann does not compile (Debian's libfann-dev).")
    has_nnet = (
        shutil.which("Rscript")
        and not subprocess.run(["Rscript", "-e", "library(nnet)"], capture_output=True).returncode
    )
    if has_nnet:
        compare_nnet("iris 4-6-3", *iris, 6, 200, repeats)
        compare_nnet("breast cancer 30-32-1", *cancer, 32, 100, repeats)
    else:
        print("nnet left out: R with the package nnet is not installed (Debian's r-base-core and r-cran-nnet).")
    compare_gradient(repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    main(parser.parse_args().repeats)
