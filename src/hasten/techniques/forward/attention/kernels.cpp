// Attention in bfloat16, forward and backward, one head at a time: all that belongs to a head stays in the cache.
//
// Products are made by the dot products of AVX512-BF16, which multiply pairs of bfloat16 and add them up in float32.
// So operands come in pairs (32 bits): of the left one, which is broadcast, any layout; of the right one rows of pairs,
// `by_pairs` (two rows of the matrix, interleaved) or `turned` (a matrix, turned, whose rows are pairs already).
//
// Tensors are (B, H, T, D), D a multiple of 32, with any strides but 1 for D. The last tensor of a call holds its sizes:
// B, H, queries, keys, D, whether the future is hidden, and then the strides of B, H and T of every bfloat16 tensor.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <immintrin.h>
#include <omp.h>

#include "numbers.h"

namespace {

constexpr long ROWS = 8, COLUMNS = 32, BLOCK = 64;

long up(long size, long unit) { return (size + unit - 1) / unit * unit; }

template <typename T>
struct Memory {
  explicit Memory(long size) : at(static_cast<T*>(std::aligned_alloc(64, up(size * sizeof(T), 64)))) {}
  ~Memory() { std::free(at); }
  T* at;
};

__m512bh pairs(__m512i values) { return (__m512bh)values; }

// C (8, N) = A (8, 2 K) B (2 K, N), or added to it. A: pair k of row i at A[i * row + k * next]; B: rows of `width`.
template <bool ADDED>
void product(const uint32_t* A, long row, long next, const uint32_t* B, long width, float* C, long N, long K) {
  for (long n = 0; n < N; n += COLUMNS) {
    __m512 sums[ROWS][2];
#pragma GCC unroll 8
    for (long i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
      for (long half = 0; half < 2; ++half)
        sums[i][half] = ADDED ? _mm512_load_ps(C + i * width + n + 16 * half) : _mm512_setzero_ps();
    for (long k = 0; k < K; ++k) {
      const __m512bh first = pairs(_mm512_load_si512(B + k * width + n));
      const __m512bh second = pairs(_mm512_load_si512(B + k * width + n + 16));
#pragma GCC unroll 8
      for (long i = 0; i < ROWS; ++i) {
        const __m512bh pair = pairs(_mm512_set1_epi32(static_cast<int>(A[i * row + k * next])));
        sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, first);
        sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, second);
      }
    }
#pragma GCC unroll 8
    for (long i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
      for (long half = 0; half < 2; ++half) _mm512_store_ps(C + i * width + n + 16 * half, sums[i][half]);
  }
}

struct Matrix {  // of one head: rows of D numbers, `next` apart
  const bfloat16* at;
  long rows, next;
};

// The lanes of 16 numbers from j on that lie before `end`.
__mmask16 before(long end, long j) { return end - j >= 16 ? 0xffff : end <= j ? 0 : (1 << (end - j)) - 1; }

// Copies the rows. Padding behind the last one stays unset: no result of a padded row is used.
void copied(Matrix from, long D, uint32_t* to) {
  for (long t = 0; t < from.rows; ++t)
    std::memcpy(to + t * D / 2, from.at + t * from.next, D * sizeof(bfloat16));
}

// (D / 2, rows): the pairs of each row, turned; a line of the cache at a time.
void turned(Matrix from, long D, long rows, uint32_t* to) {
  for (long t = 0; t < rows; t += 16) {
    const __m512i places = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                              _mm512_set1_epi32(static_cast<int>(from.next * sizeof(bfloat16))));
    const char* at = reinterpret_cast<const char*>(from.at + t * from.next);
    for (long d = 0; d < D / 2; ++d)
      _mm512_store_si512(to + d * rows + t,
                         _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), before(from.rows, t), places, at + 4 * d, 1));
  }
}

__m512i interleaved(__m256i low, __m256i high) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

// (rows / 2, D): two rows interleaved.
void by_pairs(Matrix from, long D, long rows, uint32_t* to) {
  for (long t = 0; t < rows; t += 2)
    for (long d = 0; d < D; d += 16) {
      const auto row = [&](long of) {
        const bfloat16* at = from.at + of * from.next + d;
        return of < from.rows ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)) : _mm256_setzero_si256();
      };
      _mm512_store_si512(to + t / 2 * D + d, interleaved(row(t), row(t + 1)));
    }
}

__m256i rounded(__m512 values) { return (__m256i)_mm512_cvtneps_pbh(values); }

void store(void* to, __m256i values) { _mm256_storeu_si256(static_cast<__m256i*>(to), values); }

void rounded(const float* from, float factor, bfloat16* to, long size) {
  for (long i = 0; i < size; i += 16)
    store(to + i, rounded(_mm512_mul_ps(_mm512_load_ps(from + i), _mm512_set1_ps(factor))));
}

// 2^x, within 2e-7 of it: the series of e^(x ln 2) to the sixth power, between whole numbers.
inline __m512 exp2(__m512 x) {
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 rest = _mm512_sub_ps(x, whole);
  __m512 sum = _mm512_set1_ps(1.54035304e-4f);
  for (const float next : {1.33335581e-3f, 9.61812911e-3f, 5.55041087e-2f, 2.40226507e-1f, 6.93147181e-1f, 1.0f})
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(next));
  return _mm512_scalef_ps(sum, whole);
}

// 2^(scores x factor - offset) in the lanes that are seen, 0 in the others.
__m512 exponentials(const float* scores, __mmask16 seen, __m512 factor, __m512 offset) {
  return _mm512_maskz_mov_ps(seen, exp2(_mm512_fmsub_ps(_mm512_load_ps(scores), factor, offset)));
}

constexpr float LOG2_E = 1.44269504f;

struct Strides {
  long batch, head, row;
};

struct Sizes {
  long B, H, Q, K, D, causal;
  Strides of[7];
};

Matrix head_of(const bfloat16* at, Strides strides, long b, long h, long rows) {
  return {at + b * strides.batch + h * strides.head, rows, strides.row};
}

bfloat16* row_of(bfloat16* at, Strides strides, long b, long h, long row) {
  return at + b * strides.batch + h * strides.head + row * strides.row;
}

}  // namespace

extern "C" {

// Sizes: ..., query, key, value, out. Written: out, and log_sums (B, H, Q), the logarithm of what the exponentials of a
// query's scores add up to.
void attention(const bfloat16* query, const bfloat16* key, const bfloat16* value, const float* scaled_by, bfloat16* out,
               float* log_sums, const Sizes* sizes, int threads) {
  const auto [B, H, Q, K, D, causal, strides] = *sizes;
  const long queries = up(Q, ROWS), keys = up(K, COLUMNS);
  const float scale = *scaled_by;
#pragma omp parallel num_threads(threads)
  {
    Memory<uint32_t> q(queries * D / 2), kt(keys * D / 2), vp(keys * D / 2), p(ROWS * keys / 2);
    Memory<float> s(ROWS * keys), o(ROWS * D);
#pragma omp for schedule(dynamic, 1)
    for (long place = 0; place < B * H; ++place) {
      const long b = place / H, h = place % H;
      copied(head_of(query, strides[0], b, h, Q), D, q.at);
      turned(head_of(key, strides[1], b, h, K), D, keys, kt.at);
      by_pairs(head_of(value, strides[2], b, h, K), D, keys, vp.at);
      for (long first = 0; first < Q; first += ROWS) {
        const long seen = causal ? std::min(K, first + ROWS) : K, width = up(seen, COLUMNS);
        product<false>(q.at + first * D / 2, D / 2, 1, kt.at, keys, s.at, width, D / 2);
        float inverse[ROWS];
        for (long i = 0; i < ROWS; ++i) {
          const float* row = s.at + i * keys;
          const long end = causal ? std::min(K, first + i + 1) : K;
          __m512 mosts = _mm512_set1_ps(-INFINITY);
          for (long j = 0; j < end; j += 16)
            mosts = _mm512_mask_max_ps(mosts, before(end, j), mosts, _mm512_load_ps(row + j));
          const float most = _mm512_reduce_max_ps(mosts);
          const __m512 factor = _mm512_set1_ps(scale * LOG2_E), offset = _mm512_set1_ps(most * scale * LOG2_E);
          __m512 sums = _mm512_setzero_ps();
          for (long j = 0; j < width; j += 16) {
            const __m512 weights = exponentials(row + j, before(end, j), factor, offset);
            sums = _mm512_add_ps(sums, weights);
            store(p.at + (i * keys + j) / 2, rounded(weights));
          }
          const float sum = _mm512_reduce_add_ps(sums);
          inverse[i] = 1.0f / sum;
          if (first + i < Q) log_sums[place * Q + first + i] = most * scale + std::log(sum);
        }
        product<false>(p.at, keys / 2, 1, vp.at, D, o.at, D, width / 2);
        for (long i = 0; i < ROWS && first + i < Q; ++i)
          rounded(o.at + i * D, inverse[i], row_of(out, strides[3], b, h, first + i), D);
      }
    }
  }
}

// Sizes: ..., grad, query, key, value and the three gradients, which are written.
void attention_backward(const bfloat16* grad, const bfloat16* query, const bfloat16* key, const bfloat16* value,
                        const float* log_sums, const float* scaled_by, bfloat16* grad_query, bfloat16* grad_key,
                        bfloat16* grad_value, const Sizes* sizes, int threads) {
  const auto [B, H, Q, K, D, causal, strides] = *sizes;
  const long queries = up(Q, BLOCK), keys = up(K, COLUMNS);
  const float scale = *scaled_by;
#pragma omp parallel num_threads(threads)
  {
    Memory<uint32_t> q(queries * D / 2), qp(queries * D / 2), g(queries * D / 2), gp(queries * D / 2);
    Memory<uint32_t> kt(keys * D / 2), kp(keys * D / 2), vt(keys * D / 2);
    Memory<uint32_t> ds(ROWS * keys / 2), dsp(BLOCK / 2 * keys), pp(BLOCK / 2 * keys);
    Memory<float> s(ROWS * keys), dp(ROWS * keys), dq(ROWS * D), dk(keys * D), dv(keys * D);
#pragma omp for schedule(dynamic, 1)
    for (long place = 0; place < B * H; ++place) {
      const long b = place / H, h = place % H;
      const Matrix of_q = head_of(query, strides[1], b, h, Q), of_g = head_of(grad, strides[0], b, h, Q);
      const Matrix of_k = head_of(key, strides[2], b, h, K);
      copied(of_q, D, q.at);
      by_pairs(of_q, D, queries, qp.at);
      copied(of_g, D, g.at);
      by_pairs(of_g, D, queries, gp.at);
      turned(of_k, D, keys, kt.at);
      by_pairs(of_k, D, keys, kp.at);
      turned(head_of(value, strides[3], b, h, K), D, keys, vt.at);
      std::fill(dk.at, dk.at + keys * D, 0.0f);
      std::fill(dv.at, dv.at + keys * D, 0.0f);
      for (long block = 0; block < Q; block += BLOCK) {
        const long most_seen = up(causal ? std::min(K, block + BLOCK) : K, COLUMNS);
        for (long first = block; first < block + BLOCK; first += ROWS) {
          const long seen = causal ? std::min(K, first + ROWS) : K, width = up(seen, COLUMNS);
          product<false>(q.at + first * D / 2, D / 2, 1, kt.at, keys, s.at, width, D / 2);
          product<false>(g.at + first * D / 2, D / 2, 1, vt.at, keys, dp.at, width, D / 2);
          for (long i = 0; i < ROWS; i += 2) {
            __m512 mean[2];
            long end[2];
            for (long two = 0; two < 2; ++two) {
              const long t = first + i + two;
              float *row = s.at + (i + two) * keys, *slope = dp.at + (i + two) * keys;
              end[two] = t >= Q ? 0 : causal ? std::min(K, t + 1) : K;
              const __m512 factor = _mm512_set1_ps(scale * LOG2_E);
              const __m512 offset = _mm512_set1_ps(t < Q ? log_sums[place * Q + t] * LOG2_E : 0.0f);
              __m512 sums = _mm512_setzero_ps();
              for (long j = 0; j < end[two]; j += 16) {
                const __m512 weights = exponentials(row + j, before(end[two], j), factor, offset);
                _mm512_store_ps(row + j, weights);
                sums = _mm512_fmadd_ps(weights, _mm512_load_ps(slope + j), sums);
              }
              mean[two] = _mm512_set1_ps(_mm512_reduce_add_ps(sums));
            }
            const long place_in_block = (first - block + i) / 2 * keys;
            for (long j = 0; j < most_seen; j += 16) {
              __m256i of_p[2], of_ds[2];
              for (long two = 0; two < 2; ++two) {
                const long at = (i + two) * keys + j;
                const __mmask16 mask = before(end[two], j);
                const __m512 weights = _mm512_maskz_load_ps(mask, s.at + at);
                const __m512 slope = _mm512_sub_ps(_mm512_maskz_load_ps(mask, dp.at + at), mean[two]);
                of_p[two] = rounded(weights);
                of_ds[two] = rounded(_mm512_mul_ps(_mm512_mul_ps(weights, slope), _mm512_set1_ps(scale)));
                store(ds.at + at / 2, of_ds[two]);
              }
              _mm512_store_si512(pp.at + place_in_block + j, interleaved(of_p[0], of_p[1]));
              _mm512_store_si512(dsp.at + place_in_block + j, interleaved(of_ds[0], of_ds[1]));
            }
          }
          product<false>(ds.at, keys / 2, 1, kp.at, D, dq.at, D, width / 2);
          for (long i = 0; i < ROWS && first + i < Q; ++i)
            rounded(dq.at + i * D, 1.0f, row_of(grad_query, strides[4], b, h, first + i), D);
        }
        for (long j = 0; j < most_seen; j += ROWS) {
          const long skipped = causal ? std::max(0L, j - block) / 2 : 0;  // pairs of queries that do not see these keys
          const long from = (block / 2 + skipped) * D, number = BLOCK / 2 - skipped;
          product<true>(pp.at + skipped * keys + j, 1, keys, gp.at + from, D, dv.at + j * D, D, number);
          product<true>(dsp.at + skipped * keys + j, 1, keys, qp.at + from, D, dk.at + j * D, D, number);
        }
      }
      for (long j = 0; j < K; ++j) {
        rounded(dk.at + j * D, 1.0f, row_of(grad_key, strides[5], b, h, j), D);
        rounded(dv.at + j * D, 1.0f, row_of(grad_value, strides[6], b, h, j), D);
      }
    }
  }
}

}  // extern "C"
