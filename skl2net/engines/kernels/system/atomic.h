/* Numbers that several threads read and write, in an order that all of them agree on. */
#ifndef SKL2NET_ATOMIC_H
#define SKL2NET_ATOMIC_H

#include <stdint.h>

namespace {

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

}

#endif
