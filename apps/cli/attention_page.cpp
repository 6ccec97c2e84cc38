#include "apps/cli/attention_page.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/svg_canvas.h"
#include "apps/cli/terminal.h"

namespace qkv::cli {
namespace {

using nlohmann::json;

json labels_of(const std::vector<std::string>& tokens) {
  json labels = json::array();
  for (const std::string& token : tokens) labels.push_back(short_label(token, 24, look::unicode));
  return labels;
}

// A row's weights in ten-thousandths, without the zeros at its end.
json row_of(const attention_map& map, long layer, long head, long query) {
  std::vector<int> row;
  for (long s = 0; s < long(map.keys.size()); ++s)
    row.push_back(int(std::lround(10000 * map.weight(layer, head, query, s))));
  while (!row.empty() && row.back() == 0) row.pop_back();
  return row;
}

json head_of(const attention_map& map, long layer, long head) {
  const head_statistics s = statistics_of(map, layer, head);
  json rows = json::array();
  for (long t = 0; t < long(map.queries.size()); ++t) rows.push_back(row_of(map, layer, head, t));
  return {{"weights", rows},        {"kind", kind_of(s)},    {"words", in_words(s)}, {"entropy", s.entropy},
          {"evenness", s.evenness}, {"spread", s.spread},    {"itself", s.itself},   {"previous", s.previous},
          {"first", s.first},       {"distance", s.distance}};
}

json data_of(const attention_map& map) {
  json layers = json::array();
  for (long layer = 0; layer < map.layers(); ++layer) {
    json heads = json::array();
    for (long head = 0; head < map.heads(); ++head) heads.push_back(head_of(map, layer, head));
    layers.push_back(heads);
  }
  return {{"queries", labels_of(map.queries)}, {"keys", labels_of(map.keys)}, {"layers", layers}};
}

std::string text_of(const attention_map& map) {
  std::string text = map.text;
  if (!text.empty()) return text;
  for (const std::string& token : map.keys) text += token;
  return text;
}

constexpr const char* body = R"html(<header>
<div>
<h1>What each head looks at</h1>
<blockquote id="text"></blockquote>
<p class="facts" id="facts"></p>
</div>
<button type="button" id="theme" aria-pressed="false">Dark</button>
</header>
<noscript><p class="card">This page draws its pictures with a script, which is part of the page; please allow
it.</p></noscript>
<main>
<section class="card all" aria-labelledby="all-title">
<h2 id="all-title">All heads</h2>
<p class="hint">A row a layer, a column a head. Choose one.</p>
<div id="all" role="group" aria-label="All heads; arrow keys move from one to the next"></div>
<div class="legend" aria-hidden="true"><span>weight</span><canvas id="ramp"></canvas><span id="ramp-ends"></span></div>
</section>
<div class="right">
<section class="card" aria-labelledby="links-title">
<div class="bar">
<h2 id="links-title">Links</h2>
<fieldset id="layers"><legend>layer</legend></fieldset>
<fieldset id="heads"><legend>heads</legend></fieldset>
<label class="least">hide links under
<input type="range" id="least" min="0" max="40" value="3"> <output id="least-shown">3%</output></label>
</div>
<div class="scroll"><div id="links">
<div class="row" id="key-row" role="group" aria-label="Tokens that are looked at"></div>
<svg id="lines" aria-hidden="true"></svg>
<div class="row" id="query-row" role="group" aria-label="Tokens that look"></div>
</div></div>
<p class="hint" id="beyond" hidden>The rows are longer than the panel: scroll it sideways.</p>
<p class="hint">The lower row looks at the upper row. Point at a token to see its links: in the lower row what it looks
at, in the upper row who looks at it. Click or <kbd>Enter</kbd> holds it, <kbd>Esc</kbd> lets go, <kbd>&larr;</kbd>
<kbd>&rarr;</kbd> <kbd>&uarr;</kbd> <kbd>&darr;</kbd> move.</p>
</section>
<div class="pair">
<section class="card" aria-labelledby="token-title">
<h2 id="token-title">This head</h2>
<p id="words"></p>
<ol id="ranking"></ol>
</section>
<section class="card" aria-labelledby="matrix-title">
<h2 id="matrix-title">Its weights</h2>
<canvas id="matrix" role="img"></canvas>
<p class="hint" id="matrix-hint">Rows look at columns; every row sums to 100%.</p>
</section>
</div>
</div>
<section class="card wide" aria-labelledby="numbers-title">
<h2 id="numbers-title">In numbers</h2>
<div class="scroll"><table id="numbers"><thead><tr>
<th scope="col">head</th><th scope="col">what it does</th><th scope="col">on itself</th>
<th scope="col">on the previous token</th><th scope="col">on the first token</th><th scope="col">distance</th>
<th scope="col">spread</th><th scope="col">entropy</th>
</tr></thead><tbody></tbody></table></div>
<p class="hint" id="numbers-hint">Means over all tokens that see at least two. Distance: how many tokens away it looks.
Spread: at how
many tokens it would look if it shared its weight evenly among them, exp(entropy). Entropy in nats.</p>
</section>
</main>
<p id="spoken" class="unseen" role="status" aria-live="polite"></p>
)html";

}  // namespace

std::string safe_in_script(std::string json) {
  std::string safe;
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&')
      safe += fmt::format("\\u{:04x}", unsigned(c));
    else
      safe += c;
  }
  return safe;
}

std::string attention_page(const attention_map& map, const std::string& facts) {
  check(map);
  json data = data_of(map);
  data["text"] = text_of(map);
  data["facts"] = facts;
  data["two_texts"] = map.two_texts;
  data["looking"] = map.looking < 0 ? long(map.queries.size()) - 1 : map.looking;
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n<title>";
  page += escaped("Attention: " + text_of(map));
  page += "</title>\n<style>";
  page += attention_page_style;
  page += "</style>\n</head>\n<body>\n";
  page += body;
  page += "<script type=\"application/json\" id=\"data\">";
  page += safe_in_script(data.dump(-1, ' ', true));
  page += "</script>\n<script>";
  page += attention_page_links;
  page += attention_page_details;
  return page + "</script>\n</body>\n</html>\n";
}

}  // namespace qkv::cli
