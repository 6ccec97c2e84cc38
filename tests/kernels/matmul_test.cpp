#include "qkv/kernels/matmul.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace qkv {
namespace {

void on_every_instruction_set(const std::function<void(const matmul_kernels&)>& body) {
  const instruction_set before = active_instruction_set();
  for (const auto set : {instruction_set::portable, instruction_set::avx2, instruction_set::avx512}) {
    if (set > widest_instruction_set()) continue;
    use_instruction_set(set);
    SCOPED_TRACE(name_of(set));
    body(matmul_now());
  }
  use_instruction_set(before);
}

std::vector<float> counting(long n) {
  std::vector<float> x(std::size_t(n), 0.f);
  for (long i = 0; i < n; ++i) x[std::size_t(i)] = float(i % 251) - 100;
  return x;
}

long divide_up(long a, long b) { return (a + b - 1) / b; }

using packer = void (*)(const float*, long, long, long, long, float*);

/// Packs `lines` lines and compares every number, the zeros at the end, and what lies behind the last panel.
void check_packing(packer pack, bool rows, int tile, long depth, long lines, long depth_stride, long line_stride) {
  const auto source = counting((depth + 1) * depth_stride + (lines + 1) * line_stride);
  const long size = divide_up(lines, tile) * tile * depth;
  std::vector<float> panels(std::size_t(size + 64), -7.f);
  if (rows)
    pack(source.data(), line_stride, depth_stride, depth, lines, panels.data());
  else
    pack(source.data(), depth_stride, line_stride, depth, lines, panels.data());
  for (long j = 0; j < divide_up(lines, tile) * tile; ++j)
    for (long k = 0; k < depth; ++k) {
      const float expected = j < lines ? source[std::size_t(k * depth_stride + j * line_stride)] : 0.f;
      ASSERT_EQ(panels[std::size_t(j / tile * tile * depth + k * tile + j % tile)], expected)
          << "line " << j << " depth " << k;
    }
  for (long i = size; i < size + 64; ++i) ASSERT_EQ(panels[std::size_t(i)], -7.f) << "written beyond the panels";
}

TEST(MatmulPacking, PutsLinesIntoPanelsWhateverTheirStrides) {
  on_every_instruction_set([](const matmul_kernels& kernels) {
    for (const bool rows : {true, false})
      for (const long depth : {0l, 1l, 15l, 16l, 37l})
        for (const long lines : {1l, 5l, 12l, 32l, 33l, 70l}) {
          const int tile = rows ? kernels.tile_rows : kernels.tile_columns;
          const packer pack = rows ? kernels.pack_rows : kernels.pack_columns;
          check_packing(pack, rows, tile, depth, lines, 1, depth + 3);
          check_packing(pack, rows, tile, depth, lines, lines + 2, 1);
          check_packing(pack, rows, tile, depth, lines, 2, 2 * depth + 1);
        }
  });
}

/// One block over panels of B; A in place or packed.
std::vector<float> block_product(const matmul_kernels& kernels, long rows, long columns, long depth, long depth_block,
                                 bool packed) {
  const auto a = counting(rows * depth), b = counting(depth * columns);
  std::vector<float> panels_a(std::size_t(divide_up(rows, kernels.tile_rows) * kernels.tile_rows * depth));
  std::vector<float> panels_b(std::size_t(divide_up(columns, kernels.tile_columns) * kernels.tile_columns * depth));
  std::vector<float> c(std::size_t(rows * columns), 1.f);
  kernels.pack_rows(a.data(), depth, 1, depth, rows, panels_a.data());
  kernels.pack_columns(b.data(), columns, 1, depth, columns, panels_b.data());
  kernels.multiply({.a = packed ? panels_a.data() : a.data(),
                    .a_row_stride = depth,
                    .a_depth_stride = 1,
                    .a_packed = packed,
                    .b = panels_b.data(),
                    .c = c.data(),
                    .c_stride = columns,
                    .rows = rows,
                    .columns = columns,
                    .depth = depth,
                    .depth_block = depth_block,
                    .add = false,
                    .epilogue = {}});
  return c;
}

TEST(MatmulBlock, HasTheSameBitsHoweverTheDepthIsCutAndAIsRead) {
  on_every_instruction_set([](const matmul_kernels& kernels) {
    for (const long rows : {1l, 7l, 29l})
      for (const long columns : {1l, 32l, 45l}) {
        const auto whole = block_product(kernels, rows, columns, 101, 101, true);
        for (const long depth_block : {1l, 16l, 50l, 100l})
          for (const bool packed : {false, true}) {
            const auto cut = block_product(kernels, rows, columns, 101, depth_block, packed);
            EXPECT_EQ(std::memcmp(cut.data(), whole.data(), whole.size() * sizeof(float)), 0)
                << rows << " " << columns << " " << depth_block;
          }
      }
  });
}

TEST(MatmulBlock, WritesZerosWhenThereIsNoDepth) {
  on_every_instruction_set([](const matmul_kernels& kernels) {
    for (const float c : block_product(kernels, 13, 40, 0, 16, true)) EXPECT_EQ(c, 0);
  });
}

}  // namespace
}  // namespace qkv
