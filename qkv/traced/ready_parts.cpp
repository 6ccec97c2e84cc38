#include "qkv/traced/ready_parts.h"

#include "qkv/attention/attention.h"

namespace qkv::traced {
namespace {

const tensor& given(const std::string& name, const tensor& array) {
  if (array.empty()) refuse(name, "an array of what is learned", "none");
  return array;
}

}  // namespace

std::shared_ptr<const formula> similarity_named(const std::string& name, const tensor& array) {
  if (name == "dot") return make_formula(dot);
  if (name == "cosine") return make_formula(cosine);
  if (name == "negative_squared_distance") return make_formula(negative_squared_distance);
  if (name == "additive") return make_formula(additive(given(name, array)));
  if (name == "bilinear") return make_formula(bilinear(given(name, array)));
  refuse("attention", "the name of a similarity", name);
}

std::shared_ptr<const formula> weighting_named(const std::string& name, double number, const tensor& array,
                                               bool by_division) {
  if (name == "softmax") return make_formula(softmax);
  if (name == "softmax_with_sink") return make_formula(softmax_with_sink(given(name, array)));
  if (name == "uniform") return make_formula(uniform);
  if (name == "hardmax") return make_formula(hardmax);
  if (name == "top_k") return make_formula(top_k(long(number)));
  if (name == "sparsemax") return make_formula(sparsemax);
  if (name == "entmax15") return make_formula(entmax15);
  if (name == "sigmoid_weights") return make_formula(sigmoid_weights(number));
  if (name == "relu_weights") return make_formula(relu_weights(number));
  if (name == "squared_relu_weights") return make_formula(squared_relu_weights(number));
  if (name == "signed_weights")
    return make_formula(signed_weights(by_division ? normalised::by_division : normalised::no));
  refuse("attention", "the name of a weighting", name);
}

}  // namespace qkv::traced
