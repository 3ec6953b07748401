/* A few threads that share the chunks of a loop.
 *
 * `share` hands the chunks 0, ..., n - 1 to the calling thread and to helpers that wait for work: spinning for a moment,
 * then asleep. Each begins with a section of its own, the same in every loop, so that what it has written in one loop is
 * in its cache in the next; then it takes over what is left of the others' sections, so that a helper that the system has
 * suspended is not waited for. What a chunk computes must not depend on who computes it; then the result does not depend
 * on the number of threads. There is one team of helpers per process; a caller that finds it in use does all chunks
 * itself. Calls of the engine that are in progress at once divide the threads among themselves, since each has a thread
 * at work already. A loop for one thread touches neither the team nor a lock.
 *
 * docs/engines.md says why this is not OpenMP.
 */
#ifndef SKL2NET_THREADS_H
#define SKL2NET_THREADS_H

#include <stdint.h>

#include "../kernels.h"
#include "platform.h"

namespace {

/* Numbers that several threads read and write, in an order that all of them agree on. */
inline int atomic_load(const int *number) { return __atomic_load_n(number, __ATOMIC_SEQ_CST); }
template <typename Number> inline void atomic_store(Number *number, Number value)
{
    __atomic_store_n(number, value, __ATOMIC_SEQ_CST);
}

/* These return the number before. */
inline int atomic_exchange(int *number, int value) { return __atomic_exchange_n(number, value, __ATOMIC_SEQ_CST); }
template <typename Number> inline Number atomic_add(Number *number, Number value)
{
    return __atomic_fetch_add(number, value, __ATOMIC_SEQ_CST);
}

/* Whether the number was `expected`, and so has become `value`. */
inline bool atomic_replace(int *number, int expected, int value)
{
    return __atomic_compare_exchange_n(number, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* The process's limit of threads, for threadpoolctl: see skl2net/engines/threads.py. */
int thread_limit = MAX_THREADS;

/* Work on one chunk; `worker` numbers the threads of the loop from 0, for buffers of their own. */
typedef void (*chunk_t)(const void *context, int64_t chunk, int worker);

/* What a helper does. Its caller alone turns IDLE and ASLEEP into CALLED, and CALLED back into IDLE at the end of the
 * loop; the helper does the rest. So a helper works in no loop but one that it was called to. */
constexpr int IDLE = 0, ASLEEP = 1, CALLED = 2, WORKING = 3;

constexpr int SPINS = 10000, SPINS_PER_LOOK = 64, CACHE_LINE = 64;

/* A helper that lost its processor while it was spinning, for LOST seconds or more, spins a tenth as long for the next
 * WARY seconds: other processes want the processors, and spinning takes them from the caller, too. */
constexpr double LOST = 0.0002, WARY = 0.1;

struct worker_t {
    alignas(CACHE_LINE) int state;
    condition_t wake;
    int64_t next; /* chunk of this worker's section */
};

struct team_t {
    mutex_t in_use; /* held by the caller whose loop it is */
    mutex_t bed;
    int n_calls; /* of the engine, in progress, with more than one thread */
    int prepared;
    int n_helpers;
    int64_t n_chunks;
    int n_workers;
    chunk_t work;
    const void *context;
    worker_t workers[MAX_THREADS]; /* the first is the caller */
};

team_t team = {UNLOCKED, UNLOCKED, 0, 0, 0, 0, 0, nullptr, nullptr, {}};

inline void relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    let_others_run();
#endif
}

void take_chunks(int worker)
{
    for (int k = 0; k < team.n_workers; k++) {
        const int section = (worker + k) % team.n_workers;
        const int64_t end = team.n_chunks * (section + 1) / team.n_workers;
        for (int64_t i; (i = atomic_add(&team.workers[section].next, (int64_t)1)) < end;)
            team.work(team.context, i, worker);
    }
}

thread_result_t THREAD_CALL help(void *self)
{
    worker_t *worker = (worker_t *)self;
    double looked = seconds(), wary_until = 0;
    int limit = SPINS;
    for (int spins = 0;; spins++) {
        if (atomic_load(&worker->state) == CALLED && atomic_replace(&worker->state, CALLED, WORKING)) {
            take_chunks((int)(worker - team.workers));
            atomic_store(&worker->state, IDLE);
            spins = 0;
            looked = seconds();
            limit = looked < wary_until ? SPINS / 10 : SPINS;
        } else if (spins < limit) {
            relax();
            if (spins % SPINS_PER_LOOK == 0) {
                const double now = seconds();
                if (now - looked > LOST) {
                    wary_until = now + WARY;
                    limit = SPINS / 10;
                }
                looked = now;
            }
        } else {
            lock(&team.bed);
            atomic_replace(&worker->state, IDLE, ASLEEP);
            while (atomic_load(&worker->state) == ASLEEP)
                wait_for(&worker->wake, &team.bed);
            unlock(&team.bed);
            spins = 0;
        }
    }
    return 0;
}

/* A forked process has none of its parent's helpers. */
void forget_helpers()
{
    init_mutex(&team.in_use);
    init_mutex(&team.bed);
    team.n_helpers = 0;
    atomic_store(&team.n_calls, 0);
}

/* A call of the engine whose loops are for `n_threads`, from `begin_sharing` to the end of its scope. */
struct sharing_t {
    int n_threads;

    ~sharing_t()
    {
        if (n_threads > 1)
            atomic_add(&team.n_calls, -1);
    }
};

inline void begin_sharing(sharing_t *sharing, int n_threads)
{
    sharing->n_threads = n_threads;
    if (n_threads > 1) {
        if (!atomic_exchange(&team.prepared, 1))
            after_fork(forget_helpers);
        atomic_add(&team.n_calls, 1);
    }
}

/* Start helpers up to number n, if possible; how many there are. */
int find_helpers(int n)
{
    while (team.n_helpers < n) {
        worker_t *worker = &team.workers[team.n_helpers + 1];
        atomic_store(&worker->state, IDLE);
        init_condition(&worker->wake);
        if (!start_thread(help, worker))
            break;
        team.n_helpers++;
    }
    return n < team.n_helpers ? n : team.n_helpers;
}

void share_chunks(int64_t n_chunks, int n_threads, chunk_t work, const void *context)
{
    const int n_calls = n_threads < 2 ? 0 : atomic_load(&team.n_calls);
    if (n_calls > 1)
        n_threads /= n_calls;
    if (n_chunks < 2 || n_threads < 2 || !try_lock(&team.in_use)) {
        for (int64_t i = 0; i < n_chunks; i++)
            work(context, i, 0);
        return;
    }
    const int n_helpers = find_helpers(n_threads - 1), n_workers = n_helpers + 1;
    team.work = work;
    team.context = context;
    team.n_chunks = n_chunks;
    team.n_workers = n_workers;
    for (int i = 0; i < n_workers; i++)
        atomic_store(&team.workers[i].next, n_chunks * i / n_workers);
    for (int i = 1; i < n_workers; i++)
        if (atomic_exchange(&team.workers[i].state, CALLED) == ASLEEP) {
            lock(&team.bed);
            signal_one(&team.workers[i].wake);
            unlock(&team.bed);
        }
    take_chunks(0);
    for (int i = 1; i < n_workers; i++)
        if (!atomic_replace(&team.workers[i].state, CALLED, IDLE))
            while (atomic_load(&team.workers[i].state) == WORKING)
                relax();
    unlock(&team.in_use);
}

/* Call work(chunk, worker) for each chunk. */
template <typename Work> inline void share(int64_t n_chunks, int n_threads, const Work &work)
{
    const chunk_t call = [](const void *context, int64_t chunk, int worker) {
        (*(const Work *)context)(chunk, worker);
    };
    share_chunks(n_chunks, n_threads, call, &work);
}

}

int skl2net_get_num_threads(void) { return __atomic_load_n(&thread_limit, __ATOMIC_RELAXED); }

void skl2net_set_num_threads(int n)
{
    __atomic_store_n(&thread_limit, n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n, __ATOMIC_RELAXED);
}

#endif
