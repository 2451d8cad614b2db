// The AVX-512 instructions that kernels.cpp uses, written out one number at a time, so that its logic runs on any CPU.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

struct alignas(64) __m512 { float at[16]; };
struct alignas(64) __m512i { uint32_t at[16]; };
struct alignas(64) __m512bh {
  uint32_t at[16];
  __m512bh() = default;
  explicit __m512bh(__m512i from) { std::memcpy(at, from.at, sizeof at); }
};
struct alignas(32) __m256bh { uint16_t at[16]; };
struct alignas(32) __m256i {
  uint16_t at[16];
  __m256i() = default;
  explicit __m256i(__m256bh from) { std::memcpy(at, from.at, sizeof at); }
};
using __mmask16 = uint16_t;
enum { _MM_FROUND_TO_NEAREST_INT = 0, _MM_FROUND_NO_EXC = 8 };

namespace emulated {
inline float wide(uint32_t bits) {
  const uint32_t shifted = bits << 16;
  float value;
  std::memcpy(&value, &shifted, sizeof value);
  return value;
}
template <typename F>
__m512 each(F f) {
  __m512 made;
  for (int i = 0; i < 16; ++i) made.at[i] = f(i);
  return made;
}
template <typename F>
__m512i each_int(F f) {
  __m512i made;
  for (int i = 0; i < 16; ++i) made.at[i] = f(i);
  return made;
}
template <typename To>
To bytes(const void* from) {
  To made;
  std::memcpy(made.at, from, sizeof made.at);
  return made;
}
}  // namespace emulated

inline __m512 _mm512_load_ps(const void* from) { return emulated::bytes<__m512>(from); }
inline __m512i _mm512_load_si512(const void* from) { return emulated::bytes<__m512i>(from); }
inline __m256i _mm256_loadu_si256(const __m256i* from) { return emulated::bytes<__m256i>(from); }
inline void _mm512_store_ps(void* to, __m512 a) { std::memcpy(to, a.at, sizeof a.at); }
inline void _mm512_store_si512(void* to, __m512i a) { std::memcpy(to, a.at, sizeof a.at); }
inline void _mm256_storeu_si256(__m256i* to, __m256i a) { std::memcpy(to, a.at, sizeof a.at); }
inline __m512 _mm512_set1_ps(float a) { return emulated::each([&](int) { return a; }); }
inline __m512 _mm512_setzero_ps() { return _mm512_set1_ps(0.0f); }
inline __m512i _mm512_set1_epi32(int a) { return emulated::each_int([&](int) { return uint32_t(a); }); }
inline __m512i _mm512_setzero_si512() { return _mm512_set1_epi32(0); }
inline __m256i _mm256_setzero_si256() { return emulated::bytes<__m256i>(_mm512_setzero_si512().at); }
template <typename... Ints>
__m512i _mm512_setr_epi32(Ints... values) {
  const uint32_t all[16] = {uint32_t(values)...};
  return emulated::bytes<__m512i>(all);
}
inline __m512i _mm512_mullo_epi32(__m512i a, __m512i b) {
  return emulated::each_int([&](int i) { return a.at[i] * b.at[i]; });
}
inline __m512i _mm512_or_si512(__m512i a, __m512i b) {
  return emulated::each_int([&](int i) { return a.at[i] | b.at[i]; });
}
inline __m512i _mm512_slli_epi32(__m512i a, int by) { return emulated::each_int([&](int i) { return a.at[i] << by; }); }
inline __m512i _mm512_cvtepu16_epi32(__m256i a) { return emulated::each_int([&](int i) { return uint32_t(a.at[i]); }); }
inline __m512i _mm512_mask_i32gather_epi32(__m512i other, __mmask16 mask, __m512i places, const void* from, int scale) {
  return emulated::each_int([&](int i) {
    uint32_t found = other.at[i];
    if (mask >> i & 1) std::memcpy(&found, static_cast<const char*>(from) + int32_t(places.at[i]) * scale, 4);
    return found;
  });
}
inline __m512 _mm512_add_ps(__m512 a, __m512 b) { return emulated::each([&](int i) { return a.at[i] + b.at[i]; }); }
inline __m512 _mm512_sub_ps(__m512 a, __m512 b) { return emulated::each([&](int i) { return a.at[i] - b.at[i]; }); }
inline __m512 _mm512_mul_ps(__m512 a, __m512 b) { return emulated::each([&](int i) { return a.at[i] * b.at[i]; }); }
inline __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  return emulated::each([&](int i) { return std::fma(a.at[i], b.at[i], c.at[i]); });
}
inline __m512 _mm512_fmsub_ps(__m512 a, __m512 b, __m512 c) {
  return emulated::each([&](int i) { return std::fma(a.at[i], b.at[i], -c.at[i]); });
}
inline __m512 _mm512_roundscale_ps(__m512 a, int) { return emulated::each([&](int i) { return std::nearbyint(a.at[i]); }); }
inline __m512 _mm512_scalef_ps(__m512 a, __m512 b) {
  return emulated::each([&](int i) { return a.at[i] * std::exp2(std::floor(b.at[i])); });
}
inline __m512 _mm512_maskz_mov_ps(__mmask16 mask, __m512 a) {
  return emulated::each([&](int i) { return mask >> i & 1 ? a.at[i] : 0.0f; });
}
inline __m512 _mm512_maskz_load_ps(__mmask16 mask, const float* from) {
  return emulated::each([&](int i) { return mask >> i & 1 ? from[i] : 0.0f; });
}
inline __m512 _mm512_mask_max_ps(__m512 other, __mmask16 mask, __m512 a, __m512 b) {
  return emulated::each([&](int i) { return mask >> i & 1 ? (a.at[i] > b.at[i] ? a.at[i] : b.at[i]) : other.at[i]; });
}
inline float _mm512_reduce_max_ps(__m512 a) {
  float most = -std::numeric_limits<float>::infinity();
  for (float value : a.at) most = most > value ? most : value;
  return most;
}
inline float _mm512_reduce_add_ps(__m512 a) {
  float sum = 0.0f;
  for (float value : a.at) sum += value;
  return sum;
}
inline __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  return emulated::each([&](int i) {
    const float high = emulated::wide(a.at[i] >> 16) * emulated::wide(b.at[i] >> 16);
    return sum.at[i] + high + emulated::wide(a.at[i] & 0xffff) * emulated::wide(b.at[i] & 0xffff);
  });
}
inline __m256bh _mm512_cvtneps_pbh(__m512 a) {
  __m256bh made;
  for (int i = 0; i < 16; ++i) {
    uint32_t bits;
    std::memcpy(&bits, a.at + i, sizeof bits);
    made.at[i] = uint16_t(a.at[i] != a.at[i] ? 0x7fc0 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
  return made;
}
