// says: a tensor stands among the parts; learned parameters go into their part
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x, qkv::tensor slopes) { return qkv::attention(x, x, x, qkv::causal, slopes); }
