/* Included by kernels.cpp once for each instruction set: the code for both number types. */

namespace float32 {
typedef float real;
typedef int32_t int_t;
typedef uint32_t unsigned_t;
#include "template.h"
}

namespace float64 {
typedef double real;
typedef int64_t int_t;
typedef uint64_t unsigned_t;
#include "template.h"
}
