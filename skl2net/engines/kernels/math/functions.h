/* The functions of units: the activations, and of the output functions all but softmax. */

/* Each has the number of `kernel` in skl2net/activations.py, a value for the sum x of its inputs, and a derivative that is
 * a function of this value a, times d. */
struct identity_t {
    static constexpr int number = 0;
    static INLINE V value(V x) { return x; }
    static INLINE V derive(V d, V) { return d; }
};
struct logistic_t {
    static constexpr int number = 1;
    static INLINE V value(V x) { return logistic(x); }
    static INLINE V derive(V d, V a) { return d * a * (1 - a); }
};
struct tanh_t {
    static constexpr int number = 2;
    static INLINE V value(V x) { return tanh(x); }
    static INLINE V derive(V d, V a) { return d * (1 - a * a); }
};
struct relu_t {
    static constexpr int number = 3;
    static INLINE V value(V x) { return relu(x); }
    static INLINE V derive(V d, V a) { return select(a > 0, d, all(0)); }
};
struct softplus_t {
    static constexpr int number = 4;
    static INLINE V value(V x) { return softplus(x); }
    static INLINE V derive(V d, V a) { return d * softplus_slope(a); }
};
struct exp_t {
    static constexpr int number = 6;
    static INLINE V value(V x) { return exp(x); }
    static INLINE V derive(V d, V a) { return d * a; }
};

constexpr int SOFTMAX = 5;

/* Call action(function) with the function of a number: a constant where `action` is inlined, so that each has a loop of
 * its own. Whether there is one. */
template <typename Action> INLINE int with_function(int number, Action action)
{
    switch (number) {
    case identity_t::number: action(identity_t()); return 1;
    case logistic_t::number: action(logistic_t()); return 1;
    case tanh_t::number: action(tanh_t()); return 1;
    case relu_t::number: action(relu_t()); return 1;
    case softplus_t::number: action(softplus_t()); return 1;
    case exp_t::number: action(exp_t()); return 1;
    default: return 0;
    }
}

/* z = function of z + bias, for n rows of ld units. */
void activate(int number, real *z, const real *bias, index_t n, index_t ld)
{
    with_function(number, [=](auto function) ALWAYS_INLINE {
        for (index_t i = 0; i < n; i++)
            for (index_t j = 0; j < ld; j += LANES)
                store(z + i * ld + j, function.value(load(z + i * ld + j) + load(bias + j)));
    });
}

/* The same without biases, for n units; n is a multiple of LANES. Zeros get the sign that a bias of zero gives them. */
void apply(int number, real *z, index_t n)
{
    with_function(number, [=](auto function) ALWAYS_INLINE {
        for (index_t j = 0; j < n; j += LANES)
            store(z + j, function.value(load(z + j) + V{}));
    });
}

/* delta *= derivative of the activation, from the activation's value. */
void derive(int number, real *delta, const real *a, index_t n)
{
    with_function(number, [=](auto function) ALWAYS_INLINE {
        for (index_t i = 0; i < n; i += LANES)
            store(delta + i, function.derive(load(delta + i), load(a + i)));
    });
}

/* Apply a function of kernels.h's list to n numbers; for tests. */

void apply_function(int which, const void *input, void *output, index_t n)
{
    const real *x = (const real *)input;
    real *y = (real *)output;
    for (index_t i = 0; i < n; i += LANES) {
        real lanes[VECTOR_BYTES / sizeof(real)] = {0};
        size_t bytes = (size_t)min_index(LANES, n - i) * sizeof(real);
        memcpy(lanes, x + i, bytes);
        V v = load(lanes);
        switch (which) {
        case FN_EXP: v = exp(v); break;
        case FN_EXPM1: v = expm1(v); break;
        case FN_TANH: v = tanh(v); break;
        case FN_LOGISTIC: v = logistic(v); break;
        case FN_SOFTPLUS: v = softplus(v); break;
        case FN_LOG: v = log(v); break;
        default: v = log1p(v);
        }
        store(lanes, v);
        memcpy(y + i, lanes, bytes);
    }
}
