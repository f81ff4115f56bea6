/* The walks of an LSTM, a GRU and an RNN over their steps in the type T, and the walks back (`ops/through_time.py`).

   Rows are those of step 0, of step 1, …; `sizes` says how many each step has, of sequences that are sorted by their length. One that has
   ended, or not begun, keeps its state. i, f, u and o are the gates, H numbers each. BLAS takes twice as long for products with a Wᵀ as small
   as this one, so W is turned round first: into `room`. */

#ifndef STEPS
#define STEPS
/* The rows of a step, and of the one before it, in the order in which they are taken; before the first one there are none. */
typedef struct {
    long begin, n, begin_before, n_before;
} Step;

static inline long all_rows(long steps, const long *sizes) {
    long rows = 0;
    for (long t = 0; t < steps; t++) rows += sizes[t];
    return rows;
}

static inline Step step(long k, long steps, const long *sizes, int reverse) {
    const long t = reverse ? steps - 1 - k : k, before = reverse ? t + 1 : t - 1;
    Step at = {all_rows(t, sizes), sizes[t], 0, k > 0 ? sizes[before] : 0};
    at.begin_before = reverse ? at.begin + at.n : at.begin - at.n_before;
    return at;
}
#endif

static inline const T *NAMED(turned)(long rows, long columns, const T *a, T *to) {
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++) to[c * rows + r] = a[r * columns + c];
    return to;
}

static inline void NAMED(given_or_0)(long n, const T *given, T *to) {
    if (given) memcpy(to, given, n * sizeof(T));
    else memset(to, 0, n * sizeof(T));
}

KERNEL void NAMED(lstm)(long steps, const long *sizes, int reverse, long N, long H, const T *pre, const T *h, const T *c, const T *w, T *out,
                               T *h_n, T *c_n, T *states, T *cells, T *gates, T *room) {
    const long rows = all_rows(steps, sizes);
    const T *const w_turned = NAMED(turned)(4 * H, H, w, room);
    memcpy(h_n, h, N * H * sizeof(T));
    memcpy(c_n, c, N * H * sizeof(T));
    memcpy(gates, pre, rows * 4 * H * sizeof(T));
    for (long k = 0; k < steps; k++) {
        const Step at = step(k, steps, sizes, reverse);
        const long begin = at.begin, n = at.n;
        T *const gate = gates + begin * 4 * H;
        NAMED(product)('N', 'N', n, 4 * H, H, h_n, H, w_turned, 4 * H, 1, gate, 4 * H);
        for (long r = 0; r < n; r++) {
            T *const i = gate + r * 4 * H, *const f = i + H, *const u = f + H, *const o = u + H;
            T *const state = states + (begin + r) * H, *const cell = cells + (begin + r) * H;
            #pragma omp simd
            for (long j = 0; j < H; j++) {
                i[j] = NAMED(sigmoid)(i[j]);
                f[j] = NAMED(sigmoid)(f[j]);
                u[j] = NAMED(tanh)(u[j]);
                o[j] = NAMED(sigmoid)(o[j]);
                cell[j] = f[j] * c_n[r * H + j] + i[j] * u[j];
                state[j] = o[j] * NAMED(tanh)(cell[j]);
                h_n[r * H + j] = state[j];
                c_n[r * H + j] = cell[j];
            }
        }
    }
    memcpy(out, states, rows * H * sizeof(T));
}

/* g, whose rows are `pitch` numbers apart, g_h and g_c may be NULL: nobody asks for that. `before`: room for the state before each step. */
KERNEL void NAMED(lstm_backward)(long steps, const long *sizes, int reverse, long N, long H, const T *g, long pitch, const T *g_h, const T *g_c, const T *h,
                                        const T *c, const T *w, const T *states, const T *cells, const T *gates, T *d, T *dh, T *dc, T *dw, T *before) {
    const long rows = all_rows(steps, sizes);
    NAMED(given_or_0)(N * H, g_h, dh);
    NAMED(given_or_0)(N * H, g_c, dc);
    for (long k = steps - 1; k >= 0; k--) { /* the step that was taken last comes first */
        const Step at = step(k, steps, sizes, reverse);
        const long begin = at.begin, n = at.n, begin_before = at.begin_before, n_before = at.n_before;
        for (long r = 0; r < n; r++) {
            const T *const i = gates + (begin + r) * 4 * H, *const f = i + H, *const u = f + H, *const o = u + H;
            const T *const cell = cells + (begin + r) * H, *const up = g ? g + (begin + r) * pitch : NULL;
            const T *const c_before = r < n_before ? cells + (begin_before + r) * H : c + r * H;
            memcpy(before + (begin + r) * H, r < n_before ? states + (begin_before + r) * H : h + r * H, H * sizeof(T));
            T *const di = d + (begin + r) * 4 * H, *const df = di + H, *const du = df + H, *const d_o = du + H;
            T *const dh_r = dh + r * H, *const dc_r = dc + r * H;
            #pragma omp simd
            for (long j = 0; j < H; j++) {
                const T of_h = dh_r[j] + (up ? up[j] : 0), tanh_c = NAMED(tanh)(cell[j]);
                const T of_c = dc_r[j] + of_h * o[j] * (1 - tanh_c * tanh_c);
                di[j] = of_c * u[j] * i[j] * (1 - i[j]);
                df[j] = of_c * c_before[j] * f[j] * (1 - f[j]);
                du[j] = of_c * i[j] * (1 - u[j] * u[j]);
                d_o[j] = of_h * tanh_c * o[j] * (1 - o[j]);
                dc_r[j] = of_c * f[j];
            }
        }
        NAMED(product)('N', 'N', n, H, 4 * H, d + begin * 4 * H, 4 * H, w, H, 0, dh, H);
    }
    NAMED(product)('T', 'N', 4 * H, H, rows, d, 4 * H, before, H, 0, dw, H);
}

/* The same of a GRU; its gates are r, z and u. m = h Wᵀ + b: `room` is for those of a step too. */
KERNEL void NAMED(gru)(long steps, const long *sizes, int reverse, long N, long H, const T *pre, const T *h, const T *w, const T *b, T *out, T *h_n,
                              T *states, T *gates, T *inner, T *room) {
    const long rows = all_rows(steps, sizes);
    const T *const w_turned = NAMED(turned)(3 * H, H, w, room + N * 3 * H);
    memcpy(h_n, h, N * H * sizeof(T));
    for (long k = 0; k < steps; k++) {
        const Step at = step(k, steps, sizes, reverse);
        const long begin = at.begin, n = at.n;
        for (long r = 0; b && r < n; r++) memcpy(room + r * 3 * H, b, 3 * H * sizeof(T));
        NAMED(product)('N', 'N', n, 3 * H, H, h_n, H, w_turned, 3 * H, b != NULL, room, 3 * H);
        for (long r = 0; r < n; r++) {
            const T *const from = pre + (begin + r) * 3 * H, *const m = room + r * 3 * H;
            T *const gate = gates + (begin + r) * 3 * H, *const state = states + (begin + r) * H, *const kept = inner + (begin + r) * H;
            #pragma omp simd
            for (long j = 0; j < H; j++) {
                const T reset = NAMED(sigmoid)(from[j] + m[j]), z = NAMED(sigmoid)(from[H + j] + m[H + j]);
                const T u = NAMED(tanh)(from[2 * H + j] + reset * m[2 * H + j]);
                gate[j] = reset;
                gate[H + j] = z;
                gate[2 * H + j] = u;
                kept[j] = m[2 * H + j];
                state[j] = (h_n[r * H + j] - u) * z + u;
                h_n[r * H + j] = state[j];
            }
        }
    }
    memcpy(out, states, rows * H * sizeof(T));
}

/* db may be NULL. `room`: for the gradients of m of all steps, and the state before each. */
KERNEL void NAMED(gru_backward)(long steps, const long *sizes, int reverse, long N, long H, const T *g, long pitch, const T *g_h, const T *h,
                                       const T *w, const T *states, const T *gates, const T *inner, T *d, T *dh, T *dw, T *db, T *room) {
    const long rows = all_rows(steps, sizes);
    T *const dm = room, *const before = room + rows * 3 * H;
    NAMED(given_or_0)(N * H, g_h, dh);
    for (long k = steps - 1; k >= 0; k--) {
        const Step at = step(k, steps, sizes, reverse);
        const long begin = at.begin, n = at.n, begin_before = at.begin_before, n_before = at.n_before;
        for (long r = 0; r < n; r++) {
            const T *const reset = gates + (begin + r) * 3 * H, *const z = reset + H, *const u = z + H, *const m = inner + (begin + r) * H;
            const T *const up = g ? g + (begin + r) * pitch : NULL, *const state = r < n_before ? states + (begin_before + r) * H : h + r * H;
            T *const to = d + (begin + r) * 3 * H, *const of_m = dm + (begin + r) * 3 * H, *const dh_r = dh + r * H;
            memcpy(before + (begin + r) * H, state, H * sizeof(T));
            #pragma omp simd
            for (long j = 0; j < H; j++) {
                const T of_h = dh_r[j] + (up ? up[j] : 0);
                const T du = of_h * (1 - z[j]) * (1 - u[j] * u[j]);
                to[j] = of_m[j] = du * m[j] * reset[j] * (1 - reset[j]);
                to[H + j] = of_m[H + j] = of_h * (state[j] - u[j]) * z[j] * (1 - z[j]);
                to[2 * H + j] = du;
                of_m[2 * H + j] = du * reset[j];
                dh_r[j] = of_h * z[j];
            }
        }
        NAMED(product)('N', 'N', n, H, 3 * H, dm + begin * 3 * H, 3 * H, w, H, 1, dh, H);
    }
    NAMED(product)('T', 'N', 3 * H, H, rows, dm, 3 * H, before, H, 0, dw, H);
    for (long j = 0; db && j < 3 * H; j++) {
        double sum = 0;
        for (long r = 0; r < rows; r++) sum += dm[r * 3 * H + j];
        db[j] = (T)sum;
    }
}

/* The same of an RNN: tanh or relu of pre + h Wᵀ. */
KERNEL void NAMED(rnn)(long steps, const long *sizes, int reverse, int relu, long N, long H, const T *pre, const T *h, const T *w, T *out, T *h_n,
                              T *states, T *room) {
    const long rows = all_rows(steps, sizes);
    const T *const w_turned = NAMED(turned)(H, H, w, room);
    memcpy(h_n, h, N * H * sizeof(T));
    memcpy(states, pre, rows * H * sizeof(T));
    for (long k = 0; k < steps; k++) {
        const Step at = step(k, steps, sizes, reverse);
        const long begin = at.begin, n = at.n;
        T *const state = states + begin * H;
        NAMED(product)('N', 'N', n, H, H, h_n, H, w_turned, H, 1, state, H);
        #pragma omp simd
        for (long j = 0; j < n * H; j++) {
            const T x = state[j];
            state[j] = relu ? (x <= 0 ? 0 : x) : NAMED(tanh)(x);
            h_n[j] = state[j];
        }
    }
    memcpy(out, states, rows * H * sizeof(T));
}

KERNEL void NAMED(rnn_backward)(long steps, const long *sizes, int reverse, int relu, long N, long H, const T *g, long pitch, const T *g_h, const T *h,
                                       const T *w, const T *states, T *d, T *dh, T *dw, T *before) {
    const long rows = all_rows(steps, sizes);
    NAMED(given_or_0)(N * H, g_h, dh);
    for (long k = steps - 1; k >= 0; k--) {
        const Step at = step(k, steps, sizes, reverse);
        const long begin = at.begin, n = at.n, begin_before = at.begin_before, n_before = at.n_before;
        for (long r = 0; r < n; r++) {
            const T *const state = states + (begin + r) * H, *const up = g ? g + (begin + r) * pitch : NULL;
            memcpy(before + (begin + r) * H, r < n_before ? states + (begin_before + r) * H : h + r * H, H * sizeof(T));
            #pragma omp simd
            for (long j = 0; j < H; j++) {
                const T of_h = dh[r * H + j] + (up ? up[j] : 0);
                d[(begin + r) * H + j] = relu ? (state[j] <= 0 ? 0 : of_h) : of_h * (1 - state[j] * state[j]);
            }
        }
        NAMED(product)('N', 'N', n, H, H, d + begin * H, H, w, H, 0, dh, H);
    }
    NAMED(product)('T', 'N', H, H, rows, d, H, before, H, 0, dw, H);
}
