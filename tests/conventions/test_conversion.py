"""Conversions between conventions: numbers, what they ask for, errors, and how results are shown.

That the libraries really do what the records say is in `test_lines`, `test_linear` and
`test_peers`; that exact conversions are exact in `test_random`.
"""

import html.parser
import math
import random
import re
import runpy
import string
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from skl2net import convert_alpha, list_conventions
from skl2net.conventions import ALIASES, CONVENTIONS, equivalents
from skl2net.conventions.convention import POWERS
from skl2net.l2 import MODES, L2Rule, share_removed
from skl2net.losses import LOSSES

RUN = {
    "learning_rate": 0.05,
    "batch_size": 20,
    "n_samples": 300,
    "n_epochs": 7,
    "momentum": 0.6,
    "nesterov": False,
    "loss": "squared_error",
    "n_outputs": 3,
}
OTHER_RUN = {
    "learning_rate": 0.03,
    "batch_size": 25,
    "n_samples": 400,
    "n_epochs": 11,
    "momentum": 0.3,
    "loss": "log_loss",
    "n_outputs": 4,
}

PAIRS = list(product(CONVENTIONS, repeat=2))


def run_of(source, target):
    """A run that both conventions can have: ridge regression has one loss only, the logistic regression another."""
    records = [CONVENTIONS[name] for name in (source, target)]
    losses = {record.loss for record in records} - {None}
    run = {key: value for key, value in RUN.items() if not (key == "loss" and len(losses) == 2)}
    if len(losses) == 1:
        run["loss"] = losses.pop()
    shared = [loss for loss in LOSSES if all(loss in record.loss_scales for record in records)]
    if "loss" in run and run["loss"] not in shared:
        run["loss"] = shared[0] if shared else None
    for record in records:
        run |= record.fixed
    return run


def solver_of(source, target):
    """A solver that runs one of the two at least; None if neither has updates."""
    solvers = [CONVENTIONS[name].solvers for name in (source, target) if CONVENTIONS[name].solvers]
    common = [solver for solver in ("sgd", "adam", "lbfgs") if all(solver in s for s in solvers)]
    return common[0] if common else "sgd" if any(solvers) or not solvers else None


def number_of(name, share):
    """A number of the convention that is neither absurdly weak nor impossible."""
    return {
        "keep": 1 - share,
        "timescale": 1 / share,
        "half_life": 1 / share,
        "sklearn.LogisticRegression": 1 / share,
    }.get(name, share)


def convert(number, source, target, **run):
    """A conversion; None if the pair cannot have the run."""
    try:
        return convert_alpha(number, source, target, **run)
    except ValueError as error:
        if "has no loss" in str(error) or "has loss=" in str(error) or "runs neither" in str(error):
            return None
        raise


@pytest.mark.parametrize("mode", MODES)
def test_powers_of_the_records_are_those_of_the_rules(mode):
    """The share per unit of strength, spelt as powers in the records, is what `l2.py` computes."""
    rate, n, n_total = 0.05, 20.0, 300.0
    coefficients = L2Rule(mode, [1e-3]).coefficients(n=n, n_total=n_total, learning_rate=rate)
    share = share_removed(coefficients, learning_rate=rate, momentum=0.0)
    quantities = {"learning_rate": rate, "batch_size": n, "n_samples": n_total}
    powers = math.prod(quantities[key] ** power for key, power in POWERS[mode].items())
    assert 1e-3 * powers * (rate if CONVENTIONS[mode].is_penalty else 1) == pytest.approx(share[0])


@pytest.mark.parametrize("source", CONVENTIONS)
@pytest.mark.parametrize("share", [1e-6, 7e-5])
def test_round_trips_are_identities(source, share):
    for target in CONVENTIONS:
        run = run_of(source, target)
        solver = solver_of(source, target)
        number = number_of(source, share)
        there = convert(number, source, target, solver=solver, **run)
        if there is None or there.alpha is None:
            continue
        back_run = run | ({} if there.learning_rate is None else {"learning_rate": there.learning_rate})
        back = convert_alpha(there.alpha, target, source, solver=solver, **back_run)
        kept = {source: number, target: there.alpha}.get("keep")
        lost = 0.0 if kept is None else 4 * np.finfo(float).eps / (1 - kept)  # digits that 1 − keep cancels
        assert float(back) == pytest.approx(number, rel=1e-9 + lost)
        assert (back.exact, back.sense) == (there.exact, there.sense)
        assert back.learning_rate_factor * there.learning_rate_factor == pytest.approx(1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [name for name, c in CONVENTIONS.items() if "sgd" in c.solvers])
def test_conversions_compose(name, mode):
    """By way of the timescale the number is the same."""
    run = run_of(name, mode)
    number = number_of(name, 1e-4)
    direct = convert_alpha(number, name, mode, solver="sgd", **run)
    middle = convert_alpha(number, name, "timescale", solver="sgd", **run)
    rate = {"learning_rate": direct.learning_rate}
    by_way = convert_alpha(float(middle), "timescale", mode, solver="sgd", **(run | rate))
    assert float(by_way) == pytest.approx(float(direct))


def asked_for(source, target, alpha):
    """The quantities that the pair asks for, all at once, and the conversion."""
    pool = run_of(source, target) | {"solver": solver_of(source, target)}
    fixed = {**CONVENTIONS[source].fixed, **CONVENTIONS[target].fixed}
    told = {}
    for _ in range(2):
        try:
            return told, convert_alpha(alpha, source, target, **told)
        except ValueError as error:
            listed = str(error).partition(" needs ")[2].partition(". Pass ")[0]
            names = listed.replace(" and ", ", ").split(", ")
            assert not set(names) & {*told, *fixed}, names
            told |= {name: pool[name] for name in names}
    return told, convert_alpha(alpha, source, target, **told)


@pytest.mark.parametrize("source", CONVENTIONS)
def test_what_is_asked_for_matters_and_nothing_else_does(source):
    number = number_of(source, 1e-4)
    for target in CONVENTIONS:
        run = run_of(source, target)
        solver = solver_of(source, target)
        if run.get("loss", "") is None or convert(number, source, target, solver=solver, **run) is None:
            continue
        asked, conversion = asked_for(source, target, number)
        if source == target:
            assert not asked
        if conversion.alpha is None:
            continue

        def number_there(source=source, target=target, **run):
            result = convert_alpha(number, source, target, **run)
            return None if result.alpha is None else float(f"{result.alpha:.9g}"), f"{result.learning_rate_factor:.9g}"

        fixed = {**CONVENTIONS[source].fixed, **CONVENTIONS[target].fixed}
        free = {key: value for key, value in run_of(source, target).items() if key not in {*asked, *fixed, "loss"}}
        free = {key: value for key, value in free.items() if key not in ("momentum", "nesterov")}
        if "solver" not in asked:
            assert number_there(**asked, **free) == number_there(**asked), target
        for name in set(asked) - {"solver", "loss", "n_outputs"}:
            others = [
                {name: OTHER_RUN[name]},
                *([{name: RUN[name] + 1}] if name in ("n_samples", "batch_size") else []),
            ]
            changed = [convert_alpha(number, source, target, **(asked | other)) for other in others]
            facts = {(result.alpha, result.sense) for result in (*changed, conversion)}
            assert len(facts) > 1, (target, name)


def test_what_is_missing_is_asked_for_at_once():
    with pytest.raises(
        ValueError, match=r"'sklearn\.MLP' to 'penalty' needs batch_size and n_samples\. Pass batch_size=\.\.\."
    ):
        convert_alpha(1e-4, "sklearn.MLP", "penalty")
    with pytest.raises(ValueError, match="needs n_outputs"):
        convert_alpha(1e-4, "penalty", "torch.SGD", loss="squared_error")
    with pytest.raises(ValueError, match="needs solver, momentum and learning_rate"):
        convert_alpha(1e-4, "penalty", "decoupled")
    with pytest.raises(ValueError, match="needs momentum and learning_rate"):
        convert_alpha(1e-4, "penalty", "decoupled", solver="sgd")
    with pytest.raises(ValueError, match="needs learning_rate"):
        convert_alpha(1e-4, "decoupled", "decay_before")
    with pytest.raises(ValueError, match="needs n_samples"):
        convert_alpha(1.0, "sklearn.Ridge", "penalty")
    with pytest.raises(ValueError, match="needs loss"):
        convert_alpha(1.0, "R.nnet", "prior")
    with pytest.raises(ValueError, match="needs batch_size, n_samples and n_epochs"):
        convert_alpha(1e-4, "loshchilov", "loshchilov_normalized")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("penalty_per_sample", "sklearn.MLP"),  # both divide by the batch
        ("sklearn.Ridge", "nielsen"),  # both divide by the data
        ("sklearn.Ridge", "prior"),
        ("prior", "sklearn.LogisticRegression"),
        ("prior", "nielsen"),
        ("prior", "weka.MLPClassifier"),
        ("torch.SGD", "torch.Adam"),
        ("torch.AdamW", "optax.adamw"),
        ("penalty", "torch.SGD"),
        ("penalty", "optax.add_decayed_weights"),
        ("tfa.SGDW", "decay_before"),
        ("loshchilov", "decay_before"),
        ("keep", "decay_after"),
        ("sklearn.SGD", "penalty"),
        ("decoupled", "keras.weight_decay"),
    ],
)
def test_what_cancels_is_not_asked_for(source, target):
    asked, _ = asked_for(source, target, number_of(source, 1e-3))
    assert not asked


def test_numbers_that_are_known_by_heart():
    """Formulas from the libraries' own documentation, worked out by hand."""

    def check(expected, *args, **run):
        assert float(convert_alpha(*args, **run)) == pytest.approx(expected, rel=1e-12)

    check(0.005, 0.01, "penalty", "keras.L2")
    check(0.01, 0.01, "penalty", "tf.l2_loss")
    check(0.02, 0.98, "keep", "decay_after")
    check(5e-7, 1e-4, "sklearn.MLP", "penalty", batch_size=200, n_samples=2000)
    check(0.02, 2.0, "sklearn.Ridge", "penalty", n_samples=100)
    check(2.0, 2.0, "sklearn.Ridge", "prior")
    check(1 / 400, 4.0, "sklearn.LogisticRegression", "penalty", n_samples=100)
    check(0.25, 4.0, "sklearn.LogisticRegression", "prior")
    check(0.3, 0.3, "sklearn.PoissonRegressor", "penalty")
    check(30.0, 0.3, "sklearn.ElasticNet", "sklearn.Ridge", n_samples=100)
    check(0.03, 3.0, "R.nnet", "penalty", n_samples=100, loss="squared_error")
    check(0.06, 3.0, "R.nnet", "penalty", n_samples=100, loss="log_loss")
    check(6.0, 3.0, "R.nnet", "prior", loss="log_loss")
    check(0.02, 0.01, "weka.MLPClassifier", "prior")
    check(0.2, 0.1, "cuml.MBSGD", "penalty", loss="log_loss")
    check(0.1, 0.1, "cuml.MBSGD", "penalty", loss="squared_error")
    check(1e-4, 5.0, "nielsen", "penalty", n_samples=50_000)
    check(50.0, 5.0, "nielsen.network3", "nielsen", batch_size=10)
    check(1e-4, 0.1, "decoupled", "tfa.AdamW", learning_rate=0.001)
    check(1e-4, 0.1, "optimisers.AdamW", "flux.AdamW", learning_rate=0.001)
    check(0.01, 0.01, "penalty", "decoupled", solver="sgd", momentum=0.0)
    normalised = {"batch_size": 128, "n_samples": 50_000, "n_epochs": 100}
    check(0.025 * math.sqrt(128 / (50_000 * 100)), 0.025, "loshchilov_normalized", "loshchilov", **normalised)


def test_timescale_and_half_life_count_epochs():
    """A weight on which no gradient acts is down to e^-1 after a timescale, to 1/2 after a half-life."""
    epoch = {"batch_size": 30, "n_samples": 290}  # 10 updates
    share = 1e-3
    timescale = convert_alpha(share, "decay_before", "timescale", **epoch)
    assert float(timescale) == pytest.approx(100)
    assert timescale.exact
    assert (1 - share) ** (10 * float(timescale)) == pytest.approx(math.exp(-1), rel=1e-3)
    half_life = convert_alpha(share, "decay_before", "half_life", **epoch)
    assert (1 - share) ** (10 * float(half_life)) == pytest.approx(0.5)
    assert half_life.code == ""


def test_nesterov_is_part_of_the_question():
    """A default MLP beside the printed line of PyTorch's plain momentum was the audit's first finding."""
    run = {"batch_size": 10, "n_samples": 40, "momentum": 0.9, "learning_rate": 0.05}
    default = convert_alpha(0.5, "sklearn.MLP", "torch.SGD", **run)
    assert default.exact
    assert "nesterov=True" in default.code
    assert "nesterov" not in convert_alpha(0.5, "sklearn.MLP", "torch.SGD", nesterov=False, **run).code
    assert "nesterovs_momentum=False" in convert_alpha(0.05, "torch.SGD", "penalty", momentum=0.9).code
    for library in ("mxnet.wd", "fastai.wd", "h2o.l2", "matlab.trainingOptions", "loshchilov", "nielsen"):
        source = "decoupled" if CONVENTIONS[library].is_decay else "penalty"
        conversion = convert_alpha(0.01, source, library, **run)
        assert not conversion.exact
        assert "momentum" in conversion.reason
    assert not convert_alpha(0.05, "torch.SGD", "nielsen", momentum=0.9, n_samples=40).exact
    assert convert_alpha(0.05, "torch.SGD", "nielsen", momentum=0.0, n_samples=40).exact


def test_the_report_does_not_list_what_has_no_nesterov_as_the_same():
    run = {"solver": "sgd", "n_layers": 2, "learning_rate": 0.001, "momentum": 0.9, "batch_size": 50}
    run |= {"n_samples": 200, "loss": "log_loss", "n_outputs": 3}
    exact = {c.target for c in equivalents(1.0, "prior", nesterov=True, **run) if c.exact}
    assert {"sklearn.MLP", "torch.SGD", "keras.L2", "optax.add_decayed_weights"} <= exact
    assert not exact & {"nielsen", "matlab.trainingOptions", "h2o.l2"}
    plain = {c.target for c in equivalents(1.0, "prior", nesterov=False, **run) if c.exact}
    assert "matlab.trainingOptions" in plain


def test_adams_constants_are_part_of_the_line():
    def code(source, target, **run):
        return convert_alpha(0.01, source, target, solver="adam", **run).code

    assert "sqr_mom=0.999, eps=1e-08" in code("decoupled", "fastai.wd")
    assert "epsilon=1e-08" in code("penalty", "keras.L2")
    assert "epsilon=1e-07" in code("keras.L2", "penalty")
    assert "momentum: 0.9" in code("penalty", "caffe.weight_decay")
    assert "betas=(0.8, 0.99), eps=1e-06" in code("penalty", "torch.Adam", beta_1=0.8, beta_2=0.99, epsilon=1e-6)
    # the loss of Keras is twice ours, and so are the gradients that epsilon stands beside
    single = convert_alpha(0.01, "penalty", "keras.L2", solver="adam", loss="squared_error", n_outputs=1)
    assert single.exact
    assert "epsilon=2e-08" in single.code


def test_biases_are_a_condition_where_a_library_decays_them():
    for source, target in (("torch.SGD", "penalty"), ("penalty", "torch.SGD"), ("R.nnet", "prior")):
        conversion = convert_alpha(0.01, source, target, loss="log_loss")
        assert conversion.exact
        assert any("biases are exempt" in condition for condition in conversion.conditions)
        assert "biases are exempt" in " ".join(conversion.sentences())
    assert not convert_alpha(0.01, "torch.Adam", "mxnet.wd").conditions  # both decay them
    always = convert_alpha(0.01, "rsnns.BackpropWeightDecay", "decay_before")
    assert (always.exact, always.sense) == (False, "parts")


def test_loss_is_needed_only_where_the_number_depends_on_it():
    conversion = convert_alpha(0.1, "penalty", "torch.SGD")
    assert conversion.exact
    assert conversion.alpha == 0.1
    assert (
        "MSELoss, with K outputs, multiply the number by 2/K and the learning rate by K/2" in conversion.sentences()[2]
    )
    known = convert_alpha(0.1, "torch.SGD", "penalty", n_outputs=4)
    assert "multiply the number by 2 and the learning rate by 0.5" in known.assumption
    with_loss = convert_alpha(0.1, "torch.SGD", "penalty", n_outputs=4, loss="squared_error")
    assert (with_loss.alpha, with_loss.learning_rate_factor) == (pytest.approx(0.2), 0.5)
    assert with_loss.assumption == ""
    assert convert_alpha(0.1, "torch.AdamW", "optax.adamw").assumption == ""
    assert "number" not in convert_alpha(0.005, "tfa.SGDW", "decay_before").assumption


def test_several_mild_differences_are_all_named():
    """keras.L2 to sklearn's MLP under Adam with uneven batches; epsilon differs too, from PyTorch."""
    run = {"solver": "adam", "batch_size": 7, "n_samples": 20}
    conversion = convert_alpha(0.01, "torch.Adam", "sklearn.MLP", **run)
    assert conversion.sense == "batches"
    assert "as Adam's epsilon goes to 0, except in the last batch" in str(conversion).replace("\n", " ")
    assert "epsilon stands" in conversion.reason
    assert "does not divide" in conversion.reason


def test_adam_has_no_equivalent_between_penalty_and_decay():
    conversion = convert_alpha(1e-4, "penalty", "torch.AdamW")
    assert conversion.alpha is None
    assert not conversion.exact
    assert conversion.sense is None
    assert "no fixed share" in conversion.reason
    assert "no equivalent" in str(conversion)
    with pytest.raises(ValueError, match=r"has no equivalent in torch\.AdamW"):
        float(conversion)
    assert "RMSprop divides" in convert_alpha(1e-4, "torch.RMSprop", "decay_before").reason
    lbfgs = convert_alpha(1e-4, "penalty", "timescale", solver="lbfgs")
    assert lbfgs.alpha is None
    assert "objective as a whole" in lbfgs.reason


def test_full_batch_solvers_need_no_batch_size():
    assert float(convert_alpha(2.0, "sklearn.MLP", "penalty", solver="lbfgs", n_samples=100)) == pytest.approx(0.02)
    assert convert_alpha(2.0, "sklearn.MLP", "penalty", solver="lbfgs", n_samples=100).sense == "objective"
    assert float(convert_alpha(2.0, "sklearn.Ridge", "sklearn.MLP", n_samples=100)) == pytest.approx(2)
    assert float(convert_alpha(2.0, "sklearn.MLP", "prior", solver="lbfgs", n_samples=100)) == pytest.approx(2)


def test_several_real_targets_and_the_l_bfgs_of_sklearn():
    """Its gradient is not that of its loss (scikit-learn issue 8349), so that nothing of ours does the same."""
    run = {"solver": "lbfgs", "n_samples": 100, "loss": "squared_error"}
    assert convert_alpha(2.0, "penalty", "sklearn.MLP", n_outputs=1, **run).exact
    several = convert_alpha(2.0, "penalty", "sklearn.MLP", n_outputs=2, **run)
    assert (several.exact, several.sense) == (False, "penalty")
    assert "8349" in several.reason


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_what_has_one_output_is_not_exact_for_several(loss):
    run = {"learning_rate": 0.1, "loss": loss}
    assert convert_alpha(0.01, "penalty", "sklearn.SGD", n_outputs=1, **run).exact
    several = convert_alpha(0.01, "penalty", "sklearn.SGD", n_outputs=3, **run)
    assert (several.exact, several.sense) == (False, "penalty")
    with pytest.raises(ValueError, match="has no loss='multilabel_log_loss'"):
        convert_alpha(0.01, "penalty", "sklearn.SGD", loss="multilabel_log_loss")


def test_different_optimisers_are_not_exact():
    conversion = convert_alpha(1e-4, "torch.SGD", "torch.Adam")
    assert (float(conversion), conversion.exact, conversion.sense) == (1e-4, False, "objective")
    assert "SGD and Adam take different steps" in conversion.reason


def test_different_losses_are_not_exact():
    conversion = convert_alpha(2.0, "sklearn.Ridge", "sklearn.LogisticRegression")
    assert (float(conversion), conversion.exact, conversion.sense) == (0.5, False, "penalty")


def test_schedule_parts_what_follows_it_from_what_does_not():
    rate = {"learning_rate": 0.1}
    assert convert_alpha(1e-3, "decoupled", "decay_before", **rate).exact
    assert not convert_alpha(1e-3, "decoupled", "decay_before", schedule=True, **rate).exact
    paper = {"solver": "sgd", "momentum": 0.0, **rate}
    assert convert_alpha(1e-3, "decoupled", "loshchilov", schedule=True, **paper).exact
    assert not convert_alpha(1e-3, "decay_before", "loshchilov", schedule=True, **paper).exact
    epoch = {"batch_size": 10, "n_samples": 100}
    assert "given learning rate" in convert_alpha(1e-3, "decoupled", "timescale", schedule=True, **rate, **epoch).reason
    torch = {"momentum": 0.9, "schedule": True}
    assert not convert_alpha(1e-3, "penalty", "torch.SGD", **torch).exact
    assert convert_alpha(1e-3, "penalty", "torch.SGD", momentum=0.0, schedule=True).exact


def test_a_quantity_that_the_library_fixes_cannot_be_another():
    conversion = convert_alpha(1e-3, "penalty", "sklearn.SGD", batch_size=32)
    assert (conversion.exact, conversion.sense) == (False, "objective")
    assert "sklearn.SGD always has batch_size=1" in conversion.reason
    assert "penalty runs with batch_size=1 and momentum=0" in convert_alpha(1e-3, "penalty", "sklearn.SGD").conditions


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("torch.AdmW", "torch.AdamW"),
        ("sklearn.mlp", "sklearn.MLP"),
        ("weight_decay", "keras.weight_decay"),
        ("tidymodels.mlp", "tidymodels.mlp"),
    ],
)
def test_unknown_names_get_the_closest_suggested(name, suggestion):
    with pytest.raises(ValueError, match=f"source='{name}' is not a known convention.*{suggestion}"):
        convert_alpha(0.1, name, "penalty")
    with pytest.raises(ValueError, match="list_conventions"):
        convert_alpha(0.1, "penalty", name)


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'squared_error'"):
        convert_alpha(0.1, "penalty", "torch.SGD", loss="square_error")
    with pytest.raises(ValueError, match="solver must be one of"):
        convert_alpha(0.1, "penalty", "torch.SGD", solver="rmsprop")
    with pytest.raises(ValueError, match=r"runs neither 'tfa\.SGDW' nor 'torch\.SGD'"):
        convert_alpha(0.1, "tfa.SGDW", "torch.SGD", solver="adam")
    with pytest.raises(ValueError, match=r"sklearn\.Ridge has loss='squared_error'"):
        convert_alpha(0.1, "sklearn.Ridge", "penalty", loss="log_loss", n_samples=10)
    with pytest.raises(ValueError, match="has no loss='poisson'"):
        convert_alpha(0.1, "penalty", "caffe.weight_decay", loss="poisson")


@pytest.mark.parametrize(
    ("alpha", "source", "changes", "message"),
    [
        (-0.1, "penalty", {}, "not negative"),
        (math.inf, "penalty", {}, "finite"),
        (math.nan, "penalty", {}, "must be a number"),
        ([0.1, 0.2], "penalty", {}, "one by one"),
        (10**400, "penalty", {}, "too large"),
        (1.0, "decay_before", {}, "remove 1 times each weight"),
        (1.5, "decay_after", {}, "below 1"),
        (50.0, "decoupled", {}, "remove 2.5 times each weight"),
        (0.0, "keep", {}, r"\(0, 1\]"),
        (1.2, "keep", {}, r"\(0, 1\]"),
        (0.0, "half_life", {}, "positive"),
        (-3.0, "timescale", {}, "positive"),
        (0.001, "timescale", {}, "below 1"),
        (1e-320, "decay_before", {}, "beyond the range"),
        (0.1, "penalty", {"learning_rate": 0.0}, r"learning_rate must be a float in the range \(0.0, inf\); got 0"),
        (0.1, "penalty", {"momentum": 1.0}, r"momentum must be a float in the range \[0.0, 1.0\); got 1"),
        (0.1, "penalty", {"momentum": [0.9]}, "momentum must be a float"),
        (0.1, "penalty", {"batch_size": 0}, r"batch_size must be an int in the range \[1, 9007199254740992\); got 0"),
        (0.1, "penalty", {"n_samples": 2.5}, "n_samples must be an int"),
        (0.1, "penalty", {"n_samples": np.array([1, 2])}, "n_samples must be an int"),
        (0.1, "penalty", {"batch_size": 301}, "larger than n_samples"),
        (0.1, "penalty", {"loss": ["log_loss"]}, "loss must be one of"),
        (0.1, "penalty", {"loss": np.array(["a", "b"])}, "loss must be one of"),
    ],
)
def test_impossible_values_say_why(alpha, source, changes, message):
    target = "timescale"
    if source == "timescale":
        target = "half_life"
    with pytest.raises(ValueError, match=message):
        convert_alpha(alpha, source, target, **({"solver": "sgd"} | RUN | changes))


def test_numbers_of_other_types_are_numbers():
    expected = convert_alpha(0.1, "penalty", "sklearn.MLP", batch_size=200, n_samples=400, momentum=0.5).alpha
    run = {"batch_size": np.uint8(200), "n_samples": np.int64(400), "momentum": Fraction(1, 2)}
    assert convert_alpha(Fraction(1, 10), "penalty", "sklearn.MLP", **run).alpha == pytest.approx(expected)
    for name in (["penalty"], None, 3):
        with pytest.raises(ValueError, match="not a known convention"):
            convert_alpha(0.1, name, "penalty")


def test_a_number_is_checked_even_if_nothing_is_converted():
    with pytest.raises(ValueError, match="would remove 5 times each weight"):
        convert_alpha(5.0, "decay_before", "decay_before")


def test_what_leaves_the_floating_point_numbers_is_refused():
    with pytest.raises(ValueError, match="beyond the range"):
        convert_alpha(1.7e308, "keras.L2", "penalty")
    with pytest.raises(ValueError, match="beyond the range"):
        convert_alpha(1e-320, "decay_before", "timescale", batch_size=2, n_samples=10)


def test_random_arguments_give_results_or_value_errors():
    """65,400 random calls of the audit found six kinds of internal exceptions; here are fewer of the same kind."""
    rng = random.Random(0)
    numbers = [0, 1, 0.5, 1e-320, 1.7e308, 10**400, Fraction(1, 3), math.nan, math.inf, -1, "a", [0.1], None]
    numbers += [np.float32(0.1), np.array([0.1, 0.2]), True]
    counts = [None, 1, 7, np.uint8(200), 10**30, 2.5, "auto", "x", 0, [3], np.array([1, 2])]
    rates = [None, 0.1, 1e-320, 1e300, Fraction(9, 10), 0, "x", np.array([0.1, 0.2]), 0.99]
    kinds = dict.fromkeys(("batch_size", "n_samples", "n_epochs", "n_outputs"), counts)
    kinds |= dict.fromkeys(("learning_rate", "momentum", "beta_1", "beta_2", "epsilon"), rates)
    kinds |= {"loss": ["log_loss", "squared_error", "poisson", 3], "solver": ["sgd", "adam", "lbfgs", "pso", [1]]}
    kinds |= {"nesterov": [True, False], "schedule": [True]}
    names = [*CONVENTIONS, *ALIASES]
    n_results = 0
    for _ in range(3000):
        run = {name: rng.choice(values) for name, values in kinds.items() if rng.random() < 0.3}
        alpha = rng.choice(numbers) if rng.random() < 0.3 else 1e-3
        try:
            conversion = convert_alpha(alpha, rng.choice(names), rng.choice(names), **run)
        except ValueError:
            continue
        n_results += 1
        assert len(conversion.sentences()) <= 3
        assert repr(conversion)
        assert conversion._repr_html_()
    assert n_results > 100


def test_zero_is_zero_everywhere():
    epoch = {"batch_size": 2, "n_samples": 10}
    assert float(convert_alpha(0.0, "penalty", "torch.SGD")) == 0.0
    assert float(convert_alpha(0.0, "penalty", "sklearn.LogisticRegression", n_samples=10)) == math.inf
    assert float(convert_alpha(0.0, "decay_before", "timescale", **epoch)) == math.inf
    assert float(convert_alpha(0.0, "decay_before", "half_life", **epoch)) == math.inf
    assert float(convert_alpha(math.inf, "timescale", "decay_before", **epoch)) == 0.0
    assert float(convert_alpha(math.inf, "half_life", "decay_before", **epoch)) == 0.0
    assert float(convert_alpha(0.0, "decay_after", "keep")) == 1.0
    assert float(convert_alpha(1.0, "keep", "decay_after")) == 0.0


def test_a_result_explains_itself():
    conversion = convert_alpha(
        1e-4, "penalty", "torch.SGD", loss="squared_error", n_outputs=1, learning_rate=0.1, momentum=0.9
    )
    assert repr(conversion) == "<AlphaConversion penalty 0.0001 -> torch.SGD 0.0002, exact>"
    text, _, code = str(conversion).rpartition("\n")
    text = text.replace("\n", " ")
    assert text.startswith("penalty 0.0001 is torch.SGD 0.0002 with the learning rate 0.05, exactly: the two follow")
    assert len(conversion.sentences()) <= 3
    assert all(len(line) <= 100 for line in str(conversion).splitlines()[:-1])
    assert code == conversion.code
    assert '"weight_decay": 0.0002' in code
    assert "p.ndim <= 1" in code
    assert "lr=0.05, momentum=0.9, nesterov=True" in code
    assert "<pre" in conversion._repr_html_()
    html.parser.HTMLParser().feed(conversion._repr_html_())


@pytest.mark.parametrize("source", CONVENTIONS)
def test_every_result_prints_at_most_three_sentences(source):
    for target in CONVENTIONS:
        conversion = convert(
            number_of(source, 1e-4), source, target, solver=solver_of(source, target), **run_of(source, target)
        )
        if conversion is None:
            continue
        sentences = conversion.sentences()
        assert 1 <= len(sentences) <= 3
        text = " ".join(sentences)
        assert text.count(". ") <= 2, text
        assert "  " not in text
        assert ".." not in text
        assert "None" not in text + conversion.code
        assert "{" not in text


@pytest.mark.parametrize("name", CONVENTIONS)
def test_records_are_complete(name):
    convention = CONVENTIONS[name]
    assert convention.name == name
    assert all((convention.library, convention.parameter, convention.formula, convention.source))
    assert convention.read in ("tested", "source", "documentation", "definition")
    assert convention.biases in ("exempt", "by default", "always")
    assert convention.code or convention.is_measure
    for code in filter(None, (convention.code, convention.code_if_unknown, convention.code_if_linear)):
        fields = {field for _, field, _, _ in string.Formatter().parse(code) if field is not None}
        assert "number" in fields


@pytest.mark.parametrize("name", [name for name, c in CONVENTIONS.items() if c.biases == "by default"])
def test_code_leaves_the_biases_alone(name):
    """Libraries that decay biases by default get a line that does not."""
    convention = CONVENTIONS[name]
    words = ("ndim", '"bias"', ".*bias", "decay_mult: 0", "c(0, rep(1", "[0.0] +", "layers[i].bias", "Adam for biases")
    for code in filter(None, (convention.code, convention.code_if_unknown, convention.code_if_linear)):
        assert any(word in code for word in words) or code == CONVENTIONS["optimisers.WeightDecay"].code_if_unknown


def test_list_conventions_is_a_table():
    table = list_conventions()
    assert [convention.name for convention in table] == list(CONVENTIONS)
    lines = str(table).splitlines()
    assert repr(table) == str(table)
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines[1:] if not line.startswith(" ")] == list(CONVENTIONS)
    html.parser.HTMLParser().feed(table._repr_html_())
    assert table._repr_html_().count("<tr>") == len(CONVENTIONS) + 1


@pytest.mark.parametrize(("n_samples", "batch_size"), [(150, 150), (2000, 200)])
def test_batches_of_automatic_size(n_samples, batch_size):
    automatic = convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size="auto", n_samples=n_samples)
    assert automatic == convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size=batch_size, n_samples=n_samples)
    with pytest.raises(ValueError, match=r"min\(200, n_samples\): pass n_samples"):
        convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size="auto")


def test_the_line_of_an_estimator_has_its_own_solver_and_loss():
    assert convert_alpha(1e-3, "penalty", "penalty").code == 'L2NetClassifier(l2_mode="penalty", alpha=0.001)'
    batches = {"batch_size": 40, "n_samples": 400}
    assert convert_alpha(1e-3, "penalty", "sklearn.MLP", **batches).code == "MLPClassifier(alpha=0.04, batch_size=40)"
    poisson = convert_alpha(1e-3, "penalty", "sklearn.MLP", loss="poisson", solver="adam", **batches)
    assert poisson.code == 'MLPRegressor(solver="adam", alpha=0.04, loss="poisson", batch_size=40)'
    linear = convert_alpha(1e-3, "sklearn.PoissonRegressor", "penalty").code
    assert (
        linear
        == 'L2NetRegressor(hidden_layer_sizes=(), solver="lbfgs", l2_mode="penalty", alpha=0.001, loss="poisson")'
    )


def test_the_page_is_what_the_records_say():
    docs = Path(__file__).parents[2] / "docs"
    page = runpy.run_path(str(docs / "render_conventions.py"))["render"]()
    assert (docs / "conventions.md").read_text(encoding="utf-8") == page, "run docs/render_conventions.py"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MLPClassifier", "Did you mean 'sklearn.MLP' or 'weka.MLPClassifier'?"),
        ("AdamW", "Did you mean 'torch.AdamW' or 'optax.adamw' or 'tfa.AdamW'?"),
        ("torch.optim.AdamW", "Did you mean 'torch.AdamW'"),
        ("torch.adamw", "Did you mean 'torch.AdamW'?"),
        ("Ridge", "Did you mean 'sklearn.Ridge'?"),
        ("nnet", "Did you mean 'R.nnet'"),
        ("pytorch", "Did you mean 'torch.SGD' or 'torch.Adam' or 'torch.AdamW'?"),
        ("scikit-learn", "Did you mean 'sklearn.MLP'"),
        ("tensorflow", "Did you mean 'tf.l2_loss'"),
        ("optax", "Did you mean 'optax.add_decayed_weights' or 'optax.adamw'?"),
        ("lightgbm", "Left out: XGBoost's and LightGBM's lambda, since it penalises the values of a tree's leaves."),
        ("flax", "Left out: PyTorch Lightning, DeepSpeed, flax, since"),
        ("penalti", "Did you mean 'penalty'"),
    ],
)
def test_names_that_users_would_type_lead_to_the_right_ones(name, hint):
    with pytest.raises(ValueError, match=re.escape(hint)):
        convert_alpha(1.0, name, "penalty")


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", ["decay_before", "decoupled", "timescale", "half_life"])
@pytest.mark.parametrize("name", ["R.nnet", "sklearn.Ridge"])
def test_an_objective_without_updates_is_a_share_by_way_of_the_penalty_that_it_has_here(name, decay, momentum):
    of_run = {"loss": "squared_error", "n_samples": 20, "batch_size": 5, "learning_rate": 0.01, "n_outputs": 2}
    run = {**of_run, "solver": "sgd", "momentum": momentum}
    penalty = convert_alpha(0.001, name, "penalty", **run).alpha
    share = convert_alpha(penalty, "penalty", decay, **run).alpha
    there = convert_alpha(0.001, name, decay, **run)
    assert there.alpha == pytest.approx(share, rel=1e-12)
    assert there.exact == (momentum == 0)
    assert convert_alpha(share, decay, name, **run).alpha == pytest.approx(0.001, rel=1e-12)


def test_a_measure_of_an_objective_is_another_unit_and_not_an_objective():
    run = {"loss": "squared_error", "n_samples": 20, "batch_size": 5, "learning_rate": 0.01}
    conversion = convert_alpha(0.001, "R.nnet", "half_life", **run, solver="sgd", momentum=0.0)
    assert (conversion.sense, conversion.exact) == ("measure", True)
    assert "is half_life" in str(conversion)
    assert "in other units" in " ".join(str(conversion).split())
