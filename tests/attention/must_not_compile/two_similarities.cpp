// says: two similarities in one call
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) { return qkv::attention(x, x, x, qkv::cosine, qkv::dot); }
