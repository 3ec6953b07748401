/* The targets of rows for the losses, from targets or class numbers: with output units in the lanes, or with rows. */

/* The targets of one row. */
INLINE void take_targets(const data_t *data, index_t row, index_t out, real *y)
{
    if (data->classes) {
        memset(y, 0, (size_t)out * sizeof(real));
        y[data->classes[row]] = 1;
    } else {
        memcpy(y, (const real *)data->targets + row * out, (size_t)out * sizeof(real));
    }
}

/* T[columns, n] = the given rows of A, transposed, with zeros beyond them. */
INLINE void transpose_rows(const index_t *order, index_t start, index_t n_rows, index_t columns, const real *A,
                           index_t n, real *T)
{
    if (!order) {
        transpose(n_rows, columns, A + start * columns, columns, n, T, LANE_ROWS);
        return;
    }
    for (index_t j = 0; j < columns; j++) {
        for (index_t i = 0; i < n_rows; i++)
            T[j * LANE_ROWS + i] = A[order[start + i] * columns + j];
        for (index_t i = n_rows; i < n; i++)
            T[j * LANE_ROWS + i] = 0;
    }
}

/* T[out, n] = the targets of the given rows, transposed, with zeros beyond them. */
void transpose_targets(const data_t *data, const index_t *order, index_t start, index_t n_rows, index_t out, index_t n,
                       real *T)
{
    if (!data->classes) {
        transpose_rows(order, start, n_rows, out, (const real *)data->targets, n, T);
        return;
    }
    for (index_t j = 0; j < out; j++)
        memset(T + j * LANE_ROWS, 0, (size_t)n * sizeof(real));
    for (index_t i = 0; i < n_rows; i++)
        T[data->classes[row_of(order, start + i)] * LANE_ROWS + i] = 1;
}
