#include "qkv/ops/product.h"

#include <unistd.h>

#include <algorithm>

#include "qkv/base/memory.h"
#include "qkv/base/threads.h"

namespace qkv {
namespace {

long divide_up(long a, long b) { return (a + b - 1) / b; }
long round_up(long a, long b) { return divide_up(a, b) * b; }

/// Bytes of the first-level data cache; 32 KiB where the system does not say.
long first_level_cache() {
  static const long bytes = [] {
    const long found = sysconf(_SC_LEVEL1_DCACHE_SIZE);
    return found > 0 ? found : 32768;
  }();
  return bytes;
}

/// A product being computed: its plan, kernels and workspace.
struct execution {
  const dense_product& p;
  const matmul_kernels& kernels;
  product_plan plan;
  long rows, columns, depth;
  const float* panels_a = nullptr;
  const float* panels_b = nullptr;

  explicit execution(const dense_product& product)
      : p(product),
        kernels(matmul_now()),
        plan(plan_of(product, kernels.tile_rows, kernels.tile_columns)),
        rows(p.c.sizes[0]),
        columns(p.c.sizes[1]),
        depth(p.a.sizes[1]) {}

  void run() {
    if (plan.few_rows) return run_few_rows();
    const long size_a = plan.pack_a ? round_up(rows, kernels.tile_rows) * depth : 0;
    const long size_b = p.packed_b ? 0 : round_up(columns, kernels.tile_columns) * depth;
    const auto workspace = allocate_memory((size_a + size_b) * sizeof(float));
    auto* memory = reinterpret_cast<float*>(workspace.get());
    panels_a = memory + size_b;
    panels_b = p.packed_b ? p.packed_b : memory;
    pack(memory + size_b, memory);
    multiply();
  }

  /// Packs A, when the plan says so, and B: several panels an item, so that an item is worth its hand-out.
  void pack(float* to_a, float* to_b) const {
    const long lines = std::max(1l, 32768 / std::max(1l, depth));
    const long rows_together = round_up(lines, kernels.tile_rows);
    const long columns_together = round_up(lines, kernels.tile_columns);
    const long items_a = plan.pack_a ? divide_up(rows, rows_together) : 0;
    const long items_b = p.packed_b ? 0 : divide_up(columns, columns_together);
    parallel_for(items_b + items_a, [&](long item, int) {
      if (item < items_b) {
        const long j = item * columns_together;
        kernels.pack_columns(p.b.data + j * p.b.strides[1], p.b.strides[0], p.b.strides[1], depth,
                             std::min(columns_together, columns - j), to_b + j * depth);
      } else {
        const long i = (item - items_b) * rows_together;
        kernels.pack_rows(p.a.data + i * p.a.strides[0], p.a.strides[0], p.a.strides[1], depth,
                          std::min(rows_together, rows - i), to_a + i * depth);
      }
    });
  }

  void multiply() const {
    const long down = divide_up(rows, plan.block_rows), across = divide_up(columns, plan.block_columns);
    parallel_for(down * across, [&](long item, int) {
      const long row = item % down * plan.block_rows, column = item / down * plan.block_columns;
      kernels.multiply({.a = plan.pack_a ? panels_a + row * depth : p.a.data + row * p.a.strides[0],
                        .a_row_stride = p.a.strides[0],
                        .a_depth_stride = p.a.strides[1],
                        .a_packed = plan.pack_a,
                        .b = panels_b + column * depth,
                        .c = p.c.data + row * p.c.strides[0] + column,
                        .c_stride = p.c.strides[0],
                        .rows = std::min(plan.block_rows, rows - row),
                        .columns = std::min(plan.block_columns, columns - column),
                        .depth = depth,
                        .depth_block = plan.depth_block,
                        .add = p.add,
                        .epilogue = at(row, column)});
    });
  }

  void run_few_rows() const {
    const long together = std::clamp(65536 / std::max(1l, depth), 4l, 256l) / 4 * 4;
    parallel_for(divide_up(columns, together), [&](long item, int) {
      const long column = item * together;
      kernels.few_rows(p.a.data, p.a.strides[0], p.b.data + column * p.b.strides[1], p.b.strides[1], p.c.data + column,
                       p.c.strides[0], rows, std::min(together, columns - column), depth, p.add, at(0, column));
    });
  }

  /// The epilogue's pointers for a block.
  product_epilogue at(long row, long column) const {
    product_epilogue e = p.epilogue;
    if (e.bias) e.bias += column;
    if (e.before) e.before += row * e.before_stride + column;
    if (e.at) e.at += row * e.at_stride + column;
    if (e.residual) e.residual += row * e.residual_stride + column;
    return e;
  }
};

/// Work items: large, so that what they load is used often, yet enough of them for two or three threads to end
/// together; one of less than half a million multiply-adds (some microseconds) is not worth handing out.
void cut_into_items(product_plan& plan, long rows, long columns, long depth, int tile_rows, int tile_columns) {
  long tiles = std::min(divide_up(std::max(1l, rows), tile_rows), 16l);
  long panels = std::min(divide_up(std::max(1l, columns), tile_columns), 4l);
  const auto items = [&] { return divide_up(rows, tiles * tile_rows) * divide_up(columns, panels * tile_columns); };
  const auto worth_cutting = [&] { return tiles * tile_rows * panels * tile_columns * depth > (1l << 20); };
  while (items() < 16 && worth_cutting() && (tiles > 1 || panels > 1)) {
    const bool taller = tiles * tile_rows >= panels * tile_columns;
    if (panels == 1 || (taller && tiles > 1))
      tiles = divide_up(tiles, 2);
    else
      panels = divide_up(panels, 2);
  }
  plan.block_rows = tiles * tile_rows;
  plan.block_columns = panels * tile_columns;
}

}  // namespace

product_plan plan_of(const dense_product& p, int tile_rows, int tile_columns) {
  const long rows = p.c.sizes[0], columns = p.c.sizes[1], depth = p.a.sizes[1];
  const bool in_place = p.a.strides[1] == 1;
  product_plan plan;
  plan.few_rows = !p.packed_b && rows <= 8 && p.a.strides[1] == 1 && p.b.strides[0] == 1;
  // Rows read in place stay in L1 only when they are short, and packing pays only when many columns use it.
  plan.pack_a = !(in_place && depth <= 512);
  // Half of L1 for a panel's part.  The residual may be C itself: then C must not hold sums before the end.
  const bool one_depth = p.epilogue.residual == p.c.data || rows <= tile_rows;
  plan.depth_block = one_depth ? std::max(1l, depth)
                               : std::max(64l, first_level_cache() / 2 / (tile_columns * long(sizeof(float))) / 2 * 2);
  cut_into_items(plan, rows, columns, depth, tile_rows, tile_columns);
  return plan;
}

void run(const dense_product& product) {
  if (product.c.sizes[0] == 0 || product.c.sizes[1] == 0) return;
  execution(product).run();
}

}  // namespace qkv
