// How matrices are cut into tiles: a function of their sizes alone, so that no result depends on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace prunenet {

/// Large tiles keep products at full speed, small ones keep all threads busy.
inline int64_t tile_of(int64_t n) {
  return n >= 2048 ? 512 : n >= 512 ? 128 : 64;
}

struct Tile {
  int64_t row, rows, col, cols;
};

/// Tiles of an m x n matrix.
inline std::vector<Tile> all_tiles(int64_t m, int64_t n) {
  const int64_t high = tile_of(m), wide = tile_of(n);
  std::vector<Tile> tiles;
  for (int64_t row = 0; row < m; row += high) {
    for (int64_t col = 0; col < n; col += wide) {
      tiles.push_back({row, std::min(high, m - row), col, std::min(wide, n - col)});
    }
  }
  return tiles;
}

/// Tiles that cover the upper triangle of an n x n matrix (those on its diagonal are whole squares).
inline std::vector<Tile> upper_tiles(int64_t n) {
  const int64_t size = tile_of(n);
  std::vector<Tile> tiles;
  for (int64_t row = 0; row < n; row += size) {
    for (int64_t col = row; col < n; col += size) {
      tiles.push_back({row, std::min(size, n - row), col, std::min(size, n - col)});
    }
  }
  return tiles;
}

/// Below this many multiply-adds threads cost more than they bring.
inline constexpr int64_t kParallelFromOperations = 1 << 18;

}  // namespace prunenet
