/* What callers pass: rows of data, and sizes of a network. */
#ifndef SKL2NET_DATA_H
#define SKL2NET_DATA_H

#include "../kernels.h"

namespace {

inline index_t row_of(const index_t *order, index_t i) { return order ? order[i] : i; }

inline index_t index_at(const void *indices, int wide, index_t i)
{
    return wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

/* Number of the first entry of a row of CSR. */
inline index_t first_entry_of(const data_t *data, index_t row)
{
    return index_at(data->indptr, data->wide_indptr, row);
}

inline index_t count_parameters(const network_t *network)
{
    index_t n = 0;
    for (index_t l = 0; l < network->n_layers; l++)
        n += (network->sizes[l] + 1) * network->sizes[l + 1];
    return n;
}

}

#endif
