/* Rows in the type T: softmax, layer norm and gelu, forward and backward, each row in as few passes as it takes, and those in the cache.

   A row is n numbers, one behind the other; rows `from` to `to` are computed, so that threads may share them. What a row comes to does not
   depend on its neighbours, nor on who computes it. Sums are of at most STRETCH numbers in T, and of stretches in double. */

#ifndef STRETCH
#define STRETCH 1024L
#define SMALLER(a, b) ((a) < (b) ? (a) : (b))
#endif

/* ---- sums ---- */

FUNCTION double NAMED(sum)(const T *x, long n) {
    double all = 0;
    for (long begin = 0; begin < n; begin += STRETCH) {
        const long end = SMALLER(begin + STRETCH, n);
        T sum = 0;
        #pragma omp simd reduction(+ : sum)
        for (long i = begin; i < end; i++) sum += x[i];
        all += sum;
    }
    return all;
}

/* Σ x y */
FUNCTION double NAMED(dot)(const T *x, const T *y, long n) {
    double all = 0;
    for (long begin = 0; begin < n; begin += STRETCH) {
        const long end = SMALLER(begin + STRETCH, n);
        T sum = 0;
        #pragma omp simd reduction(+ : sum)
        for (long i = begin; i < end; i++) sum += x[i] * y[i];
        all += sum;
    }
    return all;
}

/* e ← exp(x − largest), and its sum. x may be e. */
FUNCTION double NAMED(exps)(const T *x, T largest, T *e, long n) {
    double all = 0;
    for (long begin = 0; begin < n; begin += STRETCH) {
        const long end = SMALLER(begin + STRETCH, n);
        T sum = 0;
        #pragma omp simd reduction(+ : sum)
        for (long i = begin; i < end; i++) {
            e[i] = NAMED(exp)(x[i] - largest);
            sum += e[i];
        }
        all += sum;
    }
    return all;
}

/* The largest number; a nan is left to the sum, which it makes nan. */
FUNCTION T NAMED(largest)(const T *x, long n) {
    T found = -INFINITY;
    #pragma omp simd reduction(max : found)
    for (long i = 0; i < n; i++) found = x[i] > found ? x[i] : found;
    return found;
}

/* ---- softmax ---- */

/* p = exp(x − max x) / Σ exp(x − max x) */
KERNEL void NAMED(softmax)(long from, long to, long n, const T *x, T *p) {
    for (x += from * n, p += from * n; from < to; from++, x += n, p += n) {
        const T share = (T)(1 / NAMED(exps)(x, NAMED(largest)(x, n), p, n));
        #pragma omp simd
        for (long i = 0; i < n; i++) p[i] *= share;
    }
}

/* Scores become attention's weights: the softmax of each row, in its place. L is 0, or so many queries there are, of which the one of row r
   stands at r mod L and sees no key after that. A query that sees nothing has weights of 0. `fails` becomes 1 if some score is nan or ∞:
   then the weights are not to be used. */
KERNEL void NAMED(softmax_of_scores)(long from, long to, long n, long L, T *scores, int64_t *fails) {
    for (T *p = scores + from * n; from < to; from++, p += n) {
        const long seen = L ? SMALLER(from % L + 1, n) : n;
        int others = 0;
        #pragma omp simd reduction(| : others)
        for (long i = 0; i < n; i++) others |= !(p[i] < INFINITY);
        if (others) *fails = 1;
        const T top = NAMED(largest)(p, seen);
        const double all = NAMED(exps)(p, top == -INFINITY ? 0 : top, p, seen);
        const T share = all == 0 ? 0 : (T)(1 / all);
        #pragma omp simd
        for (long i = 0; i < seen; i++) p[i] *= share;
        memset(p + seen, 0, (n - seen) * sizeof(T));
    }
}

/* dx = scale p (g − Σ g p); dx may be g. */
KERNEL void NAMED(softmax_backward)(long from, long to, long n, T scale, const T *g, const T *p, T *dx) {
    for (g += from * n, p += from * n, dx += from * n; from < to; from++, g += n, p += n, dx += n) {
        const T mean = (T)NAMED(dot)(g, p, n);
        #pragma omp simd
        for (long i = 0; i < n; i++) dx[i] = scale * (p[i] * (g[i] - mean));
    }
}

/* ln p = x − max x − ln Σ exp(x − max x) */
KERNEL void NAMED(log_softmax)(long from, long to, long n, const T *x, T *log_p) {
    for (x += from * n, log_p += from * n; from < to; from++, x += n, log_p += n) {
        const T top = NAMED(largest)(x, n), rest = (T)log(NAMED(exps)(x, top, log_p, n));
        #pragma omp simd
        for (long i = 0; i < n; i++) log_p[i] = x[i] - top - rest;
    }
}

/* dx = g − p Σ g */
KERNEL void NAMED(log_softmax_backward)(long from, long to, long n, const T *g, const T *log_p, T *dx) {
    for (g += from * n, log_p += from * n, dx += from * n; from < to; from++, g += n, log_p += n, dx += n) {
        const T all = (T)NAMED(sum)(g, n);
        #pragma omp simd
        for (long i = 0; i < n; i++) dx[i] = g[i] - NAMED(exp)(log_p[i]) * all;
    }
}

/* ---- layer norm ---- */

/* out = (x − mean) / √(var + ε) · w + b; w and b are rows, or both NULL. What the sum of x loses by rounding is found in that of the
   differences from the mean, which should be 0: so many numbers that are equal have no variance. */
KERNEL void NAMED(norm)(long from, long to, long n, const T *x, const T *w, const T *b, double eps, T *out, T *mean, T *var) {
    for (x += from * n, out += from * n; from < to; from++, x += n, out += n) {
        const T average = (T)(NAMED(sum)(x, n) / n);
        double all = 0, squares = 0;
        for (long begin = 0; begin < n; begin += STRETCH) {
            const long end = SMALLER(begin + STRETCH, n);
            T sum = 0, sum_of_squares = 0;
            #pragma omp simd reduction(+ : sum, sum_of_squares)
            for (long i = begin; i < end; i++) {
                out[i] = x[i] - average;
                sum += out[i];
                sum_of_squares += out[i] * out[i];
            }
            all += sum;
            squares += sum_of_squares;
        }
        const T lost = (T)(all / n), variance = (T)(squares / n - (double)lost * lost), scale = 1 / NAMED(root)(variance + (T)eps);
        mean[from] = lost == lost ? average + lost : average;
        var[from] = variance;
        if (w) {
            #pragma omp simd
            for (long i = 0; i < n; i++) out[i] = (out[i] - lost) * scale * w[i] + b[i];
        } else {
            #pragma omp simd
            for (long i = 0; i < n; i++) out[i] = (out[i] - lost) * scale;
        }
    }
}

/* dx = (h − ⟨h⟩ − x̂ ⟨h x̂⟩) / √(var + ε) of a row, with h = g w; g x̂ and g are added to dw and db. These and w may be NULL. */
FUNCTION void NAMED(norm_row_backward)(long n, const T *g, const T *x, const T *w, T average, T scale, T *dx, T *dw, T *db) {
    double all = 0, along = 0; /* Σ h, Σ h (x − mean) */
    for (long begin = 0; begin < n; begin += STRETCH) {
        const long end = SMALLER(begin + STRETCH, n);
        T sum = 0, sum_along = 0;
        #pragma omp simd reduction(+ : sum, sum_along)
        for (long i = begin; i < end; i++) {
            const T h = w ? g[i] * w[i] : g[i];
            sum += h;
            sum_along += h * (x[i] - average);
        }
        all += sum;
        along += sum_along;
    }
    const T level = (T)(all / n), slope = (T)(along * scale * scale / n);
    #pragma omp simd
    for (long i = 0; i < n; i++) {
        const T centred = x[i] - average, h = w ? g[i] * w[i] : g[i];
        dx[i] = (h - level - centred * slope) * scale;
        if (w) {
            dw[i] += g[i] * (centred * scale);
            db[i] += g[i];
        }
    }
}

/* The same of rows, with scale = 1 / √(var + ε). Rows are in parts of `some` each, and dw and db have a row for each part: so no sum depends on
   who computes what. The parts `from` to `to` are computed, as far as there are `rows`. */
KERNEL void NAMED(norm_backward)(long from, long to, long some, long rows, long n, const T *g, const T *x, const T *w, const T *mean,
                                 const T *scale, T *dx, T *dw, T *db) {
    for (long k = from; w && k < to; k++) {
        memset(dw + k * n, 0, n * sizeof(T));
        memset(db + k * n, 0, n * sizeof(T));
    }
    for (long r = from * some; r < SMALLER(to * some, rows); r++) {
        const long at = r * n, sum = r / some * n;
        if (w) NAMED(norm_row_backward)(n, g + at, x + at, w, mean[r], scale[r], dx + at, dw + sum, db + sum);
        else NAMED(norm_row_backward)(n, g + at, x + at, NULL, mean[r], scale[r], dx + at, NULL, NULL);
    }
}

/* ---- gelu ---- */

/* x Φ(x) */
KERNEL void NAMED(gelu)(long from, long to, const T *x, T *out) {
    #pragma omp simd
    for (long i = from; i < to; i++) out[i] = (T)0.5 * x[i] * (1 + NAMED(erf)(x[i] * (T)M_SQRT1_2));
}

/* dx = g (Φ(x) + x φ(x)) */
KERNEL void NAMED(gelu_backward)(long from, long to, const T *g, const T *x, T *dx) {
    #pragma omp simd
    for (long i = from; i < to; i++) {
        const T phi = (T)0.5 * (1 + NAMED(erf)(x[i] * (T)M_SQRT1_2)), density = (T)0.3989422804014327 * NAMED(exp)((T)-0.5 * x[i] * x[i]);
        dx[i] = g[i] * (phi + x[i] * density);
    }
}

/* The other form has (1 + tanh u) / 2 for Φ, which is σ(2u) = 1 / (1 + exp(−2u)), with u = √(2/π) (x + 0.044715 x³). */
#define MINUS_TWO_U(x, square) ((T)-1.5957691216057308 * ((x) + (T)0.044715 * ((square) * (x))))

KERNEL void NAMED(gelu_by_tanh)(long from, long to, const T *x, T *out) {
    #pragma omp simd
    for (long i = from; i < to; i++) out[i] = x[i] / (1 + NAMED(exp)(MINUS_TWO_U(x[i], x[i] * x[i])));
}

/* dx = g (σ + x σ (1 − σ) (2u)') */
KERNEL void NAMED(gelu_by_tanh_backward)(long from, long to, const T *g, const T *x, T *dx) {
    #pragma omp simd
    for (long i = from; i < to; i++) {
        const T square = x[i] * x[i], phi = 1 / (1 + NAMED(exp)(MINUS_TWO_U(x[i], square)));
        dx[i] = g[i] * (phi + x[i] * (phi * (1 - phi)) * ((T)1.5957691216057308 * (1 + (T)0.134145 * square)));
    }
}
#undef MINUS_TWO_U
