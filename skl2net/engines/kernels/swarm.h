/* The flight of a swarm. */

/* The swarm in memory of its own: each particle's row is padded with zeros to `ld` numbers. */
typedef struct {
    flight_t *flight;
    index_t n, d, ld;
    REAL *positions, *velocities, *best_positions;
    REAL *next_positions, *next_velocities;
    REAL *draws; /* for one particle */
    double *losses, *data_losses;
    void *memory, *more_memory;
} NAME(swarm);

FUNCTION void NAME(release_swarm)(NAME(swarm) *s)
{
    free(s->memory);
    free(s->more_memory);
}

FUNCTION int NAME(reserve_swarm)(NAME(swarm) *s, flight_t *flight, index_t d)
{
    const index_t n = flight->n_particles, ld = round_up(d, ROW_STEP);
    const index_t n_draws = round_up((flight->fully_informed ? n : 2) * d, ROW_STEP) + ROW_STEP;
    const index_t n_numbers = 5 * n * ld + n_draws;
    memset(s, 0, sizeof *s);
    s->flight = flight;
    s->n = n, s->d = d, s->ld = ld;
    s->memory = malloc((size_t)(n_numbers + ROW_STEP) * sizeof(REAL));
    s->more_memory = malloc((size_t)(2 * n) * sizeof(double));
    if (!s->memory || !s->more_memory)
        return -1;
    REAL *next = (REAL *)(((uintptr_t)s->memory + ROW_BYTES - 1) / ROW_BYTES * ROW_BYTES);
    memset(next, 0, (size_t)n_numbers * sizeof(REAL));
    s->positions = next, next += n * ld;
    s->velocities = next, next += n * ld;
    s->best_positions = next, next += n * ld;
    s->next_positions = next, next += n * ld;
    s->next_velocities = next, next += n * ld;
    s->draws = next;
    s->losses = s->more_memory;
    s->data_losses = s->losses + n;
    return 0;
}

/* Between padded rows and the caller's. */
FUNCTION void NAME(copy_rows)(index_t n, index_t d, const REAL *from, index_t from_step, REAL *to, index_t to_step)
{
    for (index_t i = 0; i < n; i++)
        memcpy(to + i * to_step, from + i * from_step, (size_t)d * sizeof(REAL));
}

/* n uniform random numbers in [0, 1), as `skl2net.solvers.swarm.uniform` draws them: the upper bits of as many words as
 * they fill are the fraction of a number in [1, 2). Writes whole vectors. */
FUNCTION void NAME(uniform)(bit_generator_t *generator, index_t n, REAL *draws)
{
    const int unused_bits = IS_DOUBLE ? 12 : 9;
    const VI one = (VI)NAME(all)(1);
    const INT fraction = ((INT)1 << EXPONENT_SHIFT) - 1;
    const index_t n_words = (n * (index_t)sizeof(REAL) + 7) / 8;
    for (index_t i = 0; i < n_words; i++) {
        const uint64_t word = generator->next_raw(generator->state);
        memcpy((char *)draws + 8 * i, &word, 8);
    }
    for (index_t i = 0; i < n; i += LANES) {
        const VI bits = (VI)NAME(load)(draws + i);
        NAME(store)(draws + i, (V)(((bits >> unused_bits) & fraction) | one) - 1);
    }
}

/* New velocity of a particle: inertia * v + c1 * r1 * (p - x) + c2 * r2 * (g - x). */
INLINE void NAME(follow_bests)(NAME(swarm) *s, index_t i, REAL inertia)
{
    const flight_t *flight = s->flight;
    const REAL *x = s->positions + i * s->ld, *v = s->velocities + i * s->ld, *p = s->best_positions + i * s->ld;
    const REAL *g = s->best_positions + flight->neighbourhood_best[i] * s->ld;
    const REAL cognitive = (REAL)flight->cognitive, social = (REAL)flight->social;
    REAL *velocity = s->next_velocities + i * s->ld;
    NAME(uniform)(flight->generator, 2 * s->d, s->draws);
    for (index_t j = 0; j < s->ld; j += LANES) {
        const V at = NAME(load)(x + j), r1 = NAME(load)(s->draws + j), r2 = NAME(load)(s->draws + s->d + j);
        NAME(store)(velocity + j, inertia * NAME(load)(v + j) + cognitive * r1 * (NAME(load)(p + j) - at) +
                                      social * r2 * (NAME(load)(g + j) - at));
    }
}

/* The same for the fully informed swarm: inertia * v + the mean over its informants of (c1 + c2) * r * (p - x). */
INLINE void NAME(follow_all)(NAME(swarm) *s, index_t i, REAL inertia)
{
    const flight_t *flight = s->flight;
    const unsigned char *links = flight->links + i * s->n;
    const REAL *x = s->positions + i * s->ld, *v = s->velocities + i * s->ld;
    REAL *velocity = s->next_velocities + i * s->ld;
    index_t n_informants = 0;
    for (index_t k = 0; k < s->n; k++)
        n_informants += links[k];
    const REAL pull = (REAL)((flight->cognitive + flight->social) / (double)n_informants), *r = s->draws;
    NAME(uniform)(flight->generator, n_informants * s->d, s->draws);
    for (index_t j = 0; j < s->ld; j += LANES)
        NAME(store)(velocity + j, inertia * NAME(load)(v + j));
    for (index_t k = 0; k < s->n; k++) {
        if (!links[k])
            continue;
        const REAL *p = s->best_positions + k * s->ld;
        for (index_t j = 0; j < s->ld; j += LANES)
            NAME(store)(velocity + j, NAME(load)(velocity + j) + pull * NAME(load)(r + j) *
                                                                    (NAME(load)(p + j) - NAME(load)(x + j)));
        r += s->d;
    }
}

/* Bring entries that have left the box back into it. */
FUNCTION void NAME(hold)(NAME(swarm) *s)
{
    const flight_t *flight = s->flight;
    const REAL low = (REAL)flight->low, high = (REAL)flight->high;
    for (index_t i = 0; i < s->n; i++)
        for (index_t j = 0; j < s->d; j++) {
            REAL *x = s->next_positions + i * s->ld + j, *v = s->next_velocities + i * s->ld + j;
            if (!(*x < low || *x > high))
                continue;
            if (flight->boundary == BOUNDARY_BOUNCE) {
                const REAL mirrored = 2 * (*x < low ? low : high) - *x;
                *x = mirrored < low ? low : mirrored > high ? high : mirrored;
                *v = -*v;
            } else {
                if (flight->boundary == BOUNDARY_CLAMP) {
                    *x = *x < low ? low : high;
                } else {
                    const double draw = (double)(flight->generator->next_raw(flight->generator->state) >> 12) * 0x1p-52;
                    *x = (REAL)(flight->low + (flight->high - flight->low) * draw);
                }
                *v = 0;
            }
        }
}

/* The next positions and velocities; whether all are finite. */
FUNCTION int NAME(move)(NAME(swarm) *s, double inertia)
{
    const flight_t *flight = s->flight;
    const V clamp = NAME(all)((REAL)flight->velocity_clamp);
    for (index_t i = 0; i < s->n; i++) {
        const REAL *x = s->positions + i * s->ld;
        REAL *velocity = s->next_velocities + i * s->ld, *position = s->next_positions + i * s->ld;
        if (flight->fully_informed)
            NAME(follow_all)(s, i, (REAL)inertia);
        else
            NAME(follow_bests)(s, i, (REAL)inertia);
        for (index_t j = 0; j < s->ld; j += LANES) {
            const V v = NAME(larger)(-clamp, NAME(smaller)(clamp, NAME(load)(velocity + j)));
            NAME(store)(velocity + j, v);
            NAME(store)(position + j, NAME(load)(x + j) + v);
        }
    }
    if (flight->low > -INFINITY || flight->high < INFINITY)
        NAME(hold)(s);
    V zero = NAME(all)(0); /* NaN, where one is not finite */
    for (index_t j = 0; j < s->n * s->ld; j += LANES) {
        const V x = NAME(load)(s->next_positions + j), v = NAME(load)(s->next_velocities + j);
        zero += (x - x) + (v - v);
    }
    return NAME(sum)(zero) == 0;
}

FUNCTION double NAME(sum_of_squares)(const REAL *w, index_t n)
{
    double sums[8] = {0}, total = 0;
    index_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            sums[k] += (double)w[i + k] * (double)w[i + k];
    for (; i < n; i++)
        total += (double)w[i] * (double)w[i];
    for (int k = 0; k < 8; k++)
        total += sums[k];
    return total;
}

/* The penalty of a parameter vector: half the sum over its layers of the coefficient times the squared weights. */
FUNCTION double NAME(penalty)(const network_t *network, const double *coefficients, const REAL *w)
{
    double total = 0;
    for (index_t l = 0; l < network->n_layers; l++) {
        const index_t n = network->sizes[l] * network->sizes[l + 1];
        total += 0.5 * coefficients[l] * NAME(sum_of_squares)(w, n);
        w += n;
    }
    return total;
}

/* Update the personal bests; whether the best of all has improved. */
FUNCTION int NAME(remember)(NAME(swarm) *s)
{
    flight_t *flight = s->flight;
    const double before = flight->best_losses[best_of(flight)];
    for (index_t i = 0; i < s->n; i++)
        if (s->losses[i] < flight->best_losses[i]) {
            flight->best_losses[i] = s->losses[i];
            flight->best_data_losses[i] = s->data_losses[i];
            memcpy(s->best_positions + i * s->ld, s->positions + i * s->ld, (size_t)s->d * sizeof(REAL));
        }
    return flight->best_losses[best_of(flight)] < before;
}

#define SWAP(a, b)                                                                                                \
    do {                                                                                                          \
        REAL *swap = a;                                                                                           \
        a = b;                                                                                                    \
        b = swap;                                                                                                 \
    } while (0)

FUNCTION void NAME(iterate)(NAME(swarm) *s, NAME(evaluation) *evaluation)
{
    const network_t *network = evaluation->network;
    flight_t *flight = s->flight;
    index_t n_weights = 0;
    for (index_t l = 0; l < network->n_layers; l++)
        n_weights += network->sizes[l] * network->sizes[l + 1];
    double weight_norm = 0;
    for (flight->n_done = 0; flight->n_done < flight->n_iterations; flight->n_done++) {
        if (flight->t > 0) {
            if (!NAME(move)(s, flight->inertia[flight->n_done]))
                return;
            SWAP(s->positions, s->next_positions);
            SWAP(s->velocities, s->next_velocities);
        }
        NAME(evaluate)(evaluation, s->positions, s->ld, s->data_losses);
        for (index_t i = 0; i < s->n; i++)
            s->losses[i] = s->data_losses[i] + NAME(penalty)(network, flight->penalty, s->positions + i * s->ld);
        const int improved = NAME(remember)(s);
        const index_t best = best_of(flight);
        if (!(flight->best_losses[best] < INFINITY))
            return;
        if (flight->n_informed && !improved)
            draw_links(flight);
        find_neighbourhood_bests(flight);
        flight->t++;
        if (improved || flight->n_done == 0)
            weight_norm = NAME(sum_of_squares)(s->best_positions + best * s->ld, n_weights);
        double *curve = flight->curves + 3 * flight->n_done;
        curve[0] = flight->best_losses[best];
        curve[1] = flight->best_data_losses[best];
        curve[2] = weight_norm;
    }
}
#undef SWAP

FUNCTION int NAME(fly)(const network_t *network, const data_t *data, flight_t *flight, const resources_t *resources)
{
    NAME(swarm) s;
    NAME(evaluation) evaluation;
    int failed = NAME(open_evaluation)(&evaluation, network, data, flight->n_particles, resources);
    const index_t d = evaluation.n_parameters;
    failed |= NAME(reserve_swarm)(&s, flight, d);
    if (!failed) {
        NAME(copy_rows)(s.n, d, flight->positions, d, s.positions, s.ld);
        NAME(copy_rows)(s.n, d, flight->velocities, d, s.velocities, s.ld);
        NAME(copy_rows)(s.n, d, flight->best_positions, d, s.best_positions, s.ld);
        NAME(iterate)(&s, &evaluation);
        NAME(copy_rows)(s.n, d, s.positions, s.ld, flight->positions, d);
        NAME(copy_rows)(s.n, d, s.velocities, s.ld, flight->velocities, d);
        NAME(copy_rows)(s.n, d, s.best_positions, s.ld, flight->best_positions, d);
    }
    NAME(release_swarm)(&s);
    NAME(close_evaluation)(&evaluation);
    return failed;
}
