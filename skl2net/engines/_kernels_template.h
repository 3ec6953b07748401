/* Included by _kernels.h once for each number type REAL and instruction set TARGET.
 *
 * In order: vectors and elementary functions; matrix products; the pass over a block of rows, row by row
 * ("row-major": one row of activations after the other, units in the SIMD lanes), which training, prediction and large
 * full-batch evaluations use; the optimisers' updates; the pass with rows in the SIMD lanes ("unit-major"), for
 * full-batch evaluations of small networks; and the entry points, those for swarms in _swarm_template.h.
 */

#define INT NAME(int)
#define V NAME(vector)
#define VI NAME(int_vector)
#define LANES ((index_t)(VECTOR_BYTES / sizeof(REAL)))
#define ROW_STEP ((index_t)(ROW_BYTES / sizeof(REAL)))
#define IS_DOUBLE (sizeof(REAL) == 8)
#define CONSTANT(in_double, in_float) ((REAL)(IS_DOUBLE ? (in_double) : (in_float)))

typedef REAL_INT INT;
typedef REAL V __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef REAL_INT VI __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

/* ---- vectors ---- */

INLINE V NAME(load)(const REAL *p) { return *(const V *)p; }
INLINE void NAME(store)(REAL *p, V x) { *(V *)p = x; }
INLINE V NAME(all)(REAL x) { return x - (V){0}; }

/* `or` and `+` do the same here; where there are mask registers, GCC makes a masked move of an addition only. */
INLINE V NAME(select)(VI mask, V yes, V no)
{
    const VI a = (VI)yes & mask, b = (VI)no & ~mask;
    return VECTOR_BYTES == 64 ? (V)(a + b) : (V)(a | b);
}

/* The larger and the smaller of two; `b` where they do not compare. */
INLINE V NAME(larger)(V a, V b) { return NAME(select)(a > b, a, b); }
INLINE V NAME(smaller)(V a, V b) { return NAME(select)(a < b, a, b); }

INLINE REAL NAME(sum)(V x)
{
    REAL lanes[VECTOR_BYTES / sizeof(REAL)];
    memcpy(lanes, &x, sizeof lanes);
    for (index_t half = LANES / 2; half > 0; half /= 2)
        for (index_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

INLINE REAL NAME(max)(V x)
{
    REAL lanes[VECTOR_BYTES / sizeof(REAL)];
    memcpy(lanes, &x, sizeof lanes);
    for (index_t half = LANES / 2; half > 0; half /= 2)
        for (index_t i = 0; i < half; i++)
            lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    return lanes[0];
}

/* ---- elementary functions, to at most 4 ulp ---- */

#define EXPONENT_SHIFT (IS_DOUBLE ? 52 : 23)
#define EXPONENT_BIAS (IS_DOUBLE ? 1023 : 127)
/* Adding it rounds to an integer, which then stands in the low bits. */
#define ROUNDER CONSTANT(0x1.8p52, 0x1.8p23)

/* k and r with x = k * ln 2 + r and |r| <= ln 2 / 2. */
INLINE VI NAME(reduce)(V x, V *r)
{
    V shifted = x * CONSTANT(1.4426950408889634, 1.44269504f) + ROUNDER;
    V k = shifted - ROUNDER;
    *r = x - k * CONSTANT(6.93147180369123816490e-01, 0.693359375f);
    *r = *r - k * CONSTANT(1.90821492927058770002e-10, -2.12194440e-4f);
    return (VI)shifted - (VI)NAME(all)(ROUNDER);
}

/* (exp(r) - 1) / r for |r| <= ln 2 / 2: the polynomials of the smallest relative error, which is 1.8e-17 for double
 * and 1.1e-8 for float. */
INLINE V NAME(exp_slope)(V r)
{
    V p;
    if (IS_DOUBLE) {
        p = NAME(all)((REAL)2.5052096324082968422e-8);
        p = p * r + (REAL)2.7626276574497490395e-7;
        p = p * r + (REAL)2.7557414828185575868e-6;
        p = p * r + (REAL)2.4801504569089643226e-5;
        p = p * r + (REAL)1.9841269707386961942e-4;
        p = p * r + (REAL)1.3888888932284880331e-3;
        p = p * r + (REAL)8.3333333333978846318e-3;
        p = p * r + (REAL)4.1666666666573834294e-2;
        p = p * r + (REAL)1.6666666666666563432e-1;
        p = p * r + (REAL)5.0000000000000055536e-1;
    } else {
        V z = r * r;
        return (1 + (REAL)4.9999998123675464663e-1 * r) +
               z * (((REAL)1.6666506155509473580e-1 + (REAL)4.1667136395510802099e-2 * r) +
                    z * ((REAL)8.3690757062463283073e-3 + (REAL)1.3888872856948094096e-3 * r));
    }
    return p * r + 1;
}

INLINE V NAME(power_of_two)(VI k) { return (V)((k + EXPONENT_BIAS) << EXPONENT_SHIFT); }

INLINE V NAME(exp)(V x)
{
    V r;
    x = NAME(larger)(NAME(all)(CONSTANT(-746, -105)), x);
    x = NAME(smaller)(NAME(all)(CONSTANT(710, 89)), x);
    VI k = NAME(reduce)(x, &r);
    V e = 1 + r * NAME(exp_slope)(r);
    VI half = k >> 1; /* in two steps, so that subnormal and infinite results come out right */
    return e * NAME(power_of_two)(half) * NAME(power_of_two)(k - half);
}

INLINE V NAME(absolute)(V x) { return (V)((VI)x & ~(VI)NAME(all)((REAL)-0.0)); }

INLINE V NAME(tanh)(V x)
{
    /* -t / (2 + t) with t = exp(-2|x|) - 1, which is computed without cancellation */
    V r, a = NAME(larger)(NAME(all)(CONSTANT(-42, -20)), NAME(absolute)(x) * -2);
    V scale = NAME(power_of_two)(NAME(reduce)(a, &r));
    V t = scale * (r * NAME(exp_slope)(r)) + (scale - 1);
    V y = -t / (2 + t);
    VI sign = (VI)NAME(all)((REAL)-0.0);
    return (V)(((VI)y & ~sign) | ((VI)x & sign));
}

INLINE V NAME(logistic)(V x)
{
    V small = NAME(exp)(-NAME(absolute)(x));
    return NAME(select)(x >= 0, NAME(all)(1), small) / (1 + small);
}

/* For positive normal numbers; NaN and infinity give NaN. */
INLINE V NAME(log)(V x)
{
    /* x = 2**k * m, 1/sqrt 2 <= m < sqrt 2, and log m = 2 artanh((m - 1) / (m + 1)) */
    VI k = ((VI)x - (VI)NAME(all)((REAL)0.70710678118654752440)) >> EXPONENT_SHIFT;
    V m = (V)((VI)x - (k << EXPONENT_SHIFT));
    V s = (m - 1) / (m + 1), z = s * s, p;
    if (IS_DOUBLE) {
        p = NAME(all)((REAL)(2 / 23.0));
        p = p * z + (REAL)(2 / 21.0);
        p = p * z + (REAL)(2 / 19.0);
        p = p * z + (REAL)(2 / 17.0);
        p = p * z + (REAL)(2 / 15.0);
        p = p * z + (REAL)(2 / 13.0);
        p = p * z + (REAL)(2 / 11.0);
    } else {
        p = NAME(all)((REAL)(2 / 11.0));
    }
    p = p * z + (REAL)(2 / 9.0);
    p = p * z + (REAL)(2 / 7.0);
    p = p * z + (REAL)(2 / 5.0);
    p = p * z + (REAL)(2 / 3.0);
    V exponent = (V)(k + (VI)NAME(all)(ROUNDER)) - ROUNDER;
    V low = s * z * p + exponent * CONSTANT(1.90821492927058770002e-10, -2.12194440e-4f);
    V high = exponent * CONSTANT(6.93147180369123816490e-01, 0.693359375f);
    return high + (2 * s + low) + (x - x);
}

/* log(1 + x) for 0 <= x <= 1. */
INLINE V NAME(log1p)(V x)
{
    V u = 1 + x;
    return NAME(log)(u) + (x - (u - 1)) / u;
}

INLINE V NAME(relu)(V x) { return NAME(larger)(NAME(all)(0), x); }

/* Apply function `which` of the enum below to n numbers; for tests. */
enum { NAME(FN_EXP), NAME(FN_TANH), NAME(FN_LOGISTIC), NAME(FN_LOG), NAME(FN_LOG1P) };

FUNCTION void NAME(function)(int which, const void *input, void *output, index_t n)
{
    const REAL *x = input;
    REAL *y = output;
    for (index_t i = 0; i < n; i += LANES) {
        REAL lanes[VECTOR_BYTES / sizeof(REAL)] = {0};
        size_t bytes = (size_t)min_index(LANES, n - i) * sizeof(REAL);
        memcpy(lanes, x + i, bytes);
        V v = NAME(load)(lanes);
        v = which == NAME(FN_EXP)        ? NAME(exp)(v)
            : which == NAME(FN_TANH)     ? NAME(tanh)(v)
            : which == NAME(FN_LOGISTIC) ? NAME(logistic)(v)
            : which == NAME(FN_LOG)      ? NAME(log)(v)
                                         : NAME(log1p)(v);
        NAME(store)(lanes, v);
        memcpy(y + i, lanes, bytes);
    }
}

/* ---- matrix products ---- */

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
    for (index_t p = 0; p < k; p++) {
        V b[TILE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            b[v] = NAME(load)(B + p * ldb + v * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < mr; i++) {
            V a = NAME(all)(A[i * row_step + p * column_step]);
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

#define TILE_ROWS 6
#define PANEL (TILE_VECTORS * LANES)

/* A panel of nv vectors of columns of C. With `packed` not 0, A is what `pack_rows` made of it. */
INLINE void NAME(panel)(const int nv, index_t m, index_t k, const REAL *A, index_t row_step, index_t column_step,
                        int packed, const REAL *B, index_t ldb, REAL *C, index_t ldc, int accumulate)
{
    index_t i = 0;
#define TILE(mr)                                                                                                  \
    NAME(tile)(mr, nv, k, packed ? A + i / TILE_ROWS * TILE_ROWS * k + i % TILE_ROWS : A + i * row_step,          \
               packed ? 1 : row_step, packed ? TILE_ROWS : column_step, B, ldb, C + i * ldc, ldc, accumulate)
    for (; i + TILE_ROWS <= m; i += TILE_ROWS)
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
                              int packed, const REAL *B, index_t ldb, REAL *C, index_t ldc, int accumulate)
{
    index_t j = 0;
    if (n == PANEL) {
        NAME(panel)(TILE_VECTORS, m, k, A, row_step, column_step, packed, B, ldb, C, ldc, accumulate);
        return;
    }
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        NAME(panel)(2, m, k, A, row_step, column_step, packed, B + j, ldb, C + j, ldc, accumulate);
    if (j < n)
        NAME(panel)(1, m, k, A, row_step, column_step, packed, B + j, ldb, C + j, ldc, accumulate);
}

/* C[m, n] = A[m, k] @ B[k, n]; n is a multiple of ROW_STEP, A has any strides. For operands that fit in the cache. */
FUNCTION void NAME(multiply)(index_t m, index_t n, index_t k, const REAL *A, index_t row_step, index_t column_step,
                             const REAL *B, index_t ldb, REAL *C, index_t ldc)
{
    for (index_t j = 0; j < n; j += PANEL)
        NAME(any_panel)(min_index(PANEL, n - j), m, k, A, row_step, column_step, 0, B + j, ldb, C + j, ldc, 0);
}

/* A product of any size goes through slices of k and of the rows that keep a panel of B in the first-level cache and the
 * rows of A in the second. Operands that are scattered over more memory than CACHE are copied together first. */
#define SLICE ((index_t)128)
#define SLICE_ROWS ((index_t)(64 * TILE_ROWS))
#define CACHE (32 * 1024)
#define SCRATCH (SLICE * PANEL + SLICE * SLICE_ROWS)

/* P[k, n] = B[k, n] together, B being given transposed or not; beyond the valid columns there are zeros. */
FUNCTION void NAME(pack_columns)(index_t k, index_t n, index_t valid, const REAL *B, index_t ldb, int transposed, REAL *P)
{
    if (!transposed) {
        for (index_t p = 0; p < k; p++)
            memcpy(P + p * n, B + p * ldb, (size_t)n * sizeof(REAL));
        return;
    }
    for (index_t p = 0; p < k; p++) {
        for (index_t j = 0; j < valid; j++)
            P[p * n + j] = B[j * ldb + p];
        for (index_t j = valid; j < n; j++)
            P[p * n + j] = 0;
    }
}

/* P[tile][p][i] = A[i, p], TILE_ROWS rows i to a tile, for an A whose rows are next to each other (row_step 1). */
FUNCTION void NAME(pack_rows)(index_t m, index_t k, const REAL *A, index_t column_step, REAL *P)
{
    for (index_t i = 0; i < m; i += TILE_ROWS)
        for (index_t p = 0; p < k; p++)
            for (index_t r = 0; r < TILE_ROWS; r++)
                *P++ = i + r < m ? A[p * column_step + i + r] : 0;
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
    index_t rows_per_item;
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

/* The rows of one item of a product. */
FUNCTION void NAME(product_rows)(void *context, int64_t item, int worker)
{
    const NAME(product) *x = context;
    const index_t first = item * x->rows_per_item, m = min_index(x->rows_per_item, x->m - first);
    const int pack_b = x->transposed || (m >= 16 && x->k * x->ldb * (index_t)sizeof(REAL) > CACHE);
    const int pack_a = x->row_step == 1 && x->n > PANEL && x->k * x->column_step * (index_t)sizeof(REAL) > CACHE;
    REAL *panel = x->scratch + worker * SCRATCH, *rows = panel + SLICE * PANEL;
    for (index_t p = 0; p < x->k; p += SLICE) {
        const index_t slice = min_index(SLICE, x->k - p);
        for (index_t i = 0; i < m; i += SLICE_ROWS) {
            const index_t n_rows = min_index(SLICE_ROWS, m - i);
            const REAL *a = x->A + (first + i) * x->row_step + p * x->column_step;
            if (pack_a) {
                NAME(pack_rows)(n_rows, slice, a, x->column_step, rows);
                a = rows;
            }
            for (index_t j = 0; j < x->n; j += PANEL) {
                const index_t width = min_index(PANEL, x->n - j);
                const REAL *b = x->transposed ? x->B + j * x->ldb + p : x->B + p * x->ldb + j;
                if (pack_b) {
                    const index_t valid = min_index(width, max_index(0, x->n_valid - j));
                    NAME(pack_columns)(slice, width, valid, b, x->ldb, x->transposed, panel);
                    b = panel;
                }
                NAME(any_panel)(width, n_rows, slice, a, x->row_step, x->column_step, pack_a, b,
                                pack_b ? width : x->ldb, x->C + (first + i) * x->ldc + j, x->ldc, x->accumulate || p);
            }
        }
    }
    NAME(finish_rows)(x, first, m);
}

FUNCTION void NAME(blas)(const NAME(product) *x, const resources_t *resources)
{
    /* in Fortran order: C' = B' @ A' */
    const int transposed_a = x->column_step != 1;
    char ta = transposed_a ? 'T' : 'N', tb = x->transposed ? 'T' : 'N';
    REAL one = 1, beta = x->accumulate ? 1 : 0, *A = (REAL *)x->A, *B = (REAL *)x->B;
    int64_t m = x->n_valid, n = x->m, k = x->k, lda = x->ldb, ldb = transposed_a ? x->column_step : x->row_step;
    int64_t ldc = x->ldc;
    void *gemm = IS_DOUBLE ? resources->dgemm : resources->sgemm;
    if (resources->wide) {
        ((void (*)(char *, char *, int64_t *, int64_t *, int64_t *, REAL *, REAL *, int64_t *, REAL *, int64_t *, REAL *,
                   REAL *, int64_t *))gemm)(&tb, &ta, &m, &n, &k, &one, B, &lda, A, &ldb, &beta, x->C, &ldc);
    } else {
        int m_ = (int)m, n_ = (int)n, k_ = (int)k, lda_ = (int)lda, ldb_ = (int)ldb, ldc_ = (int)ldc;
        ((void (*)(char *, char *, int *, int *, int *, REAL *, REAL *, int *, REAL *, int *, REAL *, REAL *,
                   int *))gemm)(&tb, &ta, &m_, &n_, &k_, &one, B, &lda_, A, &ldb_, &beta, x->C, &ldc_);
    }
}

FUNCTION void NAME(run_product)(NAME(product) *x, const resources_t *resources)
{
    const index_t work = x->m * x->n_valid * x->k;
    if (x->m > 1 && work >= BLAS_WORK) {
        NAME(blas)(x, resources);
        NAME(finish_rows)(x, 0, x->m);
    } else if (work < SHARED_WORK || resources->n_threads == 1) {
        x->rows_per_item = x->m;
        NAME(product_rows)(x, 0, 0);
    } else {
        /* one item a thread, since each item packs B for itself */
        const index_t n_items = resources->n_threads;
        x->rows_per_item = round_up((x->m + n_items - 1) / n_items, TILE_ROWS);
        share((x->m + x->rows_per_item - 1) / x->rows_per_item, resources->n_threads, NAME(product_rows), x);
    }
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

/* ---- the network, padded ---- */

/* The vectors over all parameters that a pass works with. */
enum { NAME(PARAMETERS), NAME(GRADIENT), NAME(FIRST), NAME(SECOND), NAME(N_VECTORS) };

/* One weight layer. Rows of the weights, activations and deltas have `ld` numbers, a multiple of ROW_STEP; what stands
 * beyond `out` is zero in weights and deltas. Each vector's part is in the caller's flat vector where no padding is
 * needed, and in memory of the workspace otherwise (`memory` is then not NULL). */
typedef struct {
    index_t in, out, ld;
    struct {
        REAL *weights, *biases, *memory;
    } part[NAME(N_VECTORS)];
    REAL *activation, *delta;
} NAME(layer);

typedef struct {
    const network_t *network;
    const resources_t *resources;
    NAME(layer) *layers;
    index_t n_layers, block;
    REAL *input;      /* gathered rows of a block */
    REAL *target;     /* one row of targets, padded with zeros; for each thread */
    REAL *log_of, *log_weight; /* of each row of a block, see `row_loss` */
    REAL *scratch;    /* for `product`; for each thread */
    double *totals;   /* of the items of a loop */
    void *memory;
} NAME(workspace);

/* What a workspace is for; each needs what those before it need, and more. */
enum { NAME(FOR_OUTPUTS), NAME(FOR_GRADIENT), NAME(FOR_SGD), NAME(FOR_ADAM) };

/* Parameters of an item of an update, and rows of an item of a loss: fixed, so that sums over items are the same for any
 * number of threads. */
#define STEP_ITEM ((index_t)4096)
#define LOSS_ITEM ((index_t)64)

#define LAYERS(ws) for (NAME(layer) *layer = (ws)->layers; layer < (ws)->layers + (ws)->n_layers; layer++)

FUNCTION void NAME(release)(NAME(workspace) *ws)
{
    free(ws->memory);
    free(ws->totals);
    free(ws->layers);
}

/* Whether a layer's part of vector v needs memory of its own: for padding, or since no caller has such a vector. */
FUNCTION int NAME(has_memory)(const NAME(layer) *layer, int v, int purpose)
{
    return layer->ld != layer->out || (v == NAME(GRADIENT) && purpose > NAME(FOR_GRADIENT));
}

/* Lay a workspace out for blocks of at most `rows` rows, dense ones gathered if need be; 0 on success, -1 without
 * memory. */
FUNCTION int NAME(reserve)(NAME(workspace) *ws, const network_t *network, const resources_t *resources, index_t rows, int purpose,
                           int gather)
{
    const index_t n_layers = network->n_layers, n_vectors = 1 + purpose;
    index_t n_parts = 0, width = 0, n_totals = 1;
    memset(ws, 0, sizeof *ws);
    ws->network = network;
    ws->resources = resources;
    ws->n_layers = n_layers;
    ws->layers = malloc((size_t)n_layers * sizeof *ws->layers);
    if (!ws->layers)
        return -1;
    for (index_t i = 0; i < n_layers; i++) {
        NAME(layer) *layer = ws->layers + i;
        layer->in = network->sizes[i];
        layer->out = network->sizes[i + 1];
        layer->ld = round_up(layer->out, ROW_STEP);
        for (int v = 0; v < n_vectors; v++)
            if (NAME(has_memory)(layer, v, purpose))
                n_parts += (layer->in + 1) * layer->ld;
        width += layer->ld;
        n_totals = max_index(n_totals, layer->in * layer->ld / STEP_ITEM + 1);
    }
    /* blocks of rows whose activations stay in the second-level cache */
    ws->block = round_up(min_index(rows, max_index(64, (1 << 17) / width)), ROW_STEP);

    const index_t last = ws->layers[n_layers - 1].ld, n_deltas = purpose == NAME(FOR_OUTPUTS) ? last : width;
    const index_t n_input = gather ? round_up(min_index(ws->block, rows) * network->sizes[0], ROW_STEP) : 0;
    const index_t n_threads = resources->n_threads;
    const index_t n_zero = ws->block * (width + n_deltas) + n_threads * last + 2 * ws->block;
    n_totals = max_index(n_totals, ws->block / LOSS_ITEM + 1);
    ws->memory = malloc((size_t)(n_parts + n_zero + n_threads * SCRATCH + n_input + ROW_STEP) * sizeof(REAL));
    ws->totals = malloc((size_t)n_totals * sizeof(double));
    if (!ws->memory || !ws->totals)
        return -1;
    REAL *next = (REAL *)(((uintptr_t)ws->memory + ROW_BYTES - 1) / ROW_BYTES * ROW_BYTES);
    memset(next, 0, (size_t)n_zero * sizeof(REAL));
    LAYERS(ws) {
        layer->activation = next, next += ws->block * layer->ld;
        if (purpose > NAME(FOR_OUTPUTS) || layer == ws->layers + n_layers - 1)
            layer->delta = next, next += ws->block * layer->ld;
    }
    ws->target = next, next += n_threads * last;
    ws->log_of = next, next += ws->block;
    ws->log_weight = next, next += ws->block;
    ws->scratch = next, next += n_threads * SCRATCH;
    ws->input = next, next += n_input;
    LAYERS(ws)
        for (int v = 0; v < n_vectors; v++) {
            layer->part[v].memory = NULL;
            if (NAME(has_memory)(layer, v, purpose)) {
                layer->part[v].memory = layer->part[v].weights = next;
                layer->part[v].biases = next + layer->in * layer->ld;
                next += (layer->in + 1) * layer->ld;
                if (v == NAME(GRADIENT)) /* BLAS writes no padding */
                    memset(layer->part[v].memory, 0, (size_t)((layer->in + 1) * layer->ld) * sizeof(REAL));
            }
        }
    return 0;
}

INLINE void NAME(pad)(REAL *row, const REAL *values, index_t n, index_t ld)
{
    memcpy(row, values, (size_t)n * sizeof(REAL));
    memset(row + n, 0, (size_t)(ld - n) * sizeof(REAL));
}

/* Work with a flat vector (all weights, then all biases) as vector v: in place, or from a padded copy. */
FUNCTION void NAME(take)(NAME(workspace) *ws, int v, REAL *flat)
{
    REAL *biases = flat;
    LAYERS(ws)
        biases += layer->in * layer->out;
    LAYERS(ws) {
        REAL *memory = layer->part[v].memory;
        if (memory) {
            for (index_t i = 0; i < layer->in; i++)
                NAME(pad)(memory + i * layer->ld, flat + i * layer->out, layer->out, layer->ld);
            NAME(pad)(layer->part[v].biases, biases, layer->out, layer->ld);
        } else {
            layer->part[v].weights = flat;
            layer->part[v].biases = biases;
        }
        flat += layer->in * layer->out;
        biases += layer->out;
    }
}

/* Write back to a flat vector what `take` had to copy. */
FUNCTION void NAME(give_back)(const NAME(workspace) *ws, int v, REAL *flat)
{
    REAL *biases = flat;
    LAYERS(ws)
        biases += layer->in * layer->out;
    LAYERS(ws) {
        const REAL *memory = layer->part[v].memory;
        const size_t bytes = (size_t)layer->out * sizeof(REAL);
        if (memory) {
            for (index_t i = 0; i < layer->in; i++)
                memcpy(flat + i * layer->out, memory + i * layer->ld, bytes);
            memcpy(biases, layer->part[v].biases, bytes);
        }
        flat += layer->in * layer->out;
        biases += layer->out;
    }
}

/* ---- a block of rows, row-major ---- */

/* Rows of a block: the rows first + 0, 1, ... of `order`, or of the data where order is NULL. */
typedef struct {
    const data_t *data;
    const index_t *order;
    index_t first, n;
} NAME(rows);

INLINE index_t NAME(row)(const NAME(rows) *rows, index_t i)
{
    return rows->order ? rows->order[rows->first + i] : rows->first + i;
}

typedef struct {
    NAME(workspace) *ws;
    const NAME(rows) *rows;
    index_t rows_per_item;
    double scale;
} NAME(block);

FUNCTION void NAME(gather)(void *context, int64_t item, int worker)
{
    const NAME(block) *x = context;
    const index_t n_features = x->ws->network->sizes[0], stop = min_index(x->rows->n, (item + 1) * x->rows_per_item);
    const REAL *values = x->rows->data->values;
    (void)worker;
    for (index_t i = item * x->rows_per_item; i < stop; i++)
        memcpy(x->ws->input + i * n_features, values + NAME(row)(x->rows, i) * n_features,
               (size_t)n_features * sizeof(REAL));
}

/* The block's dense input, gathered if its rows do not follow each other; NULL for CSR. */
FUNCTION const REAL *NAME(dense_input)(NAME(workspace) *ws, const NAME(rows) *rows)
{
    const index_t n_features = ws->network->sizes[0];
    if (rows->data->indptr)
        return NULL;
    if (!rows->order || rows->n == 1)
        return (const REAL *)rows->data->values + NAME(row)(rows, 0) * n_features;
    NAME(block) x = {ws, rows, 16, 0};
    share((rows->n + 15) / 16, rows->n * n_features * 64 >= SHARED_WORK ? ws->resources->n_threads : 1, NAME(gather), &x);
    return ws->input;
}

/* The first layer's raw activations of CSR rows. */
FUNCTION void NAME(sparse_forward)(void *context, int64_t item, int worker)
{
    const NAME(block) *x = context;
    const NAME(layer) *layer = x->ws->layers;
    const data_t *data = x->rows->data;
    const index_t ld = layer->ld, stop = min_index(x->rows->n, (item + 1) * x->rows_per_item);
    (void)worker;
    for (index_t i = item * x->rows_per_item; i < stop; i++) {
        const index_t row = NAME(row)(x->rows, i), end = index_at(data->indptr, data->wide_indptr, row + 1);
        REAL *out = layer->activation + i * ld;
        memset(out, 0, (size_t)ld * sizeof(REAL));
        for (index_t p = index_at(data->indptr, data->wide_indptr, row); p < end; p++) {
            const REAL *w = layer->part[NAME(PARAMETERS)].weights + index_at(data->indices, data->wide_indices, p) * ld;
            const V value = NAME(all)(((const REAL *)data->values)[p]);
            for (index_t j = 0; j < ld; j += LANES)
                NAME(store)(out + j, NAME(load)(out + j) + value * NAME(load)(w + j));
        }
    }
}

/* Activations of every layer for a block; those of the last layer are the raw outputs. */
FUNCTION void NAME(forward)(NAME(workspace) *ws, const NAME(rows) *rows, const REAL *input)
{
    const REAL *A = input;
    index_t lda = ws->network->sizes[0];
    LAYERS(ws) {
        const int is_last = layer == ws->layers + ws->n_layers - 1;
        const int activation = is_last ? ACT_IDENTITY : ws->network->activation;
        REAL *z = layer->activation;
        if (A) {
            NAME(product) x = {.m = rows->n, .n = layer->ld, .k = layer->in};
            x.A = A, x.row_step = lda, x.column_step = 1;
            x.B = layer->part[NAME(PARAMETERS)].weights, x.ldb = layer->ld, x.n_valid = layer->out;
            x.C = z, x.ldc = layer->ld;
            x.finish = NAME(ACTIVATE), x.activation = activation;
            x.other = layer->part[NAME(PARAMETERS)].biases;
            x.scratch = ws->scratch;
            NAME(run_product)(&x, ws->resources);
        } else {
            NAME(block) x = {ws, rows, 16, 0};
            const index_t n_stored = index_at(rows->data->indptr, rows->data->wide_indptr, rows->data->n_rows);
            const index_t work = n_stored / max_index(1, rows->data->n_rows) * rows->n * layer->ld;
            share((rows->n + 15) / 16, 8 * work >= SHARED_WORK ? ws->resources->n_threads : 1, NAME(sparse_forward), &x);
            NAME(activate)(activation, z, layer->part[NAME(PARAMETERS)].biases, rows->n, layer->ld);
        }
        A = z;
        lda = layer->ld;
    }
}

/* Far below every logit, so that a padding lane has probability 0, and finite, so that 0 times it is 0. */
#define NEVER CONSTANT(-1e300, -1e30f)

/* Loss of output units that do not depend on each other (all but softmax), added to `loss_sum`, and its derivative with
 * respect to the raw outputs z; t are the targets. */
INLINE V NAME(unit_loss)(const network_t *network, V z, V t, V *loss_sum)
{
    V p = z, error;
    if (network->output == OUT_LOGISTIC && network->loss == LOSS_LOG_LOSS) {
        const V small = NAME(exp)(-NAME(absolute)(z));
        *loss_sum += NAME(relu)(z) + NAME(log1p)(small) - t * z;
        return NAME(select)(z >= 0, NAME(all)(1), small) / (1 + small) - t;
    }
    if (network->output == OUT_EXP) {
        error = NAME(exp)(z) - t;
        *loss_sum += t * NAME(log)(NAME(select)(t > 0, t, NAME(all)(1))) - t * z + error;
        return error;
    }
    if (network->output == OUT_LOGISTIC)
        p = NAME(logistic)(z);
    error = p - t;
    *loss_sum += error * error * (REAL)0.5;
    if (network->output == OUT_LOGISTIC)
        error *= p * (1 - p);
    return error;
}

/* A network is evaluated with rows in the lanes while its layers are at most this wide: beyond it units fill the lanes
 * as well. */
#define LANE_WIDTH 32

/* Rows of a block at most, a multiple of ROW_STEP: a unit's values over the block are one contiguous row. */
#define LANE_ROWS ((index_t)(512 / sizeof(REAL)))

/* Whether the logarithms of the loss are taken of many rows at a time. */
INLINE int NAME(takes_logs)(const network_t *network)
{
    return network->output == OUT_SOFTMAX && network->loss == LOSS_LOG_LOSS;
}

/* Sum of weight times loss, with rows in the lanes: raw outputs z and targets y are [out, LANE_ROWS], of which n_lanes
 * are in use. With `scale` not 0, delta becomes weight * scale * the derivative of the loss with respect to z. */
FUNCTION double NAME(unit_major_loss)(const network_t *network, index_t out, index_t n_lanes, const REAL *z,
                                      const REAL *y, const REAL *weights, REAL *delta, double scale)
{
    const int output = network->output, takes_logs = NAME(takes_logs)(network);
    REAL log_of[512 / sizeof(REAL)], log_weight[512 / sizeof(REAL)];
    V total = NAME(all)(0);
    for (index_t i = 0; i < n_lanes; i += LANES) {
        const REAL *zi = z + i, *yi = y + i;
        REAL *di = delta + i;
        V weight = NAME(load)(weights + i), factor = weight * (REAL)scale, acc = NAME(all)(0);
        if (output == OUT_SOFTMAX) {
            V top = NAME(load)(zi), sum = NAME(all)(0), mass = NAME(all)(0), mean = NAME(all)(0);
            for (index_t j = 1; j < out; j++)
                top = NAME(larger)(NAME(load)(zi + j * LANE_ROWS), top);
            for (index_t j = 0; j < out; j++) {
                V x = NAME(load)(zi + j * LANE_ROWS) - top, e = NAME(exp)(x), t = NAME(load)(yi + j * LANE_ROWS);
                acc -= t * x;
                mass += t;
                sum += e;
                NAME(store)(di + j * LANE_ROWS, e);
            }
            const V share = 1 / sum;
            if (takes_logs) {
                NAME(store)(log_of + i, sum);
                NAME(store)(log_weight + i, weight * mass);
                for (index_t j = 0; j < out && scale != 0; j++) {
                    V p = NAME(load)(di + j * LANE_ROWS) * share;
                    NAME(store)(di + j * LANE_ROWS, (p - NAME(load)(yi + j * LANE_ROWS)) * factor);
                }
            } else {
                acc = NAME(all)(0);
                for (index_t j = 0; j < out; j++) {
                    V p = NAME(load)(di + j * LANE_ROWS) * share, error = p - NAME(load)(yi + j * LANE_ROWS);
                    acc += error * error * (REAL)0.5;
                    mean += p * error;
                }
                for (index_t j = 0; j < out && scale != 0; j++) {
                    V p = NAME(load)(di + j * LANE_ROWS) * share;
                    NAME(store)(di + j * LANE_ROWS, p * (p - NAME(load)(yi + j * LANE_ROWS) - mean) * factor);
                }
            }
        } else {
            for (index_t j = 0; j < out; j++) {
                V error = NAME(unit_loss)(network, NAME(load)(zi + j * LANE_ROWS), NAME(load)(yi + j * LANE_ROWS), &acc);
                NAME(store)(di + j * LANE_ROWS, error * factor);
            }
        }
        /* a lane without a row must not turn an overflow into NaN */
        total += NAME(select)(weight > 0, weight * acc, NAME(all)(0));
    }
    /* in a loop of their own, so that none waits for the sum that it is the logarithm of */
    for (index_t i = 0; i < n_lanes && takes_logs; i += LANES) {
        const V weight = NAME(load)(log_weight + i);
        total += NAME(select)(weight > 0, weight * NAME(log)(NAME(load)(log_of + i)), NAME(all)(0));
    }
    return (double)NAME(sum)(total);
}

/* Loss of one row, times its weight, as a vector to be summed, to which `log_weight` times the logarithm of `log_of` is
 * to be added for the log loss of softmax outputs. From the raw outputs z and the padded targets y; d becomes `factor`
 * times the derivative of the loss with respect to z. */
INLINE V NAME(row_loss)(const network_t *network, index_t out, index_t ld, REAL *z, const REAL *y, REAL *d, REAL weight,
                        REAL factor, REAL *log_of, REAL *log_weight)
{
    const int output = network->output, loss = network->loss;
    if (output != OUT_IDENTITY)
        for (index_t j = out; j < ld; j++)
            z[j] = NEVER;
    V acc = NAME(all)(0);
    if (output == OUT_SOFTMAX) {
        V top = NAME(load)(z), sum = NAME(all)(0), mass = NAME(all)(0);
        for (index_t j = LANES; j < ld; j += LANES)
            top = NAME(larger)(NAME(load)(z + j), top);
        const REAL highest = NAME(max)(top);
        for (index_t j = 0; j < ld; j += LANES) {
            V u = NAME(load)(z + j) - highest, e = NAME(exp)(u), t = NAME(load)(y + j);
            acc -= t * u;
            mass += t;
            sum += e;
            NAME(store)(d + j, e);
        }
        const REAL partition = NAME(sum)(sum), share = 1 / partition;
        if (loss == LOSS_LOG_LOSS) {
            *log_of = partition;
            *log_weight = weight * NAME(sum)(mass);
            for (index_t j = 0; j < ld; j += LANES)
                NAME(store)(d + j, (NAME(load)(d + j) * share - NAME(load)(y + j)) * factor);
        } else {
            V product = NAME(all)(0);
            acc = NAME(all)(0);
            for (index_t j = 0; j < ld; j += LANES) {
                V p = NAME(load)(d + j) * share, error = p - NAME(load)(y + j);
                acc += error * error * (REAL)0.5;
                product += p * error;
                NAME(store)(d + j, p);
            }
            const REAL mean = NAME(sum)(product);
            for (index_t j = 0; j < ld; j += LANES) {
                V p = NAME(load)(d + j);
                NAME(store)(d + j, p * (p - NAME(load)(y + j) - mean) * factor);
            }
        }
    } else {
        for (index_t j = 0; j < ld; j += LANES) {
            V error = NAME(unit_loss)(network, NAME(load)(z + j), NAME(load)(y + j), &acc);
            NAME(store)(d + j, error * factor);
        }
    }
    return acc * weight;
}

/* Sum of log_weight times the logarithm of log_of, for n rows in buffers that are a multiple of LANES long. */
INLINE double NAME(sum_of_logs)(REAL *log_of, REAL *log_weight, index_t n)
{
    double total = 0;
    for (index_t i = n; i < round_up(n, LANES); i++)
        log_of[i] = 1, log_weight[i] = 0;
    for (index_t i = 0; i < n; i += LANES)
        total += (double)NAME(sum)(NAME(load)(log_weight + i) * NAME(log)(NAME(load)(log_of + i)));
    return total;
}

/* Sum over an item's rows of weight times loss. The last layer's delta becomes weight * scale * the derivative of the
 * loss with respect to the raw outputs. */
FUNCTION void NAME(loss_rows)(void *context, int64_t item, int worker)
{
    const NAME(block) *x = context;
    NAME(workspace) *ws = x->ws;
    const NAME(rows) *rows = x->rows;
    const index_t first = item * x->rows_per_item, stop = min_index(rows->n, first + x->rows_per_item);
    const NAME(layer) *layer = ws->layers + ws->n_layers - 1;
    const index_t out = layer->out, ld = layer->ld;
    const REAL *targets = rows->data->targets, *weights = rows->data->weights;
    double total = 0;
    if (out <= LANE_WIDTH && stop - first >= LANES / 2) {
        /* turned around, so that no lane is idle and nothing is summed across lanes */
        const index_t n_rows = stop - first, n_lanes = round_up(n_rows, ROW_STEP);
        REAL *z = ws->scratch + worker * SCRATCH, *t = z + out * LANE_ROWS, *delta = t + out * LANE_ROWS;
        REAL *weight = delta + out * LANE_ROWS;
        NAME(transpose)(n_rows, out, layer->activation + first * ld, ld, n_lanes, z, LANE_ROWS);
        for (index_t i = 0; i < n_lanes; i++) {
            const index_t row = NAME(row)(rows, min_index(first + i, stop - 1));
            weight[i] = i >= n_rows ? 0 : weights ? weights[row] : 1;
            for (index_t j = 0; j < out; j++)
                t[j * LANE_ROWS + i] = targets[row * out + j];
        }
        ws->totals[item] =
            NAME(unit_major_loss)(ws->network, out, n_lanes, z, t, weight, delta, x->scale);
        NAME(transpose)(out, n_rows, delta, LANE_ROWS, ld, layer->delta + first * ld, ld);
        return;
    }
    REAL *y = ws->target + worker * ld;
    for (index_t i = first; i < stop; i++) {
        const index_t row = NAME(row)(rows, i);
        const REAL weight = weights ? weights[row] : 1, factor = weight * (REAL)x->scale;
        memcpy(y, targets + row * out, (size_t)out * sizeof(REAL));
        total += (double)NAME(sum)(NAME(row_loss)(ws->network, out, ld, layer->activation + i * ld, y,
                                                  layer->delta + i * ld, weight, factor, ws->log_of + i,
                                                  ws->log_weight + i));
    }
    if (NAME(takes_logs)(ws->network))
        total += NAME(sum_of_logs)(ws->log_of + first, ws->log_weight + first, stop - first);
    ws->totals[item] = total;
}

/* Loss of a block, see `loss_rows`. */
FUNCTION double NAME(loss)(NAME(workspace) *ws, const NAME(rows) *rows, double scale)
{
    NAME(block) x = {ws, rows, LOSS_ITEM, scale};
    const index_t n_items = (rows->n + LOSS_ITEM - 1) / LOSS_ITEM;
    const index_t work = 32 * rows->n * ws->layers[ws->n_layers - 1].ld;
    share(n_items, work >= SHARED_WORK ? ws->resources->n_threads : 1, NAME(loss_rows), &x);
    double total = 0;
    for (index_t i = 0; i < n_items; i++)
        total += ws->totals[i];
    return total;
}

/* The first layer's part of the gradient, for CSR rows. */
FUNCTION void NAME(sparse_backward)(const NAME(rows) *rows, const NAME(layer) *layer, REAL *g, int accumulate)
{
    const data_t *data = rows->data;
    const index_t ld = layer->ld;
    if (!accumulate)
        memset(g, 0, (size_t)(layer->in * ld) * sizeof(REAL));
    for (index_t i = 0; i < rows->n; i++) {
        const index_t row = NAME(row)(rows, i), end = index_at(data->indptr, data->wide_indptr, row + 1);
        const REAL *d = layer->delta + i * ld;
        for (index_t p = index_at(data->indptr, data->wide_indptr, row); p < end; p++) {
            REAL *g_row = g + index_at(data->indices, data->wide_indices, p) * ld;
            const V value = NAME(all)(((const REAL *)data->values)[p]);
            for (index_t j = 0; j < ld; j += LANES)
                NAME(store)(g_row + j, NAME(load)(g_row + j) + value * NAME(load)(d + j));
        }
    }
}

/* Gradient of the weights and biases from a block's activations and the last layer's delta. */
FUNCTION void NAME(backward)(NAME(workspace) *ws, const NAME(rows) *rows, const REAL *input, int accumulate)
{
    for (index_t l = ws->n_layers - 1; l >= 0; l--) {
        const NAME(layer) *layer = ws->layers + l, *below = l ? layer - 1 : NULL;
        const REAL *A = l ? below->activation : input, *d = layer->delta;
        REAL *g = layer->part[NAME(GRADIENT)].weights, *bias = layer->part[NAME(GRADIENT)].biases;
        const index_t lda = l ? below->ld : layer->in, ld = layer->ld;
        for (index_t j = 0; j < ld; j += LANES) {
            V sum = accumulate ? NAME(load)(bias + j) : NAME(all)(0);
            for (index_t i = 0; i < rows->n; i++)
                sum += NAME(load)(d + i * ld + j);
            NAME(store)(bias + j, sum);
        }
        if (A) {
            NAME(product) x = {.m = layer->in, .n = ld, .k = rows->n};
            x.A = A, x.row_step = 1, x.column_step = lda;
            x.B = d, x.ldb = ld, x.n_valid = layer->out;
            x.C = g, x.ldc = ld, x.accumulate = accumulate;
            x.scratch = ws->scratch;
            NAME(run_product)(&x, ws->resources);
        } else {
            NAME(sparse_backward)(rows, layer, g, accumulate);
        }
        if (!l)
            continue;
        NAME(product) x = {.m = rows->n, .n = below->ld, .k = layer->out};
        x.A = d, x.row_step = ld, x.column_step = 1;
        x.B = layer->part[NAME(PARAMETERS)].weights, x.ldb = ld, x.transposed = 1, x.n_valid = layer->in;
        x.C = below->delta, x.ldc = below->ld;
        x.finish = NAME(DERIVE), x.activation = ws->network->activation, x.other = below->activation;
        x.scratch = ws->scratch;
        NAME(run_product)(&x, ws->resources);
    }
}

/* Sum of the losses of the rows first, ..., stop - 1, and in the gradient's parts scale times its gradient. */
FUNCTION double NAME(loss_and_gradient)(NAME(workspace) *ws, const data_t *data, const index_t *order, index_t first,
                                        index_t stop, double scale)
{
    double total = 0;
    for (index_t start = first; start < stop; start += ws->block) {
        NAME(rows) rows = {data, order, start, min_index(ws->block, stop - start)};
        const REAL *input = NAME(dense_input)(ws, &rows);
        NAME(forward)(ws, &rows, input);
        total += NAME(loss)(ws, &rows, scale);
        NAME(backward)(ws, &rows, input, start > first);
    }
    return total;
}

/* ---- updates ---- */

/* Count an update, and work out Adam's learning rate for it. */
INLINE void NAME(begin_step)(run_t *run)
{
    run->t++;
    if (run->adam)
        run->adam_rate = run->learning_rate * sqrt(1 - power(run->beta_2, run->t)) / (1 - power(run->beta_1, run->t));
}

/* One step of SGD for n parameters with the gradient scale * g; adds the squares of the parameters before it to
 * `squares`, unless that is NULL. */
INLINE void NAME(sgd)(const run_t *run, REAL *w, REAL *velocity, const REAL *g, REAL scale, index_t n, double added,
                      double before, double after, const int nesterov, V *squares)
{
    const REAL eta = (REAL)run->learning_rate, mu = (REAL)run->momentum, c = (REAL)added;
    const REAL keep_before = (REAL)(1 - before), keep_after = (REAL)(1 - after);
    for (index_t i = 0; i < n; i += LANES) {
        V x = NAME(load)(w + i);
        if (squares)
            *squares += x * x;
        V step = eta * (scale * NAME(load)(g + i) + c * x);
        V v = mu * NAME(load)(velocity + i) - step;
        NAME(store)(velocity + i, v);
        if (nesterov)
            v = mu * v - step;
        NAME(store)(w + i, keep_after * (keep_before * x + v));
    }
}

/* The same for Adam. */
INLINE void NAME(adam)(const run_t *run, REAL *w, REAL *first, REAL *second, const REAL *g, REAL scale, index_t n,
                       double added, double before, double after, V *squares)
{
    const REAL eta = (REAL)run->adam_rate, c = (REAL)added, epsilon = (REAL)run->epsilon;
    const REAL beta_1 = (REAL)run->beta_1, rest_1 = (REAL)(1 - run->beta_1);
    const REAL beta_2 = (REAL)run->beta_2, rest_2 = (REAL)(1 - run->beta_2);
    const REAL keep_before = (REAL)(1 - before), keep_after = (REAL)(1 - after);
    for (index_t i = 0; i < n; i += LANES) {
        V x = NAME(load)(w + i);
        if (squares)
            *squares += x * x;
        V gradient = scale * NAME(load)(g + i) + c * x;
        V m = beta_1 * NAME(load)(first + i) + rest_1 * gradient;
        V v = beta_2 * NAME(load)(second + i) + rest_2 * (gradient * gradient);
        NAME(store)(first + i, m);
        NAME(store)(second + i, v);
        REAL lanes[VECTOR_BYTES / sizeof(REAL)];
        NAME(store)(lanes, v);
        for (index_t k = 0; k < LANES; k++)
            lanes[k] = IS_DOUBLE ? (REAL)sqrt((double)lanes[k]) : (REAL)sqrtf((float)lanes[k]);
        V root = NAME(load)(lanes);
        NAME(store)(w + i, keep_after * (keep_before * x - eta * m / (root + epsilon)));
    }
}

/* Call `step`, SGD's or Adam's, with constants where it has a choice, so that each choice has a loop of its own. */
#define CHOOSE_STEP(step, adam, nesterov, added)                                                                  \
    if (adam) {                                                                                                   \
        if (added) {                                                                                              \
            step(1, 0, 1);                                                                                        \
        } else {                                                                                                  \
            step(1, 0, 0);                                                                                        \
        }                                                                                                         \
    } else if (nesterov) {                                                                                        \
        if (added) {                                                                                              \
            step(0, 1, 1);                                                                                        \
        } else {                                                                                                  \
            step(0, 1, 0);                                                                                        \
        }                                                                                                         \
    } else if (added) {                                                                                           \
        step(0, 0, 1);                                                                                            \
    } else {                                                                                                      \
        step(0, 0, 0);                                                                                            \
    }

typedef struct {
    const run_t *run;
    REAL *parameters, *first, *second;
    const REAL *gradient;
    index_t n;
    double added, before, after, *totals;
} NAME(step);

FUNCTION void NAME(step_item)(void *context, int64_t item, int worker)
{
    const NAME(step) *x = context;
    const run_t *run = x->run;
    const index_t at = item * STEP_ITEM, n = min_index(STEP_ITEM, x->n - at);
    REAL *w = x->parameters + at, *first = x->first + at;
    const REAL *g = x->gradient + at;
    V squares = NAME(all)(0);
    (void)worker;
#define STEP(is_adam, nesterov, penalised)                                                                        \
    if (is_adam)                                                                                                  \
        NAME(adam)(run, w, first, x->second + at, g, 1, n, x->added, x->before, x->after,                         \
                   penalised ? &squares : NULL);                                                                  \
    else                                                                                                          \
        NAME(sgd)(run, w, first, g, 1, n, x->added, x->before, x->after, nesterov, penalised ? &squares : NULL)
    CHOOSE_STEP(STEP, run->adam, run->nesterov, x->added)
#undef STEP
    x->totals[item] = (double)NAME(sum)(squares);
}

/* One step of a layer with the rule's numbers for its weights, and none for its biases; the sum of the squares of the
 * weights before it, where a penalty is added. */
FUNCTION double NAME(take_step)(NAME(workspace) *ws, const NAME(layer) *layer, const run_t *run, double added,
                                double before, double after)
{
    const int second = run->adam ? NAME(SECOND) : NAME(FIRST);
    const index_t n = layer->in * layer->ld, n_items = (n + STEP_ITEM - 1) / STEP_ITEM;
    NAME(step) weights = {run,
                          layer->part[NAME(PARAMETERS)].weights,
                          layer->part[NAME(FIRST)].weights,
                          layer->part[second].weights,
                          layer->part[NAME(GRADIENT)].weights,
                          n,
                          added,
                          before,
                          after,
                          ws->totals};
    share(n_items, 32 * n >= SHARED_WORK ? ws->resources->n_threads : 1, NAME(step_item), &weights);
    double total = 0, ignored;
    for (index_t i = 0; i < n_items; i++)
        total += ws->totals[i];
    for (index_t at = 0; at < layer->ld; at += STEP_ITEM) {
        NAME(step) biases = {run,
                             layer->part[NAME(PARAMETERS)].biases + at,
                             layer->part[NAME(FIRST)].biases + at,
                             layer->part[second].biases + at,
                             layer->part[NAME(GRADIENT)].biases + at,
                             layer->ld - at,
                             0,
                             0,
                             0,
                             &ignored};
        NAME(step_item)(&biases, 0, 0);
    }
    return total;
}

/* ---- online training: dense batches of one row ---- */

/* Raw activations of a layer for one row of input, biases included. */
INLINE void NAME(online_forward)(const NAME(layer) *layer, const REAL *A)
{
    const REAL *w = layer->part[NAME(PARAMETERS)].weights, *biases = layer->part[NAME(PARAMETERS)].biases;
    const index_t in = layer->in, ld = layer->ld;
    index_t j = 0;
    for (; j + 4 * LANES <= ld; j += 4 * LANES) {
        V z[4];
        for (int v = 0; v < 4; v++)
            z[v] = NAME(load)(biases + j + v * LANES);
        for (index_t i = 0; i < in; i++)
            for (int v = 0; v < 4; v++)
                z[v] += A[i] * NAME(load)(w + i * ld + j + v * LANES);
        for (int v = 0; v < 4; v++)
            NAME(store)(layer->activation + j + v * LANES, z[v]);
    }
    for (; j < ld; j += LANES) {
        /* two sums, so that an addition need not wait for the one before it */
        V even = NAME(load)(biases + j), odd = NAME(all)(0);
        index_t i = 0;
        for (; i + 2 <= in; i += 2) {
            even += A[i] * NAME(load)(w + i * ld + j);
            odd += A[i + 1] * NAME(load)(w + (i + 1) * ld + j);
        }
        if (i < in)
            even += A[i] * NAME(load)(w + i * ld + j);
        NAME(store)(layer->activation + j, even + odd);
    }
}

/* Derivative of the loss with respect to the activations below, times the activation's. */
INLINE void NAME(online_delta)(const NAME(layer) *layer, const NAME(layer) *below, int activation)
{
    const REAL *w = layer->part[NAME(PARAMETERS)].weights, *d = layer->delta;
    const index_t ld = layer->ld, few = LANES / 2;
    for (index_t i = 0; i < layer->in; i++) {
        REAL total = 0;
        if (layer->out <= few) {
            for (index_t j = 0; j < layer->out; j++)
                total += d[j] * w[i * ld + j];
        } else {
            V sum = NAME(all)(0);
            for (index_t j = 0; j < ld; j += LANES)
                sum += NAME(load)(d + j) * NAME(load)(w + i * ld + j);
            total = NAME(sum)(sum);
        }
        below->delta[i] = total;
    }
    NAME(derive)(activation, below->delta, below->activation, below->ld);
}

/* A layer's step, its gradient being the outer product of the activations below and its delta. */
INLINE void NAME(online_step)(const run_t *run, const NAME(layer) *layer, const REAL *A, double added, double before,
                              double after, const int adam, const int nesterov, V *squares)
{
    const index_t ld = layer->ld;
    REAL *w = layer->part[NAME(PARAMETERS)].weights, *biases = layer->part[NAME(PARAMETERS)].biases;
    REAL *first = layer->part[NAME(FIRST)].weights, *first_of_biases = layer->part[NAME(FIRST)].biases;
    const REAL *d = layer->delta;
    if (adam) {
        REAL *second = layer->part[NAME(SECOND)].weights, *second_of_biases = layer->part[NAME(SECOND)].biases;
        for (index_t i = 0; i < layer->in; i++)
            NAME(adam)(run, w + i * ld, first + i * ld, second + i * ld, d, A[i], ld, added, before, after, squares);
        NAME(adam)(run, biases, first_of_biases, second_of_biases, d, 1, ld, 0, 0, 0, NULL);
    } else {
        for (index_t i = 0; i < layer->in; i++)
            NAME(sgd)(run, w + i * ld, first + i * ld, d, A[i], ld, added, before, after, nesterov, squares);
        NAME(sgd)(run, biases, first_of_biases, d, 1, ld, 0, 0, 0, nesterov, NULL);
    }
}

/* Rows whose losses are summed before they are added to the totals in double precision. */
#define ONLINE_ROWS 16

FUNCTION void NAME(run_online)(NAME(workspace) *ws, const data_t *data, run_t *run)
{
    const network_t *network = ws->network;
    const NAME(layer) *last = ws->layers + ws->n_layers - 1;
    const REAL *weights = data->weights;
    REAL log_of[ONLINE_ROWS], log_weight[ONLINE_ROWS];
    index_t n_pending = 0;
    V data_loss = NAME(all)(0), penalty = NAME(all)(0);
    for (index_t u = 0; u < run->n_updates; u++) {
        if (run->items[u] != 0) {
            const index_t at = run->bounds[u], row = run->order ? run->order[at] : at;
            const REAL *input = (const REAL *)data->values + row * network->sizes[0], *A = input;
            const REAL weight = weights ? weights[row] : 1, factor = weight / (REAL)run->items[u];
            LAYERS(ws) {
                NAME(online_forward)(layer, A);
                if (layer != last)
                    NAME(apply)(network->activation, layer->activation, layer->ld);
                A = layer->activation;
            }
            for (index_t j = 0; j < last->out; j++)
                ws->target[j] = ((const REAL *)data->targets)[row * last->out + j];
            data_loss += NAME(row_loss)(network, last->out, last->ld, last->activation, ws->target, last->delta, factor,
                                        factor, log_of + n_pending, log_weight + n_pending);
            n_pending++;
            run->n_rows++;
            NAME(begin_step)(run);
            for (index_t l = ws->n_layers - 1; l >= 0; l--) {
                const NAME(layer) *layer = ws->layers + l, *below = l ? layer - 1 : NULL;
                const double added = run->added[u * run->added_strides[0] + l * run->added_strides[1]];
                const double before = run->before[u * run->before_strides[0] + l * run->before_strides[1]];
                const double after = run->after[u * run->after_strides[0] + l * run->after_strides[1]];
                V squares = NAME(all)(0);
                if (below)
                    NAME(online_delta)(layer, below, network->activation);
                A = below ? below->activation : input;
#define STEP(is_adam, nesterov, penalised)                                                                        \
    NAME(online_step)(run, layer, A, added, before, after, is_adam, nesterov, penalised ? &squares : NULL)
                CHOOSE_STEP(STEP, run->adam, run->nesterov, added)
#undef STEP
                penalty += squares * (REAL)(0.5 * added);
            }
        }
        if (n_pending == ONLINE_ROWS || u == run->n_updates - 1) {
            run->data_loss += (double)NAME(sum)(data_loss);
            run->penalty += (double)NAME(sum)(penalty);
            if (NAME(takes_logs)(network))
                run->data_loss += NAME(sum_of_logs)(log_of, log_weight, n_pending);
            data_loss = penalty = NAME(all)(0);
            n_pending = 0;
        }
    }
}

/* ---- mini-batches ---- */

FUNCTION void NAME(run_batches)(NAME(workspace) *ws, const data_t *data, run_t *run)
{
    for (index_t u = 0; u < run->n_updates; u++) {
        const double items = run->items[u], size = (double)(run->bounds[u + 1] - run->bounds[u]);
        if (items == 0)
            continue;
        run->data_loss +=
            NAME(loss_and_gradient)(ws, data, run->order, run->bounds[u], run->bounds[u + 1], 1 / items) / items * size;
        run->n_rows += (index_t)size;
        NAME(begin_step)(run);
        for (index_t l = 0; l < ws->n_layers; l++) {
            const NAME(layer) *layer = ws->layers + l;
            const double added = run->added[u * run->added_strides[0] + l * run->added_strides[1]];
            const double before = run->before[u * run->before_strides[0] + l * run->before_strides[1]];
            const double after = run->after[u * run->after_strides[0] + l * run->after_strides[1]];
            run->penalty += 0.5 * added * NAME(take_step)(ws, layer, run, added, before, after) * size;
        }
    }
}

FUNCTION int NAME(run_updates)(const network_t *network, const data_t *data, run_t *run, void *parameters, void *first,
                               void *second, const resources_t *resources)
{
    index_t largest = 1;
    for (index_t u = 0; u < run->n_updates; u++)
        largest = max_index(largest, run->bounds[u + 1] - run->bounds[u]);
    NAME(workspace) ws;
    if (NAME(reserve)(&ws, network, resources, largest, run->adam ? NAME(FOR_ADAM) : NAME(FOR_SGD),
                      run->order && !data->indptr)) {
        NAME(release)(&ws);
        return -1;
    }
    NAME(take)(&ws, NAME(PARAMETERS), parameters);
    NAME(take)(&ws, NAME(FIRST), first);
    if (run->adam)
        NAME(take)(&ws, NAME(SECOND), second);
    run->data_loss = run->penalty = 0;
    run->n_rows = 0;
    if (largest == 1 && !data->indptr)
        NAME(run_online)(&ws, data, run);
    else
        NAME(run_batches)(&ws, data, run);
    NAME(give_back)(&ws, NAME(PARAMETERS), parameters);
    NAME(give_back)(&ws, NAME(FIRST), first);
    if (run->adam)
        NAME(give_back)(&ws, NAME(SECOND), second);
    NAME(release)(&ws);
    return 0;
}

/* ---- rows in the SIMD lanes ---- */

typedef struct {
    const network_t *network;
    index_t n_layers;
    index_t n_lanes;    /* of the loaded block: its rows, rounded up to a multiple of ROW_STEP */
    REAL **activations; /* of each layer, input included: [units, LANE_ROWS], of which n_lanes are in use */
    REAL *target, *weight, *delta, *delta_below;
    void *memory;
} NAME(lanes);

FUNCTION int NAME(lanes_suit)(const network_t *network, const data_t *data)
{
    if (data->indptr)
        return 0;
    for (index_t i = 1; i <= network->n_layers; i++)
        if (network->sizes[i] > LANE_WIDTH)
            return 0;
    return network->sizes[0] <= 256;
}

FUNCTION int NAME(lanes_reserve)(NAME(lanes) *ws, const network_t *network)
{
    index_t units = 0, widest = 0;
    for (index_t i = 0; i <= network->n_layers; i++) {
        units += network->sizes[i];
        widest = max_index(widest, network->sizes[i]);
    }
    index_t n = (units + network->sizes[network->n_layers] + 1 + 2 * widest) * LANE_ROWS + ROW_STEP;
    ws->network = network;
    ws->n_layers = network->n_layers;
    ws->activations = malloc((size_t)(network->n_layers + 1) * sizeof *ws->activations);
    ws->memory = malloc((size_t)n * sizeof(REAL));
    if (!ws->activations || !ws->memory)
        return -1;
    REAL *next = (REAL *)(((uintptr_t)ws->memory + ROW_BYTES - 1) / ROW_BYTES * ROW_BYTES);
    memset(next, 0, (size_t)(n - ROW_STEP) * sizeof(REAL));
    for (index_t i = 0; i <= network->n_layers; i++)
        ws->activations[i] = next, next += network->sizes[i] * LANE_ROWS;
    ws->target = next, next += network->sizes[network->n_layers] * LANE_ROWS;
    ws->weight = next, next += LANE_ROWS;
    ws->delta = next, next += widest * LANE_ROWS;
    ws->delta_below = next;
    return 0;
}

FUNCTION void NAME(lanes_release)(NAME(lanes) *ws)
{
    free(ws->memory);
    free(ws->activations);
}

/* Put rows start, ..., start + n - 1 into the lanes; the other lanes get weight zero. */
FUNCTION void NAME(lanes_load)(NAME(lanes) *ws, const data_t *data, index_t start, index_t n)
{
    const index_t n_features = ws->network->sizes[0], n_outputs = ws->network->sizes[ws->n_layers];
    const REAL *weights = data->weights;
    ws->n_lanes = round_up(n, ROW_STEP);
    NAME(transpose)(n, n_features, (const REAL *)data->values + start * n_features, n_features, ws->n_lanes,
                    ws->activations[0], LANE_ROWS);
    NAME(transpose)(n, n_outputs, (const REAL *)data->targets + start * n_outputs, n_outputs, ws->n_lanes, ws->target,
                    LANE_ROWS);
    for (index_t i = 0; i < ws->n_lanes; i++)
        ws->weight[i] = i >= n ? 0 : weights ? weights[start + i] : 1;
}

/* Raw outputs of the loaded rows. */
FUNCTION void NAME(lanes_forward)(NAME(lanes) *ws, const REAL *parameters)
{
    const index_t *sizes = ws->network->sizes;
    const REAL *w = parameters, *bias = parameters;
    for (index_t l = 0; l < ws->n_layers; l++)
        bias += sizes[l] * sizes[l + 1];
    for (index_t l = 0; l < ws->n_layers; l++) {
        const index_t in = sizes[l], out = sizes[l + 1];
        REAL *z = ws->activations[l + 1];
        NAME(multiply)(out, ws->n_lanes, in, w, 1, out, ws->activations[l], LANE_ROWS, z, LANE_ROWS);
        const int activation = l == ws->n_layers - 1 ? ACT_IDENTITY : ws->network->activation;
        for (index_t j = 0; j < out; j++) {
            REAL shift[VECTOR_BYTES / sizeof(REAL)];
            NAME(store)(shift, NAME(all)(bias[j]));
            NAME(activate)(activation, z + j * LANE_ROWS, shift, ws->n_lanes / LANES, LANES);
        }
        w += in * out;
        bias += out;
    }
}

/* Sum of weight times loss over the loaded rows; with `scale` not 0, ws->delta as in `loss_rows`. */
FUNCTION double NAME(lanes_loss)(NAME(lanes) *ws, double scale)
{
    return NAME(unit_major_loss)(ws->network, ws->network->sizes[ws->n_layers], ws->n_lanes,
                                 ws->activations[ws->n_layers], ws->target, ws->weight, ws->delta, scale);
}

/* G[i, j] += sum over the lanes of A[i] * D[j], for ni x nj units. */
INLINE void NAME(lanes_tile)(const int ni, const int nj, index_t n_lanes, const REAL *A, const REAL *D, REAL *G, index_t ldg)
{
    V acc[4][4];
#pragma GCC unroll 4
    for (int i = 0; i < ni; i++)
#pragma GCC unroll 4
        for (int j = 0; j < nj; j++)
            acc[i][j] = NAME(all)(0);
    for (index_t p = 0; p < n_lanes; p += LANES)
#pragma GCC unroll 4
        for (int i = 0; i < ni; i++)
#pragma GCC unroll 4
            for (int j = 0; j < nj; j++)
                acc[i][j] += NAME(load)(A + i * LANE_ROWS + p) * NAME(load)(D + j * LANE_ROWS + p);
#pragma GCC unroll 4
    for (int i = 0; i < ni; i++)
#pragma GCC unroll 4
        for (int j = 0; j < nj; j++)
            G[i * ldg + j] += NAME(sum)(acc[i][j]);
}

FUNCTION void NAME(lanes_outer)(index_t in, index_t out, index_t n_lanes, const REAL *A, const REAL *D, REAL *G)
{
    for (index_t i = 0; i < in; i += 4)
        for (index_t j = 0; j < out; j += 4) {
            const REAL *a = A + i * LANE_ROWS, *d = D + j * LANE_ROWS;
            REAL *g = G + i * out + j;
            if (i + 4 <= in && j + 4 <= out) {
                NAME(lanes_tile)(4, 4, n_lanes, a, d, g, out);
                continue;
            }
            for (index_t ii = 0; ii < min_index(4, in - i); ii++)
                for (index_t jj = 0; jj < min_index(4, out - j); jj++)
                    NAME(lanes_tile)(1, 1, n_lanes, a + ii * LANE_ROWS, d + jj * LANE_ROWS, g + ii * out + jj, out);
        }
}

/* Add the loaded rows' part to a flat gradient. */
FUNCTION void NAME(lanes_backward)(NAME(lanes) *ws, const REAL *parameters, REAL *gradient)
{
    const index_t *sizes = ws->network->sizes;
    index_t at = 0, bias_at = 0;
    for (index_t l = 0; l < ws->n_layers; l++) {
        at += sizes[l] * sizes[l + 1];
        bias_at += sizes[l] * sizes[l + 1] + sizes[l + 1];
    }
    for (index_t l = ws->n_layers - 1; l >= 0; l--) {
        const index_t in = sizes[l], out = sizes[l + 1];
        at -= in * out;
        bias_at -= out;
        NAME(lanes_outer)(in, out, ws->n_lanes, ws->activations[l], ws->delta, gradient + at);
        for (index_t j = 0; j < out; j++) {
            V sum = NAME(all)(0);
            for (index_t p = 0; p < ws->n_lanes; p += LANES)
                sum += NAME(load)(ws->delta + j * LANE_ROWS + p);
            gradient[bias_at + j] += NAME(sum)(sum);
        }
        if (!l)
            break;
        NAME(multiply)(in, ws->n_lanes, out, parameters + at, out, 1, ws->delta, LANE_ROWS, ws->delta_below, LANE_ROWS);
        for (index_t i = 0; i < in; i++)
            NAME(derive)(ws->network->activation, ws->delta_below + i * LANE_ROWS, ws->activations[l] + i * LANE_ROWS,
                         ws->n_lanes);
        REAL *swap = ws->delta;
        ws->delta = ws->delta_below;
        ws->delta_below = swap;
    }
}

/* ---- entry points ---- */

FUNCTION double NAME(total_weight)(const data_t *data)
{
    if (!data->weights)
        return (double)data->n_rows;
    double total = 0;
    for (index_t i = 0; i < data->n_rows; i++)
        total += (double)((const REAL *)data->weights)[i];
    return total;
}

FUNCTION int NAME(gradient)(const network_t *network, const data_t *data, const void *parameters, double *value,
                            void *gradient, const resources_t *resources)
{
    const double items = NAME(total_weight)(data);
    *value = 0;
    if (NAME(lanes_suit)(network, data)) {
        NAME(lanes) ws;
        memset(gradient, 0, (size_t)count_parameters(network) * sizeof(REAL));
        int failed = NAME(lanes_reserve)(&ws, network);
        for (index_t start = 0; start < data->n_rows && !failed; start += LANE_ROWS) {
            NAME(lanes_load)(&ws, data, start, min_index(LANE_ROWS, data->n_rows - start));
            NAME(lanes_forward)(&ws, parameters);
            *value += NAME(lanes_loss)(&ws, 1 / items);
            NAME(lanes_backward)(&ws, parameters, gradient);
        }
        *value /= items;
        NAME(lanes_release)(&ws);
        return failed;
    }
    NAME(workspace) ws;
    int failed = NAME(reserve)(&ws, network, resources, data->n_rows, NAME(FOR_GRADIENT), 0);
    if (!failed) {
        NAME(take)(&ws, NAME(PARAMETERS), (REAL *)parameters);
        NAME(take)(&ws, NAME(GRADIENT), gradient);
        *value = NAME(loss_and_gradient)(&ws, data, NULL, 0, data->n_rows, 1 / items) / items;
        NAME(give_back)(&ws, NAME(GRADIENT), gradient);
    }
    NAME(release)(&ws);
    return failed;
}

#include "_swarm_template.h"

/* Outputs of one row of raw outputs, in place. */
INLINE void NAME(finish)(int output, REAL *z, index_t out, index_t ld)
{
    if (output == OUT_SOFTMAX) {
        for (index_t j = out; j < ld; j++)
            z[j] = NEVER;
        V top = NAME(load)(z), sum = NAME(all)(0);
        for (index_t j = LANES; j < ld; j += LANES)
            top = NAME(larger)(NAME(load)(z + j), top);
        const REAL highest = NAME(max)(top);
        for (index_t j = 0; j < ld; j += LANES) {
            V e = NAME(exp)(NAME(load)(z + j) - highest);
            NAME(store)(z + j, e);
            sum += e;
        }
        const REAL partition = NAME(sum)(sum);
        for (index_t j = 0; j < ld; j += LANES)
            NAME(store)(z + j, NAME(load)(z + j) / partition);
        return;
    }
    for (index_t j = 0; j < ld; j += LANES) {
        V x = NAME(load)(z + j);
        NAME(store)(z + j, output == OUT_LOGISTIC ? NAME(logistic)(x) : output == OUT_EXP ? NAME(exp)(x) : x);
    }
}

FUNCTION int NAME(outputs)(const network_t *network, const data_t *data, const void *parameters, int raw, void *result,
                           const resources_t *resources)
{
    NAME(workspace) ws;
    int failed = NAME(reserve)(&ws, network, resources, data->n_rows, NAME(FOR_OUTPUTS), 0);
    if (!failed) {
        const NAME(layer) *last = ws.layers + ws.n_layers - 1;
        NAME(take)(&ws, NAME(PARAMETERS), (REAL *)parameters);
        for (index_t start = 0; start < data->n_rows; start += ws.block) {
            NAME(rows) rows = {data, NULL, start, min_index(ws.block, data->n_rows - start)};
            NAME(forward)(&ws, &rows, NAME(dense_input)(&ws, &rows));
            for (index_t i = 0; i < rows.n; i++) {
                REAL *z = last->activation + i * last->ld;
                if (!raw)
                    NAME(finish)(network->output, z, last->out, last->ld);
                memcpy((REAL *)result + (start + i) * last->out, z, (size_t)last->out * sizeof(REAL));
            }
        }
    }
    NAME(release)(&ws);
    return failed;
}

static const kernels_t PASTE(kernels, REAL, TARGET) = {
    PASTE_TEXT(TARGET), NAME(run_updates), NAME(gradient), NAME(losses), NAME(fly), NAME(outputs), NAME(function),
};

#undef INT
#undef V
#undef VI
#undef LANES
#undef ROW_STEP
#undef IS_DOUBLE
#undef CONSTANT
#undef EXPONENT_SHIFT
#undef EXPONENT_BIAS
#undef ROUNDER
#undef TILE_ROWS
#undef PANEL
#undef SLICE
#undef SLICE_ROWS
#undef CACHE
#undef SCRATCH
#undef LAYERS
#undef STEP_ITEM
#undef LOSS_ITEM
#undef CHOOSE_STEP
#undef ONLINE_ROWS
#undef NEVER
#undef LANE_ROWS
#undef LANE_WIDTH
