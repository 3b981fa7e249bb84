// Products in tiles.
#include "runtime/product.h"

#include "runtime/pieces.h"

namespace prunenet {
namespace {
constexpr int64_t kWorthThreads = int64_t{1} << 21;     // multiplications, some tens of microseconds
constexpr int64_t kTileRows = 512, kTileColumns = 512;  // packing them costs little beside multiplying them
}  // namespace

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (at::GradMode::is_enabled() || !x.is_cpu() || x.scalar_type() != at::kFloat) return at::linear(x, weight, bias);
  const int64_t rows = x.size(0), columns = weight.size(0);
  const int64_t down = (rows + kTileRows - 1) / kTileRows, across = (columns + kTileColumns - 1) / kTileColumns;
  const at::Tensor transposed = weight.t();
  at::Tensor out = at::empty({rows, columns}, x.options());
  for_pieces(down * across, rows * columns * x.size(1) >= kWorthThreads, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      // Neighbours share their rows of the weight, which are then still in the cache.
      const int64_t row = tile % down * kTileRows, column = tile / down * kTileColumns;
      const int64_t height = std::min(kTileRows, rows - row), width = std::min(kTileColumns, columns - column);
      at::Tensor part = out.narrow(0, row, height).narrow(1, column, width);
      at::mm_out(part, x.narrow(0, row, height), transposed.narrow(1, column, width));
      if (bias.defined()) part.add_(bias.narrow(0, column, width));
    }
  });
  return out;
}

}  // namespace prunenet
