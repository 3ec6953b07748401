/* A few threads that share the items of a loop.
 *
 * `share` hands the items 0, ..., n - 1 to the calling thread and to helpers that wait for work: spinning for a moment,
 * then asleep. Each begins with a section of its own, the same in every loop, so that what it has written in one loop is
 * in its cache in the next; then it takes over what is left of the others', so that a helper that the system has put
 * aside is not waited for. What an item computes must not depend on who computes it; then the result does not depend on
 * the number of threads. There is one set of helpers for the process; a caller that finds it in use does all items
 * itself.
 */
#ifndef SKL2NET_THREADS_H
#define SKL2NET_THREADS_H

#include <stdint.h>

#define MAX_THREADS 64

/* Work on one item; `worker` numbers the threads of this loop from 0, for buffers of their own. */
typedef void (*item_t)(void *context, int64_t item, int worker);

#if defined(_WIN32) || defined(__STDC_NO_ATOMICS__)

typedef int atomic_int;
#define atomic_store(target, value) (*(target) = (value))
#define atomic_load(source) (*(source))

static void share(int64_t n_items, int n_threads, item_t item, void *context)
{
    (void)n_threads;
    for (int64_t i = 0; i < n_items; i++)
        item(context, i, 0);
}

#else

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { CLOSED = -1, SPINS = 10000 };

static struct {
    pthread_mutex_t in_use; /* held by the caller whose loop it is */
    pthread_mutex_t bed;
    pthread_cond_t wake;
    atomic_int sleepers;
    int n_helpers, prepared;
    atomic_int limit;
    atomic_int gate; /* CLOSED, or the number of helpers that have joined the loop */
    atomic_int left; /* helpers that have left it again */
    atomic_llong next[MAX_THREADS]; /* the next item of each section */
    int64_t n_items;
    int n_sections;
    item_t item;
    void *context;
} team = {.in_use = PTHREAD_MUTEX_INITIALIZER,
          .bed = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .gate = CLOSED};

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

static void take_items(int worker)
{
    for (int k = 0; k < team.n_sections; k++) {
        const int section = (worker + k) % team.n_sections;
        const int64_t end = team.n_items * (section + 1) / team.n_sections;
        for (int64_t i; (i = atomic_fetch_add(&team.next[section], 1)) < end;)
            team.item(team.context, i, worker);
    }
}

/* Join the open loop, if there is one with room. */
static int join_loop(void)
{
    int joined = atomic_load(&team.gate);
    while (joined != CLOSED && joined < atomic_load(&team.limit))
        if (atomic_compare_exchange_weak(&team.gate, &joined, joined + 1)) {
            take_items(joined + 1);
            atomic_fetch_add(&team.left, 1);
            return 1;
        }
    return 0;
}

static void *help(void *unused)
{
    for (;;) {
        int spins = 0;
        while (spins < SPINS)
            if (join_loop())
                spins = 0;
            else {
                relax();
                spins++;
            }
        pthread_mutex_lock(&team.bed);
        atomic_fetch_add(&team.sleepers, 1);
        while (atomic_load(&team.gate) == CLOSED)
            pthread_cond_wait(&team.wake, &team.bed);
        atomic_fetch_sub(&team.sleepers, 1);
        pthread_mutex_unlock(&team.bed);
    }
    return unused;
}

/* A forked process has none of its parent's helpers. */
static void forget_helpers(void)
{
    pthread_mutex_init(&team.in_use, NULL);
    pthread_mutex_init(&team.bed, NULL);
    pthread_cond_init(&team.wake, NULL);
    atomic_store(&team.sleepers, 0);
    atomic_store(&team.gate, CLOSED);
    team.n_helpers = 0;
}

static void call_helpers(int n_helpers)
{
    if (!team.prepared) {
        pthread_atfork(NULL, NULL, forget_helpers);
        team.prepared = 1;
    }
    while (team.n_helpers < n_helpers) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, NULL))
            return;
        pthread_detach(thread);
        team.n_helpers++;
    }
}

static void share(int64_t n_items, int n_threads, item_t item, void *context)
{
    if (n_items < 2 || n_threads < 2 || pthread_mutex_trylock(&team.in_use)) {
        for (int64_t i = 0; i < n_items; i++)
            item(context, i, 0);
        return;
    }
    call_helpers(n_threads - 1);
    team.item = item;
    team.context = context;
    team.n_items = n_items;
    team.n_sections = n_threads;
    for (int section = 0; section < n_threads; section++)
        atomic_store(&team.next[section], n_items * section / n_threads);
    atomic_store(&team.limit, n_threads - 1);
    atomic_store(&team.left, 0);
    atomic_store(&team.gate, 0);
    if (atomic_load(&team.sleepers)) {
        pthread_mutex_lock(&team.bed);
        pthread_cond_broadcast(&team.wake);
        pthread_mutex_unlock(&team.bed);
    }
    take_items(0);
    const int joined = atomic_exchange(&team.gate, CLOSED);
    while (atomic_load(&team.left) < joined)
        relax();
    pthread_mutex_unlock(&team.in_use);
}

#endif
#endif
