// What scores look up in their learned tensors, seen by evaluating them at single links.  `scored` is called as
// scored(score, position, lookups) with a dual number.
#pragma once
#include "qkv/attention/formula.h"

namespace qkv::detail {

/// Refuses scores whose lookups cannot be differentiated, or whose tensors have other axes than they are looked up by.
void check_lookups(const auto& scored, const std::vector<parameter>& parameters) {
  for (const parameter& p : parameters) {
    const dtype type = p.values.empty() ? dtype::int32 : p.values.type();
    if (p.values.size() == 0 || (type != dtype::float32 && type != dtype::float64)) return;  // an error at the door
  }
  lookups<whole_scalar> log;
  scored(dual<real_scalar>(real_scalar(0), real_scalar(1)), position<whole_scalar>{0, 0, 0, 0, 0, 1, 1}, &log);
  if (log.count > log.most)
    throw unsupported_error("attention: expected at most " + std::to_string(log.most) +
                            " lookups of learned parameters in the scores; found " + std::to_string(log.count));
  for (int l = 0; l < log.count; ++l)
    if (const parameter& p = parameters[log.parameter[l]]; log.indices[l] != p.values.rank())
      refuse("attention", std::string(p.name) + " of as many axes as it is looked up by, " + std::to_string(log.indices[l]),
             to_string(p.values.shape()));
}

/// Shows the lookups outside their tensor that the score of one link depends on: one that `select` leaves out may stand
/// anywhere.
void each_miss(const auto& scored, const std::vector<parameter>& parameters, const position<whole_scalar>& at,
               function_ref<void(const learned_miss&)> see) {
  const dual<real_scalar> score(real_scalar(1), real_scalar(0));  // not 0, which would hide what it is multiplied by
  lookups<whole_scalar> log;
  scored(score, at, &log);
  for (int l = 0; l < log.count; ++l) {
    if (log.missed_axis[l] < 0) continue;
    lookups<whole_scalar> one;
    one.varied = l;
    if (scored(score, at, &one).slope.v != 0) see({parameters[log.parameter[l]], log.missed_axis[l], log.missed[l]});
  }
}

}  // namespace qkv::detail
