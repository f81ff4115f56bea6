/* Convolution in the type T: the columns of a few samples, and a product with the weights (`ops/convolution.py`).

   Columns: a row for each channel and element of the kernel, with what that sees from all places; 0 where it looks beside the image.
   Images have three dimensions, the first of which may be 1. `chunk` samples are taken at a time: where one has enough places it is one, and
   its product lies in memory at once as the result does. */

#ifndef SLIDING
#define SLIDING
typedef struct {
    long size[3], kernel[3], stride[3], padding[3], dilation[3], places[3];
} Sliding;

/* The places p from which a kernel's element, `offset` pixels into it, sees the image along one dimension: 0 ≤ p · stride + offset < size. */
static inline long first_place(long offset, long stride, long places) {
    const long first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    return first < places ? first : places;
}
static inline long end_of_places(long offset, long stride, long size, long places) {
    const long end = offset >= size ? 0 : (size - 1 - offset) / stride + 1;
    return end < places ? end : places;
}

static inline long numbers(const long size[3]) { return size[0] * size[1] * size[2]; }

/* Whether rows of places lie in memory as rows of pixels do: then many of them are one stretch. */
static inline int in_stretches(Sliding how) {
    return how.stride[1] == 1 && how.stride[2] == 1 && how.places[2] == how.size[2] && how.places[1] == how.size[1];
}

/* Whether the columns of an image are the image itself. */
static inline int is_pointwise(Sliding how) {
    for (int d = 0; d < 3; d++)
        if (how.kernel[d] != 1 || how.stride[d] != 1 || how.padding[d] != 0) return 0;
    return 1;
}
#endif

/* The columns of one image, or, back: the image from its columns, each added to where it was seen. `pitch`: from one row to the next. */
static inline void NAMED(columns)(Sliding how, long channels, T *image, long channel, T *cols, long pitch, int back) {
    const long *n = how.size, *P = how.places;
    T *row = cols;
    for (long c = 0; c < channels; c++, image += channel)
    for (long z = 0; z < how.kernel[0]; z++)
    for (long y = 0; y < how.kernel[1]; y++)
    for (long x = 0; x < how.kernel[2]; x++, row += pitch) {
        const long at[3] = {z * how.dilation[0] - how.padding[0], y * how.dilation[1] - how.padding[1], x * how.dilation[2] - how.padding[2]};
        const long y0 = first_place(at[1], how.stride[1], P[1]), y1 = end_of_places(at[1], how.stride[1], n[1], P[1]);
        const long x0 = first_place(at[2], how.stride[2], P[2]), x1 = end_of_places(at[2], how.stride[2], n[2], P[2]);
        for (long pz = 0; pz < P[0]; pz++) {
            T *const plane = row + pz * P[1] * P[2];
            const long iz = pz * how.stride[0] + at[0];
            if (iz < 0 || iz >= n[0] || y0 >= y1 || x0 >= x1) {
                if (!back) memset(plane, 0, P[1] * P[2] * sizeof(T));
                continue;
            }
            T *const seen = image + iz * n[1] * n[2];
            if (!back) {
                memset(plane, 0, y0 * P[2] * sizeof(T));
                memset(plane + y1 * P[2], 0, (P[1] - y1) * P[2] * sizeof(T));
            }
            if (in_stretches(how)) { /* all rows at once; what runs over a row's end is not seen */
                T *const from = seen + (y0 + at[1]) * n[2] + at[2] + x0, *const to = plane + y0 * P[2] + x0;
                const long length = (y1 - y0 - 1) * P[2] + x1 - x0;
                if (!back) memcpy(to, from, length * sizeof(T));
                for (long py = y0; py < y1; py++) {
                    for (long px = 0; px < x0; px++) plane[py * P[2] + px] = 0;
                    for (long px = x1; px < P[2]; px++) plane[py * P[2] + px] = 0;
                }
                if (back)
                    #pragma omp simd
                    for (long k = 0; k < length; k++) from[k] += to[k];
                continue;
            }
            for (long py = y0; py < y1; py++) {
                T *const line = seen + (py * how.stride[1] + at[1]) * n[2] + at[2], *const to = plane + py * P[2];
                if (back) {
                    for (long px = x0; px < x1; px++) line[px * how.stride[2]] += to[px];
                    continue;
                }
                for (long px = 0; px < x0; px++) to[px] = 0;
                for (long px = x0; px < x1; px++) to[px] = line[px * how.stride[2]];
                for (long px = x1; px < P[2]; px++) to[px] = 0;
            }
        }
    }
}

/* The columns of some samples beside each other, or the image itself where that is its columns. */
static inline const T *NAMED(all_columns)(Sliding how, long samples, long channels, const T *x, long sample, long channel, T *cols, long *pitch) {
    const long P = numbers(how.places);
    if (samples == 1 && is_pointwise(how)) {
        *pitch = channel;
        return x;
    }
    *pitch = samples * P;
    for (long s = 0; s < samples; s++) NAMED(columns)(how, channels, (T *)x + s * sample, channel, cols + s * P, *pitch, 0);
    return cols;
}

/* The transpose, in tiles, so that few lines of memory are in use at a time. */
static inline void NAMED(turn)(long rows, long columns, const T *a, long pitch, T *b, long b_pitch) {
    for (long r = 0; r < rows; r += 16)
        for (long c = 0; c < columns; c += 16)
            for (long i = c; i < (c + 16 < columns ? c + 16 : columns); i++)
                for (long k = r; k < (r + 16 < rows ? r + 16 : rows); k++) b[i * b_pitch + k] = a[k * pitch + i];
}

/* What the channels of some samples hold, beside each other: a row for each channel. */
static inline const T *NAMED(rows_of)(long samples, long channels, long places, const T *y, long sample, long channel, T *rows, long *pitch) {
    if (samples == 1) {
        *pitch = channel;
        return y;
    }
    *pitch = samples * places;
    for (long c = 0; c < channels; c++)
        for (long s = 0; s < samples; s++)
            memcpy(rows + c * *pitch + s * places, y + s * sample + c * channel, places * sizeof(T));
    return rows;
}

/* y = W · columns(x) + b, of samples lo to hi; C and O are the channels of a group, `room` is for a chunk's columns and results. */
KERNEL void NAMED(convolution)(const Sliding *sliding, long lo, long hi, long chunk, long groups, long C, long O, const T *x, long x_sample, long x_channel,
                                      const T *w, const T *b, T *y, long y_sample, long y_channel, T *room) {
    const Sliding how = *sliding;
    const long P = numbers(how.places), K = C * numbers(how.kernel);
    T *const cols = room, *const made = room + K * chunk * P;
    for (long n = lo; n < hi; n += chunk)
    for (long g = 0; g < groups; g++) {
        const long samples = hi - n < chunk ? hi - n : chunk;
        long pitch;
        const T *seen = NAMED(all_columns)(how, samples, C, x + n * x_sample + g * C * x_channel, x_sample, x_channel, cols, &pitch);
        T *const out = y + n * y_sample + g * O * y_channel;
        T *const to = samples == 1 ? out : made;
        const long to_pitch = samples == 1 ? y_channel : samples * P;
        for (long o = 0; b && o < O; o++)
            for (long k = 0; k < samples * P; k++) to[o * to_pitch + k] = b[g * O + o];
        NAMED(product)('N', 'N', O, samples * P, K, w + g * O * K, K, seen, pitch, b != NULL, to, to_pitch);
        for (long s = 0; s < samples && samples > 1; s++)
            for (long o = 0; o < O; o++) memcpy(out + s * y_sample + o * y_channel, made + o * to_pitch + s * P, P * sizeof(T));
    }
}

/* x = the columns Wᵀ · y, added up, + b: of samples lo to hi. */
KERNEL void NAMED(convolution_transposed)(const Sliding *sliding, long lo, long hi, long chunk, long groups, long C, long O, const T *y, long y_sample,
                                                 long y_channel, const T *w, const T *b, T *x, long x_sample, long x_channel, T *room) {
    const Sliding how = *sliding;
    const long P = numbers(how.places), K = C * numbers(how.kernel);
    T *const cols = room, *const rows = room + K * chunk * P;
    for (long n = lo; n < hi; n += chunk)
    for (long g = 0; g < groups; g++) {
        const long samples = hi - n < chunk ? hi - n : chunk;
        long pitch;
        const T *from = NAMED(rows_of)(samples, O, P, y + n * y_sample + g * O * y_channel, y_sample, y_channel, rows, &pitch);
        NAMED(product)('T', 'N', K, samples * P, O, w + g * O * K, K, from, pitch, 0, cols, samples * P);
        for (long s = 0; s < samples; s++) {
            T *const image = x + (n + s) * x_sample + g * C * x_channel;
            for (long c = 0; c < C; c++)
                for (long k = 0; k < numbers(how.size); k++) image[c * x_channel + k] = b ? b[g * C + c] : 0;
            NAMED(columns)(how, C, image, x_channel, cols + s * P, samples * P, 1);
        }
    }
}

/* dW = Σ y · columns(x)ᵀ over all samples: computed as its transpose, columns(x) · yᵀ, for BLAS is slow at products of two matrices that both
   lie along what is added up, and y is the smaller one to turn. */
KERNEL void NAMED(convolution_weight)(const Sliding *sliding, long N, long chunk, long groups, long C, long O, const T *x, long x_sample, long x_channel,
                                             const T *y, long y_sample, long y_channel, T *w, T *room) {
    const Sliding how = *sliding;
    const long P = numbers(how.places), K = C * numbers(how.kernel);
    T *const cols = room, *const turned = cols + K * chunk * P, *const sum = turned + O * chunk * P;
    for (long g = 0; g < groups; g++) {
        for (long n = 0; n < N; n += chunk) {
            const long samples = N - n < chunk ? N - n : chunk;
            long pitch;
            const T *seen = NAMED(all_columns)(how, samples, C, x + n * x_sample + g * C * x_channel, x_sample, x_channel, cols, &pitch);
            for (long s = 0; s < samples; s++)
                NAMED(turn)(O, P, y + (n + s) * y_sample + g * O * y_channel, y_channel, turned + s * P * O, O);
            NAMED(product)('N', 'N', K, O, samples * P, seen, pitch, turned, O, n > 0, sum, O);
        }
        NAMED(turn)(K, O, sum, O, w + g * O * K, K);
    }
}
