/* Rules of optimizers in the type T: each number is read once and written once, where NumPy's calls go over the arrays ten times.

   The operations are those of the rules' lines in `optim/`, in their order, and each of them rounds as IEEE says: so the numbers are the
   same, bit by bit, but for the sign of a nan. (Nothing is contracted to a multiplication and addition in one, and nothing regrouped.) */

/* m = β₁ m + (1 − β₁) g, v = β₂ v + (1 − β₂) g², θ = θ − rate m / (√v / root + ε). `largest` is the largest v so far (amsgrad), which then stands for
   v, or NULL. Before all that θ shrinks, or decay θ is added to g. */
FUNCTION void NAMED(adam_by)(long n, int decays, const T *g, int ascends, T shrink, T decay, T b1, T rest1, T b2, T rest2, T root, T eps, T rate, T *x,
                             T *m, T *v, T *largest) {
    #pragma omp simd
    for (long i = 0; i < n; i++) {
        const T g_i = ascends ? -g[i] : g[i], before = x[i] * shrink, gradient = decays ? g_i + decay * x[i] : g_i;
        const T mean = m[i] * b1 + gradient * rest1, square = v[i] * b2 + gradient * rest2 * gradient;
        T under = square;
        if (largest) under = largest[i] = largest[i] >= square || largest[i] != largest[i] ? largest[i] : square;
        m[i] = mean;
        v[i] = square;
        x[i] = before - mean / (NAMED(root)(under) / root + eps) * rate;
    }
}

KERNEL void NAMED(adam)(long n, const T *g, int ascends, double shrink, double decay, double b1, double rest1, double b2, double rest2,
                        double root, double eps, double rate, T *x, T *m, T *v, T *largest) {
    #define NUMBERS ascends, shrink, decay, b1, rest1, b2, rest2, root, eps, rate, x, m, v
    if (largest && decay != 0) NAMED(adam_by)(n, 1, g, NUMBERS, largest);
    else if (largest) NAMED(adam_by)(n, 0, g, NUMBERS, largest);
    else if (decay != 0) NAMED(adam_by)(n, 1, g, NUMBERS, NULL);
    else NAMED(adam_by)(n, 0, g, NUMBERS, NULL);
    #undef NUMBERS
}

/* b = μ b + rest g, or g at first, θ = θ − lr b, with nesterov θ − lr (g + μ b); where b is NULL θ − lr g. Before that decay θ is added to g. */
FUNCTION void NAMED(sgd_by)(long n, int decays, int nesterov, int first, const T *g, int ascends, T decay, T mu, T rest, T lr, T *x, T *b) {
    #pragma omp simd
    for (long i = 0; i < n; i++) {
        const T g_i = ascends ? -g[i] : g[i], gradient = decays ? g_i + decay * x[i] : g_i;
        T step = gradient;
        if (b) {
            const T velocity = first ? gradient : b[i] * mu + rest * gradient;
            b[i] = velocity;
            step = nesterov ? gradient + mu * velocity : velocity;
        }
        x[i] -= lr * step;
    }
}

KERNEL void NAMED(sgd)(long n, const T *g, int nesterov, int first, int ascends, double decay, double mu, double rest, double lr, T *x, T *b) {
    #define BY(nesterov, first, b) \
        if (decay != 0) NAMED(sgd_by)(n, 1, nesterov, first, g, ascends, decay, mu, rest, lr, x, b); \
        else NAMED(sgd_by)(n, 0, nesterov, first, g, ascends, decay, mu, rest, lr, x, b)
    if (!b) { BY(0, 0, NULL); }
    else if (first && nesterov) { BY(1, 1, b); }
    else if (first) { BY(0, 1, b); }
    else if (nesterov) { BY(1, 0, b); }
    else { BY(0, 0, b); }
    #undef BY
}
