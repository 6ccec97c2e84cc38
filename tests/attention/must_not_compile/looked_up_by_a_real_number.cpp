// says: a learned parameter is looked up by indices, such as slope[at.head]
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x, qkv::tensor slopes) {
  return qkv::attention(x, x, x,
                        qkv::score([](auto s, auto at, auto slope) { return s - slope[at.head * 0.5]; }, slopes));
}
