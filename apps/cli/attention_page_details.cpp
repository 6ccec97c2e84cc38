// The page's script, second half: the chosen head and token, the numbers, and how it all begins.
#include "apps/cli/attention_page.h"

namespace qkv::cli {

const char* const attention_page_details = R"js(
// --- the chosen head and token -----------------------------------------------------------------------------------
function render_token() {
  const head = data.layers[state.layer][state.head], name = `Layer ${state.layer + 1}, head ${state.head + 1}`;
  $("ranking").replaceChildren();
  $("ranking").style.setProperty("--own", variable_of(state.head));
  $("words").textContent = head.words;
  if (state.side === null) {
    $("token-title").textContent = name;
    return;
  }
  const looks = state.side === "query", labels = looks ? data.keys : data.queries;
  const label = (looks ? data.queries : data.keys)[state.index];
  $("token-title").textContent = `${name}: ${looks ? `what \u201c${label}\u201d (token ${state.index + 1}) looks at`
                                                    : `who looks at \u201c${label}\u201d (token ${state.index + 1})`}`;
  const ranked = labels.map((text, i) => ({ text, i, w: looks ? weight(state.layer, state.head, state.index, i)
                                                             : weight(state.layer, state.head, i, state.index) }))
      .filter((one) => one.w > 0.002).sort((a, b) => b.w - a.w).slice(0, 8);
  for (const { i, w } of ranked) {
    const item = make($("ranking"), "li"), around = letters ? 5 : 0;
    const code = make(item, "code", { title: `token ${i + 1}` });
    code.append(labels.slice(Math.max(0, i - around), i).join(""));
    make(code, "mark", { textContent: labels[i] });
    code.append(labels.slice(i + 1, i + 1 + around).join(""));
    make(item, "i").style.width = 100 * w / Math.max(0.2, ranked[0].w) + "%";
    make(item, "span", { textContent: percent(w) });
  }
  $("spoken").textContent = $("token-title").textContent + ": " +
      ranked.slice(0, 5).map(({ text, i, w }) => `${text}, token ${i + 1}, ${percent(w)}`).join("; ");
}

let matrix_place = null;
function render_matrix() {
  const canvas = $("matrix"), narrow = window.innerWidth < 1020;
  const room = narrow ? Math.min(560, canvas.parentNode.clientWidth - 34) : 470;
  const longest = (labels) => Math.max(...labels.map((label) => label.length));
  let cell = Math.min(64, (room - 18) / Math.max(T, S));
  const font = Math.min(13, Math.max(cell - 1, 0)), labelled = font >= 7;
  const left = labelled ? Math.max(14, longest(data.queries) * font * 0.62 + 8) : 2;
  const above = labelled ? (!letters ? longest(data.keys) * font * 0.62 + 8 : 16) : 2;
  cell = Math.min(64, (room - left) / Math.max(T, S));
  const width = left + S * cell, height = above + T * cell;
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  const context = sized(canvas, width, height);
  paint(context, state.layer, state.head, left, above, cell);
  context.fillStyle = `rgb(${rgb("--ink")})`;
  context.font = `${font}px ${getComputedStyle(document.body).getPropertyValue("--mono")}`;
  context.textBaseline = "middle";
  for (let t = 0; labelled && t < T; ++t) {
    context.textAlign = "right";
    context.fillText(data.queries[t], left - 4, above + (t + 0.5) * cell);
  }
  for (let s = 0; labelled && s < S; ++s) {
    context.save();
    context.translate(left + (s + 0.5) * cell, above - 3);
    if (!letters) { context.rotate(-Math.PI / 2); context.textAlign = "left"; context.fillText(data.keys[s], 2, 0); }
    else { context.textAlign = "center"; context.fillText(data.keys[s], 0, -5); }
    context.restore();
  }
  context.strokeStyle = `rgb(${rgb("--ink")})`;
  context.lineWidth = 1.25;
  if (state.side === "query") context.strokeRect(left, above + state.index * cell, S * cell, cell);
  if (state.side === "key") context.strokeRect(left + state.index * cell, above, cell, T * cell);
  canvas.setAttribute("aria-label", `Weights of layer ${state.layer + 1}, head ${state.head + 1}; ` +
                                    "the tokens above tell them one by one");
  matrix_place = { left, above, cell };
}
function point_in_matrix(event) {
  const { left, above, cell } = matrix_place;
  const t = Math.floor((event.offsetY - above) / cell), s = Math.floor((event.offsetX - left) / cell);
  if (state.held || t < 0 || t >= T || s < 0 || s >= S) return;
  point("query", t);
  $("matrix-hint").textContent = `\u201c${data.queries[t]}\u201d looks at \u201c${data.keys[s]}\u201d: ` +
      percent(weight(state.layer, state.head, t, s));
}

// --- numbers -----------------------------------------------------------------------------------------------------
const number_rows = [];
function build_numbers() {
  if (data.two_texts) {  // places of two texts cannot be compared
    [...$("numbers").tHead.rows[0].cells].slice(2, 6).forEach((cell) => cell.remove());
    $("numbers-hint").textContent = "Means over all words. Spread: at how many words it would look if it shared its " +
        "weight evenly among them, exp(entropy). Entropy in nats.";
  }
  for (let l = 0; l < L; ++l)
    for (let h = 0; h < H; ++h) {
      const head = data.layers[l][h], row = make($("numbers").tBodies[0], "tr");
      row.style.setProperty("--own", variable_of(h));
      make(row, "th", { scope: "row", textContent: `layer ${l + 1} head ${h + 1}` });
      const places = data.two_texts ? [] : [percent(head.itself), percent(head.previous), percent(head.first),
                                            head.distance.toFixed(1)];
      for (const text of [head.kind, ...places, head.spread.toFixed(1), head.entropy.toFixed(2)])
        make(row, "td", { textContent: text });
      number_rows.push(row);
    }
}

function render() {
  layer_inputs.forEach((input, l) => (input.checked = l === state.layer));
  head_inputs.forEach((input, h) => (input.checked = state.shown.has(h)));
  multiples.forEach((button, n) => {
    const own = n === state.layer * H + state.head;
    button.setAttribute("aria-pressed", own);
    button.tabIndex = own ? 0 : -1;
  });
  number_rows.forEach((row, n) => row.classList.toggle("chosen", n === state.layer * H + state.head));
  render_links();
  render_token();
  render_matrix();
}
function set_theme(dark) {
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  $("theme").setAttribute("aria-pressed", dark);
  render_everything();
}
function render_everything() {
  paint_multiples();
  fit_rows();
  render();
}

$("text").textContent = data.text;
$("facts").textContent = data.facts;
build_multiples();
build_choices();
build_row("key", data.keys);
build_row("query", data.queries);
build_numbers();
$("least").addEventListener("input", (event) => {
  state.least = event.target.value / 100;
  $("least-shown").textContent = event.target.value + "%";
  render_links();
});
$("matrix").addEventListener("pointermove", point_in_matrix);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  state.held = false;
  point(null, -1);
});
const dark_now = matchMedia("(prefers-color-scheme: dark)");
$("theme").addEventListener("click", () => set_theme($("theme").getAttribute("aria-pressed") !== "true"));
$("theme").setAttribute("aria-pressed", dark_now.matches);
dark_now.addEventListener("change", () => set_theme(dark_now.matches));
addEventListener("resize", render_everything);
const clearest = data.layers
    .flatMap((heads, layer) => heads.map((one, head) => ({ layer, head, evenness: one.evenness })))
    .reduce((a, b) => (b.evenness < a.evenness ? b : a));
Object.assign(state, { layer: clearest.layer, head: clearest.head, shown: new Set([clearest.head]) });
render_everything();
)js";

}  // namespace qkv::cli
