// says: a mask compares whole numbers, so that whole tiles can be decided; write 2 * a < b for a < b * 0.5
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) {
  return qkv::attention(x, x, x, [](auto at) { return at.query < at.key * 0.5; });
}
