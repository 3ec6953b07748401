/* Iterations of L-BFGS. Its vectors are in double precision.
 *
 * J. Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35 (1980), 773-782. */

/* Sums over a vector are made of so many sums, whatever the instruction set. */
constexpr int STRIPES = 16;

double dot(const double *a, const double *b, index_t n)
{
    return striped_sum<STRIPES>(n, [=](index_t i) { return a[i] * b[i]; });
}

/* d = (d + share * v) * factor; its inner product with w. */
double add_and_dot(double *d, double share, const double *v, double factor, const double *w, index_t n)
{
    return striped_sum<STRIPES>(n, [=](index_t i) {
        d[i] = (d[i] + share * v[i]) * factor;
        return d[i] * w[i];
    });
}

/* The two-loop recursion: s->direction, and the slope of the objective along it. */
double find_direction(lbfgs_t *s, index_t n)
{
    const index_t n_pairs = min_index(s->n_updates, LBFGS_PAIRS), first = s->n_updates - n_pairs;
    double *d = s->direction, shares[LBFGS_PAIRS];
    for (index_t i = 0; i < n; i++)
        d[i] = -s->gradient[i];
#define ROW(array, pair) (s->array + (pair) % LBFGS_PAIRS * n)
#define CURVATURE(pair) s->curvatures[(pair) % LBFGS_PAIRS]
    double product = dot(n_pairs ? ROW(steps, s->n_updates - 1) : s->gradient, d, n);
    for (index_t pair = s->n_updates - 1; pair >= first; pair--) {
        const double share = shares[pair - first] = product / CURVATURE(pair);
        const int is_last = pair == first;
        product = add_and_dot(d, -share, ROW(changes, pair), is_last ? 1 / s->scale : 1,
                              is_last ? ROW(changes, first) : ROW(steps, pair - 1), n);
    }
    for (index_t pair = first; pair < s->n_updates; pair++)
        product = add_and_dot(d, shares[pair - first] - product / CURVATURE(pair), ROW(steps, pair), 1,
                              pair == s->n_updates - 1 ? s->gradient : ROW(changes, pair + 1), n);
#undef ROW
#undef CURVATURE
    return product;
}

/* Objective and gradient after a step along s->direction; the slope there. */
double try_step(lbfgs_t *s, evaluation_t *evaluation, double step)
{
    const network_t *network = &evaluation->call->network;
    const index_t n = evaluation->n_parameters;
    real *w = (real *)s->trial.real_parameters, *g = (real *)s->trial.real_gradient;
    for (index_t i = 0; i < n; i++) {
        s->trial.parameters[i] = s->parameters[i] + step * s->direction[i];
        w[i] = (real)s->trial.parameters[i];
    }
    s->trial.loss = s->trial.data_loss = evaluate_gradient(evaluation, w, g);
    s->trial.weight_norm = 0;
    for (index_t l = 0; l < network->n_layers; l++) {
        const index_t n_weights = network->sizes[l] * network->sizes[l + 1];
        const double squares = sum_of_squares(w, n_weights);
        const real coefficient = (real)s->penalty[l];
        s->trial.loss += 0.5 * s->penalty[l] * squares;
        s->trial.weight_norm += squares;
        for (index_t i = 0; i < n_weights; i++)
            g[i] += coefficient * w[i];
        w += n_weights;
        g += n_weights;
    }
    g = (real *)s->trial.real_gradient;
    for (index_t i = 0; i < n; i++)
        s->trial.gradient[i] = (double)g[i];
    s->n_evaluations++;
    return dot(s->trial.gradient, s->direction, n);
}

double largest_size(const double *a, index_t n)
{
    double largest = 0;
    for (index_t i = 0; i < n; i++) {
        const double size = fabs(a[i]);
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* Search along s->direction; whether the trial is the next iterate. It is not if all steps were too short to change
 * the loss. */
int search_line(lbfgs_t *s, evaluation_t *evaluation, line_search_t *search, double *slope)
{
    const index_t n = evaluation->n_parameters;
    const double length = s->n_iterations ? 1 : sqrt(dot(s->direction, s->direction, n));
    begin_line_search(search, s->loss, *slope, fmin(1 / length, LARGEST_STEP));
    for (int i = 0; i < MAX_TRIALS; i++) {
        *slope = try_step(s, evaluation, search->step);
        if (evaluation->call->interruption.is_over)
            return 0;
        if (line_search_ends(search, s->trial.loss, *slope))
            return search->is_satisfied || s->trial.loss < s->loss || largest_size(s->trial.gradient, n) <= s->gtol;
    }
    return 0;
}

/* Go where a line search has ended, and remember the pair. */
void finish_iteration(lbfgs_t *s, double step, double slope, double slope_before, index_t n)
{
    const double curvature = (slope - slope_before) * step, loss_before = s->loss;
    if (!(are_finite((const real *)s->trial.real_parameters, n) && fabs(s->trial.loss) < INFINITY)) {
        s->status = LBFGS_DIVERGED;
        return;
    }
    if (curvature > DBL_EPSILON * -slope_before * step) {
        const index_t at = s->n_updates % LBFGS_PAIRS;
        double *steps = s->steps + at * n, *changes = s->changes + at * n;
        for (index_t i = 0; i < n; i++) {
            steps[i] = step * s->direction[i];
            changes[i] = s->trial.gradient[i] - s->gradient[i];
        }
        s->curvatures[at] = curvature;
        s->scale = dot(changes, changes, n) / curvature;
        s->n_updates++;
    }
    memcpy(s->parameters, s->trial.parameters, (size_t)n * sizeof(double));
    memcpy(s->gradient, s->trial.gradient, (size_t)n * sizeof(double));
    s->loss = s->trial.loss;
    double *curve = s->curves + 3 * s->n_done;
    curve[0] = s->trial.loss;
    curve[1] = s->trial.data_loss;
    curve[2] = s->trial.weight_norm;
    s->n_iterations++;
    s->n_done++;
    if ((double)s->n_evaluations > s->max_fun)
        s->status = LBFGS_MAX_FUN;
    else if (largest_size(s->gradient, n) <= s->gtol)
        s->status = LBFGS_GRADIENT;
    else if (step < LARGEST_STEP && loss_before - s->loss <= s->ftol * fmax(1, fmax(fabs(loss_before), fabs(s->loss))))
        s->status = LBFGS_REDUCTION;
}

int iterate_lbfgs(call_t *call, lbfgs_t *s)
{
    evaluation_t evaluation = {};
    if (open_evaluation(&evaluation, call, 0))
        return -1;
    const index_t n = evaluation.n_parameters;
    while (s->status == LBFGS_RUNNING && s->n_done < s->n_wanted && s->n_evaluations < s->enough) {
        line_search_t search;
        const double slope_before = find_direction(s, n);
        double slope = slope_before;
        if (slope < 0 && search_line(s, &evaluation, &search, &slope)) {
            finish_iteration(s, search.step, slope, slope_before, n);
            continue;
        }
        if (call->interruption.is_over)
            break;
        if (s->n_updates == 0)
            s->status = LBFGS_LINE_SEARCH;
        s->n_updates = 0; /* along the gradient next */
        s->scale = 1;
    }
    return 0;
}
