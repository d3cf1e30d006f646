/* The numbers of philox.py, operation for operation as in philox_numpy.py, and so the same bits.

   Every number is made from integers by +, -, *, / and sqrt of IEEE 754 in double precision, in one order: compiler,
   vector width and machine do not matter. Never build it with -ffast-math or with contracted products. */

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "sums would be wider than double"
#endif

enum { NORMAL, UNIFORM, RADEMACHER };

#define COUNTERS 256 /* at a time: their words and numbers stay in the first-level cache */
#define NUMBERS (4 * COUNTERS)
#define THREADS 64

/* Products of 32 by 32 bits with all 64 bits: in 64-bit lanes if the processor multiplies those. */
#ifdef __AVX512DQ__
typedef uint64_t lane;
#else
typedef uint32_t lane;
#endif

#define ROUND(r)                                                                                       \
    do {                                                                                               \
        const uint64_t p = (uint64_t)0xD2511F53u * (uint32_t)a, q = (uint64_t)0xCD9E8D57u * (uint32_t)c; \
        a = (lane)(q >> 32) ^ b ^ k0[r];                                                               \
        b = (lane)q;                                                                                   \
        c = (lane)(p >> 32) ^ d ^ k1[r];                                                               \
        d = (lane)p;                                                                                   \
    } while (0)

/* The words of the counters first .. first + COUNTERS - 1. */
static void words_of(uint32_t words[4][COUNTERS], uint64_t seed, uint32_t stream, uint64_t first)
{
    uint32_t k0[10], k1[10];
    for (uint32_t r = 0; r < 10; r++) {
        k0[r] = (uint32_t)seed + r * 0x9E3779B9u;
        k1[r] = (uint32_t)(seed >> 32) + r * 0xBB67AE85u;
    }
    for (int i = 0; i < COUNTERS; i++) {
        const uint64_t counter = first + (uint64_t)i;
        lane a = (lane)counter, b = (lane)(counter >> 32), c = stream, d = 0;
        ROUND(0); /* written out: a compiler makes vectors of an innermost loop */
        ROUND(1);
        ROUND(2);
        ROUND(3);
        ROUND(4);
        ROUND(5);
        ROUND(6);
        ROUND(7);
        ROUND(8);
        ROUND(9);
        words[0][i] = (uint32_t)a;
        words[1][i] = (uint32_t)b;
        words[2][i] = (uint32_t)c;
        words[3][i] = (uint32_t)d;
    }
}

#define TURN 0x1.921fb54442d18p-22   /* 2 pi / 2^24 */
#define QUARTER_HIGH 0x1.921fb54442d18p+0 /* pi / 2: times 0 .. 4 it is exact */
#define QUARTER_LOW 0x1.1a62633145c07p-54

static inline uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* sqrt(-2 log((w + 1) / 2^24)) for w of 24 bits; the logarithm is fdlibm's, without its branches. */
static inline double radius_of(uint32_t w)
{
    const uint64_t n = bits_of((double)(int32_t)(w + 1)) + (0x3FF0000000000000u - 0x3FE6A09E00000000u);
    const double k = (double)((int32_t)(n >> 52) - (1023 + 24));
    const double f = of_bits((n & 0x000FFFFFFFFFFFFFu) + 0x3FE6A09E00000000u) - 1.0; /* 2^k (1 + f) */
    const double s = f / (f + 2.0), z = s * s, h = f * f * 0.5;
    double p = z * 1.479819860511658591e-01;
    p = (p + 1.531383769920937332e-01) * z;
    p = (p + 1.818357216161805012e-01) * z;
    p = (p + 2.222219843214978396e-01) * z;
    p = (p + 2.857142874366239149e-01) * z;
    p = (p + 3.999999999940941908e-01) * z;
    p = (p + 6.666666666666735130e-01) * z;
    p = (p + h) * s + k * 1.90821492927058770002e-10;
    return sqrt((h - p - f - k * 6.93147180369123816490e-01) * 2.0);
}

/* cos and sin of w 2 pi / 2^24 for w of 24 bits: the polynomials of fdlibm on an eighth of a turn. */
static inline void turned(uint32_t w, double *cosine, double *sine)
{
    const uint32_t n = w + (1u << 21); /* its bits from 22 on are the nearest quarter */
    const double quarter = (double)(int32_t)(n >> 22);
    const double x = (double)(int32_t)w * TURN - quarter * QUARTER_HIGH - quarter * QUARTER_LOW, z = x * x;
    double s = z * 1.58969099521155010221e-10;
    s = (s + -2.50507602534068634195e-08) * z;
    s = (s + 2.75573137070700676789e-06) * z;
    s = (s + -1.98412698298579493134e-04) * z;
    s = (s + 8.33333333332248946124e-03) * z;
    s = (s + -1.66666666666666324348e-01) * z;
    s = s * x + x;
    double c = z * -1.13596475577881948265e-11;
    c = (c + 2.08757232129817482790e-09) * z;
    c = (c + -2.75573143513506633035e-07) * z;
    c = (c + 2.48015872894767294178e-05) * z;
    c = (c + -1.38888888888741095749e-03) * z;
    c = (c + 4.16666666666666019037e-02) * z;
    c = (c + -0.5) * z + 1.0;
    const uint64_t m = n, sign = (uint64_t)1 << 63, odd = 0 - (m >> 22 & 1);
    const uint64_t swap = (bits_of(s) ^ bits_of(c)) & odd;
    *cosine = of_bits(bits_of(c) ^ swap ^ ((m + (1u << 22)) << 40 & sign));
    *sine = of_bits(bits_of(s) ^ swap ^ (m << 40 & sign));
}

static void numbers_of(double *numbers, uint32_t words[4][COUNTERS], int distribution)
{
    if (distribution == NORMAL) {
        for (int i = 0; i < COUNTERS; i++) {
            const double a = radius_of(words[0][i] >> 8), b = radius_of(words[2][i] >> 8);
            double c, d, e, f;
            turned(words[1][i] >> 8, &c, &d);
            turned(words[3][i] >> 8, &e, &f);
            numbers[4 * i] = a * c;
            numbers[4 * i + 1] = a * d;
            numbers[4 * i + 2] = b * e;
            numbers[4 * i + 3] = b * f;
        }
    } else {
        for (int i = 0; i < COUNTERS; i++)
            for (int j = 0; j < 4; j++) {
                const int32_t high = (int32_t)(words[j][i] >> 8);
                numbers[4 * i + j] = distribution == UNIFORM ? high * 0x1p-24 : (high >> 23) * 2.0 - 1.0;
            }
    }
}

struct part {
    void *out;
    uint64_t seed, start, count;
    uint32_t stream;
    int wide, distribution;
};

static void *draw_part(void *given)
{
    const struct part *part = given;
    uint32_t words[4][COUNTERS];
    double numbers[NUMBERS];
    const uint64_t stop = part->start + part->count;
    for (uint64_t first = part->start / 4; 4 * first < stop; first += COUNTERS) {
        words_of(words, part->seed, part->stream, first);
        numbers_of(numbers, words, part->distribution);
        const uint64_t begin = 4 * first < part->start ? part->start - 4 * first : 0;
        const uint64_t end = stop - 4 * first < NUMBERS ? stop - 4 * first : NUMBERS;
        const uint64_t place = 4 * first + begin - part->start;
        if (part->wide)
            memcpy((double *)part->out + place, numbers + begin, (end - begin) * sizeof(double));
        else
            for (uint64_t i = begin; i < end; i++)
                ((float *)part->out)[place + i - begin] = (float)numbers[i];
    }
    return 0;
}

/* The numbers start .. start + count - 1 of a stream, by `threads` threads: the caller's and others, which end
   before it returns. */
void draw(void *out, int wide, uint64_t seed, uint32_t stream, uint64_t start, uint64_t count, int distribution,
          int threads)
{
    struct part parts[THREADS];
    pthread_t others[THREADS];
    int started[THREADS] = {0};
    threads = threads < 1 ? 1 : threads > THREADS ? THREADS : threads;
    const uint64_t each = (count / (uint64_t)threads + NUMBERS - 1) / NUMBERS * NUMBERS;
    for (int t = threads - 1; t >= 0; t--) {
        const uint64_t begin = (uint64_t)t * each < count ? (uint64_t)t * each : count;
        const uint64_t end = t == threads - 1 || begin + each > count ? count : begin + each;
        parts[t] = (struct part){(char *)out + begin * (wide ? sizeof(double) : sizeof(float)),
                                 seed, start + begin, end - begin, stream, wide, distribution};
        if (t > 0)
            started[t] = pthread_create(&others[t], 0, draw_part, &parts[t]) == 0;
        if (!started[t])
            draw_part(&parts[t]);
    }
    for (int t = 1; t < threads; t++)
        if (started[t])
            pthread_join(others[t], 0);
}
