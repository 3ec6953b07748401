/* The optimisers' steps. */

/* Count an update, and work out Adam's learning rate for it. */
INLINE void NAME(begin_step)(run_t *run)
{
    run->t++;
    if (run->adam)
        run->adam_rate = run->learning_rate * sqrt(1 - power(run->beta_2, run->t)) / (1 - power(run->beta_1, run->t));
}

/* One step of SGD for n parameters with the gradient scale * g; adds the squares of the parameters before it to
 * `squares`, unless that is NULL. */
INLINE void NAME(sgd)(const run_t *run, REAL *w, REAL *velocity, const REAL *g, REAL scale, index_t n, l2_t l2,
                      const int nesterov, V *squares)
{
    const REAL eta = (REAL)run->learning_rate, mu = (REAL)run->momentum, c = (REAL)l2.added;
    const REAL keep_before = (REAL)(1 - l2.before), keep_after = (REAL)(1 - l2.after);
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
                       l2_t l2, V *squares)
{
    const REAL eta = (REAL)run->adam_rate, c = (REAL)l2.added, smallest = CONSTANT(0x1p-1022, 0x1p-126f);
    const REAL epsilon = (REAL)run->epsilon > smallest ? (REAL)run->epsilon : smallest; /* 0 / 0 in the padding else */
    const REAL beta_1 = (REAL)run->beta_1, rest_1 = (REAL)(1 - run->beta_1);
    const REAL beta_2 = (REAL)run->beta_2, rest_2 = (REAL)(1 - run->beta_2);
    const REAL keep_before = (REAL)(1 - l2.before), keep_after = (REAL)(1 - l2.after);
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
    l2_t l2;
    double *totals;
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
        NAME(adam)(run, w, first, x->second + at, g, 1, n, x->l2, penalised ? &squares : NULL);                   \
    else                                                                                                          \
        NAME(sgd)(run, w, first, g, 1, n, x->l2, nesterov, penalised ? &squares : NULL)
    CHOOSE_STEP(STEP, run->adam, run->nesterov, x->l2.added)
#undef STEP
    x->totals[item] = (double)NAME(sum)(squares);
}

/* One step of a layer with the rule's numbers for its weights, and none for its biases; the sum of the squares of the
 * weights before it, where a penalty is added. */
FUNCTION double NAME(take_step)(NAME(workspace) *ws, const NAME(layer) *layer, const run_t *run, l2_t l2)
{
    const int second = run->adam ? NAME(SECOND) : NAME(FIRST);
    const index_t n = layer->in * layer->ld, n_items = (n + STEP_ITEM - 1) / STEP_ITEM;
    NAME(step) weights = {run,
                          layer->part[NAME(PARAMETERS)].weights,
                          layer->part[NAME(FIRST)].weights,
                          layer->part[second].weights,
                          layer->part[NAME(GRADIENT)].weights,
                          n,
                          l2,
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
                             {0, 0, 0},
                             &ignored};
        NAME(step_item)(&biases, 0, 0);
    }
    return total;
}
