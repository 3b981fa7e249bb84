// Work cut into pieces that depend on its shape alone, each done by one thread: then the number of threads changes no
// bit of the result. A BLAS that splits a product by its threads rounds differently at the seams.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <omp.h>

#include <algorithm>

namespace prunenet {

/// Calls work(begin, end) for runs of the pieces [0, count), on all threads where `worth_threads`, else on this one.
/// Within a piece everything, BLAS too, runs on one thread and without gradients.
template <typename Work>
void for_pieces(int64_t count, bool worth_threads, const Work& work) {
  const auto quiet = [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;  // threads have modes of their own
    work(begin, end);
  };
  const int threads = omp_get_max_threads();
  if (worth_threads && count > 1 && threads > 1) {
    at::parallel_for(0, count, 1, quiet);  // within a parallel region, BLAS keeps to its thread
    return;
  }
  omp_set_num_threads(1);
  try {
    quiet(0, count);
  } catch (...) {
    omp_set_num_threads(threads);
    throw;
  }
  omp_set_num_threads(threads);
}

/// A tensor like `like` [rows, ...], `rows_of(first, count)` at a time: for functions of single rows or numbers, which
/// look at `numbers_a_row` numbers for each row. With gradients, or on another device than the CPU, all rows at once.
template <typename RowsOf>
at::Tensor by_rows(const at::Tensor& like, int64_t numbers_a_row, const RowsOf& rows_of) {
  const int64_t rows = like.size(0);
  if (at::GradMode::is_enabled() || !like.is_cpu()) return rows_of(0, rows);
  constexpr int64_t kNumbersAtOnce = 1 << 16;
  const int64_t at_once = std::max<int64_t>(1, kNumbersAtOnce / std::max<int64_t>(1, numbers_a_row));
  at::Tensor out = at::empty(like.sizes(), like.options());
  for_pieces((rows + at_once - 1) / at_once, true, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * at_once, count = std::min(at_once, rows - first);
      out.narrow(0, first, count).copy_(rows_of(first, count));
    }
  });
  return out;
}

}  // namespace prunenet
