/* CRC-32 as in gzip and parquet's pages, by the processor's own instructions where it has them.

   Source: Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ, Intel 2009;
   the constants are those of the polynomial 0x04C11DB7, reflected. */
#include "common.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define WITH_PCLMUL 1
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__GNUC__) && defined(__linux__)
#define WITH_ARM_CRC 1
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

enum { SLICES = 16 };
static uint32_t table[SLICES][256];

static void __attribute__((constructor)) make_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
        table[0][i] = crc;
    }
    for (int slice = 1; slice < SLICES; slice++)
        for (int i = 0; i < 256; i++) {
            uint32_t crc = table[slice - 1][i];
            table[slice][i] = crc >> 8 ^ table[0][crc & 255];
        }
}

/* Sixteen bytes at a time, by table. */
static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 16; p += 16, n -= 16) {
        uint32_t word = load32(p) ^ crc, next = 0;
        for (int i = 0; i < 4; i++) next ^= table[15 - i][word >> 8 * i & 255];
        for (int i = 4; i < 16; i++) next ^= table[15 - i][p[i]];
        crc = next;
    }
    for (; n; p++, n--) crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
    return crc;
}

#ifdef WITH_PCLMUL
#define PCLMUL __attribute__((target("pclmul,sse4.1")))

PCLMUL static inline __m128i folded(__m128i value, __m128i by, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(value, by, 0x00), high = _mm_clmulepi64_si128(value, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

PCLMUL static inline __m128i load128(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }

/* Of at least 64 bytes, a multiple of 16. */
PCLMUL static uint32_t by_pclmul(uint32_t crc, const uint8_t *p, size_t n) {
    const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4), by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i lane[4];
    for (int i = 0; i < 4; i++) lane[i] = load128(p + 16 * i);
    lane[0] = _mm_xor_si128(lane[0], _mm_cvtsi32_si128((int)crc));
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64)
        for (int i = 0; i < 4; i++) lane[i] = folded(lane[i], by_64, load128(p + 16 * i));
    __m128i x = lane[0];
    for (int i = 1; i < 4; i++) x = folded(x, by_16, lane[i]);
    for (; n; p += 16, n -= 16) x = folded(x, by_16, load128(p));
    /* 128 bits to 64, to 32, and the rest by Barrett's reduction. */
    const __m128i mask = _mm_setr_epi32(~0, 0, ~0, 0), to_32 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, by_16, 0x10));
    x = _mm_xor_si128(_mm_srli_si128(x, 4), _mm_clmulepi64_si128(_mm_and_si128(x, mask), to_32, 0x00));
    __m128i t = _mm_clmulepi64_si128(_mm_and_si128(x, mask), barrett, 0x10);
    x = _mm_xor_si128(x, _mm_clmulepi64_si128(_mm_and_si128(t, mask), barrett, 0x00));
    return (uint32_t)_mm_extract_epi32(x, 1);
}

static uint32_t fast_part(uint32_t crc, const uint8_t **p, size_t *n) {
    static int can = -1;
    if (can < 0) can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    size_t whole = *n & ~(size_t)15;
    if (!can || whole < 64) return crc;
    crc = by_pclmul(crc, *p, whole);
    *p += whole, *n -= whole;
    return crc;
}
#elif defined(WITH_ARM_CRC)
__attribute__((target("+crc"))) static uint32_t by_arm(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n; p += 8, n -= 8) crc = __crc32d(crc, load64(p));
    return crc;
}

static uint32_t fast_part(uint32_t crc, const uint8_t **p, size_t *n) {
    size_t whole = *n & ~(size_t)7;
    if (!(getauxval(AT_HWCAP) & HWCAP_CRC32)) return crc;
    crc = by_arm(crc, *p, whole);
    *p += whole, *n -= whole;
    return crc;
}
#else
static uint32_t fast_part(uint32_t crc, const uint8_t **p, size_t *n) {
    (void)p, (void)n;
    return crc;
}
#endif

uint32_t crc32_of(const uint8_t *p, size_t n) {
    uint32_t crc = fast_part(0xFFFFFFFFu, &p, &n);
    return ~by_table(crc, p, n);
}
