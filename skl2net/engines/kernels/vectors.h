/* Vectors of REAL, and elementary functions of them, accurate to 4 units in the last place. */

INLINE V NAME(load)(const REAL *p) { return *(const V *)p; }
INLINE void NAME(store)(REAL *p, V x) { *(V *)p = x; }
INLINE V NAME(all)(REAL x) { return x - (V){0}; }

/* a * b + c, with one rounding if the instruction set can do that. Sums that must have the same bits in two loops, and
 * functions that are inlined in several, call this: in an expression, GCC fuses the two operations or not, depending on
 * the loop around it (GCC 16 for AVX2: not where a loop has a single sum). Its intrinsics would cost GCC 12 registers.
 * Clang decides for each expression by itself. */
INLINE V NAME(multiply_add)(V a, V b, V c)
{
#if defined(FUSED) && !defined(__clang__)
    FUSED(c, a, b);
    return c;
#else
    return a * b + c;
#endif
}

/* `or` and `+` do the same here; where there are mask registers, GCC makes a masked move of an addition only. */
INLINE V NAME(select)(VI mask, V yes, V no)
{
    const VI a = (VI)yes & mask, b = (VI)no & ~mask;
    return VECTOR_BYTES == 64 ? (V)(a + b) : (V)(a | b);
}

/* The larger and the smaller of two; `b` where they do not compare. */
INLINE V NAME(larger)(V a, V b) { return NAME(select)(a > b, a, b); }
INLINE V NAME(smaller)(V a, V b) { return NAME(select)(a < b, a, b); }

INLINE REAL NAME(sum)(V x)
{
    REAL lanes[VECTOR_BYTES / sizeof(REAL)];
    memcpy(lanes, &x, sizeof lanes);
    for (index_t half = LANES / 2; half > 0; half /= 2)
        for (index_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

INLINE REAL NAME(max)(V x)
{
    REAL lanes[VECTOR_BYTES / sizeof(REAL)];
    memcpy(lanes, &x, sizeof lanes);
    for (index_t half = LANES / 2; half > 0; half /= 2)
        for (index_t i = 0; i < half; i++)
            lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    return lanes[0];
}

/* T[4, 4] = A[4, 4] transposed. */
typedef REAL NAME(four) __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
typedef REAL_INT NAME(four_int) __attribute__((vector_size(4 * sizeof(REAL))));
#ifdef __clang__
#define TAKE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define TAKE(a, b, i, j, k, l) __builtin_shuffle(a, b, (NAME(four_int)){i, j, k, l})
#endif
INLINE void NAME(transpose_four)(const REAL *A, index_t lda, REAL *T, index_t ldt)
{
    NAME(four) a[4], b[4];
    for (int i = 0; i < 4; i++)
        a[i] = *(const NAME(four) *)(A + i * lda);
    for (int i = 0; i < 2; i++) {
        b[i] = TAKE(a[2 * i], a[2 * i + 1], 0, 4, 1, 5);
        b[i + 2] = TAKE(a[2 * i], a[2 * i + 1], 2, 6, 3, 7);
    }
    for (int i = 0; i < 2; i++) {
        *(NAME(four) *)(T + 2 * i * ldt) = TAKE(b[2 * i], b[2 * i + 1], 0, 1, 4, 5);
        *(NAME(four) *)(T + (2 * i + 1) * ldt) = TAKE(b[2 * i], b[2 * i + 1], 2, 3, 6, 7);
    }
}
#undef TAKE

#define EXPONENT_SHIFT (IS_DOUBLE ? 52 : 23)
#define EXPONENT_BIAS (IS_DOUBLE ? 1023 : 127)
/* Adding it rounds to an integer, which then stands in the low bits. */
#define ROUNDER CONSTANT(0x1.8p52, 0x1.8p23)

/* p * x + c: a step of Horner's scheme. */
INLINE V NAME(horner)(V p, V x, REAL c) { return NAME(multiply_add)(p, x, NAME(all)(c)); }

/* k and r with x = k * ln 2 + r and |r| <= ln 2 / 2. Where |x| is too large for that, they are any numbers. */
INLINE VI NAME(reduce)(V x, V *r)
{
    V shifted = NAME(horner)(x, NAME(all)(CONSTANT(1.4426950408889634, 1.44269504f)), ROUNDER);
    V k = shifted - ROUNDER;
    *r = NAME(multiply_add)(k, NAME(all)(CONSTANT(-6.93147180369123816490e-01, -0.693359375f)), x);
    *r = NAME(multiply_add)(k, NAME(all)(CONSTANT(-1.90821492927058770002e-10, 2.12194440e-4f)), *r);
    return (VI)((VU)shifted - (VU)NAME(all)(ROUNDER));
}

/* (exp(r) - 1) / r for |r| <= ln 2 / 2: the polynomials of the smallest relative error, which is 1.8e-17 for double
 * and 1.1e-8 for float. */
INLINE V NAME(exp_slope)(V r)
{
    V p;
    if (IS_DOUBLE) {
        p = NAME(all)((REAL)2.5052096324082968422e-8);
        p = NAME(horner)(p, r, (REAL)2.7626276574497490395e-7);
        p = NAME(horner)(p, r, (REAL)2.7557414828185575868e-6);
        p = NAME(horner)(p, r, (REAL)2.4801504569089643226e-5);
        p = NAME(horner)(p, r, (REAL)1.9841269707386961942e-4);
        p = NAME(horner)(p, r, (REAL)1.3888888932284880331e-3);
        p = NAME(horner)(p, r, (REAL)8.3333333333978846318e-3);
        p = NAME(horner)(p, r, (REAL)4.1666666666573834294e-2);
        p = NAME(horner)(p, r, (REAL)1.6666666666666563432e-1);
        p = NAME(horner)(p, r, (REAL)5.0000000000000055536e-1);
    } else {
        /* three short sums side by side, rather than a long one */
        const V low = NAME(horner)(NAME(all)((REAL)4.9999998123675464663e-1), r, 1), z = r * r;
        const V middle = NAME(horner)(NAME(all)((REAL)4.1667136395510802099e-2), r, (REAL)1.6666506155509473580e-1);
        const V high = NAME(horner)(NAME(all)((REAL)1.3888872856948094096e-3), r, (REAL)8.3690757062463283073e-3);
        return NAME(multiply_add)(z, NAME(multiply_add)(z, high, middle), low);
    }
    return NAME(horner)(p, r, 1);
}

INLINE V NAME(power_of_two)(VI k) { return (V)(((VU)k + EXPONENT_BIAS) << EXPONENT_SHIFT); }

INLINE V NAME(exp)(V x)
{
    V r;
    /* scaled in two steps, so that subnormal and infinite results come out right */
    const VI k = NAME(reduce)(x, &r), half = k >> 1;
    const V scale = NAME(power_of_two)(half);
    V y = NAME(multiply_add)(scale * r, NAME(exp_slope)(r), scale) * NAME(power_of_two)(k - half);
    /* beyond the range of k; at the end, where it takes less time than to hold x in the range before */
    y = NAME(select)(x < CONSTANT(-746, -105), NAME(all)(0), y);
    return NAME(select)(x > CONSTANT(710, 89), NAME(all)((REAL)INFINITY), y);
}

/* exp(x) - 1 without cancellation, for x within the range of exp. */
INLINE V NAME(expm1)(V x)
{
    V r;
    const V scale = NAME(power_of_two)(NAME(reduce)(x, &r));
    return NAME(multiply_add)(scale * r, NAME(exp_slope)(r), scale - 1);
}

INLINE V NAME(absolute)(V x) { return (V)((VI)x & ~(VI)NAME(all)((REAL)-0.0)); }

INLINE V NAME(tanh)(V x)
{
    /* -t / (2 + t) with t = exp(-2|x|) - 1 */
    V size = NAME(absolute)(x), t = NAME(expm1)(-2 * size);
    V y = NAME(select)(size > CONSTANT(20, 10), NAME(all)(1), -t / (2 + t));
    VI sign = (VI)NAME(all)((REAL)-0.0);
    return (V)(((VI)y & ~sign) | ((VI)x & sign));
}

INLINE V NAME(logistic)(V x)
{
    V small = NAME(exp)(-NAME(absolute)(x));
    return NAME(select)(x >= 0, NAME(all)(1), small) / (1 + small);
}

/* For positive normal numbers; NaN and infinity give NaN. */
INLINE V NAME(log)(V x)
{
    /* x = 2**k * m, 1/sqrt 2 <= m < sqrt 2, and log m = 2 artanh((m - 1) / (m + 1)) */
    VI k = ((VI)x - (VI)NAME(all)((REAL)0.70710678118654752440)) >> EXPONENT_SHIFT;
    V m = (V)((VI)x - (k << EXPONENT_SHIFT));
    V s = (m - 1) / (m + 1), z = s * s, p;
    if (IS_DOUBLE) {
        p = NAME(all)((REAL)(2 / 23.0));
        p = p * z + (REAL)(2 / 21.0);
        p = p * z + (REAL)(2 / 19.0);
        p = p * z + (REAL)(2 / 17.0);
        p = p * z + (REAL)(2 / 15.0);
        p = p * z + (REAL)(2 / 13.0);
        p = p * z + (REAL)(2 / 11.0);
    } else {
        p = NAME(all)((REAL)(2 / 11.0));
    }
    p = p * z + (REAL)(2 / 9.0);
    p = p * z + (REAL)(2 / 7.0);
    p = p * z + (REAL)(2 / 5.0);
    p = p * z + (REAL)(2 / 3.0);
    V exponent = (V)(k + (VI)NAME(all)(ROUNDER)) - ROUNDER;
    V low = NAME(multiply_add)(s * z, p, exponent * CONSTANT(1.90821492927058770002e-10, -2.12194440e-4f));
    V high = exponent * CONSTANT(6.93147180369123816490e-01, 0.693359375f);
    return high + (2 * s + low) + (x - x);
}

/* log(1 + x) for 0 <= x <= 1. */
INLINE V NAME(log1p)(V x)
{
    V u = 1 + x;
    return NAME(log)(u) + (x - (u - 1)) / u;
}

INLINE V NAME(relu)(V x) { return NAME(larger)(NAME(all)(0), x); }

/* log(1 + exp(x)). */
INLINE V NAME(softplus)(V x) { return NAME(relu)(x) + NAME(log1p)(NAME(exp)(-NAME(absolute)(x))); }

/* Its derivative 1 - exp(-y), from its value y; it is 1 long before expm1 ends. */
INLINE V NAME(softplus_slope)(V y)
{
    return -NAME(expm1)(-NAME(select)(y > 64, NAME(all)(64), y));
}

/* Apply a function of kernels.h's list to n numbers; for tests. */

FUNCTION void NAME(function)(int which, const void *input, void *output, index_t n)
{
    const REAL *x = input;
    REAL *y = output;
    for (index_t i = 0; i < n; i += LANES) {
        REAL lanes[VECTOR_BYTES / sizeof(REAL)] = {0};
        size_t bytes = (size_t)min_index(LANES, n - i) * sizeof(REAL);
        memcpy(lanes, x + i, bytes);
        V v = NAME(load)(lanes);
        switch (which) {
        case FN_EXP: v = NAME(exp)(v); break;
        case FN_EXPM1: v = NAME(expm1)(v); break;
        case FN_TANH: v = NAME(tanh)(v); break;
        case FN_LOGISTIC: v = NAME(logistic)(v); break;
        case FN_SOFTPLUS: v = NAME(softplus)(v); break;
        case FN_LOG: v = NAME(log)(v); break;
        default: v = NAME(log1p)(v);
        }
        NAME(store)(lanes, v);
        memcpy(y + i, lanes, bytes);
    }
}
