/* What the engine needs of the system: locks, threads and a clock, of POSIX and of Windows. */
#ifndef SKL2NET_PLATFORM_H
#define SKL2NET_PLATFORM_H

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <process.h>
#include <windows.h>

#define EXPORTED __declspec(dllexport)

typedef SRWLOCK mutex_t;
typedef CONDITION_VARIABLE condition_t;
#define UNLOCKED SRWLOCK_INIT
static inline void init_mutex(mutex_t *mutex) { InitializeSRWLock(mutex); }
static inline int try_lock(mutex_t *mutex) { return TryAcquireSRWLockExclusive(mutex); }
static inline void lock(mutex_t *mutex) { AcquireSRWLockExclusive(mutex); }
static inline void unlock(mutex_t *mutex) { ReleaseSRWLockExclusive(mutex); }
static inline void init_condition(condition_t *condition) { InitializeConditionVariable(condition); }
static inline void wait_for(condition_t *condition, mutex_t *mutex)
{
    SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
}
static inline void signal_one(condition_t *condition) { WakeConditionVariable(condition); }

#define THREAD_FUNCTION static unsigned __stdcall
static inline int start_thread(unsigned(__stdcall *function)(void *), void *argument)
{
    const uintptr_t thread = _beginthreadex(NULL, 0, function, argument, 0, NULL);
    if (thread)
        CloseHandle((HANDLE)thread);
    return thread != 0;
}
static inline void let_others_run(void) { SwitchToThread(); }
static inline void after_fork(void (*handler)(void)) { (void)handler; } /* there is no fork */

static inline double seconds(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return (double)now.QuadPart / (double)per_second.QuadPart;
}

#else

#include <pthread.h>
#include <sched.h>
#include <time.h>

#define EXPORTED __attribute__((visibility("default")))

typedef pthread_mutex_t mutex_t;
typedef pthread_cond_t condition_t;
#define UNLOCKED PTHREAD_MUTEX_INITIALIZER
static inline void init_mutex(mutex_t *mutex) { pthread_mutex_init(mutex, NULL); }
static inline int try_lock(mutex_t *mutex) { return pthread_mutex_trylock(mutex) == 0; }
static inline void lock(mutex_t *mutex) { pthread_mutex_lock(mutex); }
static inline void unlock(mutex_t *mutex) { pthread_mutex_unlock(mutex); }
static inline void init_condition(condition_t *condition) { pthread_cond_init(condition, NULL); }
static inline void wait_for(condition_t *condition, mutex_t *mutex) { pthread_cond_wait(condition, mutex); }
static inline void signal_one(condition_t *condition) { pthread_cond_signal(condition); }

#define THREAD_FUNCTION static void *
static inline int start_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, argument))
        return 0;
    pthread_detach(thread);
    return 1;
}
static inline void let_others_run(void) { sched_yield(); }
static inline void after_fork(void (*handler)(void)) { pthread_atfork(NULL, NULL, handler); } /* in the new process */

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
#endif
