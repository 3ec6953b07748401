/* Which vectors an x86 processor has. The functions of GCC and Clang for this, `__builtin_cpu_supports`, cannot be linked
 * with clang-cl. */
#ifndef SKL2NET_PROCESSOR_H
#define SKL2NET_PROCESSOR_H

#include <stdint.h>

typedef struct {
    uint32_t a, b, c, d;
} registers_t;

static inline registers_t cpuid(uint32_t leaf)
{
    registers_t r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

/* The registers that the system keeps for each thread. */
static inline uint32_t kept_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

#define HAS(word, bits) (((word) & (bits)) == (bits))
#define BIT(n) ((uint32_t)1 << (n))

/* 2 with AVX-512 F, DQ, BW and VL, 1 with AVX2 (both with FMA), and 0 without. */
static inline int vector_level(void)
{
    if (cpuid(0).a < 7 || !HAS(cpuid(1).c, BIT(12) | BIT(27) | BIT(28))) /* FMA, xgetbv, AVX */
        return 0;
    const uint32_t kept = kept_registers(), features = cpuid(7).b;
    if (!HAS(kept, 0x6) || !HAS(features, BIT(5)))
        return 0;
    return HAS(kept, 0xe6) && HAS(features, BIT(16) | BIT(17) | BIT(30) | BIT(31)) ? 2 : 1;
}

#undef HAS
#undef BIT
#endif
