/* Who informs whom in a swarm. */
#ifndef SKL2NET_TOPOLOGY_H
#define SKL2NET_TOPOLOGY_H

#include <string.h>

#include "../kernels.h"

namespace {

/* The particle with the best personal best. */
index_t best_of(const swarm_t *swarm)
{
    index_t best = 0;
    for (index_t i = 1; i < swarm->n_particles; i++)
        if (swarm->best_losses[i] < swarm->best_losses[best])
            best = i;
    return best;
}

/* The random topology: each particle draws those whom it informs. */
void draw_links(swarm_t *swarm)
{
    const index_t n = swarm->n_particles;
    memset(swarm->links, 0, (size_t)(n * n));
    for (index_t i = 0; i < n; i++) {
        swarm->links[i * n + i] = 1;
        for (index_t k = 0; k < swarm->n_informed; k++) {
            const uint64_t word = swarm->generator->next_raw(swarm->generator->state);
            swarm->links[(index_t)((word >> 32) * (uint64_t)n >> 32) * n + i] = 1;
        }
    }
}

/* The best informant of each particle. */
void find_neighbourhood_bests(swarm_t *swarm)
{
    const index_t n = swarm->n_particles, best = best_of(swarm);
    for (index_t i = 0; i < n; i++) {
        const unsigned char *links = swarm->links + i * n;
        index_t found = swarm->is_global ? best : i; /* everyone informs itself */
        for (index_t k = 0; k < n && !swarm->is_global; k++) {
            const double loss = swarm->best_losses[k], smallest = swarm->best_losses[found];
            if (links[k] && (loss < smallest || (loss == smallest && k < found)))
                found = k;
        }
        swarm->neighbourhood_best[i] = found;
    }
}

}

#endif
