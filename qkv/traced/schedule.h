// schedule: a program made ready to be interpreted a block at a time.
//
// Dead instructions are gone.  The others are ordered by what their values vary along: first those that are one for the
// whole tile, then those along its keys, along its rows, and last those of every link; so what does not change within a
// tile is computed once for it.  Each value has a place in the interpreter's memory.
#pragma once
#include "qkv/traced/program.h"

namespace qkv::traced {

/// A block: a few rows of a few keys, as much as stays in the first-level cache while a program walks over it.
inline constexpr long block_keys = 256, block_rows = 64, block_links = 1024;
inline constexpr long widest_register = 16;

struct scheduled {
  instruction what;  ///< its operands count scheduled instructions
  extent along = one;
  bool active = false;  ///< has a derivative: depends on a given real number or a learned one
  long place = 0;       ///< in numbers; full values share places once they are no longer needed
  long own_place = 0;   ///< where nothing is shared, as reverse differentiation needs it
  long adjoint = -1;    ///< of active ones
};

struct schedule {
  std::vector<scheduled> steps;
  std::vector<int> first;  ///< of each extent: steps first[e] .. first[e + 1] - 1
  int result = -1;
  long room = 0, own_room = 0, adjoint_room = 0;  ///< numbers that the interpreter needs
  std::vector<table> tables;
  std::vector<named_array> arrays;
  std::vector<real_lookup> lookups;  ///< in steps; an index that the offset does not need is -1
  /// Where adjoints of values that are one for the whole tile or vary along its keys end, and all others begin.
  long adjoints_of_tile = 0;
};

/// How queries and keys of a similarity stand: rows of queries against keys, or one query and one key a link.
enum class pairing { tile, links };

/// Cost: O(instructions).  Throws shape_error for a program without a result.
schedule make_schedule(const program&, pairing = pairing::tile);

/// Numbers of memory that a value of this extent takes.
constexpr long room_of(extent e) {
  return e == one          ? widest_register
         : e == along_keys ? block_keys
         : e == along_rows ? block_rows * widest_register
                           : block_links;
}

}  // namespace qkv::traced
