/* The compiled engine's arithmetic, for float and double and for several instruction sets.
 *
 * `precisions.h` includes the code of one instruction set. Here it is included for each of them, in a namespace of its
 * own, and `kernels_of` returns the kernels of one. So one build runs everywhere and uses wide
 * vectors where they are available, without -march=native. The vectors are those of GCC and Clang (`vector_size`), which
 * lower them to whatever the instruction set offers.
 *
 * This is C++14 used as C with namespaces, constants, templates and lambdas: no standard library, no exceptions, no
 * static constructors. All but the functions of `kernels.h` is in an unnamed namespace, so that the linker never takes
 * code of one instruction set for that of another.
 */
#include "kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loops/line_search.h"
#include "loops/topology.h"
#include "loops/update_counts.h"
#include "math/integers.h"
#include "passes/data.h"
#include "system/interruption.h"
#include "system/memory.h"
#include "system/processor.h"
#include "system/threads.h"

#define ALWAYS_INLINE __attribute__((always_inline))
#define INLINE inline ALWAYS_INLINE
#define NOINLINE __attribute__((noinline))

namespace {

namespace baseline {
constexpr const char *instruction_set = "baseline";
constexpr index_t VECTOR_BYTES = 16, TILE_VECTORS = 2;
#include "precisions.h"
}

#if defined(__x86_64__) || defined(__i386__)
#define HAS_X86_VECTORS

#define PRAGMA(directive) _Pragma(#directive)
#ifdef __clang__
#define BEGIN_TARGET(features) PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define END_TARGET PRAGMA(clang attribute pop)
#else
#define BEGIN_TARGET(features) PRAGMA(GCC push_options) PRAGMA(GCC target(features))
#define END_TARGET PRAGMA(GCC pop_options)
#endif

BEGIN_TARGET("avx2,fma")
namespace avx2 {
constexpr const char *instruction_set = "avx2";
constexpr index_t VECTOR_BYTES = 32, TILE_VECTORS = 2;
#include "precisions.h"
}
END_TARGET

BEGIN_TARGET("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
namespace avx512 {
constexpr const char *instruction_set = "avx512";
constexpr index_t VECTOR_BYTES = 64, TILE_VECTORS = 4;
#include "precisions.h"
}
END_TARGET
#endif

}

int count_instruction_sets(void)
{
#ifdef HAS_X86_VECTORS
    return 1 + vector_level();
#else
    return 1;
#endif
}

const kernels_t *kernels_of(int instruction_set, int is_double)
{
    static const kernels_t *const all[][2] = {
        {&baseline::float32::kernels, &baseline::float64::kernels},
#ifdef HAS_X86_VECTORS
        {&avx2::float32::kernels, &avx2::float64::kernels},
        {&avx512::float32::kernels, &avx512::float64::kernels},
#endif
    };
    return all[instruction_set][is_double];
}
