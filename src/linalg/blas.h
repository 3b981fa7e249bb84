// CBLAS by one name for f32 and f64. Only this room includes it.
#pragma once

#include <cblas.h>

#include <cstdint>

namespace prunenet::blas {

inline int narrow(int64_t value) { return static_cast<int>(value); }

/// C [m, n] = alpha op(A) op(B) + beta C, row-major.
inline void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
                 const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, narrow(m),
              narrow(n), narrow(k), alpha, a, narrow(lda), b, narrow(ldb), beta, c, narrow(ldc));
}
inline void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
                 int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, narrow(m),
              narrow(n), narrow(k), alpha, a, narrow(lda), b, narrow(ldb), beta, c, narrow(ldc));
}

/// y = alpha op(A) x + beta y, A [m, n] row-major.
inline void gemv(bool transpose, int64_t m, int64_t n, float alpha, const float* a, int64_t lda, const float* x, float beta,
                 float* y) {
  cblas_sgemv(CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, narrow(m), narrow(n), alpha, a, narrow(lda), x, 1, beta,
              y, 1);
}
inline void gemv(bool transpose, int64_t m, int64_t n, double alpha, const double* a, int64_t lda, const double* x,
                 double beta, double* y) {
  cblas_dgemv(CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, narrow(m), narrow(n), alpha, a, narrow(lda), x, 1, beta,
              y, 1);
}

/// B [m, n] = B op(U)^-1 (right) or op(U)^-1 B (left), U upper triangular.
inline void solve_upper(bool right, bool transpose, int64_t m, int64_t n, const float* u, int64_t ldu, float* b, int64_t ldb) {
  cblas_strsm(CblasRowMajor, right ? CblasRight : CblasLeft, CblasUpper, transpose ? CblasTrans : CblasNoTrans, CblasNonUnit,
              narrow(m), narrow(n), 1, u, narrow(ldu), b, narrow(ldb));
}
inline void solve_upper(bool right, bool transpose, int64_t m, int64_t n, const double* u, int64_t ldu, double* b,
                        int64_t ldb) {
  cblas_dtrsm(CblasRowMajor, right ? CblasRight : CblasLeft, CblasUpper, transpose ? CblasTrans : CblasNoTrans, CblasNonUnit,
              narrow(m), narrow(n), 1, u, narrow(ldu), b, narrow(ldb));
}

inline float dot(int64_t n, const float* x, const float* y) { return cblas_sdot(narrow(n), x, 1, y, 1); }
inline double dot(int64_t n, const double* x, const double* y) { return cblas_ddot(narrow(n), x, 1, y, 1); }

}  // namespace prunenet::blas
