// What a run learns from, as its folder remembers it: so that a run that goes on can tell whether it has changed since.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/cli/train_flags.h"

namespace qkv::cli {

/// Of every option that names data: null where it is not given; of a file its size and checksum; of a folder those of
/// every file in it that is read, by name.  What is not there is left out, for those who read it to complain of.
/// Cost: every file is read once.   @throws file_error
nlohmann::ordered_json data_record_of(const train_flags& flags);

/// @param before  the record of the run's beginning; an option that it does not know is passed over
/// @throws usage_error "--resume: expected in --images what the run began with; found 1 new (left/9.png); ..."
void check_same_data(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now);

}  // namespace qkv::cli
