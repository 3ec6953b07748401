/* The optimisers: one functor each, with the arguments of `sgd_t`. */

/* Vectors over a layer's weights or biases. */
struct vectors_t {
    real *parameters, *moments[MAX_MOMENTS];
};

/* An update of a layer's weights or biases. */
struct update_t {
    const updates_t *updates;
    vectors_t vectors;
    l2_t l2;
};

/* One update by SGD of n parameters from `at` on, with the gradient scale * g; adds the squares of the parameters before
 * it to `squares`, unless that is nullptr. */
template <bool nesterov> struct sgd_t {
    INLINE void operator()(const update_t &x, index_t at, const real *g, real scale, index_t n, V *squares) const
    {
        real *parameters = x.vectors.parameters + at, *velocity = x.vectors.moments[0] + at;
        const real eta = (real)x.updates->rate, mu = (real)x.updates->constants[0], c = (real)x.l2.penalty;
        const real keep_before = (real)(1 - x.l2.decay_before), keep_after = (real)(1 - x.l2.decay_after);
        for (index_t i = 0; i < n; i += LANES) {
            V w = load(parameters + i);
            if (squares)
                *squares += w * w;
            V step = eta * (scale * load(g + i) + c * w);
            V v = mu * load(velocity + i) - step;
            store(velocity + i, v);
            if (nesterov)
                v = mu * v - step;
            store(parameters + i, keep_after * (keep_before * w + v));
        }
    }
};

struct adam_t {
    INLINE void operator()(const update_t &x, index_t at, const real *g, real scale, index_t n, V *squares) const
    {
        real *parameters = x.vectors.parameters + at, *first = x.vectors.moments[0] + at,
             *second = x.vectors.moments[1] + at;
        const double *constants = x.updates->constants;
        const real eta = (real)x.updates->rate, c = (real)x.l2.penalty, smallest = constant(0x1p-1022, 0x1p-126f);
        /* without which there would be 0 / 0 in the padding */
        const real epsilon = (real)constants[2] > smallest ? (real)constants[2] : smallest;
        const real beta_1 = (real)constants[0], rest_1 = (real)(1 - constants[0]);
        const real beta_2 = (real)constants[1], rest_2 = (real)(1 - constants[1]);
        const real keep_before = (real)(1 - x.l2.decay_before), keep_after = (real)(1 - x.l2.decay_after);
        for (index_t i = 0; i < n; i += LANES) {
            V w = load(parameters + i);
            if (squares)
                *squares += w * w;
            V gradient = scale * load(g + i) + c * w;
            V m = beta_1 * load(first + i) + rest_1 * gradient;
            V v = beta_2 * load(second + i) + rest_2 * (gradient * gradient);
            store(first + i, m);
            store(second + i, v);
            real lanes[VECTOR_BYTES / sizeof(real)];
            store(lanes, v);
            for (index_t k = 0; k < LANES; k++)
                lanes[k] = IS_DOUBLE ? (real)sqrt((double)lanes[k]) : (real)sqrtf((float)lanes[k]);
            V root = load(lanes);
            store(parameters + i, keep_after * (keep_before * w - eta * m / (root + epsilon)));
        }
    }
};

/* Call action(optimiser, penalised) with the optimiser of the updates. Both are constants where `action` is inlined, so
 * that each case has a loop of its own. */
template <typename Action> INLINE void with_optimiser(const updates_t *updates, bool penalised, Action action)
{
    if (updates->optimiser == OPTIMISER_ADAM)
        penalised ? action(adam_t(), true) : action(adam_t(), false);
    else if (updates->constants[1] != 0)
        penalised ? action(sgd_t<true>(), true) : action(sgd_t<true>(), false);
    else
        penalised ? action(sgd_t<false>(), true) : action(sgd_t<false>(), false);
}

void drop_subnormals(real *x, index_t n)
{
    const VI exponent = (VI)all((real)INFINITY);
    for (index_t i = 0; i < n; i += LANES) {
        const VI bits = (VI)load(x + i);
        store(x + i, (V)(bits & ((bits & exponent) != 0)));
    }
}

/* After some of the updates, drop the subnormal ones of n parameters from `at` on, and of their moments, as the reference
 * engine does. What only decays would get stuck there, and slow down every later operation by a factor of up to 50. */
INLINE void sweep(const update_t &x, index_t at, index_t n)
{
    const updates_t *updates = x.updates;
    if (updates->t % UPDATES_PER_SWEEP)
        return;
    drop_subnormals(x.vectors.parameters + at, n);
    const real root = constant(0x1p-511, 0x1p-63f), eps = constant(0x1p-52, 0x1p-23f);
    if (updates->optimiser == OPTIMISER_ADAM && root > eps * (real)updates->constants[2])
        return;
    for (int k = 0; k < n_moments_of[updates->optimiser]; k++)
        drop_subnormals(x.vectors.moments[k] + at, n);
}

/* Update n parameters from `at` on; the sum of their squares before it, where there is a penalty. */
double update_range(const update_t &x, index_t at, index_t n, const real *gradient)
{
    V squares = all(0);
    with_optimiser(x.updates, x.l2.penalty != 0, [&](auto optimiser, bool penalised) ALWAYS_INLINE {
        optimiser(x, at, gradient, 1, n, penalised ? &squares : nullptr);
    });
    sweep(x, at, n);
    return (double)sum_of_lanes(squares);
}

/* Vectors of a layer's weights, or of its biases. */
INLINE vectors_t vectors_of(const layer_t *layer, int biases)
{
    vectors_t x;
    x.parameters = biases ? layer->part[PARAMETERS].biases : layer->part[PARAMETERS].weights;
    for (int k = 0; k < MAX_MOMENTS; k++)
        x.moments[k] = biases ? layer->part[MOMENTS + k].biases : layer->part[MOMENTS + k].weights;
    return x;
}

/* Update the weights of a layer, with the L2 rule; the sum of their squares before it, where there is a penalty. */
double update_weights(workspace_t *ws, const layer_t *layer, const updates_t *updates, l2_t l2)
{
    const index_t n = layer->in * layer->ld;
    const update_t update = {updates, vectors_of(layer, 0), l2};
    share_items(ws, n, UPDATE_CHUNK, 32 * n, [=](index_t first, index_t stop, index_t chunk, int) {
        ws->totals[chunk] = update_range(update, first, stop - first, layer->part[GRADIENT].weights + first);
    });
    return total(ws, (n + UPDATE_CHUNK - 1) / UPDATE_CHUNK);
}

/* Update the biases of a layer, without the L2 rule. */
void update_biases(const layer_t *layer, const updates_t *updates)
{
    update_range({updates, vectors_of(layer, 1), {0, 0, 0}}, 0, layer->ld, layer->part[GRADIENT].biases);
}
