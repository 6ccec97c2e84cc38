// Errors at the door: what a call gets wrong is said once, here, in words, before any kernel sees it.
// One text serves the fused engine (float) and the oracle (double).  A call without mistakes allocates nothing.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "qkv/attention/problem.h"

namespace qkv {
namespace {

using std::string;

// Places on an axis are 32-bit numbers inside lambdas; half of their range leaves room for differences of places.
constexpr long most_places = 1l << 30;

string text(long n) { return std::to_string(n); }
string text(std::size_t n) { return std::to_string(n); }

template <std::size_t Rank>
string text(const std::array<long, Rank>& sizes) {
  return to_string(shape(sizes.begin(), sizes.end()));
}

/// The checks of one call.
template <class T>
struct checks {
  const char* operation;
  const problem_of<T>& x;

  string queries_and_keys() const { return "q " + text(x.q.sizes) + ", k " + text(x.k.sizes); }

  void memory(const char* name, const char* letters, const view<const T, 4>& v) const {
    const auto wants = [&](const string& what) { return string(name) + " " + letters + " " + what; };
    const auto found = [&] { return string(name) + " " + text(v.sizes); };
    double reach = 0;
    for (int axis = 0; axis < 4; ++axis) {
      if (v.sizes[axis] < 0 || v.sizes[axis] > most_places)
        refuse(operation, wants("with sizes from 0 to " + text(most_places)), found());
      reach += double(v.sizes[axis]) * std::abs(double(v.strides[axis]));
    }
    if (v.size() == 0) return;
    if (!v.data) refuse(operation, wants("in memory"), found() + " at a null pointer");
    if (reach >= 0x1p60)
      refuse(operation, wants("within 2^60 elements"), found() + " with strides " + text(v.strides));
    if (v.sizes[3] > 1 && v.strides[3] != 1)
      refuse(operation, wants("with unit stride in its last axis (to_contiguous() makes it so)"),
             "a stride of " + text(v.strides[3]));
  }

  void shapes() const {
    memory("q", "[B, T, H, D]", x.q);
    memory("k", "[B, S, G, D]", x.k);
    memory("v", "[B, S, G, E]", x.v);
    const auto &q = x.q.sizes, &k = x.k.sizes, &v = x.v.sizes;
    if (q[0] != k[0]) refuse(operation, "queries and keys of as many sequences B", queries_and_keys());
    if (q[3] != k[3]) refuse(operation, "queries and keys of as many channels D", queries_and_keys());
    if (!std::equal(k.begin(), k.begin() + 3, v.begin()))
      refuse(operation, "values with the B, S and G of the keys", "k " + text(k) + ", v " + text(v));
    if (k[2] == 0) refuse(operation, "at least one key head G", queries_and_keys());
    if (q[2] % k[2] != 0)
      refuse(operation, "query heads H a multiple of key heads G",
             "that keys have " + text(k[2]) + " heads, which does not divide the queries' " + text(q[2]));
    if (!x.align.from_end && (x.align.offset > most_places || x.align.offset < -most_places))
      refuse(operation, "queries to start at a place within " + text(most_places) + " of 0", text(x.align.offset));
  }

  void lengths(const char* whose, const std::vector<long>& lengths, long most) const {
    if (long(lengths.size()) != x.q.sizes[0])
      refuse(operation, "one " + string(whose) + " length for each sequence, " + text(x.q.sizes[0]),
             text(lengths.size()) + " lengths");
    for (std::size_t b = 0; b < lengths.size(); ++b)
      if (lengths[b] < 0 || lengths[b] > most)
        refuse(operation, string(whose) + " lengths from 0 to " + text(most),
               text(lengths[b]) + " for sequence " + text(b));
  }

  void offsets(const char* whose, const std::vector<long>& offsets, long end) const {
    const auto wants = [&](const string& what) { return string(whose) + " offsets that " + what; };
    if (offsets.empty()) refuse(operation, wants("start at 0"), "none");
    if (offsets.front() != 0) refuse(operation, wants("start at 0"), text(offsets.front()));
    for (std::size_t b = 1; b < offsets.size(); ++b)
      if (offsets[b - 1] > offsets[b])
        refuse(operation, wants("ascend"),
               text(offsets[b - 1]) + " before " + text(offsets[b]) + " at sequence " + text(b - 1));
    if (offsets.back() != end) refuse(operation, wants("end at " + text(end)), text(offsets.back()));
  }

  void layout() const {
    const auto& [how, queries, keys] = x.ragged;
    if (how == sequences::padded_) {
      lengths("query", queries, x.q.sizes[1]);
      lengths("key", keys, x.k.sizes[1]);
    }
    if (how == sequences::packed_) {
      if (x.q.sizes[0] != 1) refuse(operation, "packed sequences in one row, B = 1", queries_and_keys());
      if (queries.size() != keys.size())
        refuse(operation, "as many key offsets as query offsets, " + text(queries.size()), text(keys.size()));
      offsets("query", queries, x.q.sizes[1]);
      offsets("key", keys, x.k.sizes[1]);
    }
  }

  /// What a letter of a learned tensor's shape stands for in this call, or -1 for a letter that the tensor is free in.
  /// Packed sequences are numbered and placed each for itself: B counts them, T and S are their longest.
  long size_of(char letter) const {
    const auto& [how, queries, keys] = x.ragged;
    const auto longest = [](const std::vector<long>& offsets) {
      long most = 0;
      for (std::size_t b = 1; b < offsets.size(); ++b) most = std::max(most, offsets[b] - offsets[b - 1]);
      return most;
    };
    switch (letter) {
      case 'B': return how == sequences::packed_ ? long(queries.size()) - 1 : x.q.sizes[0];
      case 'T': return how == sequences::packed_ ? longest(queries) : x.q.sizes[1];
      case 'S': return how == sequences::packed_ ? longest(keys) : x.k.sizes[1];
      case 'H': return x.q.sizes[2];
      case 'G': return x.k.sizes[2];
      case 'D': return x.q.sizes[3];
      case 'E': return x.v.sizes[3];
      default: return -1;
    }
  }

  /// Calls f("B|1"), f("H"), ... for the axes in letters such as "B|1 H".
  static void each_axis(std::string_view letters, auto f) {
    while (!letters.empty()) {
      const auto axis = letters.substr(0, letters.find(' '));
      f(axis);
      letters.remove_prefix(std::min(axis.size() + 1, letters.size()));
    }
  }

  bool fits(const parameter& p) const {
    long axes = 0;
    bool fit = true;
    each_axis(p.letters, [&](std::string_view axis) {
      const long size = axes < p.values.rank() ? p.values.dim(int(axes)) : -1;
      const auto allows = [&](char letter) { return size_of(letter) < 0 || size_of(letter) == size; };
      fit = fit && size >= 0 && (allows(axis[0]) || (axis.ends_with("|1") && size == 1));
      ++axes;
    });
    return fit && axes == p.values.rank();
  }

  /// "[H = 4, R]" for letters "H R".
  string wanted(const parameter& p) const {
    string all;
    each_axis(p.letters, [&](std::string_view axis) {
      const long size = size_of(axis[0]);
      all += (all.empty() ? "" : ", ") + (size < 0 ? string(axis) : axis[0] + (" = " + text(size)));
      if (axis.ends_with("|1")) all += " or 1";
    });
    return "[" + all + "]";
  }

  void learned(const parameter& p) const {
    const auto name = [&] { return string(*p.name ? p.name : "parameter"); };
    const auto found = [&] { return to_string(p.values.shape()); };
    const dtype type = p.values.empty() ? dtype::float32 : p.values.type();
    if (*p.letters ? !fits(p) : p.values.empty())
      refuse(operation, name() + " " + (*p.letters ? wanted(p) : "with a shape"), found());
    if (!p.values.contiguous())  // a formula that is kept reads it in place, and so sees what an optimiser does to it
      refuse(operation, name() + " contiguous in memory (to_contiguous() makes it so)",
             "strides " + to_string(p.values.strides()));
    const bool has_links = x.q.sizes[0] * x.q.sizes[1] * x.q.sizes[2] * x.k.sizes[1] > 0;
    if (p.values.size() == 0 && has_links) refuse(operation, name() + " with at least one number", found());
    if (p.values.size() >= 1l << 31) refuse(operation, name() + " of less than 2^31 numbers", found());
    if (std::is_same_v<T, float> ? type != dtype::float32 : type != dtype::float32 && type != dtype::float64)
      refuse(operation, name() + (std::is_same_v<T, float> ? " in float32" : " in float32 or float64"), name_of(type));
  }
};

/// The tables of masks and scores, by looking at the last link of each sequence.
template <class T>
struct table_checks {
  const checks<T>& all;
  const formula& f;

  void run() const {
    const long last_head = all.x.q.sizes[2] - 1;
    if ((!f.masks() && !f.scores()) || last_head < 0) return;
    each_sequence(all.x, [&](const sequence& s) {
      if (s.queries == 0 || s.keys == 0) return;
      f.tables({s.number, last_head, s.queries - 1, 1, s.keys - 1, 1, s.offset, s.queries, s.keys},
               [&](const table_use& use) { one(use); });
    });
  }
  void one(const table_use& use) const {
    const auto found = [&] { return "a table " + to_string(use.shape); };
    if (use.shape.size() == 4) {
      const parameter flags{tensor::borrow(&nothing, use.shape, {0, 0, 0, 0}), "dense_mask", "B|1 H|1 T|1 S"};
      if (!all.fits(flags)) refuse(all.operation, "dense_mask " + all.wanted(flags), to_string(use.shape));
    } else if (use.column >= use.shape.back()) {
      refuse(all.operation, "a table to have an entry " + text(use.column) + ", where the last link looks", found());
    } else if (use.shape.size() == 2 && use.shape[0] > 1 && use.row >= use.shape[0]) {
      refuse(all.operation, "a table to have a row " + text(use.row) + ", or one row for all sequences", found());
    }
  }
  static inline const float nothing = 0;
};

/// The learned tensors and arrays that scores look up, by looking at the links in the corners of the sequences that are
/// first, last and longest, or at those that the caller chooses.
template <class T>
struct lookup_checks {
  const checks<T>& all;
  const formula& f;
  const links_to_probe* chosen;

  void run() const {
    if (!f.scores() || all.x.q.sizes[2] == 0) return;
    const sequence none{.number = -1, .row = 0, .q0 = 0, .queries = 0, .k0 = 0, .keys = 0, .offset = 0};
    sequence first = none, last = none, most_queries = none, most_keys = none;
    each_sequence(all.x, [&](const sequence& s) {
      if (first.number < 0) first = s;
      if (s.queries > most_queries.queries) most_queries = s;
      if (s.keys > most_keys.keys) most_keys = s;
      last = s;
    });
    corners(first);
    if (last.number != first.number) corners(last);
    if (most_queries.number != first.number && most_queries.number != last.number) corners(most_queries);
    if (most_keys.number != first.number && most_keys.number != last.number) corners(most_keys);
  }
  void corners(const sequence& s) const {
    if (s.queries == 0 || s.keys == 0) return;
    const auto probe = [&](long row, long key) {
      for (const long head : {0l, all.x.q.sizes[2] - 1}) {
        const tile link{s.number, head, row, 1, key, 1, s.offset, s.queries, s.keys};
        bool kept = true;
        if (f.masks()) f.keep(link, &kept);
        if (kept) f.misses(link, [&](const learned_miss& miss) { one(link, miss); });
      }
    };
    if (chosen) return (*chosen)(s, probe);
    for (const long row : {0l, s.queries - 1})
      for (const long key : {0l, s.keys - 1}) probe(row, key);
  }
  void one(const tile& link, const learned_miss& miss) const {
    const parameter& p = miss.tensor;
    refuse(all.operation,
           string(*p.name ? p.name : "parameter") + " to have an index " + text(miss.index) + " on axis " +
               std::to_string(miss.axis) + ", where the link of query " + text(link.row) + " and key " +
               text(link.key) + " of head " + text(link.head) + " looks",
           to_string(p.values.shape()));
  }
};

template <class T>
void check_all(const char* operation, const formula& f, const problem_of<T>& x, const links_to_probe* chosen) {
  const checks<T> all{operation, x};
  all.shapes();
  all.layout();
  for (const parameter& p : f.parameters()) all.learned(p);
  table_checks<T>{all, f}.run();
  lookup_checks<T>{all, f, chosen}.run();
}

}  // namespace

void check(const char* operation, const formula& f, const problem_of<float>& x, const links_to_probe* chosen) {
  check_all(operation, f, x, chosen);
}
void check(const char* operation, const formula& f, const problem_of<double>& x) {
  check_all(operation, f, x, nullptr);
}

}  // namespace qkv
