/* Which vectors an x86 processor has. The functions of GCC and Clang for this, `__builtin_cpu_supports`, cannot be linked
 * with clang-cl. */
#ifndef SKL2NET_PROCESSOR_H
#define SKL2NET_PROCESSOR_H

#include <stdint.h>

#if defined(__x86_64__) || defined(__i386__)
namespace {

struct registers_t {
    uint32_t a, b, c, d;
};

inline registers_t cpuid(uint32_t leaf)
{
    registers_t r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

/* The registers that the system keeps for each thread. */
inline uint32_t kept_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

inline bool has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }
inline uint32_t bit(int n) { return (uint32_t)1 << n; }

/* 2 with AVX-512 F, DQ, BW and VL, 1 with AVX2 (both with FMA), and 0 without. */
inline int vector_level(void)
{
    if (cpuid(0).a < 7 || !has(cpuid(1).c, bit(12) | bit(27) | bit(28))) /* FMA, xgetbv, AVX */
        return 0;
    const uint32_t kept = kept_registers(), features = cpuid(7).b;
    if (!has(kept, 0x6) || !has(features, bit(5)))
        return 0;
    return has(kept, 0xe6) && has(features, bit(16) | bit(17) | bit(30) | bit(31)) ? 2 : 1;
}

}
#endif
#endif
