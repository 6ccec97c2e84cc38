// says: two masks in one call; join them with & or |
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) { return qkv::attention(x, x, x, qkv::causal, qkv::sliding_window(8)); }
