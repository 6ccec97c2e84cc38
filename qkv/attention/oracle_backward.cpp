// The derivative of attention: the definition (oracle.cpp) read from its last line to its first.  For every sequence,
// every head and every query i, with do_i given and a' the derivative of the activation:
//
//     dv_j += z_j w_j do_i           z: dropout
//     dw_j  = z_j do_i . v_j
//     ds_j  = a'_j (dw_j - m)        m: 0 where weights are not normalised; else the mean of dw weighted by a', because
//                                    the threshold moves so that the weights keep their sum
//           = a'_j (dw_j - sign m)   where weights w = a / sum |a| are: m is the sum of w dw
//     dr_j  = ds_j * the score's derivative at r_j, and on to what the score has learned
//     dq_i += scale * dr_j * the term's derivative to q_i; dk_j the same
#include <numeric>

#include "qkv/attention/oracle.h"
#include "qkv/attention/oracle_head.h"

namespace qkv::oracle {
namespace {

// Adds to the gradient of what was given the gradient du of what it was prepared into.  For u = x / |x|:
// dx = (du - u (u . du)) / |x|.
void prepare_backward(vectors how, const prepared& u, const std::vector<double>& du, auto dx) {
  if (u.length == 0) return;
  double along = 0;
  if (how == vectors::unit) along = std::inner_product(du.begin(), du.end(), u.values.begin(), 0.0);
  for (std::size_t c = 0; c < du.size(); ++c) dx(long(c)) += (du[c] - u.values[c] * along) / u.length;
}

// m: how far the threshold gives way.
double mean_of(const formula& f, const links_of_query& links, const std::vector<double>& dw) {
  if (f.sum_to_one() == normalised::no) return 0;
  const bool divided = f.sum_to_one() == normalised::by_division;
  double sum = 0, mass = links.sink_slope;  // the sink has no value: its dw is 0
  for (std::size_t n = 0; n < dw.size(); ++n)
    if (const double part = divided ? links.weight[n] : links.slope[n]; part != 0) sum += part * dw[n], mass += part;
  return divided ? sum : mass == 0 ? 0 : sum / mass;
}

// The same for a row whose keys are only a part of `whole`'s.  Softmax's slopes are its weights, so m is the mean of
// do . v weighted by them: do . o.
double mean_of_whole(const head& h, long i, const attended& whole, view<const double, 4> dout) {
  double mean = 0;
  for (long e = 0; e < dout.sizes[3]; ++e)
    mean += h.at_query(dout, i, e) * h.at_query(whole.out.view<double, 4>(), i, e);
  return mean;
}

attention_gradients gradients(const formula& f, const problem_of<double>& x, const attended* whole,
                              view<const double, 4> dout) {
  check("oracle attention backward", f, x);
  const long E = x.v.sizes[3];
  const shape of_out{x.q.sizes[0], x.q.sizes[1], x.q.sizes[2], E}, of_dout(dout.sizes.begin(), dout.sizes.end());
  if (of_dout != of_out) refuse("oracle attention backward", "dout " + to_string(of_out), "dout " + to_string(of_dout));
  const auto zeros = [](const auto& sizes) { return tensor(shape(sizes.begin(), sizes.end()), dtype::float64); };
  const tensor dq = zeros(x.q.sizes), dk = zeros(x.k.sizes), dv = zeros(x.v.sizes);
  const auto dq_view = dq.view<double, 4>(), dk_view = dk.view<double, 4>(), dv_view = dv.view<double, 4>();
  std::vector<tensor> learned;
  std::vector<double*> learned_data;
  for (const parameter& p : f.parameters()) {
    learned.push_back(zeros(p.values.shape()));
    learned_data.push_back(learned.back().data<double>());
  }

  each_head(f, x, [&](const head& h) {
    for (long i = 0; i < h.where.queries; ++i) {
      const links_of_query links = h.links(i, whole ? &h.at_query(whole->lse.view<double, 3>(), i) : nullptr);
      if (links.key.empty()) continue;
      std::vector<double> dw(links.key.size());
      for (std::size_t n = 0; n < links.key.size(); ++n) {
        const double weight = links.blended(n);
        for (long e = 0; e < E; ++e) {
          if (weight != 0) h.at_key(dv_view, links.key[n], e) += weight * h.at_query(dout, i, e);
          if (links.through[n] != 0) dw[n] += links.through[n] * h.at_query(dout, i, e) * h.at_key(x.v, links.key[n], e);
        }
      }
      const double mean = whole ? mean_of_whole(h, i, *whole, dout) : mean_of(f, links, dw);
      if (f.sink()) learned_data.back()[h.number] += links.sink_slope * (0 - mean);
      std::vector<double> ds(h.where.keys);
      for (std::size_t n = 0; n < links.key.size(); ++n)
        if (links.slope[n] != 0) ds[links.key[n]] = links.slope[n] * (dw[n] - links.direction[n] * mean);
      if (!is_flat(f)) h.backward(i, std::move(ds), dq_view, dk_view, learned_data);
    }
  });
  return join_gradients(dq, dk, dv, f.parameters(), learned);
}

}  // namespace

void head::backward(long i, std::vector<double> ds, view<double, 4> dq, view<double, 4> dk,
                    std::span<double* const> learned) const {
  const auto kept = mask(i);
  const std::vector<double> r = similarities(i, kept.get());
  f_.score_backward(row_tile(i), r.data(), ds.data(), learned);  // ds becomes dr
  std::vector<double> of_query(q_[i].values.size());
  for (long j = 0; j < where.keys; ++j) {
    if (ds[j] == 0) continue;
    std::vector<double> of_key(of_query.size());
    f_.term_backward(q_[i].values, k_[j].values, scale_ * ds[j], of_query.data(), of_key.data(), learned);
    prepare_backward(f_.prepare(), k_[j], of_key, [&](long c) -> double& { return at_key(dk, j, c); });
  }
  if (f_.projection()) project_backward(q_[i], of_query, learned);
  prepare_backward(f_.prepare(), q_[i], of_query, [&](long c) -> double& { return at_query(dq, i, c); });
}

// dW_dc += q_d dq'_c; dq' becomes dq = W dq'.
void head::project_backward(const prepared& q, std::vector<double>& dq, std::span<double* const> learned) const {
  const long channels = long(dq.size()), first = f_.projection()->rank() == 2 ? 0 : number * channels * channels;
  std::vector<double> given(dq.size());
  for (long d = 0; d < channels; ++d)
    for (long c = 0; c < channels; ++c) {
      learned[0][first + d * channels + c] += q.given[d] * dq[c];
      given[d] += matrix(d, c) * dq[c];
    }
  dq = given;
}

attention_gradients backward(const formula& f, const problem_of<double>& x, view<const double, 4> dout) {
  return gradients(f, x, nullptr, dout);
}

attention_gradients backward_of_part(const formula& f, const problem_of<double>& x, const attended& whole,
                                     view<const double, 4> dout) {
  if (!whole.splits)
    throw unsupported_error(
        "oracle attention backward: expected a whole of softmax over all links, without a sink; found another "
        "weighting, whose rows cannot be put together from parts");
  const attended in_double{whole.out.to(dtype::float64), whole.lse.to(dtype::float64), true};
  const shape of_out{x.q.sizes[0], x.q.sizes[1], x.q.sizes[2], x.v.sizes[3]}, of_lse(of_out.begin(), of_out.end() - 1);
  if (whole.out.shape() != of_out || whole.lse.shape() != of_lse)
    refuse("oracle attention backward", "a whole with out " + to_string(of_out) + " and lse " + to_string(of_lse),
           "out " + to_string(whole.out.shape()) + " and lse " + to_string(whole.lse.shape()));
  return gradients(f, x, &in_double, dout);
}

}  // namespace qkv::oracle
