// A dictionary that can be asked inexactly: attention as soft lookup.
//
// Three books on a shelf. A key says what a book is about, a value is what is in it. The query does not match any key
// exactly; every book answers in proportion to how well its key fits. With sharper weights it becomes an ordinary
// dictionary; with uniform ones, the mean of the shelf.
#include <cstdio>

#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"

using namespace qkv;

int main() {
  const char* title[] = {"rivers and their banks", "banks and their money", "birds of the shore"};
  //                        water money birds
  const tensor keys({1, 3, 1, 3}, {1.0, 0.0, 0.3,    // rivers
                                   0.0, 1.0, 0.0,    // money
                                   0.4, 0.0, 1.0});  // birds
  const tensor values({1, 3, 1, 1}, {10, 20, 30});   // the number each book would answer with
  const tensor query({1, 1, 1, 3}, {0.9, 0.1, 0.2});  // "a bank, by the water"

  for (double sharpness : {0.0, 1.0, 4.0, 100.0}) {
    const auto looked_up = oracle::attention_forward(query, keys, values, scale(sharpness));
    const tensor weights = looked_up.weights();
    std::printf("scale %5.1f:", sharpness);
    for (int book = 0; book < 3; ++book) std::printf("  %s %4.1f%%", title[book], 100 * weights.item({0, 0, 0, book}));
    std::printf("  -> %.2f\n", double(attention(query, keys, values, scale(sharpness)).at<float>(0, 0, 0, 0)));
  }
}
