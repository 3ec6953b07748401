/* Checks of what comes from outside, before any of it is used as an address. */
#include "kernels.h"
#include "passes/data.h"

/* Whether n numbers are all 0, ..., limit - 1. */
int are_within(const index_t *numbers, index_t n, index_t limit)
{
    int outside = 0;
    for (index_t i = 0; i < n; i++)
        outside |= (uint64_t)numbers[i] >= (uint64_t)limit;
    return !outside;
}

/* The same for classes. */
int are_classes(const int32_t *numbers, index_t n, index_t n_classes)
{
    int outside = 0;
    for (index_t i = 0; i < n; i++)
        outside |= (uint64_t)(index_t)numbers[i] >= (uint64_t)n_classes;
    return !outside;
}

/* Whether the bounds of n updates never decrease, and are among 0, ..., n_rows. */
int are_bounds(const index_t *bounds, index_t n, index_t n_rows)
{
    int wrong = bounds[0] < 0 || bounds[n] > n_rows;
    for (index_t i = 0; i < n; i++)
        wrong |= bounds[i] > bounds[i + 1];
    return !wrong;
}

/* Whether the rows of CSR that count are within its n_stored entries, and these within its columns. */
int is_csr(const data_t *data, index_t n_stored, index_t n_columns)
{
    int wrong = 0;
    for (index_t i = 0; i < data->n_rows && !wrong; i++) {
        const index_t row = row_of(data->order, i);
        const index_t start = first_entry_of(data, row);
        const index_t stop = first_entry_of(data, row + 1);
        if (start < 0 || start > stop || stop > n_stored)
            return 0;
        if (data->wide_indices)
            for (index_t k = start; k < stop; k++)
                wrong |= (uint64_t)((const int64_t *)data->indices)[k] >= (uint64_t)n_columns;
        else
            for (index_t k = start; k < stop; k++)
                wrong |= (uint64_t)(int64_t)((const int32_t *)data->indices)[k] >= (uint64_t)n_columns;
    }
    return !wrong;
}
