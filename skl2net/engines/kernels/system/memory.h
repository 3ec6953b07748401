/* Memory from the system. */
#ifndef SKL2NET_MEMORY_H
#define SKL2NET_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace {

/* Room for n items, which are not initialised; nullptr without memory. */
template <typename Item> inline Item *allocate(int64_t n) { return (Item *)malloc((size_t)n * sizeof(Item)); }

/* The same with all bits zero. */
template <typename Item> inline Item *allocate_zeros(int64_t n) { return (Item *)calloc((size_t)n, sizeof(Item)); }

/* The first address from `memory` on that is a multiple of `step` bytes. */
template <typename Item> inline Item *aligned(Item *memory, uintptr_t step)
{
    return (Item *)(((uintptr_t)memory + step - 1) / step * step);
}

/* Ask the system for huge pages, of which there are fewer to look up, where they have to be asked for. */
inline void use_huge_pages(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    char *const begin = aligned((char *)memory, 1 << 16), *const end =
                                                              (char *)memory + bytes; /* whole pages, of any size */
    if (bytes >= (size_t)4 << 20)
        madvise(begin, (size_t)(end - begin), MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

}

#endif
