/* What every library and every compiled step includes: exp, tanh and erf in float32, written so that a loop over them becomes vector instructions.

   Each is a polynomial on a small interval, fitted to the function (Lawson's weighted least squares), and an identity that brings the
   argument there. The largest error is 1.5 units of the last place. Of float64, and of what is rare, libm's functions serve. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef unsigned char bool8;

#ifndef KERNEL /* what a library offers; a compiled step has it for itself */
#define KERNEL static inline
#endif

/* eˣ = 2ⁿ eʳ, with n the whole number nearest to x / ln 2 and r the rest, |r| ≤ ln 2 / 2. ln 2 is taken in two parts, the first of
   which times n is exact. 2ⁿ is two factors: one alone may be too large, or too small, for a float that is not. */
static inline float exp_of_rest(float x, float n) {
    float r = fmaf(n, -0.693359375f, x);
    r = fmaf(n, 2.12194440e-4f, r);
    float p = 0.0013814610429108143f;
    p = fmaf(p, r, 0.008368710055947304f);
    p = fmaf(p, r, 0.04166838899254799f);
    p = fmaf(p, r, 0.1666652113199234f);
    p = fmaf(p, r, 0.4999999403953552f);
    return fmaf(p * r, r, r) + 1.0f;
}

static inline float exp_float(float x) {
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
static inline float exp_of_moderate(float x) {
    float n = rintf(x * 1.44269504f), factor;
    int32_t bits = ((int32_t)n + 127) << 23;
    memcpy(&factor, &bits, sizeof factor);
    return exp_of_rest(x, n) * factor;
}

/* tanh x = x + x³ q(x²) near 0, else 1 − 2 / (e²ˣ + 1). */
static inline float tanh_float(float x) {
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
static inline float erf_float(float x) {
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

static inline float sigmoid_float(float x) { return 1.0f / (1.0f + exp_float(-x)); }
static inline double sigmoid_double(double x) { return 1.0 / (1.0 + exp(-x)); }
static inline double tanh_double(double x) { return tanh(x); }
