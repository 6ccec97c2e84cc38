// What a training run is told.
#pragma once
#include <cstdint>
#include <string>

namespace qkv {

/// How the learning rate moves after the warm-up: along half a cosine (Loshchilov & Hutter 2017); with the inverse
/// square root of the step (Vaswani et al. 2017, eq. 3); level, then down in a line over the last fifth (warm-up,
/// stable, decay: Hu et al. 2024); or not at all.
enum class schedule_kind { half_cosine, inverse_square_root, warm_stable_decay, constant };

/// How weights follow gradients: AdamW (Loshchilov & Hutter 2019), Adam with a penalty on the weights (Kingma & Ba
/// 2015), stochastic gradient descent with momentum (Polyak 1964), or Muon for the matrices of layers and AdamW for the rest
/// (Jordan et al. 2024).
enum class optimiser_kind { adamw, adam, sgd, muon };

/// What a loss or a gradient that is not finite does: ends the run, or leaves its batch out.
enum class not_finite_kind { stop, skip };

/// The defaults are those of nanoGPT's small character model on the CPU.
struct training_options {
  long steps = 2000;
  double seconds = 0;     ///< stop after that many seconds, and let the schedule follow time as well; 0: no limit
  long batch = 12;        ///< sequences of a batch
  long batch_tokens = 0;  ///< where a task sorts by length: at most so many tokens in a batch instead; 0: `batch`
  long accumulate = 1;    ///< batches a step, their gradients added up as if they were one batch
  double learning_rate = 1e-3;
  schedule_kind schedule = schedule_kind::half_cosine;
  double final_share = 0.1;  ///< the cosine, and the last line of warm_stable_decay, end at this share of learning_rate
  long warm_up = 100;        ///< steps
  optimiser_kind optimiser = optimiser_kind::adamw;
  double momentum = 0.95;  ///< of sgd, and of muon's matrices
  double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8;
  double weight_decay = 0.1;  ///< on matrices only; of adam and sgd, a penalty in the gradient
  double label_smoothing = 0;  ///< share of a target's probability that is spread over the vocabulary, in translation
  double average =
      0;  ///< what is validated, used and saved: weights averaged over the run, with this decay a step; 0: the latest
  double clip = 1.0;          ///< largest norm of the whole gradient; 0: any
  not_finite_kind on_not_finite = not_finite_kind::stop;
  bool recompute = false;     ///< keep only the inputs of blocks for the way back: less memory, a third more work
  std::uint64_t seed = 1337;  ///< of the data order and of dropout
  long report_every = 10;     ///< steps between calls of on_progress
  long validate_every = 250;  ///< steps between validations; 0: only at the end
  long patience = 0;          ///< stop after so many validations without a lower loss; 0: never.  All validations then
                              ///< take interim_batches, and each lower loss is a checkpoint
  long interim_batches = 20;  ///< batches of such a validation
  long final_batches = 200;   ///< batches of the last one; 0 in either: all
  long sample_every = 0;      ///< steps between calls of on_sample; 0: never
  long checkpoint_every = 0;  ///< steps between calls of on_checkpoint; 0: only at the end

  bool operator==(const training_options&) const = default;
};

/// @throws shape_error that says which number makes no sense
void check(const training_options&);

/// One line of JSON, and back.  A key that is missing keeps its default; an unknown key is an error.
/// @throws file_error
std::string to_json(const training_options&);
training_options training_options_from_json(const std::string& text);

}  // namespace qkv
