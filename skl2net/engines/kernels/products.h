/* Matrix products, register-blocked.
 *
 * There is no BLAS here: its threads and its lock belong to the process, so that trainings side by side would wait for
 * each other, and its sums depend on its number of threads. */

#define TILE_ROWS 6
#define PANEL (TILE_VECTORS * LANES)

/* A product of any size goes through slices of k that keep a panel of B in the first-level cache; where B is scattered
 * over more memory than CACHE, the panel is copied together first. A is read where it is: copying its rows together made
 * the tiles no faster, not even where the rows lie a power of two apart, and took 7 % of a product. */
#define SLICE ((index_t)128)
#define CACHE (32 * 1024)

/* Numbers of a thread's scratch: for a panel here, and for losses and gradients elsewhere. */
#define SCRATCH ((index_t)1 << 16)

/* C[mr, nv vectors] = (accumulate ? C : 0) + A[mr, k] @ B[k, nv vectors]; mr, nv are constants where it is inlined. */
INLINE void NAME(tile)(const int mr, const int nv, index_t k, const REAL *A, index_t row_step, index_t column_step,
                       const REAL *B, index_t ldb, REAL *C, index_t ldc, int accumulate)
{
    V acc[6][TILE_VECTORS];
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            acc[i][v] = accumulate ? NAME(load)(C + i * ldc + v * LANES) : NAME(all)(0);
    const REAL *low = A, *high = mr > 3 ? A + 3 * row_step : A;
    for (index_t p = 0; p < k; p++, B += ldb, low += column_step, high += column_step) {
        V b[TILE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            b[v] = NAME(load)(B + v * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < mr; i++) {
            V a = NAME(all)(i < 3 ? low[i * row_step] : high[(i - 3) * row_step]);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++)
                acc[i][v] += a * b[v];
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            NAME(store)(C + i * ldc + v * LANES, acc[i][v]);
}

/* The tile that nearly all of a large product goes through: a function of its own, whose loop has the processor's
 * registers for itself. Inlined by GCC 12, it had its steps in memory and in vector registers, and took a fifth longer. */
FUNCTION NOINLINE void NAME(full_tile)(index_t k, const REAL *A, index_t row_step, index_t column_step, const REAL *B,
                                       index_t ldb, REAL *C, index_t ldc, int accumulate)
{
    NAME(tile)(TILE_ROWS, TILE_VECTORS, k, A, row_step, column_step, B, ldb, C, ldc, accumulate);
}

/* A panel of nv vectors of columns of C. */
INLINE void NAME(panel)(const int nv, index_t m, index_t k, const REAL *A, index_t row_step, index_t column_step,
                        const REAL *B, index_t ldb, REAL *C, index_t ldc, int accumulate)
{
    index_t i = 0;
#define TILE(mr)                                                                                                  \
    NAME(tile)(mr, nv, k, A + i * row_step, row_step, column_step, B, ldb, C + i * ldc, ldc, accumulate)
    for (; i + TILE_ROWS <= m; i += TILE_ROWS)
        if (nv == TILE_VECTORS)
            NAME(full_tile)(k, A + i * row_step, row_step, column_step, B, ldb, C + i * ldc, ldc, accumulate);
        else
            TILE(TILE_ROWS);
    for (; i + 4 <= m; i += 4)
        TILE(4);
    if (i + 2 <= m) {
        TILE(2);
        i += 2;
    }
    if (i < m)
        TILE(1);
#undef TILE
}

FUNCTION void NAME(any_panel)(index_t n, index_t m, index_t k, const REAL *A, index_t row_step, index_t column_step,
                              const REAL *B, index_t ldb, REAL *C, index_t ldc, int accumulate)
{
    index_t j = 0;
    if (n == PANEL) {
        NAME(panel)(TILE_VECTORS, m, k, A, row_step, column_step, B, ldb, C, ldc, accumulate);
        return;
    }
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        NAME(panel)(2, m, k, A, row_step, column_step, B + j, ldb, C + j, ldc, accumulate);
    if (j < n)
        NAME(panel)(1, m, k, A, row_step, column_step, B + j, ldb, C + j, ldc, accumulate);
}

/* C[m, n] = A[m, k] @ B[k, n]; n is a multiple of ROW_STEP, A has any strides. For operands that fit in the cache. */
FUNCTION void NAME(multiply)(index_t m, index_t n, index_t k, const REAL *A, index_t row_step, index_t column_step,
                             const REAL *B, index_t ldb, REAL *C, index_t ldc)
{
    for (index_t j = 0; j < n; j += PANEL)
        NAME(any_panel)(min_index(PANEL, n - j), m, k, A, row_step, column_step, B + j, ldb, C + j, ldc, 0);
}

/* P[k, n] = B[k, n] together, B being given transposed or not; beyond the valid columns there are zeros. */
FUNCTION void NAME(pack_columns)(index_t k, index_t n, index_t valid, const REAL *B, index_t ldb, int transposed, REAL *P)
{
    if (!transposed) {
        /* a vector at a time: memcpy of such short rows became `rep movs`, 5 % of an update */
        for (index_t p = 0; p < k; p++)
            for (index_t j = 0; j < n; j += LANES)
                NAME(store)(P + p * n + j, NAME(load)(B + p * ldb + j));
        return;
    }
    /* a few rows and columns at a time, whose lines of B stay in the cache */
    for (index_t start = 0; start < k; start += ROW_STEP)
        for (index_t first = 0; first < n; first += 8)
            for (index_t p = start; p < min_index(k, start + ROW_STEP); p++)
                for (index_t j = first; j < first + 8; j++)
                    P[p * n + j] = j < valid ? B[j * ldb + p] : 0;
}

enum { NAME(PLAIN), NAME(ACTIVATE), NAME(DERIVE) };

/* C[m, n] = (accumulate ? C : 0) + A[m, k] @ B, where B is [k, n], or [n_valid, k] if it is given transposed; n is a
 * multiple of ROW_STEP, A has any strides. Then, in the rows of C that are still in the cache, `finish`: ACTIVATE adds
 * `other`, the biases, and applies the activation; DERIVE multiplies by the activation's derivative where its values are
 * `other`, laid out like C. */
typedef struct {
    index_t m, n, k;
    const REAL *A;
    index_t row_step, column_step;
    const REAL *B;
    index_t ldb;
    int transposed;
    index_t n_valid;
    REAL *C;
    index_t ldc;
    int accumulate, finish, activation;
    const REAL *other;
    index_t rows_per_chunk;
    REAL *scratch;
} NAME(product);

INLINE void NAME(activate)(int activation, REAL *z, const REAL *bias, index_t n, index_t ld)
{
#define EACH(expression)                                                                                          \
    for (index_t i = 0; i < n; i++)                                                                               \
        for (index_t j = 0; j < ld; j += LANES) {                                                                 \
            V x = NAME(load)(z + i * ld + j) + NAME(load)(bias + j);                                              \
            NAME(store)(z + i * ld + j, expression);                                                              \
        }
    switch (activation) {
    case ACT_LOGISTIC: EACH(NAME(logistic)(x)) break;
    case ACT_TANH: EACH(NAME(tanh)(x)) break;
    case ACT_RELU: EACH(NAME(relu)(x)) break;
    case ACT_SOFTPLUS: EACH(NAME(softplus)(x)) break;
    default: EACH(x)
    }
#undef EACH
}

INLINE void NAME(apply)(int activation, REAL *z, index_t n)
{
    const REAL none[ROW_BYTES / sizeof(REAL)] = {0};
    for (index_t j = 0; j < n && activation != ACT_IDENTITY; j += ROW_STEP)
        NAME(activate)(activation, z + j, none, 1, ROW_STEP);
}

/* delta *= derivative of the activation, from the activation's value. */
INLINE void NAME(derive)(int activation, REAL *delta, const REAL *a, index_t n)
{
#define EACH(expression)                                                                                          \
    for (index_t i = 0; i < n; i += LANES) {                                                                      \
        V x = NAME(load)(a + i), d = NAME(load)(delta + i);                                                       \
        NAME(store)(delta + i, expression);                                                                       \
    }
    switch (activation) {
    case ACT_LOGISTIC: EACH(d * x * (1 - x)) break;
    case ACT_TANH: EACH(d * (1 - x * x)) break;
    case ACT_RELU: EACH(NAME(select)(x > 0, d, NAME(all)(0))) break;
    case ACT_SOFTPLUS: EACH(d * NAME(softplus_slope)(x)) break;
    default: break;
    }
#undef EACH
}

INLINE void NAME(finish_rows)(const NAME(product) *x, index_t first, index_t n)
{
    REAL *C = x->C + first * x->ldc;
    if (x->finish == NAME(ACTIVATE))
        NAME(activate)(x->activation, C, x->other, n, x->ldc);
    else if (x->finish == NAME(DERIVE))
        NAME(derive)(x->activation, C, x->other + first * x->ldc, n * x->ldc);
}

/* The rows of one chunk of a product. */
FUNCTION void NAME(product_rows)(void *context, int64_t chunk, int worker)
{
    const NAME(product) *x = context;
    const index_t first = chunk * x->rows_per_chunk, m = min_index(x->rows_per_chunk, x->m - first);
    const int pack_b = x->transposed || (m >= 16 && x->k * x->ldb * (index_t)sizeof(REAL) > CACHE);
    REAL *panel = x->scratch + worker * SCRATCH;
    for (index_t p = 0; p < x->k; p += SLICE) {
        const index_t slice = min_index(SLICE, x->k - p);
        const REAL *a = x->A + first * x->row_step + p * x->column_step;
        for (index_t j = 0; j < x->n; j += PANEL) {
            const index_t width = min_index(PANEL, x->n - j);
            const REAL *b = x->transposed ? x->B + j * x->ldb + p : x->B + p * x->ldb + j;
            if (pack_b) {
                const index_t valid = min_index(width, max_index(0, x->n_valid - j));
                NAME(pack_columns)(slice, width, valid, b, x->ldb, x->transposed, panel);
                b = panel;
            }
            NAME(any_panel)(width, m, slice, a, x->row_step, x->column_step, b, pack_b ? width : x->ldb,
                            x->C + first * x->ldc + j, x->ldc, x->accumulate || p);
        }
    }
    NAME(finish_rows)(x, first, m);
}

FUNCTION void NAME(do_product)(NAME(product) *x, int n_threads, interruption_t *interruption)
{
    const index_t work = x->m * x->n_valid * x->k;
    if (is_interrupted(interruption, work))
        return;
    /* one chunk a thread, since each packs B for itself */
    const int n_chunks = work < SHARED_WORK ? 1 : n_threads;
    x->rows_per_chunk = round_up((x->m + n_chunks - 1) / n_chunks, TILE_ROWS);
    share((x->m + x->rows_per_chunk - 1) / x->rows_per_chunk, n_chunks, NAME(product_rows), x);
}

/* T[columns, n] = A[rows, columns] transposed, with zeros beyond the rows. */
FUNCTION void NAME(transpose)(index_t rows, index_t columns, const REAL *A, index_t lda, index_t n, REAL *T, index_t ldt)
{
    for (index_t j = 0; j < columns; j++) {
        for (index_t i = 0; i < rows; i++)
            T[j * ldt + i] = A[i * lda + j];
        for (index_t i = rows; i < n; i++)
            T[j * ldt + i] = 0;
    }
}
