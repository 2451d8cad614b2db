// The two formats of numbers that kernels are built for, float and bfloat16, and the bits of a float.
#pragma once

#include <cstdint>
#include <cstring>

struct bfloat16 {
  uint16_t bits;
};

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline float load(float value) { return value; }
inline float load(bfloat16 value) { return from_bits(static_cast<uint32_t>(value.bits) << 16); }

inline void store(float& to, float value) { to = value; }
inline void store(bfloat16& to, float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t nearest_even = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to.bits = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : nearest_even);
}
