/* What every library and every compiled step includes: exp, tanh and erf in float32, written so that a loop over them becomes vector instructions.

   Each is a polynomial on a small interval, fitted to the function (Lawson's weighted least squares), and an identity that brings the
   argument there. The largest error is 1.5 units of the last place. Of float64 there is exp alone, in libraries; of all else libm's functions
   serve. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef unsigned char bool8;

#ifdef KERNEL /* in a library, where it stands before what is offered */
#define FUNCTION static inline __attribute__((always_inline)) /* a loop with a call in it does not become vector instructions */
#else /* a compiled step has all for itself, and some have hundreds of these in them */
#define KERNEL static inline
#define FUNCTION static inline
#endif

/* eˣ = 2ⁿ eʳ, with n the whole number nearest to x / ln 2 and r the rest, |r| ≤ ln 2 / 2. ln 2 is taken in two parts, the first of
   which times n is exact. 2ⁿ is two factors: one alone may be too large, or too small, for a float that is not. */
FUNCTION float exp_of_rest(float x, float n) {
    float r = fmaf(n, -0.693359375f, x);
    r = fmaf(n, 2.12194440e-4f, r);
    float p = 0.0013814610429108143f;
    p = fmaf(p, r, 0.008368710055947304f);
    p = fmaf(p, r, 0.04166838899254799f);
    p = fmaf(p, r, 0.1666652113199234f);
    p = fmaf(p, r, 0.4999999403953552f);
    return fmaf(p * r, r, r) + 1.0f;
}

FUNCTION float exp_float(float x) {
    x = x < -105.0f ? -105.0f : x > 90.0f ? 90.0f : x;
    float n = rintf(x * 1.44269504f), p = exp_of_rest(x, n);
    int32_t whole = (int32_t)n, half = whole >> 1;
    int32_t first_bits = (half + 127) << 23, second_bits = (whole - half + 127) << 23;
    float first, second;
    memcpy(&first, &first_bits, sizeof first);
    memcpy(&second, &second_bits, sizeof second);
    return p * first * second;
}

/* The same of an x between −80 and 80, where one factor is enough. */
FUNCTION float exp_of_moderate(float x) {
    float n = rintf(x * 1.44269504f), factor;
    int32_t bits = ((int32_t)n + 127) << 23;
    memcpy(&factor, &bits, sizeof factor);
    return exp_of_rest(x, n) * factor;
}

/* tanh x = x + x³ q(x²) near 0, else 1 − 2 / (e²ˣ + 1). */
FUNCTION float tanh_float(float x) {
    float size = fabsf(x), z = x * x;
    float q = -0.00566078070551157f;
    q = fmaf(q, z, 0.020601999014616013f);
    q = fmaf(q, z, -0.05372922867536545f);
    q = fmaf(q, z, 0.13331328332424164f);
    q = fmaf(q, z, -0.33333277702331543f);
    float near = copysignf(fmaf(q * z, x, x), x);
    float twice = size > 20.0f ? 40.0f : 2.0f * size; /* (beyond, it is 1) */
    float far = copysignf(1.0f - 2.0f / (exp_of_moderate(twice) + 1.0f), x);
    return size < 0.625f ? near : x != x ? x : far;
}

/* erf x = x + x q(x²) near 0, else 1 − exp(s(x)), with s a fit of ln(1 − erf x). */
FUNCTION float erf_float(float x) {
    float size = fabsf(x), z = x * x;
    float q = 8.53883902891539e-05f;
    q = fmaf(q, z, -0.0008181927260011435f);
    q = fmaf(q, z, 0.005204435903578997f);
    q = fmaf(q, z, -0.026860753074288368f);
    q = fmaf(q, z, 0.11283719539642334f);
    q = fmaf(q, z, -0.37612634897232056f);
    q = fmaf(q, z, 0.1283791670955126f);
    float t = size > 4.0f ? 4.0f : size;
    float s = -6.628204118896974e-07f;
    s = fmaf(s, t, -1.2329889614193235e-05f);
    s = fmaf(s, t, 0.00038478500209748745f);
    s = fmaf(s, t, -0.004013394936919212f);
    s = fmaf(s, t, 0.024812791496515274f);
    s = fmaf(s, t, -0.10790570080280304f);
    s = fmaf(s, t, -0.6336272954940796f);
    s = fmaf(s, t, -1.1293970346450806f);
    s = fmaf(s, t, 0.00015338219236582518f);
    float far = copysignf(1.0f - exp_of_moderate(s), x);
    return size < 0.9f ? fmaf(x, q, x) : x != x ? x : far;
}

FUNCTION float sigmoid_float(float x) { return 1.0f / (1.0f + exp_float(-x)); }
FUNCTION double sigmoid_double(double x) { return 1.0 / (1.0 + exp(-x)); }
FUNCTION double tanh_double(double x) { return tanh(x); }

/* The same as exp_float with Taylor's polynomial: of degree 13, its rest is less than a tenth of the last place. 1.5 · 2⁵² is added and
   taken away again to round x / ln 2; meanwhile the lower bits of the sum are the whole number. */
FUNCTION double exp_double(double x) {
    x = x < -750.0 ? -750.0 : x > 710.0 ? 710.0 : x;
    const double shifted = x * 1.4426950408889634 + 0x1.8p52, n = shifted - 0x1.8p52;
    double r = fma(n, -0x1.62e42fee00000p-1, x);
    r = fma(n, -0x1.a39ef35793c76p-33, r);
    double p = 1.0 / 6227020800.0;
    p = fma(p, r, 1.0 / 479001600.0);
    p = fma(p, r, 1.0 / 39916800.0);
    p = fma(p, r, 1.0 / 3628800.0);
    p = fma(p, r, 1.0 / 362880.0);
    p = fma(p, r, 1.0 / 40320.0);
    p = fma(p, r, 1.0 / 5040.0);
    p = fma(p, r, 1.0 / 720.0);
    p = fma(p, r, 1.0 / 120.0);
    p = fma(p, r, 1.0 / 24.0);
    p = fma(p, r, 1.0 / 6.0);
    p = fma(p, r, 0.5);
    p = fma(p * r, r, r) + 1.0;
    int64_t whole;
    memcpy(&whole, &shifted, sizeof whole);
    whole -= 0x4338000000000000;
    const int64_t half = whole >> 1, first_bits = (int64_t)((uint64_t)(half + 1023) << 52), second_bits = (int64_t)((uint64_t)(whole - half + 1023) << 52);
    double first, second;
    memcpy(&first, &first_bits, sizeof first);
    memcpy(&second, &second_bits, sizeof second);
    return p * first * second;
}

FUNCTION double erf_double(double x) { return erf(x); }
FUNCTION float root_float(float x) { return sqrtf(x); }
FUNCTION double root_double(double x) { return sqrt(x); }
