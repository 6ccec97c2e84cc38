// What the heads of a model look at for one text: every weight, and the statistics of every head.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/terminal.h"
#include "qkv/tensor/tensor.h"

namespace qkv::cli {

/// L layers   H heads   T tokens that look   S tokens that are looked at
struct attention_map {
  std::vector<std::string> queries;  ///< the T tokens, as text
  std::vector<std::string> keys;     ///< the S tokens
  tensor weights;                    ///< [L, H, T, S] float32; every row sums to one, or to zero where nothing is seen
  bool two_texts = false;  ///< keys are words of another text than queries: places cannot be compared
  std::string text = {};   ///< what people would call the text; empty: the keys, one behind the other
  long looking = -1;       ///< the query that is shown first; -1: the last

  long layers() const { return weights.dim(0); }
  long heads() const { return weights.dim(1); }
  float weight(long layer, long head, long query, long key) const { return weights.at<float>(layer, head, query, key); }
  /// The key that stands where the query stands: the last query stands on the last key.
  long own_key(long query) const { return query + long(keys.size()) - long(queries.size()); }
};

/// Throws shape_error unless labels and weights fit together.
void check(const attention_map&);

/// Means over the queries that have a choice, that is, that see two keys or more.
struct head_statistics {
  double entropy = 0;     ///< nats: -sum of w log w
  double spread = 0;      ///< the number of tokens that would have this entropy if looked at evenly: exp(entropy)
  double evenness = 0;    ///< entropy by the greatest possible, log of the number of tokens seen: 1 is a plain mean
  double itself = 0;      ///< weight on the query's own place
  double previous = 0;    ///< weight on the token before it
  double next = 0;        ///< weight on the token after it, where a model sees both sides
  double first = 0;       ///< weight on the first token of the text
  double distance = 0;    ///< tokens between the query and what it looks at
  double nearness = 1;    ///< that distance by the distance of an even spread
  double alike = 0;       ///< weight on earlier tokens that read the same as the query
  double induction = 0;   ///< weight on tokens that followed one that reads the same (Olsson et al. 2022)
  double strongest = 0;   ///< weight of the strongest link
  std::string favourite;  ///< the token that it looks at most, as text, by weight beyond an even spread
  double favourite_share = 0;  ///< weight on it
  bool two_texts = false;      ///< what is said of places means nothing
};
head_statistics statistics_of(const attention_map&, long layer, long head);

/// Where no query has a choice.
head_statistics no_choice();

/// A few words that fit under a picture: "previous token", "looks at ␣".
std::string kind_of(const head_statistics&, look how = look::unicode);

/// One sentence for people: "Looks mostly at the previous token (61%); ...".
std::string in_words(const head_statistics&, look how = look::unicode);

/// Gives statistics their favourite: of tokens with their weight and that of an even spread, summed over `queries`, the
/// one with the most weight beyond it.
using token_weights = std::map<std::string, std::pair<double, double>>;
void set_favourite(const token_weights& tokens, double queries, head_statistics& statistics);

}  // namespace qkv::cli
