/* Vectors of real, and elementary functions of them, accurate to 4 units in the last place. */

INLINE V load(const real *p) { return *(const V *)p; }
INLINE void store(real *p, V x) { *(V *)p = x; }
INLINE V all(real x) { return x - V{}; }

/* a * b + c, with one rounding if the instruction set can do that. Sums that must have the same bits in two loops, and
 * functions that are inlined in several, call this: in an expression, GCC fuses the two operations or not, depending on
 * the loop around it (GCC 16 for AVX2: not where a loop has a single sum). Its intrinsics would cost GCC 12 registers.
 * Clang decides for each expression separately. */
INLINE V multiply_add(V a, V b, V c)
{
#if defined(__aarch64__) && !defined(__clang__)
    if (IS_DOUBLE)
        __asm__("fmla %0.2d, %1.2d, %2.2d" : "+w"(c) : "w"(a), "w"(b));
    else
        __asm__("fmla %0.4s, %1.4s, %2.4s" : "+w"(c) : "w"(a), "w"(b));
    return c;
#elif (defined(__x86_64__) || defined(__i386__)) && !defined(__clang__)
    if (VECTOR_BYTES > 16) {
        if (IS_DOUBLE)
            __asm__("vfmadd231pd %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
        else
            __asm__("vfmadd231ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
        return c;
    }
#endif
    return a * b + c;
}

/* `or` and `+` are equivalent here; with mask registers, GCC emits a masked move only for the addition. */
INLINE V select(VI mask, V yes, V no)
{
    const VI a = (VI)yes & mask, b = (VI)no & ~mask;
    return VECTOR_BYTES == 64 ? (V)(a + b) : (V)(a | b);
}

/* The larger and the smaller of two; `b` where they do not compare. */
INLINE V larger(V a, V b) { return select(a > b, a, b); }
INLINE V smaller(V a, V b) { return select(a < b, a, b); }

INLINE real sum_of_lanes(V x)
{
    real lanes[VECTOR_BYTES / sizeof(real)];
    memcpy(lanes, &x, sizeof lanes);
    for (index_t half = LANES / 2; half > 0; half /= 2)
        for (index_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

INLINE real max_of_lanes(V x)
{
    real lanes[VECTOR_BYTES / sizeof(real)];
    memcpy(lanes, &x, sizeof lanes);
    for (index_t half = LANES / 2; half > 0; half /= 2)
        for (index_t i = 0; i < half; i++)
            lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    return lanes[0];
}

/* Whether no number is infinite or NaN. */
int are_finite(const real *values, index_t n)
{
    V zero = all(0);
    real rest = 0;
    index_t i = 0;
    for (; i + LANES <= n; i += LANES)
        zero += load(values + i) - load(values + i);
    for (; i < n; i++)
        rest += values[i] - values[i];
    return sum_of_lanes(zero) + rest == 0;
}

/* Sum of n terms as n_sums partial sums, which do not depend on the instruction set. */
template <int n_sums, typename Term> INLINE double striped_sum(index_t n, Term term)
{
    double sums[n_sums] = {}, total = 0;
    index_t i = 0;
    for (; i + n_sums <= n; i += n_sums)
        for (int k = 0; k < n_sums; k++)
            sums[k] += term(i + k);
    for (; i < n; i++)
        total += term(i);
    for (int k = 0; k < n_sums; k++)
        total += sums[k];
    return total;
}

/* T[4, 4] = A[4, 4] transposed. */
typedef real four_t __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef int_t four_int_t __attribute__((vector_size(4 * sizeof(real))));
#ifdef __clang__
#define TAKE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define TAKE(a, b, i, j, k, l) __builtin_shuffle(a, b, (four_int_t){i, j, k, l})
#endif
INLINE void transpose_four(const real *A, index_t lda, real *T, index_t ldt)
{
    four_t a[4], b[4];
    for (int i = 0; i < 4; i++)
        a[i] = *(const four_t *)(A + i * lda);
    for (int i = 0; i < 2; i++) {
        b[i] = TAKE(a[2 * i], a[2 * i + 1], 0, 4, 1, 5);
        b[i + 2] = TAKE(a[2 * i], a[2 * i + 1], 2, 6, 3, 7);
    }
    for (int i = 0; i < 2; i++) {
        *(four_t *)(T + 2 * i * ldt) = TAKE(b[2 * i], b[2 * i + 1], 0, 1, 4, 5);
        *(four_t *)(T + (2 * i + 1) * ldt) = TAKE(b[2 * i], b[2 * i + 1], 2, 3, 6, 7);
    }
}
#undef TAKE

constexpr int EXPONENT_SHIFT = IS_DOUBLE ? 52 : 23, EXPONENT_BIAS = IS_DOUBLE ? 1023 : 127;
/* Adding it rounds to an integer, which is then in the low bits. */
constexpr real ROUNDER = constant(0x1.8p52, 0x1.8p23f);

/* p * x + c: a step of Horner's scheme. */
INLINE V horner(V p, V x, real c) { return multiply_add(p, x, all(c)); }

/* k and r with x = k * ln 2 + r and |r| <= ln 2 / 2. If |x| is too large for that, they are arbitrary. */
INLINE VI reduce(V x, V *r)
{
    V shifted = horner(x, all(constant(1.4426950408889634, 1.44269504f)), ROUNDER);
    V k = shifted - ROUNDER;
    *r = multiply_add(k, all(constant(-6.93147180369123816490e-01, -0.693359375f)), x);
    *r = multiply_add(k, all(constant(-1.90821492927058770002e-10, 2.12194440e-4f)), *r);
    return (VI)((VU)shifted - (VU)all(ROUNDER));
}

/* (exp(r) - 1) / r for |r| <= ln 2 / 2: the polynomials of the smallest relative error, which is 1.8e-17 for double
 * and 1.1e-8 for float. */
INLINE V exp_slope(V r)
{
    V p;
    if (IS_DOUBLE) {
        p = all((real)2.5052096324082968422e-8);
        p = horner(p, r, (real)2.7626276574497490395e-7);
        p = horner(p, r, (real)2.7557414828185575868e-6);
        p = horner(p, r, (real)2.4801504569089643226e-5);
        p = horner(p, r, (real)1.9841269707386961942e-4);
        p = horner(p, r, (real)1.3888888932284880331e-3);
        p = horner(p, r, (real)8.3333333333978846318e-3);
        p = horner(p, r, (real)4.1666666666573834294e-2);
        p = horner(p, r, (real)1.6666666666666563432e-1);
        p = horner(p, r, (real)5.0000000000000055536e-1);
    } else {
        /* three short sums in parallel instead of a long one */
        const V low = horner(all((real)4.9999998123675464663e-1), r, 1), z = r * r;
        const V middle = horner(all((real)4.1667136395510802099e-2), r, (real)1.6666506155509473580e-1);
        const V high = horner(all((real)1.3888872856948094096e-3), r, (real)8.3690757062463283073e-3);
        return multiply_add(z, multiply_add(z, high, middle), low);
    }
    return horner(p, r, 1);
}

INLINE V power_of_two(VI k) { return (V)(((VU)k + EXPONENT_BIAS) << EXPONENT_SHIFT); }

INLINE V exp(V x)
{
    V r;
    /* scaled in two steps, so that subnormal and infinite results are right */
    const VI k = reduce(x, &r), half = k >> 1;
    const V scale = power_of_two(half);
    V y = multiply_add(scale * r, exp_slope(r), scale) * power_of_two(k - half);
    /* beyond the range of k; at the end, which is faster than clipping x first */
    y = select(x < constant(-746, -105), all(0), y);
    return select(x > constant(710, 89), all((real)INFINITY), y);
}

/* exp(x) - 1 without cancellation, for x within the range of exp. */
INLINE V expm1(V x)
{
    V r;
    const V scale = power_of_two(reduce(x, &r));
    return multiply_add(scale * r, exp_slope(r), scale - 1);
}

INLINE V absolute(V x) { return (V)((VI)x & ~(VI)all((real)-0.0)); }

INLINE V tanh(V x)
{
    /* -t / (2 + t) with t = exp(-2|x|) - 1 */
    V size = absolute(x), t = expm1(-2 * size);
    V y = select(size > constant(20, 10), all(1), -t / (2 + t));
    VI sign = (VI)all((real)-0.0);
    return (V)(((VI)y & ~sign) | ((VI)x & sign));
}

INLINE V logistic(V x)
{
    V small = exp(-absolute(x));
    return select(x >= 0, all(1), small) / (1 + small);
}

/* For positive normal numbers; NaN and infinity give NaN. */
INLINE V log(V x)
{
    /* x = 2**k * m, 1/sqrt 2 <= m < sqrt 2, and log m = 2 artanh((m - 1) / (m + 1)) */
    VI k = ((VI)x - (VI)all((real)0.70710678118654752440)) >> EXPONENT_SHIFT;
    V m = (V)((VI)x - (k << EXPONENT_SHIFT));
    V s = (m - 1) / (m + 1), z = s * s, p;
    if (IS_DOUBLE) {
        p = all((real)(2 / 23.0));
        p = p * z + (real)(2 / 21.0);
        p = p * z + (real)(2 / 19.0);
        p = p * z + (real)(2 / 17.0);
        p = p * z + (real)(2 / 15.0);
        p = p * z + (real)(2 / 13.0);
        p = p * z + (real)(2 / 11.0);
    } else {
        p = all((real)(2 / 11.0));
    }
    p = p * z + (real)(2 / 9.0);
    p = p * z + (real)(2 / 7.0);
    p = p * z + (real)(2 / 5.0);
    p = p * z + (real)(2 / 3.0);
    V exponent = (V)(k + (VI)all(ROUNDER)) - ROUNDER;
    V low = multiply_add(s * z, p, exponent * constant(1.90821492927058770002e-10, -2.12194440e-4f));
    V high = exponent * constant(6.93147180369123816490e-01, 0.693359375f);
    return high + (2 * s + low) + (x - x);
}

/* log(1 + x) for 0 <= x <= 1. */
INLINE V log1p(V x)
{
    V u = 1 + x;
    return log(u) + (x - (u - 1)) / u;
}

INLINE V relu(V x) { return larger(all(0), x); }

/* log(1 + exp(x)). */
INLINE V softplus(V x) { return relu(x) + log1p(exp(-absolute(x))); }

/* Its derivative 1 - exp(-y), from its value y; it is 1 well within the range of expm1. */
INLINE V softplus_slope(V y) { return -expm1(-select(y > 64, all(64), y)); }
