/* The optimisers: one function each, with the arguments of `sgd`. */

/* Vectors over a layer's weights or biases. */
typedef struct {
    REAL *parameters, *moments[MAX_MOMENTS];
} NAME(vectors);

/* One update by SGD of n parameters from `at` on, with the gradient scale * g; adds the squares of the parameters before
 * it to `squares`, unless that is NULL. */
INLINE void NAME(descend)(const updates_t *updates, NAME(vectors) x, index_t at, const REAL *g, REAL scale, index_t n,
                          l2_t l2, V *squares, const int nesterov)
{
    REAL *parameters = x.parameters + at, *velocity = x.moments[0] + at;
    const REAL eta = (REAL)updates->rate, mu = (REAL)updates->constants[0], c = (REAL)l2.penalty;
    const REAL keep_before = (REAL)(1 - l2.decay_before), keep_after = (REAL)(1 - l2.decay_after);
    for (index_t i = 0; i < n; i += LANES) {
        V w = NAME(load)(parameters + i);
        if (squares)
            *squares += w * w;
        V step = eta * (scale * NAME(load)(g + i) + c * w);
        V v = mu * NAME(load)(velocity + i) - step;
        NAME(store)(velocity + i, v);
        if (nesterov)
            v = mu * v - step;
        NAME(store)(parameters + i, keep_after * (keep_before * w + v));
    }
}

INLINE void NAME(sgd)(const updates_t *updates, NAME(vectors) x, index_t at, const REAL *g, REAL scale, index_t n,
                      l2_t l2, V *squares)
{
    NAME(descend)(updates, x, at, g, scale, n, l2, squares, 0);
}

INLINE void NAME(nesterov)(const updates_t *updates, NAME(vectors) x, index_t at, const REAL *g, REAL scale, index_t n,
                           l2_t l2, V *squares)
{
    NAME(descend)(updates, x, at, g, scale, n, l2, squares, 1);
}

INLINE void NAME(adam)(const updates_t *updates, NAME(vectors) x, index_t at, const REAL *g, REAL scale, index_t n,
                       l2_t l2, V *squares)
{
    REAL *parameters = x.parameters + at, *first = x.moments[0] + at, *second = x.moments[1] + at;
    const double *constants = updates->constants;
    const REAL eta = (REAL)updates->rate, c = (REAL)l2.penalty, smallest = CONSTANT(0x1p-1022, 0x1p-126f);
    const REAL epsilon = (REAL)constants[2] > smallest ? (REAL)constants[2] : smallest; /* 0 / 0 in the padding else */
    const REAL beta_1 = (REAL)constants[0], rest_1 = (REAL)(1 - constants[0]);
    const REAL beta_2 = (REAL)constants[1], rest_2 = (REAL)(1 - constants[1]);
    const REAL keep_before = (REAL)(1 - l2.decay_before), keep_after = (REAL)(1 - l2.decay_after);
    for (index_t i = 0; i < n; i += LANES) {
        V w = NAME(load)(parameters + i);
        if (squares)
            *squares += w * w;
        V gradient = scale * NAME(load)(g + i) + c * w;
        V m = beta_1 * NAME(load)(first + i) + rest_1 * gradient;
        V v = beta_2 * NAME(load)(second + i) + rest_2 * (gradient * gradient);
        NAME(store)(first + i, m);
        NAME(store)(second + i, v);
        REAL lanes[VECTOR_BYTES / sizeof(REAL)];
        NAME(store)(lanes, v);
        for (index_t k = 0; k < LANES; k++)
            lanes[k] = IS_DOUBLE ? (REAL)sqrt((double)lanes[k]) : (REAL)sqrtf((float)lanes[k]);
        V root = NAME(load)(lanes);
        NAME(store)(parameters + i, keep_after * (keep_before * w - eta * m / (root + epsilon)));
    }
}

/* CALL(f, s) with the function f of the optimiser, and s 1 where squares are needed, 0 where not: in each case a
 * constant, so that each has a loop of its own. */
#define CALL_OPTIMISER(updates, penalised, CALL)                                                                  \
    switch ((updates)->optimiser) {                                                                               \
    case OPTIMISER_ADAM: WITH_SQUARES_OR_NOT(NAME(adam), penalised, CALL) break;                                  \
    default:                                                                                                      \
        if ((updates)->constants[1] != 0)                                                                         \
            WITH_SQUARES_OR_NOT(NAME(nesterov), penalised, CALL)                                                  \
        else                                                                                                      \
            WITH_SQUARES_OR_NOT(NAME(sgd), penalised, CALL)                                                       \
    }
#define WITH_SQUARES_OR_NOT(optimiser, penalised, CALL)                                                           \
    {                                                                                                             \
        if (penalised)                                                                                            \
            CALL(optimiser, 1);                                                                                   \
        else                                                                                                      \
            CALL(optimiser, 0);                                                                                   \
    }

FUNCTION void NAME(drop_subnormals)(REAL *x, index_t n)
{
    const VI exponent = (VI)NAME(all)((REAL)INFINITY);
    for (index_t i = 0; i < n; i += LANES) {
        const VI bits = (VI)NAME(load)(x + i);
        NAME(store)(x + i, (V)(bits & ((bits & exponent) != 0)));
    }
}

/* After some of the updates, drop the subnormal ones of n parameters from `at` on, and of their moments, as the reference
 * engine does. What only decays would get stuck there, and slow down every later operation by a factor of up to 50. */
INLINE void NAME(sweep)(const updates_t *updates, NAME(vectors) x, index_t at, index_t n)
{
    if (updates->t % UPDATES_PER_SWEEP)
        return;
    NAME(drop_subnormals)(x.parameters + at, n);
    const REAL root = CONSTANT(0x1p-511, 0x1p-63f), eps = CONSTANT(0x1p-52, 0x1p-23f);
    if (updates->optimiser == OPTIMISER_ADAM && root > eps * (REAL)updates->constants[2])
        return;
    for (int k = 0; k < n_moments_of[updates->optimiser]; k++)
        NAME(drop_subnormals)(x.moments[k] + at, n);
}

/* An update of a layer's weights or biases. */
typedef struct {
    const updates_t *updates;
    NAME(vectors) vectors;
    const REAL *gradient;
    index_t n;
    l2_t l2;
    double *totals; /* sum of squares in each chunk */
} NAME(update);

/* Update n parameters from `at` on; the sum of their squares before it, where there is a penalty. */
FUNCTION double NAME(update_range)(const NAME(update) *x, index_t at, index_t n, const REAL *gradient)
{
    V squares = NAME(all)(0);
#define CALL(optimiser, with_squares)                                                                             \
    optimiser(x->updates, x->vectors, at, gradient, 1, n, x->l2, with_squares ? &squares : NULL)
    CALL_OPTIMISER(x->updates, x->l2.penalty != 0, CALL)
#undef CALL
    NAME(sweep)(x->updates, x->vectors, at, n);
    return (double)NAME(sum)(squares);
}

FUNCTION void NAME(update_chunk)(void *context, int64_t chunk, int worker)
{
    const NAME(update) *x = context;
    const index_t at = chunk * UPDATE_CHUNK;
    (void)worker;
    x->totals[chunk] = NAME(update_range)(x, at, min_index(UPDATE_CHUNK, x->n - at), x->gradient + at);
}

/* Vectors of a layer's weights, or of its biases. */
INLINE NAME(vectors) NAME(vectors_of)(const NAME(layer) *layer, int biases)
{
    NAME(vectors) x;
    x.parameters = biases ? layer->part[NAME(PARAMETERS)].biases : layer->part[NAME(PARAMETERS)].weights;
    for (int k = 0; k < MAX_MOMENTS; k++)
        x.moments[k] = biases ? layer->part[NAME(MOMENTS) + k].biases : layer->part[NAME(MOMENTS) + k].weights;
    return x;
}

/* Update the weights of a layer, with the L2 rule; the sum of their squares before it, where there is a penalty. */
FUNCTION double NAME(update_weights)(NAME(workspace) *ws, const NAME(layer) *layer, const updates_t *updates, l2_t l2)
{
    const index_t n = layer->in * layer->ld, n_chunks = (n + UPDATE_CHUNK - 1) / UPDATE_CHUNK;
    NAME(update) x = {updates, NAME(vectors_of)(layer, 0), layer->part[NAME(GRADIENT)].weights, n, l2, ws->totals};
    share(n_chunks, 32 * n >= SHARED_WORK ? ws->n_threads : 1, NAME(update_chunk), &x);
    return NAME(total)(ws, n_chunks);
}

/* Update the biases of a layer, without the L2 rule. */
FUNCTION void NAME(update_biases)(NAME(workspace) *ws, const NAME(layer) *layer, const updates_t *updates)
{
    const REAL *gradient = layer->part[NAME(GRADIENT)].biases;
    NAME(update) x = {updates, NAME(vectors_of)(layer, 1), gradient, layer->ld, {0, 0, 0}, ws->totals};
    for (index_t i = 0; i * UPDATE_CHUNK < layer->ld; i++)
        NAME(update_chunk)(&x, i, 0);
}
