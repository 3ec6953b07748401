/* The compiled engine's team of threads, on its own: see test_team.py. Returns the number of the first check that fails,
 * and 0 if there is none. */
#include "kernels/system/threads.h"

namespace {

constexpr int N_CHUNKS = 100, MAX_CALLERS = 4;

struct caller_t {
    int n_visits[N_CHUNKS], workers[MAX_THREADS], is_done;
    int n_threads, n_loops, is_right;
};

caller_t callers[MAX_CALLERS];

/* Loops of 1, 2, ... chunks: whether each chunk is visited once, and by none but the threads that were asked for. */
thread_result_t THREAD_CALL call(void *self)
{
    caller_t *caller = (caller_t *)self;
    caller->is_right = 1;
    for (int i = 0; i < caller->n_loops; i++) {
        const int n = i % N_CHUNKS + 1;
        for (int k = 0; k < N_CHUNKS; k++)
            atomic_store(&caller->n_visits[k], 0);
        share(n, caller->n_threads, [=](int64_t chunk, int worker) {
            atomic_add(&caller->n_visits[chunk], 1);
            atomic_store(&caller->workers[worker], 1);
        });
        for (int k = 0; k < N_CHUNKS; k++)
            caller->is_right &= atomic_load(&caller->n_visits[k]) == (k < n);
    }
    for (int k = caller->n_threads; k < MAX_THREADS; k++)
        caller->is_right &= !atomic_load(&caller->workers[k]);
    atomic_store(&caller->is_done, 1);
    return 0;
}

/* Whether the loops of callers in several threads at once are right. */
bool are_right(int n_callers, int n_threads, int n_loops)
{
    bool right = true;
    for (int i = n_callers - 1; i >= 0; i--) {
        callers[i] = {};
        callers[i].n_threads = n_threads;
        callers[i].n_loops = n_loops;
        if (i == 0)
            call(&callers[i]);
        else if (!start_thread(call, &callers[i]))
            return false;
    }
    for (int i = 0; i < n_callers; i++) {
        while (!atomic_load(&callers[i].is_done))
            let_others_run();
        right &= callers[i].is_right != 0;
    }
    return right;
}

/* Whether two chunks run at once: each ends when the other has begun, or after a minute. */
bool have_helper()
{
    int n_at_once = 0;
    share(2, 2, [&](int64_t, int) {
        const double end = seconds() + 60;
        atomic_add(&n_at_once, 1);
        while (atomic_load(&n_at_once) < 2 && seconds() < end)
            let_others_run();
        if (seconds() >= end)
            atomic_store(&n_at_once, 0);
    });
    return n_at_once == 2;
}

}

int main()
{
    if (!have_helper())
        return 1;
    for (const double end = seconds() + 0.5; seconds() < end;)
        let_others_run();
    if (!have_helper()) /* that has gone to sleep in the meantime */
        return 2;
    if (!are_right(1, 1, 1000) || !are_right(1, 2, 1000) || !are_right(1, MAX_THREADS, 200))
        return 3;
    if (!are_right(1, 2, 1000)) /* with fewer threads than before */
        return 4;
    if (!are_right(MAX_CALLERS, 3, 1000))
        return 5;
    skl2net_set_num_threads(MAX_THREADS + 1);
    return skl2net_get_num_threads() == MAX_THREADS ? 0 : 6;
}
