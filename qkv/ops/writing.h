// What an op does to the former contents of memory given to it.
#pragma once

namespace qkv {

enum class writing { replace, add };

}  // namespace qkv
