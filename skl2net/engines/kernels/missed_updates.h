/* Updates by SGD without a gradient, for lazy.h.
 *
 * They are linear, and the same for all weights of a layer: each takes a weight w and its velocity v to another pair. So
 * those that a weight has missed are one product of matrices, and what becomes of the sums of w², wv and v² over many
 * weights follows from the sums alone. All is in double precision. */

/* (w, v) becomes (ww * w + wv * v, vw * w + vv * v). */
typedef struct {
    double ww, wv, vw, vv;
} linear_t;

static const linear_t no_update = {1, 0, 0, 1};

/* Sums over weights and their velocities. */
typedef struct {
    double ww, wv, vv;
} sums_t;

/* The updates since all weights were up to date. There are at most UPDATES_PER_SWEEP of them. */
typedef struct {
    index_t n;
    linear_t missed[UPDATES_PER_SWEEP + 1]; /* by weights that have had so many of them */
    double largest;                         /* coefficient among these */
    sums_t sums;                            /* over all weights as they would be, were they up to date */
    int has_sums;
} window_t;

static inline linear_t after(linear_t b, linear_t a)
{
    return (linear_t){b.ww * a.ww + b.wv * a.vw, b.ww * a.wv + b.wv * a.vv, b.vw * a.ww + b.vv * a.vw,
                      b.vw * a.wv + b.vv * a.vv};
}

static inline sums_t sums_after(linear_t m, sums_t s)
{
    return (sums_t){m.ww * m.ww * s.ww + 2 * m.ww * m.wv * s.wv + m.wv * m.wv * s.vv,
                    m.ww * m.vw * s.ww + (m.ww * m.vv + m.wv * m.vw) * s.wv + m.wv * m.vv * s.vv,
                    m.vw * m.vw * s.ww + 2 * m.vw * m.vv * s.wv + m.vv * m.vv * s.vv};
}

static inline void add_sums(sums_t *total, double sign, sums_t s)
{
    total->ww += sign * s.ww, total->wv += sign * s.wv, total->vv += sign * s.vv;
}

static inline void open_window(window_t *window)
{
    window->n = 0;
    window->missed[0] = no_update;
    window->largest = 1;
    window->sums = (sums_t){0, 0, 0};
    window->has_sums = 0;
}

/* Count an update: `update` without a gradient, and with one for weights whose sums were `before` and are `now`. */
static inline void advance(window_t *window, linear_t update, sums_t before, sums_t now)
{
    for (index_t i = 0; i <= window->n; i++) {
        linear_t *m = window->missed + i;
        *m = after(update, *m);
        window->largest = fmax(window->largest, fmax(fmax(fabs(m->ww), fabs(m->wv)), fmax(fabs(m->vw), fabs(m->vv))));
    }
    window->missed[++window->n] = no_update;
    add_sums(&window->sums, -1, before);
    window->sums = sums_after(update, window->sums);
    add_sums(&window->sums, 1, now);
}
