/* Arithmetic of indices. */
#ifndef SKL2NET_INTEGERS_H
#define SKL2NET_INTEGERS_H

#include "../kernels.h"

namespace {

inline index_t round_up(index_t n, index_t step) { return (n + step - 1) / step * step; }
inline index_t min_index(index_t a, index_t b) { return a < b ? a : b; }
inline index_t max_index(index_t a, index_t b) { return a > b ? a : b; }

}

#endif
