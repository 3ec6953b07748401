/* Matrix products, register-blocked.
 *
 * There is no BLAS here: its threads and its lock belong to the process, so that trainings side by side would wait for
 * each other, and its sums depend on the number of threads. */

constexpr index_t TILE_ROWS = 6, PANEL = TILE_VECTORS * LANES;

/* A product of any size goes through slices of k that keep a panel of B in the first-level cache; where B is scattered
 * over more memory than CACHE, the panel is packed first. A is read in place: packing its rows did not speed up the tiles,
 * not even for strides that are a power of two, and took 7 % of a product. */
constexpr index_t SLICE = 128, CACHE = 32 * 1024;

/* Size of a thread's scratch, which holds a panel here, and losses and gradients elsewhere. */
constexpr index_t SCRATCH = 1 << 16;

/* C[mr, nv vectors] = (accumulate ? C : 0) + A[mr, k] @ B[k, nv vectors]; mr, nv are constants where it is inlined. */
INLINE void tile(const int mr, const int nv, index_t k, const real *A, index_t row_step, index_t column_step,
                 const real *B, index_t ldb, real *C, index_t ldc, int accumulate)
{
    V acc[6][TILE_VECTORS];
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            acc[i][v] = accumulate ? load(C + i * ldc + v * LANES) : all(0);
    const real *low = A, *high = mr > 3 ? A + 3 * row_step : A;
    for (index_t p = 0; p < k; p++, B += ldb, low += column_step, high += column_step) {
        V b[TILE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            b[v] = load(B + v * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < mr; i++) {
            V a = all(i < 3 ? low[i * row_step] : high[(i - 3) * row_step]);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++)
                acc[i][v] = multiply_add(a, b[v], acc[i][v]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            store(C + i * ldc + v * LANES, acc[i][v]);
}

/* The tile that does most of a large product. It is a function of its own, so that its loop has all registers: inlined by
 * GCC 12, it kept its strides in memory and in vector registers, and took a fifth longer. */
NOINLINE void full_tile(index_t k, const real *A, index_t row_step, index_t column_step, const real *B, index_t ldb,
                        real *C, index_t ldc, int accumulate)
{
    tile(TILE_ROWS, TILE_VECTORS, k, A, row_step, column_step, B, ldb, C, ldc, accumulate);
}

/* A panel of nv vectors of columns of C. */
INLINE void panel(const int nv, index_t m, index_t k, const real *A, index_t row_step, index_t column_step,
                  const real *B, index_t ldb, real *C, index_t ldc, int accumulate)
{
    index_t i = 0;
#define TILE(mr) tile(mr, nv, k, A + i * row_step, row_step, column_step, B, ldb, C + i * ldc, ldc, accumulate)
    for (; i + TILE_ROWS <= m; i += TILE_ROWS)
        if (nv == TILE_VECTORS)
            full_tile(k, A + i * row_step, row_step, column_step, B, ldb, C + i * ldc, ldc, accumulate);
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

void any_panel(index_t n, index_t m, index_t k, const real *A, index_t row_step, index_t column_step, const real *B,
               index_t ldb, real *C, index_t ldc, int accumulate)
{
    index_t j = 0;
    if (n == PANEL) {
        panel(TILE_VECTORS, m, k, A, row_step, column_step, B, ldb, C, ldc, accumulate);
        return;
    }
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        panel(2, m, k, A, row_step, column_step, B + j, ldb, C + j, ldc, accumulate);
    if (j < n)
        panel(1, m, k, A, row_step, column_step, B + j, ldb, C + j, ldc, accumulate);
}

/* C[m, n] = A[m, k] @ B[k, n]; n is a multiple of ROW_STEP, A has any strides. For operands that fit in the cache. */
void multiply(index_t m, index_t n, index_t k, const real *A, index_t row_step, index_t column_step, const real *B,
              index_t ldb, real *C, index_t ldc)
{
    for (index_t j = 0; j < n; j += PANEL)
        any_panel(min_index(PANEL, n - j), m, k, A, row_step, column_step, B + j, ldb, C + j, ldc, 0);
}

/* P[k, n] = B[k, n], packed. A vector at a time: memcpy of such short rows became `rep movs`, 5 % of an update. */
void pack_columns(index_t k, index_t n, const real *B, index_t ldb, real *P)
{
    for (index_t p = 0; p < k; p++)
        for (index_t j = 0; j < n; j += LANES)
            store(P + p * n + j, load(B + p * ldb + j));
}

/* T[columns, n] = A[rows, columns] transposed, with zeros beyond the rows; n is a multiple of ROW_STEP. A few columns and
 * four rows of A at a time: these are whole cache lines. */
void transpose(index_t rows, index_t columns, const real *A, index_t lda, index_t n, real *T, index_t ldt)
{
    for (index_t start = 0; start < columns; start += ROW_STEP)
        for (index_t i = 0; i < n; i += 4) {
            const index_t end = min_index(columns, start + ROW_STEP);
            index_t j = start;
            for (; i + 4 <= rows && j + 4 <= end; j += 4)
                transpose_four(A + i * lda + j, lda, T + j * ldt + i, ldt);
            for (; j < end; j++)
                for (index_t row = i; row < i + 4; row++)
                    T[j * ldt + row] = row < rows ? A[row * lda + j] : 0;
        }
}

/* During updates, the weights of dense layers and what is laid out like them are stored in bands: BAND columns of all
 * rows, then the next ones. So each thread has its own columns, which stay in its cache from the product to the gradient
 * and the update. Stored row by row, half of the weights moved between caches in each update of 784-256-10 by two
 * threads, a sixth of the time. The last band may be narrower. `element` returns the address of an element; `step` is the
 * length of its row there. */
constexpr index_t BAND = 4 * ROW_STEP;
INLINE real *element(const real *M, index_t rows, index_t ld, int banded, index_t row, index_t column, index_t *step)
{
    const index_t first = banded ? column / BAND * BAND : 0;
    *step = banded ? min_index(BAND, ld - first) : ld;
    return (real *)M + first * rows + row * *step + column - first;
}

enum { PLAIN, ACTIVATE, DERIVE };

/* C[m, n] = (accumulate ? C : 0) + A[m, k] @ B, where B is [k, n], or [n_valid, k] if it is given transposed; n is a
 * multiple of ROW_STEP, A has any strides. Then, in the rows of C that are still in the cache, `finish`: ACTIVATE adds
 * `other`, the biases, and applies the activation; DERIVE multiplies by the activation's derivative where its values are
 * `other`, laid out like C. */
struct product_t {
    index_t m, n, k;
    const real *A;
    index_t row_step, column_step;
    const real *B;
    index_t ldb;
    int transposed;
    index_t n_valid;
    real *C;
    index_t ldc;
    int accumulate, finish, activation;
    const real *other;
    int banded_b, banded_c; /* B, or C, is stored in bands */
    index_t rows_per_chunk, columns_per_chunk;
    real *scratch;
};

INLINE void finish_rows(const product_t *x, index_t first, index_t m, index_t left, index_t n)
{
    real *C = x->C + first * x->ldc + left;
    const real *other = x->other + left;
    const index_t n_rows = n == x->ldc ? m : 1; /* at a time */
    for (index_t i = 0; i < m; i += n_rows)
        if (x->finish == ACTIVATE)
            activate(x->activation, C + i * x->ldc, other, n_rows, n);
        else if (x->finish == DERIVE)
            derive(x->activation, C + i * x->ldc, other + (first + i) * x->ldc, n_rows * n);
}

/* The rows and columns of one chunk of a product, whose chunks go through the rows first. */
void product_chunk(const product_t *x, index_t chunk, int worker)
{
    const index_t n_row_chunks = (x->m + x->rows_per_chunk - 1) / x->rows_per_chunk;
    const index_t first = chunk % n_row_chunks * x->rows_per_chunk, m = min_index(x->rows_per_chunk, x->m - first);
    const index_t left = chunk / n_row_chunks * x->columns_per_chunk, n = min_index(x->columns_per_chunk, x->n - left);
    real *panel = x->scratch + worker * SCRATCH;
    for (index_t p = 0; p < x->k; p += SLICE) {
        const index_t slice = min_index(SLICE, x->k - p);
        const real *a = x->A + first * x->row_step + p * x->column_step;
        for (index_t j = left; j < left + n; j += PANEL) {
            const index_t width = min_index(PANEL, left + n - j),
                          valid = min_index(width, max_index(0, x->n_valid - j));
            index_t ldb, ldc;
            real *C = element(x->C, x->m, x->ldc, x->banded_c, first, j, &ldc);
            const real *b = panel;
            if (x->transposed) {
                for (index_t q = 0; q < slice; q += BAND) {
                    const real *rows = element(x->B, x->n_valid, x->ldb, x->banded_b, j, p + q, &ldb);
                    transpose(valid, min_index(BAND, slice - q), rows, ldb, width, panel + q * width, width);
                }
                ldb = width;
            } else {
                b = element(x->B, x->k, x->ldb, x->banded_b, p, j, &ldb);
                if (m >= 16 && slice * ldb * (index_t)sizeof(real) > CACHE) {
                    pack_columns(slice, width, b, ldb, panel);
                    b = panel, ldb = width;
                }
            }
            any_panel(width, m, slice, a, x->row_step, x->column_step, b, ldb, C, ldc, x->accumulate || p);
        }
    }
    finish_rows(x, first, m, left, n);
}

void do_product(product_t *x, int n_threads, interruption_t *interruption)
{
    const index_t work = x->m * x->n_valid * x->k;
    if (is_interrupted(interruption, work))
        return;
    /* one chunk a thread, since each packs B for itself; of columns where bands can be divided evenly, so that a thread has
     * the same bands of the weights and of their gradient in every product */
    const int n_chunks = work < SHARED_WORK / (IS_DOUBLE ? 2 : 1) ? 1 : n_threads;
    const index_t n_bands = (x->n + BAND - 1) / BAND;
    index_t n_column_chunks = x->banded_c || (x->banded_b && !x->transposed) ? n_chunks : 1;
    while (n_chunks % n_column_chunks || n_bands % n_column_chunks)
        n_column_chunks--;
    const index_t n_row_chunks = n_chunks / n_column_chunks;
    x->rows_per_chunk = round_up((x->m + n_row_chunks - 1) / n_row_chunks, TILE_ROWS);
    x->columns_per_chunk = n_column_chunks == 1 ? x->n : n_bands / n_column_chunks * BAND;
    share((x->m + x->rows_per_chunk - 1) / x->rows_per_chunk * n_column_chunks, n_chunks,
          [x](index_t chunk, int worker) { product_chunk(x, chunk, worker); });
}
