"""Checkpoints: what is saved and when, that training goes on from there, and that no kill leaves a broken file."""

import errno
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from cases import After, classes, converging_or_not, fit, flat, regression
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skl2net
from skl2net import Checkpoint, L2NetClassifier, L2NetClassifierCV, L2NetRegressor, ParticleSwarm
from skl2net.solvers.schedules import Cosine

pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

NETS = {
    "sgd": L2NetClassifier((4,), solver="sgd", learning_rate="constant", random_state=0),
    "invscaling": L2NetClassifier((4,), solver="sgd", learning_rate="invscaling", random_state=0),
    "adam": L2NetClassifier((4,), learning_rate="constant", random_state=0),
    "no seed": L2NetClassifier((4,), learning_rate="constant"),
    "stream of random numbers": L2NetRegressor((4,), learning_rate="constant", random_state=np.random.RandomState(0)),
    "class weights": L2NetClassifier((4,), learning_rate="constant", class_weight="balanced", random_state=0),
    "pso": L2NetRegressor((4,), solver=ParticleSwarm(6, topology="random"), random_state=0),
    "schedule of inertia": L2NetRegressor(
        (4,), solver=ParticleSwarm(6, inertia=(0.9, 0.4), inertia_iterations=8), random_state=0
    ),
}


def load(path):
    if path.suffix != ".skops":
        return pickle.loads(path.read_bytes())
    io = pytest.importorskip("skops.io")
    return io.load(path, trusted=["skl2net.estimators.classifier.L2NetClassifier"])


def data_for(net):
    return classes() if isinstance(net, L2NetClassifier) else regression()


# --- what is saved and when -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".skops"])
def test_the_file_is_written_after_every_k_iterations_and_at_the_end(tmp_path, suffix):
    if suffix == ".skops":
        pytest.importorskip("skops")
    X, y = classes()
    path, lengths = tmp_path / f"net{suffix}", []
    saving = Checkpoint(path, every=3), After(lambda n: lengths.append(path.exists() and len(load(path).loss_curve_)))
    net = fit(L2NetClassifier((4,), max_iter=8, random_state=0).set_callbacks(*saving), X, y)
    assert lengths == [False, False, 3, 3, 3, 6, 6, 6]
    saved = load(path)
    assert saved.loss_curve_ == net.loss_curve_
    np.testing.assert_array_equal(saved.predict_proba(X), net.predict_proba(X))
    assert os.listdir(tmp_path) == [path.name]


def test_the_saved_estimator_has_no_callbacks_and_nothing_of_their_tasks(tmp_path):
    X, y = classes()
    path, attributes = tmp_path / "net.pkl", []
    reading = After(lambda n: attributes.extend(vars(load(path))))
    net = L2NetClassifier((4,), max_iter=3, random_state=0)
    fit(make_pipeline(net.set_callbacks(Checkpoint(path, every=1), reading)), X, y)
    assert "coefs_" in attributes
    assert not [name for name in attributes if "callback" in name]


def test_a_stream_is_saved_after_every_k_calls(tmp_path):
    X, y = classes()
    path, lengths = tmp_path / "net.pkl", []
    net = L2NetClassifier((4,), random_state=0).set_callbacks(Checkpoint(path, every=2))
    for _ in range(5):
        net.partial_fit(X, y, classes=[0, 1, 2])
        lengths.append(path.exists() and len(load(path).loss_curve_))
    assert lengths == [False, 2, 2, 4, 4]
    saved = load(path).partial_fit(X, y)
    np.testing.assert_array_equal(flat(saved), flat(net))


def test_what_ctrl_c_leaves_is_saved(tmp_path):
    def interrupt(n):
        if n == 5:
            raise KeyboardInterrupt

    X, y = classes()
    path = tmp_path / "net.pkl"
    net = L2NetClassifier((4,), random_state=0).set_callbacks(Checkpoint(path, every=100), After(interrupt))
    with pytest.warns(UserWarning, match="interrupted"):
        net.fit(X, y)
    assert len(load(path).loss_curve_) == 5


def test_the_files_permissions_are_those_of_any_new_file_and_a_link_stays_a_link(tmp_path):
    X, y = classes()
    plain, link = tmp_path / "plain", tmp_path / "link.pkl"
    plain.write_bytes(b"")
    (tmp_path / "folder").mkdir()
    try:
        link.symlink_to(tmp_path / "folder" / "net.pkl")
    except OSError:
        pytest.skip("no symbolic links here")
    fit(L2NetClassifier((4,), max_iter=2).set_callbacks(Checkpoint(link)), X, y)
    assert link.is_symlink()
    assert link.stat().st_mode == plain.stat().st_mode
    assert load(link).n_iter_ == 2


@pytest.mark.skipif(os.name != "posix", reason="elsewhere, files have no such permissions")
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    X, y = classes()
    path = tmp_path / "net.pkl"
    path.touch(mode=0o600)
    modes = []
    reading = After(lambda n: modes.append(stat.S_IMODE(path.stat().st_mode)))
    fit(L2NetClassifier((4,), max_iter=3).set_callbacks(Checkpoint(path, every=1), reading), X, y)
    assert modes == [0o600] * 3
    assert load(path).n_iter_ == 3


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_training_goes_on_from_any_checkpoint_on_the_same_trajectory(name, tmp_path):
    net = clone(NETS[name]).set_params(max_iter=8, batch_size=20, warm_start=True)
    X, y = data_for(net)
    path = tmp_path / "net.pkl"
    copying = After(lambda n: shutil.copy(path, tmp_path / f"{n}.pkl"))
    whole = fit(net.set_callbacks(Checkpoint(path, every=1), copying), X, y)
    for n in range(1, 8):
        saved = load(tmp_path / f"{n}.pkl")
        assert saved.loss_curve_ == whole.loss_curve_[:n]
        rest = fit(saved.set_params(max_iter=8 - n), X, y)
        np.testing.assert_array_equal(flat(rest), flat(whole))
        assert rest.loss_curve_ == whole.loss_curve_
        assert rest.t_ == whole.t_


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_under_a_cosine_schedule_the_rest_of_a_training_is_a_horizon_of_its_own(solver, tmp_path, monkeypatch):
    X, y = classes()
    path, copied = tmp_path / "net.pkl", tmp_path / "5.pkl"
    copying = After(lambda n: n == 5 and shutil.copy(path, copied) is None)
    net = L2NetClassifier((4,), solver=solver, max_iter=8, batch_size=20, warm_start=True, random_state=0)
    whole = fit(net.set_callbacks(Checkpoint(path, every=1), copying), X, y)
    saved = load(copied)
    assert saved.loss_curve_ == whole.loss_curve_[:5]  # the rates of a horizon of eight epochs
    asked, rates = [], Cosine.rates

    def recorded(self, n_epochs, n_updates, position):
        asked.extend(rates(self, n_epochs, n_updates, position).ravel())
        return rates(self, n_epochs, n_updates, position)

    monkeypatch.setattr(Cosine, "rates", recorded)
    fit(saved.set_params(max_iter=3), X, y)
    eta = saved.learning_rate_init_
    np.testing.assert_allclose(asked, [eta / 2 * (1 + np.cos(np.pi * (t + 0.5) / 9)) for t in range(9)], rtol=1e-12)


def test_l_bfgs_goes_on_from_the_weights_of_a_checkpoint(tmp_path):
    X, y = regression()
    path = tmp_path / "net.pkl"
    net = L2NetRegressor((4,), solver="lbfgs", max_iter=2000, warm_start=True, random_state=0)
    stopping = After(lambda n: n == 10)
    stopped = net.set_callbacks(Checkpoint(path, every=5), stopping).fit(X, y)
    resumed = load(path)
    np.testing.assert_array_equal(flat(resumed), flat(stopped))
    assert resumed.fit(X, y).loss_ < stopped.loss_
    assert resumed.loss_curve_[:10] == stopped.loss_curve_


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_no_kill_breaks_the_file_or_costs_more_than_k_iterations(tmp_path):
    pytest.importorskip("skops")
    script = Path(__file__).with_name("killed_trainings.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path), "14"]
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    outcomes = json.loads(result.stdout)
    assert sum(len(outcome["lost"]) for outcome in outcomes.values()) >= 50
    for outcome in outcomes.values():
        assert max(outcome["lost"]) <= 3
        assert outcome["is_same"]


@pytest.mark.parametrize("is_refit", [False, True])
def test_a_callback_that_raises_at_the_end_leaves_the_estimator_and_the_random_stream_as_they_were(is_refit, tmp_path):
    class Full(After):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "fit":
                raise OSError(errno.ENOSPC, "No space left on device")

    X, y = classes()
    stream = np.random.RandomState(0)
    net = L2NetClassifier((4,), max_iter=3, warm_start=True, random_state=stream)
    if is_refit:
        fit(net, X, y)
    before = dict(vars(net))
    state_before = stream.get_state(legacy=False)
    with converging_or_not(), pytest.raises(OSError, match="No space left"):
        net.set_callbacks(Full(None)).fit(X, y)
    net.set_callbacks()
    assert {name: value for name, value in vars(net).items() if "callback" not in name} == before
    np.testing.assert_equal(stream.get_state(legacy=False), state_before)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_what_cannot_work_is_refused_before_training(tmp_path, monkeypatch):
    X, y = classes()
    with pytest.raises(ValueError, match=r"path='net.txt' .* suffix .pkl, .pickle or .skops"):
        Checkpoint("net.txt")
    for every in (0, 1.5, None, True):
        with pytest.raises(ValueError, match="every must be"):
            Checkpoint("net.pkl", every=every)
    with monkeypatch.context() as patch:
        patch.setattr(skl2net.callbacks, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match="needs skops"):
            Checkpoint("net.skops")
    checkpoint = Checkpoint(tmp_path / "net.pkl")
    for estimator in (make_pipeline(L2NetClassifier()), L2NetClassifierCV()):
        with pytest.raises(TypeError, match=f"{type(estimator).__name__} has none"):
            estimator.set_callbacks(checkpoint).fit(X, y)
    with pytest.raises(FileNotFoundError, match="no folder"):
        L2NetClassifier().set_callbacks(Checkpoint(tmp_path / "nowhere" / "net.pkl")).fit(X, y)
    (tmp_path / "folder.pkl").mkdir()
    for name in ("folder.pkl", "long" * 63 + ".pkl"):  # no file can have such a name beside its temporary one
        net = L2NetClassifier().set_callbacks(Checkpoint(tmp_path / name))
        with pytest.raises(OSError, match=r"is a folder|too long"):
            net.fit(X, y)
        assert not hasattr(net, "coefs_")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere, folders are not flushed")
def test_a_folder_that_cannot_be_flushed_does_not_matter(tmp_path, monkeypatch):
    X, y = classes()
    fsync = os.fsync

    def flush(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    with converging_or_not():
        net = (
            L2NetClassifier((4,), max_iter=9, random_state=0).set_callbacks(Checkpoint(tmp_path / "net.pkl")).fit(X, y)
        )
    assert load(tmp_path / "net.pkl").loss_curve_ == net.loss_curve_


def test_the_first_file_has_to_be_written_and_later_ones_warn(tmp_path, monkeypatch):
    X, y = classes()
    path, n_calls, fsync = tmp_path / "net.pkl", [], os.fsync

    def full(fails):
        def flush(descriptor):
            n_calls.append(descriptor)
            if fails(len(n_calls)):
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(descriptor)

        return flush

    net = L2NetClassifier((4,), max_iter=9, random_state=0)
    monkeypatch.setattr(os, "fsync", full(lambda n: True))
    with pytest.raises(OSError, match="No space left"):
        clone(net).set_callbacks(Checkpoint(path, every=3)).fit(X, y)
    assert os.listdir(tmp_path) == []
    n_calls.clear()
    n_of_first = 2 if os.name == "posix" else 1  # the file, and where there is such a thing, its folder
    monkeypatch.setattr(os, "fsync", full(lambda n: n > n_of_first))
    with converging_or_not(), pytest.warns(UserWarning, match="could not be written.*No space left"):
        whole = clone(net).set_callbacks(Checkpoint(path, every=3)).fit(X, y)
    assert os.listdir(tmp_path) == ["net.pkl"]
    assert len(load(path).loss_curve_) == 3
    assert whole.n_iter_ == 9


def test_other_estimators_that_have_callbacks_and_warm_starts_can_be_saved(tmp_path):
    X, y = classes()
    path = tmp_path / "model.pkl"
    model = LogisticRegression(warm_start=True).set_callbacks(Checkpoint(path, every=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    np.testing.assert_array_equal(load(path).predict(X), model.predict(X))
