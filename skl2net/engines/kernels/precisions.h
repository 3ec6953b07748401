/* Included by kernels.h once for each instruction set: the template for both number types. */

#define REAL float
#define REAL_INT int32_t
#include "template.h"
#undef REAL
#undef REAL_INT
#define REAL double
#define REAL_INT int64_t
#include "template.h"
#undef REAL
#undef REAL_INT

#undef TARGET
#undef TARGET_ATTRIBUTE
#undef VECTOR_BYTES
#undef TILE_VECTORS
#undef FUSED
