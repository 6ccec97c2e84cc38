// What a classifier learns from and is tested on: texts, pictures, sounds, and pairs of these two, by number.
#pragma once
#include <vector>

#include "qkv/io/idx.h"
#include "qkv/models/encoder.h"
#include "qkv/tokens/reading.h"

namespace qkv {

class labelled_examples {
 public:
  virtual ~labelled_examples() = default;

  virtual long size() const = 0;
  virtual std::int32_t target(long index) const = 0;
  /// Example `index` as it is.
  virtual encoder_example example(long index) const = 0;
  /// The same as it might have been, for learning: a pure function of (index, random, draw).
  virtual encoder_example changed(long index, random_stream random, std::uint64_t draw) const = 0;
};

/// What may differ in a picture without its class being another.
struct picture_changes {
  long margin = 0;    ///< moved by up to so many pixels
  bool flip = false;  ///< mirrored, one in two
};

/// What may differ in a sound without its class being another.
struct sound_changes {
  double speed = 0;  ///< faster or slower by up to that share
  double delay = 0;  ///< up to so many seconds of silence before it
  long bands = 0;    ///< pitches that a mask hides, at most
  long frames = 0;   ///< frames that a mask hides, at most
};

/// Pictures as bytes, with their classes.
class labelled_pictures : public labelled_examples {
 public:
  /// @param pictures  [N, H, W] or [N, H, W, C]   @param targets  [N]
  /// @throws shape_error where they differ in number
  labelled_pictures(byte_array pictures, std::vector<std::int32_t> targets, const picture_reading& how,
                    const picture_changes& for_learning = {});

  long size() const override { return long(targets_.size()); }
  std::int32_t target(long index) const override { return targets_[std::size_t(index)]; }
  encoder_example example(long index) const override;
  encoder_example changed(long index, random_stream random, std::uint64_t draw) const override;

 private:
  byte_array pictures_;
  std::vector<std::int32_t> targets_;
  picture_reading how_;
  picture_changes changes_;
};

class labelled_sounds : public labelled_examples {
 public:
  labelled_sounds(std::vector<sound> sounds, std::vector<std::int32_t> targets, const sound_reading& how,
                  const sound_changes& for_learning = {});

  long size() const override { return long(targets_.size()); }
  std::int32_t target(long index) const override { return targets_[std::size_t(index)]; }
  encoder_example example(long index) const override;
  encoder_example changed(long index, random_stream random, std::uint64_t draw) const override;

 private:
  std::vector<sound> sounds_;
  std::vector<std::int32_t> targets_;
  sound_reading how_;
  sound_changes changes_;
};

/// Texts as tokens, with their classes.
class labelled_texts : public labelled_examples {
 public:
  /// @throws shape_error where texts and targets differ in number, or a text has no token
  labelled_texts(std::vector<std::vector<std::int32_t>> texts, std::vector<std::int32_t> targets);

  long size() const override { return long(targets_.size()); }
  std::int32_t target(long index) const override { return targets_[std::size_t(index)]; }
  encoder_example example(long index) const override { return {.text = texts_[std::size_t(index)]}; }
  /// The same: no change of a text is known to leave its class alone.
  encoder_example changed(long index, random_stream, std::uint64_t) const override { return example(index); }

 private:
  std::vector<std::vector<std::int32_t>> texts_;
  std::vector<std::int32_t> targets_;
};

/// A picture and a sound in one sequence: are they of the same class?  Classes are those of the pictures and the
/// sounds, K of them, then K for "different" and K + 1 for "same".
///
/// From pairs alone, little can be learned at first: neither half says anything by itself, as in exclusive or.  So the
/// same model is also asked what single pictures and single sounds show; two of four questions are then pairs.
class matching_pairs : public labelled_examples {
 public:
  enum questions { all, pairs_only };

  /// The caller keeps both alive.   @param count  of questions   @param random  which pairs example() takes
  /// @throws shape_error where there are fewer than two classes, or one lacks pictures
  matching_pairs(const labelled_examples& pictures, const labelled_examples& sounds, questions asked, long count,
                 random_stream random);

  long classes() const { return long(pictures_of_class_.size()) + 2; }
  long size() const override { return count_; }
  std::int32_t target(long index) const override;
  encoder_example example(long index) const override;
  /// For pairs another pair, itself changed.
  encoder_example changed(long index, random_stream random, std::uint64_t draw) const override;

 private:
  enum question { picture, sound, different, same };
  question question_of(long index) const { return question(asked_ == all ? index % 4 : 2 + index % 2); }
  long single(long index) const { return index / 4; }
  struct pair {
    long seen, heard;
  };
  pair drawn(question which, random_stream random, std::uint64_t draw) const;

  const labelled_examples& pictures_;
  const labelled_examples& sounds_;
  std::vector<std::vector<long>> pictures_of_class_;
  questions asked_;
  long count_;
  random_stream random_;
};

}  // namespace qkv
