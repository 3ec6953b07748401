"""Types of parameters and results, for type checkers and editors.

scikit-learn, SciPy and pandas have no types, so that their objects are Any.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike as ArrayLike
from numpy.typing import NDArray as NDArray

MatrixLike: TypeAlias = Any  # array-like, data frame or sparse matrix
Floats: TypeAlias = NDArray[np.floating[Any]]
Estimator: TypeAlias = Any
RandomState: TypeAlias = int | np.random.RandomState | None

Sizes: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]
Strengths: TypeAlias = Sequence[float] | NDArray[np.floating[Any]]

L2Mode: TypeAlias = Literal["prior", "penalty", "penalty_per_sample", "decay_before", "decay_after", "decoupled"]
SolverName: TypeAlias = Literal["lbfgs", "sgd", "adam", "pso"]
ClassWeight: TypeAlias = Mapping[Any, float] | Sequence[Mapping[Any, float]] | Literal["balanced"] | None
Scoring: TypeAlias = str | Callable[..., float] | None
