// says: a mask lambda answers yes or no, as at.query >= at.key does
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) {
  return qkv::attention(x, x, x, [](auto at) { return at.query - at.key; });
}
