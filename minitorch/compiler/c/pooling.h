/* Max pooling in the type T, of planes of three dimensions, the first of which may be 1 (`ops/pooling.py`). */

#ifndef WINDOWS
#define WINDOWS
/* Window o of a dimension has, at its place k, element begin[k] + o · stride, if that is inside. */
typedef struct {
    long size, windows, stride, places;
    const long *begin;
} Windows;
#endif

/* The largest of each window and its number in the plane: the first of equal ones, the last of nans. */
static inline void NAMED(max_pooling)(const Windows w[3], long lo, long hi, const T *x, T *out, int64_t *indices) {
    const long plane = w[0].size * w[1].size * w[2].size, n = w[2].windows;
    T best[n];
    int32_t at[n];
    out += lo * w[0].windows * w[1].windows * n;
    indices += lo * w[0].windows * w[1].windows * n;
    for (const T *image = x + lo * plane, *end = x + hi * plane; image < end; image += plane)
    for (long oz = 0; oz < w[0].windows; oz++)
    for (long oy = 0; oy < w[1].windows; oy++, out += n, indices += n) {
        for (long o = 0; o < n; o++) best[o] = -INFINITY, at[o] = -1;
        for (long z = 0; z < w[0].places; z++)
        for (long y = 0; y < w[1].places; y++) {
            const long ez = w[0].begin[z] + oz * w[0].stride, ey = w[1].begin[y] + oy * w[1].stride;
            if (ez < 0 || ez >= w[0].size || ey < 0 || ey >= w[1].size) continue;
            const int32_t row = (ez * w[1].size + ey) * w[2].size;
            for (long k = 0; k < w[2].places; k++) {
                const long begin = w[2].begin[k], s = w[2].stride;
                const long first = begin >= 0 ? 0 : (-begin + s - 1) / s, last = begin >= w[2].size ? 0 : (w[2].size - 1 - begin) / s + 1;
                #pragma omp simd
                for (long o = first; o < (last < n ? last : n); o++) {
                    const T v = image[row + begin + o * s];
                    const int larger = (v > best[o]) | (v != v) | (at[o] < 0);
                    best[o] = larger ? v : best[o];
                    at[o] = larger ? row + (int32_t)(begin + o * s) : at[o];
                }
            }
        }
        for (long o = 0; o < n; o++) out[o] = best[o], indices[o] = at[o];
    }
}

/* dx = g at the largest of each window; one that is the largest of several gets their sum. */
static inline void NAMED(max_pooling_backward)(long plane, long windows, long lo, long hi, const T *g, const int64_t *indices, T *dx) {
    memset(dx + lo * plane, 0, (hi - lo) * plane * sizeof(T));
    for (long k = lo; k < hi; k++)
        for (long o = k * windows; o < (k + 1) * windows; o++) dx[k * plane + indices[o]] += g[o];
}
