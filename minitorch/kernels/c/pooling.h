/* Max pooling in the type T, of planes of three dimensions, the first of which may be 1 (`ops/pooling.py`).

   The largest of a box is the largest of its rows' largest, so one dimension is pooled at a time, the last one first. */

#ifndef WINDOWS
#define WINDOWS
/* Window o of a dimension has, at its place k, element begin[k] + o · stride, if that is inside. */
typedef struct {
    long size, windows, stride, places;
    const long *begin;
} Windows;

typedef int32_t place_float; /* as wide as the number, so that both are compared in as many lanes */
typedef int64_t place_double;
#endif

/* Of n windows the element at one of their places, `step` apart: is it larger than what was there before it, which has the number −1 at first?
   `numbers`: of the elements; without them they count from `number` on. */
static inline __attribute__((always_inline)) void NAMED(compare_at)(long n, const T *x, long step, const NAMED(place) *numbers, long number, T *best, NAMED(place) *at) {
    #pragma omp simd
    for (long o = 0; o < n; o++) {
        const T v = x[o * step], b = best[o];
        const NAMED(place) its = numbers ? numbers[o * step] : number + o * step, a = at[o];
        const int larger = (v > b) | (v != v) | (a < 0);
        best[o] = larger ? v : b;
        at[o] = larger ? its : a;
    }
}

static inline void NAMED(nothing_yet)(long n, T *best, NAMED(place) *at) {
    for (long o = 0; o < n; o++) best[o] = -INFINITY, at[o] = -1;
}

/* The same: a compiler that knows how far they are apart need not pick each from memory by itself. */
static inline void NAMED(compare)(long n, const T *x, long step, const NAMED(place) *numbers, long number, T *best, NAMED(place) *at) {
    if (numbers) NAMED(compare_at)(n, x, 1, numbers, 0, best, at); /* (along rows there are none) */
    else if (step == 1) NAMED(compare_at)(n, x, 1, NULL, number, best, at);
    else if (step == 2) NAMED(compare_at)(n, x, 2, NULL, number, best, at);
    else NAMED(compare_at)(n, x, step, NULL, number, best, at);
}

/* Along the last dimension of so many rows. Rows whose windows fill them are one long row. */
static inline void NAMED(pool_rows)(Windows w, long rows, const T *x, T *best, NAMED(place) *at) {
    NAMED(nothing_yet)(rows * w.windows, best, at);
    for (long k = 0; k < w.places; k++) {
        const long begin = w.begin[k], s = w.stride, first = begin >= 0 ? 0 : (-begin + s - 1) / s;
        long end = begin >= w.size ? 0 : (w.size - 1 - begin) / s + 1;
        end = end < w.windows ? end : w.windows;
        if (first == 0 && end == w.windows && s * end == w.size)
            NAMED(compare)(rows * end, x + begin, s, NULL, begin, best, at);
        else
            for (long r = 0; r < rows; r++) {
                const long from = r * w.size + begin + first * s, to = r * w.windows + first;
                NAMED(compare)(end - first, x + from, s, NULL, from, best + to, at + to);
            }
    }
}

/* Along another dimension, of (outer, size, inner). */
static inline void NAMED(pool_lines)(Windows w, long outer, long inner, const T *x, const NAMED(place) *numbers, T *best, NAMED(place) *at) {
    NAMED(nothing_yet)(outer * w.windows * inner, best, at);
    for (long p = 0; p < outer; p++)
        for (long o = 0; o < w.windows; o++)
            for (long k = 0; k < w.places; k++) {
                const long e = w.begin[k] + o * w.stride, from = (p * w.size + e) * inner, to = (p * w.windows + o) * inner;
                if (e >= 0 && e < w.size) NAMED(compare)(inner, x + from, 1, numbers + from, 0, best + to, at + to);
            }
}

/* The largest of each window and its number in the plane: the first of equal ones, the last of nans. */
KERNEL void NAMED(max_pooling)(const Windows w[3], long lo, long hi, const T *x, T *out, int64_t *indices, T *room) {
    const long plane = w[0].size * w[1].size * w[2].size, rows = w[0].size * w[1].size * w[2].windows, inner = w[1].windows * w[2].windows;
    const long lines = w[0].size * inner, n = w[0].windows * inner;
    const int is_flat = w[0].size == 1 && w[0].windows == 1;
    T *const of_rows = room, *const of_lines = of_rows + rows;
    NAMED(place) *const at_rows = (NAMED(place) *)(of_lines + lines), *const at_lines = at_rows + rows, *const at = at_lines + lines;
    for (long k = lo; k < hi; k++) {
        NAMED(pool_rows)(w[2], w[0].size * w[1].size, x + k * plane, of_rows, at_rows);
        NAMED(pool_lines)(w[1], w[0].size, w[2].windows, of_rows, at_rows, is_flat ? out + k * n : of_lines, is_flat ? at : at_lines);
        if (!is_flat) NAMED(pool_lines)(w[0], 1, inner, of_lines, at_lines, out + k * n, at);
        for (long o = 0; o < n; o++) indices[k * n + o] = at[o];
    }
}

/* dx = g at the largest of each window; one that is the largest of several gets their sum. */
KERNEL void NAMED(max_pooling_backward)(long plane, long windows, long lo, long hi, const T *g, const int64_t *indices, T *dx) {
    memset(dx + lo * plane, 0, (hi - lo) * plane * sizeof(T));
    for (long k = lo; k < hi; k++)
        for (long o = k * windows; o < (k + 1) * windows; o++) dx[k * plane + indices[o]] += g[o];
}
