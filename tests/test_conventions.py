"""Conversions between conventions: numbers, what they ask for, errors, and the page that is made from the records.

That the libraries really do what the records say is `test_conventions_peers`.
"""

import math
import runpy
import string
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from skl2net import convert_alpha, list_conventions
from skl2net.conventions import CONVENTIONS
from skl2net.conventions.records import LOSS_SCALES, SHARES
from skl2net.l2 import MODES, l2_numbers, share_removed

RUN = {
    "learning_rate": 0.05,
    "batch_size": 20,
    "n_samples": 300,
    "n_epochs": 7,
    "momentum": 0.6,
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
    """A run that both conventions can have: Ridge has one loss only, the logistic regression another."""
    losses = {CONVENTIONS[name].loss for name in (source, target)} - {None}
    run = {key: value for key, value in RUN.items() if not (key == "loss" and len(losses) == 2)}
    if len(losses) == 1:
        run["loss"] = losses.pop()
    for name in (source, target):
        run |= CONVENTIONS[name].fixed
    return run


def solver_of(source, target):
    solvers = [CONVENTIONS[name].solvers for name in (source, target) if CONVENTIONS[name].solvers]
    return "sgd" if all("sgd" in s for s in solvers) else "adam"


def number_of(name, share):
    """A number of the convention that is neither absurdly weak nor impossible."""
    return {
        "keep": 1 - share,
        "timescale": 1 / share,
        "half_life": 1 / share,
        "sklearn.LogisticRegression": 1 / share,
    }.get(name, share)


@pytest.mark.parametrize("mode", MODES)
def test_powers_of_the_records_are_those_of_the_rules(mode):
    """The share per unit of strength, spelt as powers in the records, is what `l2.py` computes."""
    rate, momentum, n = 0.05, 0.6, 20.0
    share = share_removed(l2_numbers(mode, [1.0], rate, n), solver="sgd", learning_rate=rate, momentum=momentum)
    quantities = {"learning_rate": rate, "1 - momentum": 1 - momentum, "batch_size": n}
    assert math.prod(quantities[key] ** power for key, power in SHARES[mode].items()) == pytest.approx(share[0])


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=5, deadline=None)
@given(share=st.floats(1e-6, 1e-3))
def test_round_trips_are_identities(source, target, share):
    run = run_of(source, target)
    solver = solver_of(source, target)
    number = number_of(source, share)
    there = convert_alpha(number, source, target, solver=solver, **run)
    if there.alpha is None:
        return
    back_run = run | ({} if there.learning_rate is None else {"learning_rate": there.learning_rate})
    back = convert_alpha(there.alpha, target, source, solver=solver, **back_run)
    kept = {source: number, target: there.alpha}.get("keep")
    lost = 0.0 if kept is None else 4 * np.finfo(float).eps / (1 - kept)  # digits that 1 − keep cancels
    assert float(back) == pytest.approx(number, rel=1e-9 + lost)
    assert (back.exact, back.sense) == (there.exact, there.sense)
    assert back.learning_rate_factor * there.learning_rate_factor == pytest.approx(1)
    if there.naive_factor is not None and "keep" not in (source, target):
        assert there.naive_factor > 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CONVENTIONS)
def test_conversions_compose(name, mode):
    """By way of a third convention the number is the same, where every step keeps the same thing equal."""
    run = run_of(name, mode)
    if solver_of(name, mode) == "adam" or CONVENTIONS[name].is_measure:
        return
    number = number_of(name, 1e-4)
    direct = convert_alpha(number, name, mode, solver="sgd", **run)
    middle = convert_alpha(number, name, "timescale", solver="sgd", **run)
    rate = {"learning_rate": run["learning_rate"] * direct.learning_rate_factor}
    by_way = convert_alpha(float(middle), "timescale", mode, solver="sgd", **(run | rate))
    if CONVENTIONS[name].losses == "nnet":  # its learning rate would be that of its own loss, twice ours
        return
    assert float(by_way) == pytest.approx(float(direct))


def asked_for(source, target, alpha):
    """The quantities that the pair asks for, one after the other."""
    pool = run_of(source, target) | {"solver": solver_of(source, target)}
    fixed = {**CONVENTIONS[source].fixed, **CONVENTIONS[target].fixed}
    given_so_far = {}
    while True:
        try:
            return given_so_far, convert_alpha(alpha, source, target, **given_so_far)
        except ValueError as error:
            name = str(error).split(" needs ")[1].split(",")[0]
            assert name not in given_so_far
            assert name not in fixed
            given_so_far[name] = pool[name]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_is_asked_for_matters_and_nothing_else_does(source, target):
    number = number_of(source, 1e-4)
    asked, conversion = asked_for(source, target, number)
    if source == target:
        assert not asked

    def facts(**run):
        result = convert_alpha(number, source, target, **run)
        alpha = None if result.alpha is None else float(f"{result.alpha:.9g}")
        return alpha, result.sense, result.reason, float(f"{result.learning_rate_factor:.9g}")

    fixed = {**CONVENTIONS[source].fixed, **CONVENTIONS[target].fixed}
    unasked = {key: value for key, value in run_of(source, target).items() if key not in asked and key not in fixed}
    if conversion.alpha is not None:
        given_rate = {"learning_rate": unasked.pop("learning_rate")} if "learning_rate" in unasked else {}
        assert facts(**asked, **unasked, **given_rate) == facts(**asked)
    for name in asked:
        others = [{name: OTHER_RUN[name]}] if name != "solver" else [{"solver": "sgd"}, {"solver": "adam"}]
        if name in ("n_samples", "batch_size"):
            others.append({name: RUN[name] + 1})
        if name == "momentum":
            others.append({name: 0.0})
        if name == "loss":
            others += [
                {"loss": loss, "n_outputs": 7} for loss in LOSS_SCALES["skl2net"] if _both_have(loss, source, target)
            ]
        others = [other for other in others if "loss" not in other or _both_have(other["loss"], source, target)]
        extra = {"n_outputs": 3} if name == "loss" else {}
        answers = [facts(**(extra | asked | other)) for other in others]
        assert any(answer != facts(**(extra | asked)) for answer in answers), name


def _both_have(loss, source, target):
    return all(c.losses is None or loss in LOSS_SCALES[c.losses] for c in (CONVENTIONS[source], CONVENTIONS[target]))


def test_missing_quantities_are_named():
    with pytest.raises(ValueError, match=r"from 'penalty' to 'torch.SGD' needs loss.*Pass loss="):
        convert_alpha(1e-4, "penalty", "torch.SGD")
    with pytest.raises(ValueError, match="needs n_outputs"):
        convert_alpha(1e-4, "penalty", "torch.SGD", loss="squared_error")
    with pytest.raises(ValueError, match="needs solver"):
        convert_alpha(1e-4, "penalty", "decoupled")
    with pytest.raises(ValueError, match="needs momentum"):
        convert_alpha(1e-4, "penalty", "decoupled", solver="sgd")
    with pytest.raises(ValueError, match="needs learning_rate"):
        convert_alpha(1e-4, "decoupled", "decay_before")
    with pytest.raises(ValueError, match="needs batch_size"):
        convert_alpha(1e-4, "sklearn.MLP", "penalty")
    with pytest.raises(ValueError, match="needs n_samples"):
        convert_alpha(1.0, "sklearn.Ridge", "penalty")
    with pytest.raises(ValueError, match="needs n_epochs"):
        convert_alpha(1e-4, "loshchilov", "loshchilov_normalized", batch_size=8, n_samples=80)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("penalty_per_sample", "sklearn.MLP"),  # both divide by the batch
        ("sklearn.Ridge", "nielsen"),  # both divide by the data
        ("torch.SGD", "torch.Adam"),
        ("loshchilov", "decay_before"),
        ("keep", "decay_after"),
        ("sklearn.SGD", "penalty"),
        ("decoupled", "keras.weight_decay"),
    ],
)
def test_what_cancels_is_not_asked_for(source, target):
    asked, _ = asked_for(source, target, number_of(source, 1e-3))
    assert set(asked) <= {"loss", "n_outputs", "solver"}


def test_numbers_that_are_known_by_heart():
    """Formulas from the libraries' own documentation, worked out by hand."""
    assert float(convert_alpha(0.01, "penalty", "keras.L2", loss="log_loss")) == pytest.approx(0.005)
    assert float(convert_alpha(0.98, "keep", "decay_after")) == pytest.approx(0.02)
    assert float(convert_alpha(1e-4, "sklearn.MLP", "penalty", batch_size=200, n_samples=2000)) == pytest.approx(5e-7)
    assert float(convert_alpha(2.0, "sklearn.Ridge", "penalty", n_samples=100)) == pytest.approx(0.02)
    assert float(convert_alpha(4.0, "sklearn.LogisticRegression", "penalty", n_samples=100)) == pytest.approx(1 / 400)
    assert float(convert_alpha(3.0, "R.nnet", "penalty", n_samples=100, loss="squared_error")) == pytest.approx(0.03)
    assert float(convert_alpha(3.0, "R.nnet", "penalty", n_samples=100, loss="log_loss")) == pytest.approx(0.06)
    assert float(convert_alpha(5.0, "nielsen", "penalty", n_samples=50_000)) == pytest.approx(1e-4)
    assert float(convert_alpha(0.1, "decoupled", "tfa.AdamW", learning_rate=0.001, loss="log_loss")) == pytest.approx(
        1e-4
    )
    assert float(convert_alpha(0.01, "penalty", "decoupled", solver="sgd", momentum=0.9)) == pytest.approx(0.1)
    normalised = convert_alpha(
        0.025, "loshchilov_normalized", "loshchilov", batch_size=128, n_samples=50_000, n_epochs=100
    )
    assert float(normalised) == pytest.approx(0.025 * math.sqrt(128 / (50_000 * 100)))


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


def test_measures_of_a_penalty_under_momentum_hold_in_the_long_run():
    run = {"solver": "sgd", "learning_rate": 0.1, "batch_size": 10, "n_samples": 100}
    assert convert_alpha(1e-3, "penalty", "timescale", momentum=0.0, **run).exact
    long_run = convert_alpha(1e-3, "penalty", "timescale", momentum=0.9, **run)
    assert not long_run.exact
    assert "long run" in long_run.reason
    w = velocity = 1.0
    ratios = []
    for _ in range(400):
        velocity = 0.9 * velocity - 0.1 * 1e-3 * w
        ratios.append((w + velocity) / w)
        w += velocity
    assert 1 - ratios[-1] == pytest.approx(1 / (float(long_run) * 10), rel=0.02)


def test_adam_has_no_equivalent_between_penalty_and_decay():
    conversion = convert_alpha(1e-4, "penalty", "torch.AdamW", loss="log_loss")
    assert conversion.alpha is None
    assert not conversion.exact
    assert conversion.sense is None
    assert "no fixed share" in conversion.reason
    assert "no equivalent" in str(conversion)
    with pytest.raises(ValueError, match=r"has no equivalent in torch\.AdamW"):
        float(conversion)
    lbfgs = convert_alpha(1e-4, "penalty", "timescale", solver="lbfgs")
    assert lbfgs.alpha is None
    assert "objective as a whole" in lbfgs.reason


def test_full_batch_solvers_need_no_batch_size():
    assert float(convert_alpha(2.0, "sklearn.MLP", "penalty", solver="lbfgs", n_samples=100)) == pytest.approx(0.02)
    assert convert_alpha(2.0, "sklearn.MLP", "penalty", solver="lbfgs", n_samples=100).exact
    assert float(convert_alpha(2.0, "sklearn.Ridge", "sklearn.MLP", solver="lbfgs", n_samples=100)) == pytest.approx(2)


def test_several_real_targets_and_the_l_bfgs_of_sklearn():
    """Its gradient is not that of its loss (scikit-learn issue 8349), so that nothing of ours does the same."""
    run = {"solver": "lbfgs", "n_samples": 100, "loss": "squared_error"}
    assert convert_alpha(2.0, "penalty", "sklearn.MLP", n_outputs=1, **run).exact
    several = convert_alpha(2.0, "penalty", "sklearn.MLP", n_outputs=2, **run)
    assert (several.exact, several.sense) == (False, "penalty")
    assert "8349" in several.reason


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
    paper = {"solver": "sgd", **rate}
    assert convert_alpha(1e-3, "decoupled", "loshchilov", schedule=True, **paper).exact
    assert not convert_alpha(1e-3, "decay_before", "loshchilov", schedule=True, **paper).exact
    epoch = {"batch_size": 10, "n_samples": 100}
    assert "given learning rate" in convert_alpha(1e-3, "decoupled", "timescale", schedule=True, **rate, **epoch).reason


def test_a_quantity_that_the_library_fixes_cannot_be_another():
    conversion = convert_alpha(1e-3, "penalty", "sklearn.SGD", batch_size=32)
    assert (conversion.exact, conversion.sense) == (False, "objective")
    assert "sklearn.SGD always has batch_size=1" in conversion.reason


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("torch.AdmW", "torch.AdamW"), ("sklearn.mlp", "sklearn.MLP"), ("weight_decay", "keras.weight_decay")],
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
        (1.0, "decay_before", {}, "remove 1 times each weight"),
        (1.5, "decay_after", {}, "below 1"),
        (50.0, "decoupled", {}, "remove 2.5 times each weight"),
        (0.0, "keep", {}, r"\(0, 1\]"),
        (1.2, "keep", {}, r"\(0, 1\]"),
        (0.0, "half_life", {}, "positive"),
        (-3.0, "timescale", {}, "positive"),
        (0.001, "timescale", {}, "below 1"),
        (0.1, "penalty", {"learning_rate": 0.0}, "learning_rate must be positive"),
        (0.1, "penalty", {"momentum": 1.0}, "nothing is ever forgotten"),
        (0.1, "penalty", {"batch_size": 0}, "at least 1"),
        (0.1, "penalty", {"n_samples": 2.5}, "whole number"),
        (0.1, "penalty", {"batch_size": 301}, "larger than n_samples"),
    ],
)
def test_impossible_values_say_why(alpha, source, changes, message):
    target = "half_life" if source != "half_life" else "timescale"
    with pytest.raises(ValueError, match=message):
        convert_alpha(alpha, source, target, solver="sgd", **(RUN | changes))


def test_a_penalty_too_strong_for_any_decay_is_refused():
    with pytest.raises(ValueError, match="which no decay can"):
        convert_alpha(100.0, "penalty", "tfa.SGDW", **RUN)


def test_zero_is_zero_everywhere():
    assert float(convert_alpha(0.0, "penalty", "torch.SGD", loss="log_loss")) == 0.0
    assert float(convert_alpha(0.0, "penalty", "sklearn.LogisticRegression", n_samples=10)) == math.inf
    assert float(convert_alpha(0.0, "decay_before", "timescale", batch_size=2, n_samples=10)) == math.inf
    assert float(convert_alpha(0.0, "decay_before", "half_life", batch_size=2, n_samples=10)) == math.inf
    assert float(convert_alpha(math.inf, "timescale", "decay_before", batch_size=2, n_samples=10)) == 0.0
    assert float(convert_alpha(math.inf, "half_life", "decay_before", batch_size=2, n_samples=10)) == 0.0
    assert float(convert_alpha(0.0, "decay_after", "keep")) == 1.0


def test_printing_gives_sentences_and_the_line_of_code():
    conversion = convert_alpha(
        1e-4, "penalty", "torch.SGD", loss="squared_error", n_outputs=1, solver="sgd", learning_rate=0.1, momentum=0.9
    )
    text, code = str(conversion).splitlines()
    assert text.startswith("penalty 0.0001 is torch.SGD 0.0002, exactly: the two take the same trajectory")
    assert "Multiply the learning rate by 0.5" in text
    assert "0.5 times as strong" in text
    assert code == conversion.code
    assert '"weight_decay": 0.0002' in code
    assert "p.ndim > 1" in code
    assert "lr=0.05, momentum=0.9" in code
    assert repr(conversion) == str(conversion)


@pytest.mark.parametrize("name", [name for name, c in CONVENTIONS.items() if c.biases])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_code_leaves_the_biases_alone(name, solver):
    """Libraries that decay biases by default get a line that does not."""
    convention = CONVENTIONS[name]
    source = "decoupled" if convention.is_decay else "penalty"
    if convention.solvers and solver not in convention.solvers:
        return
    code = convert_alpha(1e-3, source, name, **(RUN | {"solver": solver, "momentum": 0.0})).code
    assert any(word in code for word in ("ndim", '"bias"', ".*bias", "decay_mult: 0", "decay_var_list", "biases"))


@pytest.mark.parametrize("name", CONVENTIONS)
def test_records_are_complete(name):
    convention = CONVENTIONS[name]
    assert convention.name == name
    assert all((convention.library, convention.parameter, convention.formula, convention.source))
    codes = convention.code.values() if isinstance(convention.code, dict) else [convention.code]
    known = {"number", "rate", "momentum", "batch", "loss", "layers", "kind"}
    for code in codes:
        fields = {field for _, field, _, _ in string.Formatter().parse(code) if field is not None}
        assert fields <= known
        assert convention.is_measure or "number" in fields


def test_list_conventions_prints_every_name(capsys):
    list_conventions()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(CONVENTIONS)


@pytest.mark.parametrize(("n_samples", "batch_size"), [(150, 150), (2000, 200)])
def test_batches_of_automatic_size(n_samples, batch_size):
    run = {"loss": "log_loss", "n_samples": n_samples}
    automatic = convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size="auto", **run)
    assert automatic == convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size=batch_size, **run)
    with pytest.raises(ValueError, match=r"min\(200, n_samples\): pass n_samples"):
        convert_alpha(1e-4, "sklearn.MLP", "torch.SGD", batch_size="auto", loss="log_loss")


def test_our_own_lines_of_code_run():
    """The line for one of our own rules is Python that makes the estimator."""
    from skl2net import L2NetClassifier, L2NetRegressor

    for mode, loss in product(MODES, ("log_loss", "squared_error")):
        run = RUN | {"loss": loss, "momentum": 0.0, "solver": "sgd"}
        conversion = convert_alpha(1e-3, "torch.SGD", mode, **run)
        net = eval(conversion.code, {"L2NetClassifier": L2NetClassifier, "L2NetRegressor": L2NetRegressor})
        assert isinstance(net, L2NetClassifier if loss == "log_loss" else L2NetRegressor)
        assert net.l2_mode == mode
        np.testing.assert_allclose(net.alpha, conversion.alpha)
        np.testing.assert_allclose(net.learning_rate_init, conversion.learning_rate)


@pytest.mark.parametrize(
    ("linear", "alpha", "model"),
    [
        ("sklearn.LogisticRegression", 0.2, LogisticRegression(C=0.2, tol=1e-10, max_iter=5000)),
        ("sklearn.Ridge", 20.0, Ridge(alpha=20.0)),
    ],
)
def test_a_linear_models_number_comes_with_the_line_for_a_linear_network(linear, alpha, model):
    """The line is evaluated and fitted: without hidden layers, to the minimum, it is the linear model."""
    from skl2net import L2NetClassifier, L2NetRegressor

    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    conversion = convert_alpha(alpha, linear, "penalty", n_samples=len(X))
    assert "the same objective, without hidden layers." in str(conversion)
    net = eval(conversion.code, {"L2NetClassifier": L2NetClassifier, "L2NetRegressor": L2NetRegressor})
    net.set_params(tol=1e-9, max_iter=5000)
    net.fit(X, y)
    np.testing.assert_allclose(net.coefs_[0].ravel(), model.fit(X, y).coef_.ravel(), rtol=0, atol=1e-5)
    back = convert_alpha(conversion.alpha, "penalty", linear, n_samples=len(X))
    assert back.alpha == pytest.approx(alpha)
    assert "without hidden layers" in str(back)


def test_a_linear_model_that_is_trained_item_by_item_has_a_line_that_does_so():
    code = convert_alpha(1e-3, "sklearn.SGD", "penalty", learning_rate=0.1).code
    assert code.startswith('L2NetClassifier((), solver="sgd"')
    assert "batch_size=1" in code
    assert "momentum=0" in code


def test_the_page_is_what_the_records_say():
    docs = Path(__file__).parent.parent / "docs"
    page = runpy.run_path(str(docs / "render_conventions.py"))["render"]()
    assert (docs / "conventions.md").read_text(encoding="utf-8") == page, "run docs/render_conventions.py"
