/* An LSTM's walk over its steps in the type T, and the walk back (`ops/through_time.py`).

   Rows are those of step 0, of step 1, …; `sizes` says how many each step has, of sequences that are sorted by their length. One that has
   ended, or not begun, keeps its state. i, f, u and o are the gates, H numbers each. */

static inline void NAMED(lstm)(long steps, const long *sizes, int reverse, long N, long H, const T *pre, const T *h, const T *c, const T *w, T *out,
                               T *h_n, T *c_n, T *states, T *cells, T *gates) {
    long rows = 0, begin = 0;
    for (long t = 0; t < steps; t++) rows += sizes[t];
    memcpy(h_n, h, N * H * sizeof(T));
    memcpy(c_n, c, N * H * sizeof(T));
    memcpy(gates, pre, rows * 4 * H * sizeof(T));
    if (reverse) begin = rows;
    for (long k = 0; k < steps; k++) {
        const long n = sizes[reverse ? steps - 1 - k : k];
        if (reverse) begin -= n;
        T *const gate = gates + begin * 4 * H;
        NAMED(product)('N', 'T', n, 4 * H, H, h_n, H, w, H, 1, gate, 4 * H);
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
        if (!reverse) begin += n;
    }
    memcpy(out, states, rows * H * sizeof(T));
}

/* g, whose rows are `pitch` numbers apart, g_h and g_c may be NULL: nobody asks for that. `before`: room for the state before each step. */
static inline void NAMED(lstm_backward)(long steps, const long *sizes, int reverse, long N, long H, const T *g, long pitch, const T *g_h, const T *g_c, const T *h,
                                        const T *c, const T *w, const T *states, const T *cells, const T *gates, T *d, T *dh, T *dc, T *dw, T *before) {
    long rows = 0, begin = 0;
    for (long t = 0; t < steps; t++) rows += sizes[t];
    if (g_h) memcpy(dh, g_h, N * H * sizeof(T));
    else memset(dh, 0, N * H * sizeof(T));
    if (g_c) memcpy(dc, g_c, N * H * sizeof(T));
    else memset(dc, 0, N * H * sizeof(T));
    if (!reverse) begin = rows;
    for (long k = steps - 1; k >= 0; k--) { /* the step that was taken last comes first */
        const long t = reverse ? steps - 1 - k : k, n = sizes[t], s = reverse ? t + 1 : t - 1, n_before = k > 0 ? sizes[s] : 0;
        if (!reverse) begin -= n;
        const long begin_before = reverse ? begin + n : begin - n_before;
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
        if (reverse) begin += n;
    }
    NAMED(product)('T', 'N', 4 * H, H, rows, d, 4 * H, before, H, 0, dw, H);
}
