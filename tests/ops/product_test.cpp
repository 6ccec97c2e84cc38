#include "qkv/ops/product.h"

#include <gtest/gtest.h>

namespace qkv {
namespace {

dense_product product_of(long rows, long columns, long depth) {
  static float memory[1];
  return {.a = {memory, {rows, depth}, {depth, 1}},
          .b = {memory, {depth, columns}, {columns, 1}},
          .c = {memory, {rows, columns}, {columns, 1}}};
}

TEST(ProductPlan, EndsForEveryShapeWithWholeTilesAndPanels) {
  const long sizes[] = {1, 5, 12, 13, 31, 64, 65, 200, 768, 3072, 50257};
  for (const auto& [tile_rows, tile_columns] : {std::pair{4, 8}, {6, 16}, {12, 32}})
    for (const long rows : sizes)
      for (const long columns : sizes)
        for (const long depth : {0l, 1l, 64l, 768l, 150000l}) {
          const product_plan plan = plan_of(product_of(rows, columns, depth), tile_rows, tile_columns);
          ASSERT_GT(plan.block_rows, 0);
          ASSERT_GT(plan.block_columns, 0);
          ASSERT_GT(plan.depth_block, 0);
          ASSERT_EQ(plan.block_rows % tile_rows, 0);
          ASSERT_EQ(plan.block_columns % tile_columns, 0);
        }
}

TEST(ProductPlan, GivesTwoThreadsWorkOnTheShapesOfASmallModel) {
  const long shapes[][3] = {{768, 384, 128}, {768, 128, 128}, {768, 512, 128}, {768, 128, 512}, {512, 128, 768}};
  for (const auto& [rows, columns, depth] : shapes) {
    const product_plan plan = plan_of(product_of(rows, columns, depth), 12, 32);
    const long items =
        ((rows + plan.block_rows - 1) / plan.block_rows) * ((columns + plan.block_columns - 1) / plan.block_columns);
    EXPECT_GE(items, 8) << rows << " x " << columns << " x " << depth;
  }
}

}  // namespace
}  // namespace qkv
