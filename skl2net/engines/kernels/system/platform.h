/* What the engine needs of the system: locks, threads and a clock, of POSIX and of Windows. */
#ifndef SKL2NET_PLATFORM_H
#define SKL2NET_PLATFORM_H

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <process.h>
#include <windows.h>

namespace {

typedef SRWLOCK mutex_t;
typedef CONDITION_VARIABLE condition_t;
#define UNLOCKED SRWLOCK_INIT
inline void init_mutex(mutex_t *mutex) { InitializeSRWLock(mutex); }
inline int try_lock(mutex_t *mutex) { return TryAcquireSRWLockExclusive(mutex); }
inline void lock(mutex_t *mutex) { AcquireSRWLockExclusive(mutex); }
inline void unlock(mutex_t *mutex) { ReleaseSRWLockExclusive(mutex); }
inline void init_condition(condition_t *condition) { InitializeConditionVariable(condition); }
inline void wait_for(condition_t *condition, mutex_t *mutex)
{
    SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
}
inline void signal_one(condition_t *condition) { WakeConditionVariable(condition); }

typedef unsigned thread_result_t;
#define THREAD_CALL __stdcall
inline int start_thread(unsigned(__stdcall *function)(void *), void *argument)
{
    const uintptr_t thread = _beginthreadex(nullptr, 0, function, argument, 0, nullptr);
    if (thread)
        CloseHandle((HANDLE)thread);
    return thread != 0;
}
inline void let_others_run(void) { SwitchToThread(); }
inline void after_fork(void (*handler)(void)) { (void)handler; } /* there is no fork */

inline double seconds(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return (double)now.QuadPart / (double)per_second.QuadPart;
}

}

#else

#include <pthread.h>
#include <sched.h>
#include <time.h>

namespace {

typedef pthread_mutex_t mutex_t;
typedef pthread_cond_t condition_t;
#define UNLOCKED PTHREAD_MUTEX_INITIALIZER
inline void init_mutex(mutex_t *mutex) { pthread_mutex_init(mutex, nullptr); }
inline int try_lock(mutex_t *mutex) { return pthread_mutex_trylock(mutex) == 0; }
inline void lock(mutex_t *mutex) { pthread_mutex_lock(mutex); }
inline void unlock(mutex_t *mutex) { pthread_mutex_unlock(mutex); }
inline void init_condition(condition_t *condition) { pthread_cond_init(condition, nullptr); }
inline void wait_for(condition_t *condition, mutex_t *mutex) { pthread_cond_wait(condition, mutex); }
inline void signal_one(condition_t *condition) { pthread_cond_signal(condition); }

typedef void *thread_result_t;
#define THREAD_CALL
inline int start_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, nullptr, function, argument))
        return 0;
    pthread_detach(thread);
    return 1;
}
inline void let_others_run(void) { sched_yield(); }
inline void after_fork(void (*handler)(void)) { pthread_atfork(nullptr, nullptr, handler); } /* in the new process */

inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

}

#endif
#endif
