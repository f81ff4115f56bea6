/* Products of matrices by BLAS. `use_blas` is told where it is, when the library is loaded (`blas.py`). */

static void *blas_float, *blas_double;

void use_blas(void *of_float, void *of_double) {
    blas_float = of_float;
    blas_double = of_double;
}

/* C = A B, or C += A B. Matrices lie row by row, with `pitch` numbers from one row to the next; a letter 'T': by columns.

   BLAS reads columns, and so it sees the transpose of each: it is asked for Cᵀ = Bᵀ Aᵀ. Its whole numbers are given in 64 bits; a BLAS that
   counts in 32 reads their lower half. */
#define PRODUCT(T)                                                                                                                       \
    typedef void gemm_##T(const char *, const char *, const int64_t *, const int64_t *, const int64_t *, const T *, const T *,           \
                          const int64_t *, const T *, const int64_t *, const T *, T *, const int64_t *);                                 \
    static void product_##T(char a_lies, char b_lies, int64_t rows, int64_t columns, int64_t inner, const T *a, int64_t a_pitch,         \
                            const T *b, int64_t b_pitch, int adds, T *c, int64_t c_pitch) {                                              \
        const T one = 1, before = adds;                                                                                                  \
        ((gemm_##T *)blas_##T)(&b_lies, &a_lies, &columns, &rows, &inner, &one, b, &b_pitch, a, &a_pitch, &before, c, &c_pitch);         \
    }

PRODUCT(float)
PRODUCT(double)
