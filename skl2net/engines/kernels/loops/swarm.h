/* Iterations of a swarm. */

/* The swarm in memory of its own: each particle's row is padded with zeros to `ld` numbers. */
struct padded_swarm_t {
    swarm_t *swarm;
    interruption_t *interruption;
    index_t n, d, ld;
    real *positions, *velocities, *best_positions;
    real *next_positions, *next_velocities;
    real *draws; /* for one particle */
    double *losses, *data_losses;
    real *memory;

    ~padded_swarm_t()
    {
        free(memory);
        free(losses);
    }
};

int reserve_swarm(padded_swarm_t *s, swarm_t *swarm, interruption_t *interruption, index_t d)
{
    const index_t n = swarm->n_particles, ld = round_up(d, ROW_STEP);
    const index_t n_draws = round_up((swarm->fully_informed ? n : 2) * d, ROW_STEP) + ROW_STEP;
    const index_t n_numbers = 5 * n * ld + n_draws;
    s->swarm = swarm;
    s->interruption = interruption;
    s->n = n, s->d = d, s->ld = ld;
    s->memory = allocate<real>(n_numbers + ROW_STEP);
    s->losses = allocate<double>(2 * n);
    if (!s->memory || !s->losses)
        return -1;
    s->data_losses = s->losses + n;
    real *next = aligned(s->memory, ROW_BYTES);
    memset(next, 0, (size_t)n_numbers * sizeof(real));
    real **const rows[] = {&s->positions, &s->velocities, &s->best_positions, &s->next_positions, &s->next_velocities};
    for (real **row : rows)
        *row = next, next += n * ld;
    s->draws = next;
    return 0;
}

/* Between padded rows and the caller's. */
void copy_rows(index_t n, index_t d, const real *from, index_t from_step, real *to, index_t to_step)
{
    for (index_t i = 0; i < n; i++)
        memcpy(to + i * to_step, from + i * from_step, (size_t)d * sizeof(real));
}

/* n uniform random numbers in [0, 1), as `skl2net.solvers.swarm` draws them: the upper bits of as many words as
 * they fill are the fraction of a number in [1, 2). Writes whole vectors. */
void uniform(bit_generator_t *generator, index_t n, real *draws)
{
    const int unused_bits = IS_DOUBLE ? 12 : 9;
    const VI one = (VI)all(1);
    const int_t fraction = ((int_t)1 << EXPONENT_SHIFT) - 1;
    const index_t n_words = (n * (index_t)sizeof(real) + 7) / 8;
    for (index_t i = 0; i < n_words; i++) {
        const uint64_t word = generator->next_raw(generator->state);
        memcpy((char *)draws + 8 * i, &word, 8);
    }
    for (index_t i = 0; i < n; i += LANES) {
        const VI bits = (VI)load(draws + i);
        store(draws + i, (V)(((bits >> unused_bits) & fraction) | one) - 1);
    }
}

/* New velocity of a particle: inertia * v + c1 * r1 * (p - x) + c2 * r2 * (g - x). */
INLINE void follow_bests(padded_swarm_t *s, index_t i, real inertia)
{
    const swarm_t *swarm = s->swarm;
    const real *x = s->positions + i * s->ld, *v = s->velocities + i * s->ld, *p = s->best_positions + i * s->ld;
    const real *g = s->best_positions + swarm->neighbourhood_best[i] * s->ld;
    const real cognitive = (real)swarm->cognitive, social = (real)swarm->social;
    real *velocity = s->next_velocities + i * s->ld;
    uniform(swarm->generator, 2 * s->d, s->draws);
    for (index_t j = 0; j < s->ld; j += LANES) {
        const V at = load(x + j), r1 = load(s->draws + j), r2 = load(s->draws + s->d + j);
        store(velocity + j,
              inertia * load(v + j) + cognitive * r1 * (load(p + j) - at) + social * r2 * (load(g + j) - at));
    }
}

/* The same for the fully informed swarm: inertia * v + the mean over its informants of (c1 + c2) * r * (p - x). */
INLINE void follow_all(padded_swarm_t *s, index_t i, real inertia)
{
    const swarm_t *swarm = s->swarm;
    const unsigned char *links = swarm->links + i * s->n;
    const real *x = s->positions + i * s->ld, *v = s->velocities + i * s->ld;
    real *velocity = s->next_velocities + i * s->ld;
    index_t n_informants = 0;
    for (index_t k = 0; k < s->n; k++)
        n_informants += links[k] != 0;
    const real pull = (real)((swarm->cognitive + swarm->social) / (double)n_informants), *r = s->draws;
    uniform(swarm->generator, n_informants * s->d, s->draws);
    for (index_t j = 0; j < s->ld; j += LANES)
        store(velocity + j, inertia * load(v + j));
    for (index_t k = 0; k < s->n; k++) {
        if (!links[k])
            continue;
        const real *p = s->best_positions + k * s->ld;
        for (index_t j = 0; j < s->ld; j += LANES)
            store(velocity + j, load(velocity + j) + pull * load(r + j) * (load(p + j) - load(x + j)));
        r += s->d;
    }
}

/* Bring entries that have left the box back into it. */
void bring_back(padded_swarm_t *s)
{
    const swarm_t *swarm = s->swarm;
    const real low = (real)swarm->low, high = (real)swarm->high;
    for (index_t i = 0; i < s->n; i++)
        for (index_t j = 0; j < s->d; j++) {
            real *x = s->next_positions + i * s->ld + j, *v = s->next_velocities + i * s->ld + j;
            if (!(*x < low || *x > high))
                continue;
            if (swarm->boundary == BOUNDARY_BOUNCE) {
                const real mirrored = 2 * (*x < low ? low : high) - *x;
                *x = mirrored < low ? low : mirrored > high ? high : mirrored;
                *v = -*v;
            } else {
                if (swarm->boundary == BOUNDARY_CLAMP) {
                    *x = *x < low ? low : high;
                } else {
                    const double draw = (double)(swarm->generator->next_raw(swarm->generator->state) >> 12) * 0x1p-52;
                    *x = (real)(swarm->low + (swarm->high - swarm->low) * draw);
                }
                *v = 0;
            }
        }
}

/* The next positions and velocities; whether all are finite, and the call is not over. */
int move(padded_swarm_t *s, double inertia)
{
    const swarm_t *swarm = s->swarm;
    const V clamp = all((real)swarm->velocity_clamp);
    for (index_t i = 0; i < s->n; i++) {
        const real *x = s->positions + i * s->ld;
        real *velocity = s->next_velocities + i * s->ld, *position = s->next_positions + i * s->ld;
        if (is_interrupted(s->interruption, (swarm->fully_informed ? s->n : 2) * s->d))
            return 0;
        if (swarm->fully_informed)
            follow_all(s, i, (real)inertia);
        else
            follow_bests(s, i, (real)inertia);
        for (index_t j = 0; j < s->ld; j += LANES) {
            const V v = larger(-clamp, smaller(clamp, load(velocity + j)));
            store(velocity + j, v);
            store(position + j, load(x + j) + v);
        }
    }
    if (swarm->low > -INFINITY || swarm->high < INFINITY)
        bring_back(s);
    return are_finite(s->next_positions, s->n * s->ld) && are_finite(s->next_velocities, s->n * s->ld);
}

double sum_of_squares(const real *w, index_t n)
{
    return striped_sum<8>(n, [=](index_t i) { return (double)w[i] * (double)w[i]; });
}

/* The penalty of a parameter vector: half the sum over its layers of the coefficient times the squared weights. */
double penalty_of(const network_t *network, const double *coefficients, const real *w)
{
    double total = 0;
    for (index_t l = 0; l < network->n_layers; l++) {
        const index_t n = network->sizes[l] * network->sizes[l + 1];
        total += 0.5 * coefficients[l] * sum_of_squares(w, n);
        w += n;
    }
    return total;
}

/* Update the personal bests; whether the best of all has improved. */
int remember(padded_swarm_t *s)
{
    swarm_t *swarm = s->swarm;
    const double before = swarm->best_losses[best_of(swarm)];
    for (index_t i = 0; i < s->n; i++)
        if (s->losses[i] < swarm->best_losses[i]) {
            swarm->best_losses[i] = s->losses[i];
            swarm->best_data_losses[i] = s->data_losses[i];
            memcpy(s->best_positions + i * s->ld, s->positions + i * s->ld, (size_t)s->d * sizeof(real));
        }
    return swarm->best_losses[best_of(swarm)] < before;
}

template <typename Item> INLINE void swap(Item &a, Item &b)
{
    const Item before = a;
    a = b;
    b = before;
}

void iterate(padded_swarm_t *s, evaluation_t *evaluation)
{
    const network_t *network = &evaluation->call->network;
    swarm_t *swarm = s->swarm;
    index_t n_weights = 0;
    for (index_t l = 0; l < network->n_layers; l++)
        n_weights += network->sizes[l] * network->sizes[l + 1];
    index_t previous_best = -1;
    double weight_norm = 0;
    for (swarm->n_done = 0; swarm->n_done < swarm->n_iterations; swarm->n_done++) {
        if (swarm->t > 0) {
            if (!move(s, swarm->inertia[swarm->n_done]))
                return;
            swap(s->positions, s->next_positions);
            swap(s->velocities, s->next_velocities);
        }
        evaluate(evaluation, s->positions, s->n, s->ld, s->data_losses);
        if (s->interruption->is_over)
            return;
        for (index_t i = 0; i < s->n; i++)
            s->losses[i] = s->data_losses[i] + penalty_of(network, swarm->penalty, s->positions + i * s->ld);
        const int improved = remember(s);
        const index_t best = best_of(swarm);
        if (!(swarm->best_losses[best] < INFINITY))
            return;
        if (swarm->n_informed && !improved)
            draw_links(swarm);
        find_neighbourhood_bests(swarm);
        swarm->t++;
        if (improved || best != previous_best) /* a tie may change the best */
            weight_norm = sum_of_squares(s->best_positions + best * s->ld, n_weights);
        previous_best = best;
        double *curve = swarm->curves + (3 + s->n) * swarm->n_done;
        curve[0] = swarm->best_losses[best];
        curve[1] = swarm->best_data_losses[best];
        curve[2] = weight_norm;
        memcpy(curve + 3, swarm->best_losses, (size_t)s->n * sizeof(double));
    }
}

int iterate_swarm(call_t *call, swarm_t *swarm)
{
    padded_swarm_t s = {};
    evaluation_t evaluation = {};
    if (open_evaluation(&evaluation, call, swarm->n_particles) ||
        reserve_swarm(&s, swarm, &call->interruption, evaluation.n_parameters))
        return -1;
    void *const theirs[] = {swarm->positions, swarm->velocities, swarm->best_positions};
    real **const ours[] = {&s.positions, &s.velocities, &s.best_positions};
    for (int k = 0; k < 3; k++)
        copy_rows(s.n, s.d, (const real *)theirs[k], s.d, *ours[k], s.ld);
    iterate(&s, &evaluation);
    for (int k = 0; k < 3; k++)
        copy_rows(s.n, s.d, *ours[k], s.ld, (real *)theirs[k], s.d);
    return 0;
}
