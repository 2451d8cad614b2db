// The functions of quantize.py for one format of numbers: NUMBER is float or bfloat16, as the build says (native.py).
//
// Names, arguments and their order are those of the twins in Python, then R, C and how many threads. Every tensor is
// contiguous. The results have the same bits, but for sums over rows, which are added up in another order.

#include <algorithm>
#include <cmath>
#include <vector>

#include <omp.h>

#include "numbers.h"

namespace {

// Compared as whole numbers: NaN is above infinity then, and stays the largest.
inline int32_t magnitude(float value) { return static_cast<int32_t>(bits_of(value) & 0x7fffffff); }

inline float scale_of(int32_t largest) {
  const float scale = from_bits(static_cast<uint32_t>(largest)) * static_cast<float>(1.0 / 127);
  return scale < 1e-30f ? 1e-30f : scale;
}

inline int8_t code(float units) { return static_cast<int8_t>(static_cast<int32_t>(std::rint(units))); }

inline int8_t lower_code(float units) {
  const float lower = std::floor(units);
  return static_cast<int8_t>(static_cast<int32_t>(lower < -127.0f ? -127.0f : lower > 127.0f ? 127.0f : lower));
}

// In [0, 1), from row, column and seed by linear form and the finalizer of MurmurHash3; see `uniform` in quantize.py.
inline float uniform(uint32_t row, uint32_t column, uint32_t seed) {
  uint32_t mixed = row * 2654435769u + column * 668265263u + seed * 374761393u;
  mixed = (mixed ^ (mixed >> 16)) * 2246822507u;
  mixed = (mixed ^ (mixed >> 13)) * 3266489909u;
  mixed ^= mixed >> 16;
  return static_cast<float>(static_cast<int32_t>(mixed & 0xffffff)) * 0x1p-24f;
}

// One pass over B rows: their largest values, and what they add to those of the columns and to the sums. Several rows
// at a time, so that what is known of a column is read and written once for all of them.
template <int B>
void measure(const NUMBER* __restrict values, const float* __restrict row_factor, const float* __restrict column_factor,
             float* __restrict rows, int32_t* __restrict largest, float* __restrict sums, long C) {
  int32_t of_row[B] = {};
  for (long c = 0; c < C; ++c) {
    int32_t of_column = largest[c];
    float sum = sums[c];
    for (int b = 0; b < B; ++b) {
      const float value = load(values[b * C + c]);
      of_row[b] = std::max(of_row[b], magnitude(value * row_factor[c]));
      of_column = std::max(of_column, magnitude(value * column_factor[b]));
      sum += value;
    }
    largest[c] = of_column;
    sums[c] = sum;
  }
  for (int b = 0; b < B; ++b) rows[b] = scale_of(of_row[b]);
}

// The codes by row and by column, as `code_of(units, row, column)` makes them.
template <typename Code>
void write_both(const NUMBER* values, const float* row_factor, const float* column_factor, const float* rows,
                const float* columns, int8_t* by_row, int8_t* by_column, long R, long C, int threads,
                const Code& code_of) {
  std::vector<float> inverse(C);
  for (long c = 0; c < C; ++c) inverse[c] = 1.0f / columns[c];
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < R; ++r) {
    const float of_row = 1.0f / rows[r], factor = column_factor[r];
    const float* of_column = inverse.data();
    for (long c = 0; c < C; ++c) {
      const float value = load(values[r * C + c]);
      by_row[r * C + c] = code_of(value * row_factor[c] * of_row, r, c);
      by_column[r * C + c] = code_of(value * factor * of_column[c], r, c);
    }
  }
}

}  // namespace

extern "C" {

void quantize_rows(const NUMBER* values, const float* factor, int8_t* codes, float* scales, long R, long C,
                   int threads) {
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < R; ++r) {
    const NUMBER* row = values + r * C;
    int32_t largest = 0;
    for (long c = 0; c < C; ++c) largest = std::max(largest, magnitude(load(row[c]) * factor[c]));
    const float inverse = 1.0f / (scales[r] = scale_of(largest));
    for (long c = 0; c < C; ++c) codes[r * C + c] = code(load(row[c]) * factor[c] * inverse);
  }
}

void measure_scales(const NUMBER* values, const float* row_factor, const float* column_factor, float* rows,
                    float* columns, float* sums, long R, long C, int threads) {
  std::vector<int32_t> largest(threads * C);
  std::vector<float> partial(threads * C);
#pragma omp parallel num_threads(threads)
  {
    const long me = omp_get_thread_num(), team = omp_get_num_threads();
    int32_t* own_largest = largest.data() + me * C;
    float* own_sums = partial.data() + me * C;
    long r = R * me / team;
    const long end = R * (me + 1) / team;
    for (; r + 4 <= end; r += 4)
      measure<4>(values + r * C, row_factor, column_factor + r, rows + r, own_largest, own_sums, C);
    for (; r < end; ++r)
      measure<1>(values + r * C, row_factor, column_factor + r, rows + r, own_largest, own_sums, C);
  }
  for (long c = 0; c < C; ++c) {
    int32_t most = 0;
    for (int thread = 0; thread < threads; ++thread) {
      most = std::max(most, largest[thread * C + c]);
      sums[c] += partial[thread * C + c];
    }
    columns[c] = scale_of(most);
  }
}

void round_both(const NUMBER* values, const float* row_factor, const float* column_factor, const float* rows,
                const float* columns, int8_t* by_row, int8_t* by_column, long R, long C, int threads) {
  write_both(values, row_factor, column_factor, rows, columns, by_row, by_column, R, C, threads,
             [](float units, long, long) { return code(units); });
}

void dither_both(const NUMBER* values, const float* row_factor, const float* column_factor, const float* rows,
                 const float* columns, int8_t* by_row, int8_t* by_column, const int32_t* seed, long R, long C,
                 int threads) {
  const uint32_t drawn = static_cast<uint32_t>(*seed);
  write_both(values, row_factor, column_factor, rows, columns, by_row, by_column, R, C, threads,
             [drawn](float units, long r, long c) {
               return lower_code(units + uniform(static_cast<uint32_t>(r), static_cast<uint32_t>(c), drawn));
             });
}

void dequantize(const int32_t* sums, const float* rows, const float* columns, NUMBER* out, long R, long C,
                int threads) {
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < R; ++r)
    for (long c = 0; c < C; ++c)
      store(out[r * C + c], static_cast<float>(sums[r * C + c]) * rows[r] * columns[c]);
}

void dequantize_bias(const int32_t* sums, const float* rows, const float* columns, const float* bias, NUMBER* out,
                     long R, long C, int threads) {
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < R; ++r)
    for (long c = 0; c < C; ++c)
      store(out[r * C + c], static_cast<float>(sums[r * C + c]) * rows[r] * columns[c] + bias[c]);
}

void accumulate(const int32_t* sums, const float* rows, const float* columns, NUMBER* out, long R, long C,
                int threads) {
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < R; ++r)
    for (long c = 0; c < C; ++c)
      store(out[r * C + c], load(out[r * C + c]) + static_cast<float>(sums[r * C + c]) * rows[r] * columns[c]);
}

}  // extern "C"
