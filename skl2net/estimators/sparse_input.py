"""Sparse input with invalid indices: scipy's compiled functions use them without a check."""

import numpy as np
import scipy.sparse as sp


def check_sparse(X, *, with_csr, name="X"):
    """Refuse sparse input that scipy's compiled functions would read or write out of bounds.

    CSC, BSR and COO are checked, and CSR `with_csr`: the engine checks the CSR that it gets.
    """
    if not sp.issparse(X) or X.ndim != 2 or (X.format == "csr" and not with_csr):
        return
    try:
        if X.format in ("csr", "csc", "bsr"):
            indptr = np.asarray(X.indptr)
            if (indptr[1:] < indptr[:-1]).any():  # scipy compares differences, which overflow
                raise ValueError("indptr must be a non-decreasing sequence")
            kind = {"csr": sp.csr_array, "csc": sp.csc_array, "bsr": sp.bsr_array}[X.format]
            kind((X.data, X.indices, indptr), shape=X.shape).check_format()  # of a new one, since it changes arrays
        elif X.format == "coo":
            sp.coo_array((X.data, (X.row, X.col)), shape=X.shape)
    except ValueError as error:
        raise ValueError(f"{name} is not a valid {X.format.upper()} array of shape {X.shape}: {error}.") from None
