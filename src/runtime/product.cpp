// Products in tiles.
#include "runtime/product.h"

#include <ATen/core/grad_mode.h>

#include "runtime/pieces.h"

namespace prunenet {
namespace {
constexpr int64_t kWorthThreads = int64_t{1} << 21;     // multiplications, some tens of microseconds
constexpr int64_t kTileRows = 512, kTileColumns = 512;  // packing them costs little beside multiplying them

// a b [m, n] in tiles, plus `bias` [n] where it is defined.
at::Tensor in_tiles(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) {
  const int64_t rows = a.size(0), columns = b.size(1);
  const int64_t down = (rows + kTileRows - 1) / kTileRows, across = (columns + kTileColumns - 1) / kTileColumns;
  at::Tensor out = at::empty({rows, columns}, a.options());
  for_pieces(down * across, rows * columns * a.size(1) >= kWorthThreads, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      // Neighbours share their columns of b, which are then still in the cache.
      const int64_t row = tile % down * kTileRows, column = tile / down * kTileColumns;
      const int64_t height = std::min(kTileRows, rows - row), width = std::min(kTileColumns, columns - column);
      at::Tensor part = out.narrow(0, row, height).narrow(1, column, width);
      at::mm_out(part, a.narrow(0, row, height), b.narrow(1, column, width));
      if (bias.defined()) part.add_(bias.narrow(0, column, width));
    }
  });
  return out;
}

}  // namespace

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (at::GradMode::is_enabled() || !x.is_cpu() || x.scalar_type() != at::kFloat) return at::linear(x, weight, bias);
  return in_tiles(x, weight.t(), bias);
}

at::Tensor tiled_product(const at::Tensor& a, const at::Tensor& b) {
  return a.is_cpu() ? in_tiles(a, b, at::Tensor()) : at::mm(a, b);
}

}  // namespace prunenet
