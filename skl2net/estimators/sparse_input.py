"""Sparse input with indices out of range: scipy's conversions, and selections of rows, use them as they are."""

import numpy as np
import scipy.sparse as sp


def check_sparse(X, *, with_csr, name="X"):
    """Refuse sparse input that scipy's compiled functions would read or write out of bounds.

    Parameters
    ----------
    X : object
        Anything that is not sparse is accepted.
    with_csr : bool
        Whether CSR is checked too; the engine does that itself, in each of its calls.
    name : str, default="X"
        What the message calls it.

    Raises
    ------
    ValueError
        If an index is out of range, or if the arrays of the format do not belong together.
    """
    if not sp.issparse(X) or X.ndim != 2 or (X.format == "csr" and not with_csr):
        return
    found = _FAULTS.get(X.format, lambda X: None)(X)
    if found is not None:
        raise ValueError(f"{name} is no {X.format.upper()} of shape {X.shape}: {found}.")


def _fault_of_compressed(X):
    """What is wrong with CSR, CSC or BSR; None if nothing is."""
    block = X.blocksize if X.format == "bsr" else (1, 1)
    n, n_indices = (size // of_block for size, of_block in zip(X.shape, block, strict=True))
    if X.format == "csc":
        n, n_indices = n_indices, n
    indptr, indices = np.asarray(X.indptr), np.asarray(X.indices)
    n_stored = min(len(indices), len(X.data))
    if indptr.shape != (n + 1,):
        return f"indptr has shape {indptr.shape} instead of {(n + 1,)}"
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any() or indptr[-1] > n_stored:
        return f"indptr does not rise from 0 to {n_stored}, the number of stored entries, or less"
    return _fault_of_indices("indices", indices[: indptr[-1]], n_indices)


def _fault_of_coo(X):
    if not len(X.row) == len(X.col) == len(X.data):
        return f"it has {len(X.row)} row indices, {len(X.col)} column indices and {len(X.data)} entries"
    return _fault_of_indices("row", X.row, X.shape[0]) or _fault_of_indices("col", X.col, X.shape[1])


def _fault_of_dia(X):
    if X.data.ndim != 2 or X.offsets.shape != X.data.shape[:1]:
        return f"it has offsets of shape {X.offsets.shape} and data of shape {X.data.shape}"
    return None


def _fault_of_lil(X):
    if len(X.rows) != X.shape[0] or [*map(len, X.rows)] != [*map(len, X.data)]:
        return "its rows and its data differ in length"
    return None


def _fault_of_indices(name, indices, end):
    if len(indices) and not (indices.min() >= 0 and indices.max() < end):
        return f"{name} must be from 0 to {end - 1}, got {indices.min()} to {indices.max()}"
    return None


_FAULTS = {
    **dict.fromkeys(("csr", "csc", "bsr"), _fault_of_compressed),
    "coo": _fault_of_coo,
    "dia": _fault_of_dia,
    "lil": _fault_of_lil,
}
