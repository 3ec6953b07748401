"""The report says what ran: its numbers are those of the rule, its words name what a reader needs."""

import json
import re
import warnings
from dataclasses import fields

import numpy as np
import pytest
from cases import SOLVER_MODES, classes, fit
from sklearn.datasets import load_wine
from sklearn.metrics import zero_one_loss
from sklearn.preprocessing import scale

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.l2 import DECAYS, PENALTIES, long_run_share

X, Y = classes(60)


def report(**params):
    """Report of a network trained on 60 rows in batches of 20: 3 updates per epoch, of the same learning rate."""
    settings = {"hidden_layer_sizes": (5,), "batch_size": 20, "max_iter": 2, "random_state": 0}
    settings["learning_rate"] = "constant"
    settings |= {"l2_mode": "penalty", "alpha": 0.01, **params}
    return fit(L2NetClassifier(**settings), X, Y).l2_report()


@pytest.mark.parametrize(
    ("mode", "rule", "share"),
    [
        # learning rate 0.1, momentum 0.5
        ("prior", "w <- w - step(g + 0.000166667 * w)", long_run_share(0.1 * 0.01 / 60, momentum=0.5, nesterov=True)),
        ("penalty", "w <- w - step(g + 0.01 * w)", long_run_share(0.1 * 0.01, momentum=0.5, nesterov=True)),
        (
            "penalty_per_sample",
            "w <- w - step(g + 0.0005 * w)",
            long_run_share(0.1 * 0.01 / 20, momentum=0.5, nesterov=True),
        ),
        ("decay_before", "w <- (1 - 0.01) * w - step(g)", 0.01),
        ("decay_after", "w <- (1 - 0.01) * (w - step(g))", 0.01),
        ("decoupled", "w <- (1 - 0.001) * w - step(g)", 0.001),
    ],
)
def test_rule_share_and_timescale_of_sgd(mode, rule, share):
    told = report(solver="sgd", l2_mode=mode, learning_rate_init=0.1, momentum=0.5)
    assert told.rule == rule
    np.testing.assert_allclose(told.share, share, rtol=1e-14)
    np.testing.assert_allclose(told.timescale, 1 / (3 * share), rtol=1e-14)
    assert (told.n, told.n_total, told.updates_per_epoch, told.learning_rate, told.momentum) == (20, 60, 3, 0.1, 0.5)
    assert told.reason is None
    assert rule in str(told)


@pytest.mark.parametrize("mode", ["prior", "penalty", "penalty_per_sample", "decay_before", "decay_after", "decoupled"])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_share_is_what_each_update_removes_of_weights_that_no_gradient_acts_on(momentum, nesterov, mode):
    # input and targets of zero, and no intercept that moves: in the long run the weights shrink by the same factor
    net = L2NetRegressor((), solver="sgd", l2_mode=mode, alpha=0.005, momentum=momentum, learning_rate_init=0.1)
    net.set_params(nesterovs_momentum=nesterov, batch_size=2, max_iter=300, n_iter_no_change=np.inf, random_state=0)
    net.set_params(learning_rate="constant")
    fit(net, np.zeros((4, 3)), np.zeros(4))
    norms = net.weight_norm_curve_
    told = net.l2_report()
    measured = -np.expm1(0.5 * np.log(norms[299] / norms[199]) / (2 * 100))
    # that the velocity began with 0 is forgotten, as 0.91^400; each update rounds a few times
    np.testing.assert_allclose(told.share, measured, rtol=10 * np.finfo(float).eps / measured)
    np.testing.assert_allclose(told.timescale, 1 / (2 * told.share), rtol=1e-14)


@pytest.mark.parametrize("mode", DECAYS)
def test_decays_have_a_timescale_under_adam(mode):
    told = report(solver="adam", l2_mode=mode, learning_rate_init=0.1)
    np.testing.assert_allclose(told.timescale, 1 / (3 * (0.001 if mode == "decoupled" else 0.01)), rtol=1e-14)
    assert told.momentum is None


@pytest.mark.parametrize("mode", PENALTIES)
def test_a_penalty_under_adam_has_no_share_and_the_report_says_why(mode):
    told = report(solver="adam", l2_mode=mode)
    assert told.share is None
    assert told.timescale is None
    assert "Adam divides" in told.reason
    assert "compare such runs by alpha" in " ".join(str(told).split())


@pytest.mark.parametrize(
    ("mode", "rule"),
    [
        ("prior", "mean loss + 0.000166667/2 * sum of w^2"),
        ("penalty", "mean loss + 0.01/2 * sum of w^2"),
        ("penalty_per_sample", "mean loss + 0.000166667/2 * sum of w^2"),
    ],
)
def test_lbfgs_has_an_objective_and_no_share(mode, rule):
    told = report(solver="lbfgs", l2_mode=mode)
    assert told.rule == rule
    assert told.share is None
    assert told.updates_per_epoch is None
    assert told.n == 60
    assert "L-BFGS minimises the whole objective" in str(told)


def test_momentum_of_one_forgets_nothing():
    told = report(solver="sgd", momentum=1.0, nesterovs_momentum=False, learning_rate_init=1e-6)
    np.testing.assert_array_equal(told.share, 0)
    np.testing.assert_array_equal(told.timescale, np.inf)
    assert "inf epochs" in str(told)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_alpha_zero_is_no_rule(solver):
    told = report(solver=solver, alpha=0.0)
    assert told.rule in ("w <- w - step(g)", "mean loss")
    if solver != "lbfgs":
        np.testing.assert_array_equal(told.share, 0)
        np.testing.assert_array_equal(told.timescale, np.inf)


def test_samples_of_weighted_rows_are_the_sum_of_their_weights():
    net = L2NetClassifier((5,), solver="sgd", l2_mode="penalty_per_sample", alpha=0.01, batch_size=20, max_iter=2)
    told = fit(net, X, Y, sample_weight=np.full(60, 0.5)).l2_report()
    assert told.n == pytest.approx(10)
    assert "step(g + 0.001 * w)" in told.rule


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("invscaling", [0.1] * 3 + [0.1 / np.sqrt(61)] * 3),  # the second epoch comes after 60 rows
        ("cosine", [0.1 * 0.5 * (1 + np.cos(np.pi * (t + 0.5) / 6)) for t in range(6)]),
    ],
)
def test_shares_and_timescales_under_a_schedule_are_means_over_its_updates(schedule, rates):
    told = report(solver="sgd", learning_rate=schedule, learning_rate_init=0.1, power_t=0.5, l2_mode="decoupled")
    assert told.learning_rate == 0.1
    np.testing.assert_allclose(told.share, np.mean(rates) * 0.01, rtol=1e-14)
    np.testing.assert_allclose(told.timescale, 1 / (3 * told.share), rtol=1e-14)
    told = report(solver="sgd", learning_rate=schedule, learning_rate_init=0.1, momentum=0.0)
    np.testing.assert_allclose(told.share, np.mean(rates) * 0.01, rtol=1e-12)
    for mode in ("decay_before", "decay_after"):  # which do not feel a schedule
        told = report(solver="sgd", learning_rate=schedule, learning_rate_init=0.1, l2_mode=mode)
        np.testing.assert_allclose(told.share, 0.01, rtol=1e-14)


def test_a_number_for_each_layer():
    told = report(solver="sgd", l2_mode="decay_after", alpha=[0.01, 0.002])
    np.testing.assert_allclose(told.share, [0.01, 0.002])
    np.testing.assert_allclose(told.timescale, [1 / 0.03, 1 / 0.006])
    assert told.rule == "w <- (1 - [0.01, 0.002]) * (w - step(g))"


@pytest.mark.parametrize(("solver", "mode"), SOLVER_MODES)
def test_sums_of_squares_and_largest_weights_are_those_of_the_weights(solver, mode):
    net = fit(L2NetClassifier((5,), solver=solver, l2_mode=mode, alpha=0.01, max_iter=3), X, Y)
    told = net.l2_report()
    np.testing.assert_allclose(told.sum_of_squares, [np.sum(coef**2) for coef in net.coefs_], rtol=1e-14)
    np.testing.assert_array_equal(told.largest, [np.abs(coef).max() for coef in net.coefs_])
    assert told.sum_of_squares.sum() == pytest.approx(net.weight_norm_curve_[-1], rel=1e-12)
    for largest in told.largest:
        assert f"{largest:.6g}" in str(told)


def test_large_weights_are_remarked_on():
    # background 002: good networks have weights between -5 and 5, over-fitted ones some such as 25 or -32
    net = fit(L2NetClassifier((5,), max_iter=2), X, Y)
    found_out_by = net.l2_report().remarks
    assert len(found_out_by) == 1
    net.coefs_[0][0, :2] = 6.0, -7.5
    (*others, remark) = net.l2_report().remarks
    assert tuple(others) == found_out_by
    assert remark.startswith("2 weights are larger than 5, the largest is 7.5")
    net.coefs_[0][0, 0] = 0.0
    *_, remark = net.l2_report().remarks
    assert remark.startswith("1 weight is larger than 5")
    net.coefs_[0][0, 0] = 6.0
    net.coefs_[1][0, 0] = -32.0
    *_, remark = net.l2_report().remarks
    assert "3 weights" in remark
    assert "32" in remark
    assert "25 and more" in remark
    assert "Remark" in str(net.l2_report())


def test_a_penalty_under_which_weights_grow_is_remarked_on():
    params = {"solver": "sgd", "momentum": 0.5, "nesterovs_momentum": False, "learning_rate_init": 0.1, "max_iter": 1}
    for excess, n_remarks in ((0.99, 0), (1.01, 1)):
        net = L2NetClassifier((5,), l2_mode="penalty", alpha=excess * 2 * (1 + 0.5) / 0.1, **params)
        net.set_params(learning_rate="constant")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*training explodes")
            told = fit(net, X, Y).l2_report()
        assert (told.share.max() < 0) == n_remarks
        assert sum("A share below 0 means" in remark for remark in told.remarks) == n_remarks


def test_samples_that_are_sums_of_weights_are_called_so():
    told = fit(L2NetClassifier((5,), max_iter=1), X, Y, sample_weight=np.full(len(X), 0.33)).l2_report()
    assert "Samples are counted by their weights." in told.remarks


def test_a_learning_rate_that_changes_is_said_to_be_the_first():
    for schedule in ("invscaling", "cosine"):
        net = L2NetClassifier((5,), solver="sgd", learning_rate=schedule, max_iter=2)
        assert " at first, momentum" in str(fit(net, X, Y).l2_report())
    assert " at first" not in str(fit(net.set_params(learning_rate="constant"), X, Y).l2_report())


def test_no_library_minimises_an_objective_of_the_users_own():
    told = fit(L2NetClassifier((5,), solver=ParticleSwarm(5, objective=zero_one_loss), max_iter=2), X, Y).l2_report()
    assert told.equivalents == ()
    assert fit(L2NetClassifier((5,), solver="pso", max_iter=2), X, Y).l2_report().equivalents


def test_report_displays_as_html_that_escapes_its_arrows():
    html = report(solver="sgd", l2_mode="penalty")._repr_html_()
    assert "<table>" in html
    assert "w &lt;- w - step(g + 0.01 * w)" in html
    assert "<-" not in html


def test_report_of_the_fit_that_ran_not_of_the_parameters_now():
    net = fit(L2NetClassifier((5,), l2_mode="decay_after", alpha=0.01, max_iter=2), X, Y)
    before = str(net.l2_report())
    net.set_params(l2_mode="penalty", alpha=1.0)
    assert str(net.l2_report()) == before


def test_equivalents_begin_with_the_exact_ones():
    told = report(solver="sgd", l2_mode="penalty", learning_rate_init=0.1, momentum=0.5)
    numbers = {conversion.target: conversion for conversion in told.equivalents}
    assert (numbers["torch.SGD"].alpha, numbers["torch.SGD"].exact) == (0.01, True)
    assert (numbers["sklearn.MLP"].alpha, numbers["sklearn.MLP"].exact) == (0.2, True)  # 20 samples per update
    assert (numbers["keras.L2"].alpha, numbers["keras.L2"].exact) == (0.005, True)
    # to first order in the share, which the exact one exceeds by less than that share of itself
    share = 0.1 * 0.01 / (1 - 0.5)
    assert (numbers["tfa.SGDW"].sense, numbers["tfa.SGDW"].alpha) == ("share", pytest.approx(share, rel=share))
    exact = [conversion.exact for conversion in told.equivalents]
    assert exact == sorted(exact, reverse=True)


def test_the_report_shows_the_three_libraries_most_used_and_names_the_rest_on_request():
    told = report(solver="sgd", l2_mode="penalty", learning_rate_init=0.1, momentum=0.5)
    for text in (" ".join(str(told).split()), told._repr_html_().replace("\N{NO-BREAK SPACE}", " ")):
        assert "The same trajectory: sklearn.MLP 0.2; torch.SGD 0.01; keras.L2 0.005. The same share: keras.w" in text
        assert f" {len(told.equivalents) - 4} more in report.equivalents." in text
        assert "nielsen" not in text
    for conversion in told.equivalents:
        for text in (str(told.equivalents), told.equivalents._repr_html_()):
            assert f"{conversion.alpha:.6g}" in text
            assert re.search(rf"\b{re.escape(conversion.target.rpartition('.')[2])}", text)
    assert report(solver="sgd", alpha=0.0).equivalents == ()


def test_equal_numbers_are_told_once():
    told = report(solver="lbfgs", alpha=0.01)
    assert "torch.SGD/Adam/NAdam/RAdam/RMSprop/Adagrad/Adamax 0.01; keras.L2 0.005" in str(told)
    numbers = [
        line.split()[0] for line in str(told.equivalents).splitlines() if line.startswith("  ") and line[2] != " "
    ]
    assert len(numbers) == len(set(numbers)) == len({conversion.alpha for conversion in told.equivalents})


@pytest.mark.parametrize("settings", [{"solver": "sgd"}, {"solver": "lbfgs"}, {"solver": "adam", "alpha": [0.1, 0.2]}])
def test_the_report_as_a_dict_is_json_with_the_attributes(settings):
    told = report(**settings)
    read = json.loads(json.dumps(told.to_dict()))
    assert list(read) == [field.name for field in fields(told)]
    assert read["equivalents"] == {conversion.target: conversion.alpha for conversion in told.equivalents}
    for name, value in read.items():
        if name != "equivalents":
            np.testing.assert_array_equal(value, getattr(told, name))


def test_alpha_is_the_number_that_was_given_if_all_layers_share_it():
    assert report(alpha=0.25).alpha == report(alpha=[0.25, 0.25]).alpha == 0.25
    assert report(alpha=None, l2_mode="prior").alpha == 5
    assert report(alpha=[0.25, 0.5]).alpha == (0.25, 0.5)


def test_equivalents_are_those_of_the_solver_and_the_network():
    names = {conversion.target for conversion in report(solver="adam", l2_mode="decoupled").equivalents}
    assert {"torch.AdamW", "optax.adamw", "keras.weight_decay", "tfa.AdamW"} <= names
    assert not names & {"torch.SGD", "torch.Adam", "tfa.SGDW", "sklearn.Ridge", "penalty", "timescale"}
    lbfgs = {conversion.target: conversion for conversion in report(solver="lbfgs", hidden_layer_sizes=()).equivalents}
    assert lbfgs["sklearn.LogisticRegression"].alpha == pytest.approx(1 / (60 * 0.01))
    assert lbfgs["sklearn.LogisticRegression"].exact
    assert "sklearn.LogisticRegression" not in {c.target for c in report(solver="lbfgs").equivalents}


def test_equivalents_name_the_learning_rate_where_it_is_another():
    settings = {"solver": "sgd", "learning_rate_init": 0.01, "momentum": 0.0, "batch_size": 20, "max_iter": 2}
    net = L2NetRegressor((5,), l2_mode="penalty", alpha=0.01, learning_rate="constant", **settings)
    told = fit(net, X, X[:, 0]).l2_report()
    assert "torch.SGD, keras.weight_decay 0.02 (learning rate 0.005)" in str(told)
    assert "0.02 (learning rate 0.005)" in str(told.equivalents)


@pytest.mark.parametrize("alpha", [0.0, [0.01, 0.02]])
def test_no_alpha_or_several_have_no_equivalents(alpha):
    assert report(solver="sgd", alpha=alpha).equivalents == ()


def test_weights_that_make_no_whole_number_of_samples_rule_out_what_divides_by_it():
    net = L2NetClassifier((5,), solver="sgd", l2_mode="penalty", batch_size=20, max_iter=2)
    told = fit(net, X, Y, sample_weight=np.full(60, 0.333)).l2_report()
    names = {conversion.target for conversion in told.equivalents}
    assert "torch.SGD" in names
    assert not names & {"sklearn.MLP", "nielsen"}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", ["balanced", "normalised in float64", "normalised in float32"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_weights_that_sum_to_the_number_of_samples_have_the_equivalents_of_no_weights(solver, weighted, dtype):
    """Up to rounding: the balanced weights of wine sum to 177.99999999999997."""
    X, y = load_wine(return_X_y=True)
    X = scale(X).astype(dtype)
    net = L2NetClassifier((5,), solver=solver, l2_mode="prior", alpha=1.0, batch_size=50, max_iter=2, random_state=0)
    without = fit(net, X, y).l2_report()
    expected = {c.target for c in without.equivalents}
    sample_weight = None
    if weighted == "balanced":
        net.set_params(class_weight="balanced")
    else:
        drawn = np.random.RandomState(0).uniform(0.1, 2.0, len(y)).astype(weighted[-7:])
        sample_weight = drawn / drawn.sum() * len(y)
    told = fit(net, X, y, sample_weight=sample_weight).l2_report()
    assert {c.target for c in told.equivalents} == expected
    assert len(expected) >= 10
    assert told.remarks == without.remarks


def test_a_report_without_held_out_data_says_how_to_find_out_whether_the_network_over_fits():
    (remark,) = fit(L2NetClassifier((5,)), X, Y).l2_report().remarks
    assert "do not tell whether the network over-fits" in remark
    assert "early_stopping=True and the ...CV estimators" in remark


@pytest.mark.parametrize("estimator", [L2NetClassifier, L2NetRegressor])
def test_a_report_after_early_stopping_compares_the_losses_of_the_epoch_that_is_kept(estimator):
    net = estimator((5,), early_stopping=True, validation_fraction=0.3, warm_start=True, random_state=0)
    for n_before in (0, 60):  # the curves go on in a warm start, and the report is about the last fit
        fit(net, X, Y)
        best = n_before + int(np.argmax(net.validation_scores_[n_before:]))
        losses = net.data_loss_curve_[best], net.validation_loss_curve_[best]
        told = [remark for remark in net.l2_report().remarks if remark.startswith("Loss on the training data")]
        assert told[0].startswith(f"Loss on the training data {losses[0]:.4g}, on the validation set {losses[1]:.4g}.")


def test_a_network_that_over_fits_is_told_so():
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(40, 30)), rng.integers(2, size=40)  # nothing can be learned
    net = L2NetClassifier((50,), early_stopping=True, scoring="score", validation_fraction=0.5, random_state=0)
    remarks = [
        fit(net.set_params(alpha=alpha, max_iter=n), noise, labels).l2_report().remarks
        for alpha, n in ((0.0, 200), (100.0, 5))
    ]
    assert ["over-fits: try" in " ".join(each) for each in remarks] == [True, False]


def test_the_report_of_a_regression_is_in_standard_units_and_says_so():
    nets = [
        fit(L2NetRegressor((5,), solver="lbfgs", max_iter=20, random_state=0), X, factor * X[:, 0] * X[:, 1])
        for factor in (1.0, 1000.0)
    ]
    small, large = (net.l2_report() for net in nets)
    np.testing.assert_allclose(large.largest, small.largest, rtol=1e-6)
    np.testing.assert_allclose(large.sum_of_squares, small.sum_of_squares, rtol=1e-6)
    assert large.sum_of_squares.sum() == pytest.approx(nets[1].weight_norm_curve_[-1], rel=1e-12)
    assert (
        "Targets are divided by their standard deviation: alpha, losses and weights are in these units."
        in large.remarks
    )
    raw = fit(nets[0].set_params(normalize_y=False), X, X[:, 0]).l2_report()
    assert not any("standard deviation" in remark for remark in raw.remarks)


def test_a_posterior_adds_effective_parameters_and_the_expected_loss():
    net = fit(L2NetClassifier((5,), solver="lbfgs", posterior=True, random_state=0), X, Y)
    told, posterior = net.l2_report(), net.posterior_
    np.testing.assert_array_equal(told.effective_parameters, posterior.effective_parameters)
    assert told.n_parameters == (4 + 1) * 5 + (5 + 1) * 3
    n_effective = f"{posterior.effective_parameters.sum():.3g}"
    text = " ".join(str(told).split())
    assert f"Parameters {n_effective} of 43 are effective" in text
    assert (
        f"Loss on the training data {posterior.loss:.4g}, on new samples, as the posterior expects, "
        f"{posterior.expected_loss:.4g}." in text
    )
    assert "over-fits" not in text
    assert str(told).splitlines()[-1].split()[-1] == f"{posterior.effective_parameters[1]:.6g}"
    assert "effective" in told._repr_html_()
    assert told.to_dict()["effective_parameters"] == posterior.effective_parameters.tolist()
    without = fit(net.set_params(posterior=False), X, Y).l2_report()
    assert without.effective_parameters is None
    assert "effective" not in str(without) + without._repr_html_()


def test_a_report_warns_where_the_posterior_expects_twice_the_loss():
    net = L2NetClassifier((20,), solver="lbfgs", alpha=0.01, max_iter=2000, posterior=True, random_state=0)
    told = fit(net, X, Y)
    assert told.posterior_.expected_loss > 2 * told.posterior_.loss
    assert "The network over-fits" in " ".join(str(told.l2_report()).split())
