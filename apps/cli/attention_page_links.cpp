// The page's script, first half: its data, the small pictures of all heads, tokens and the links between them.
#include "apps/cli/attention_page.h"

namespace qkv::cli {

const char* const attention_page_links = R"js(
"use strict";
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const T = data.queries.length, S = data.keys.length, L = data.layers.length, H = data.layers[0].length;
const state = { layer: 0, head: 0, shown: new Set([0]), side: "query", index: data.looking, held: false, least: 0.03 };

const weight = (layer, head, t, s) => (data.layers[layer][head].weights[t][s] || 0) / 10000;
const percent = (x) => (x > 0 && x < 0.005 ? "<1%" : Math.round(100 * x) + "%");
const variable_of = (head) => "var(--head-" + (head % 8) + ")";
const make = (parent, name, properties = {}) =>
  parent.appendChild(Object.assign(document.createElement(name), properties));
const letters = Math.max(...data.keys.map((label) => label.length)) <= 2;
const is_blank = (label) => /^[\u2423\u23ce\u21e5]$/.test(label);

// Colours as the style sheet has them now, light or dark: "r, g, b".
function rgb(name) {
  const probe = make(document.body, "i");
  probe.style.color = "var(" + name + ")";
  const numbers = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).join(", ");
  probe.remove();
  return numbers;
}

// Square roots, so that a tenth of the weight can still be seen.
const strength = (w) => (w < 0.002 ? 0 : Math.sqrt(w));

function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(canvas.width / width, canvas.height / height);
  return context;
}

function paint(context, layer, head, x, y, cell) {
  const colour = rgb("--head-" + (head % 8)), gap = cell >= 12 ? 1 : 0;
  for (let t = 0; t < T; ++t) {
    const row = data.layers[layer][head].weights[t];
    context.fillStyle = `rgba(${colour}, 0.07)`;
    context.fillRect(x, y + t * cell, row.length * cell, cell);
    for (let s = 0; s < row.length; ++s) {
      const a = strength(row[s] / 10000);
      if (a < 0.05) continue;
      context.fillStyle = `rgba(${colour}, ${a})`;
      context.fillRect(x + s * cell, y + t * cell, cell - gap, cell - gap);
    }
  }
}

// --- all heads ---------------------------------------------------------------------------------------------------
const multiples = [];
function build_multiples() {
  $("all").style.gridTemplateColumns = `repeat(${H}, minmax(0, 1fr))`;
  for (let l = 0; l < L; ++l)
    for (let h = 0; h < H; ++h) {
      const button = make($("all"), "button", { type: "button", className: "multiple", tabIndex: -1 });
      button.style.setProperty("--own", variable_of(h));
      button.setAttribute("aria-label", `Layer ${l + 1}, head ${h + 1}. ${data.layers[l][h].words}`);
      button.title = `Layer ${l + 1}, head ${h + 1}. ${data.layers[l][h].words}`;
      make(button, "canvas");
      const caption = make(button, "small");
      make(caption, "b", { textContent: `${l + 1}.${h + 1} ` });
      caption.append(H <= 6 ? data.layers[l][h].kind : "");
      button.addEventListener("click", () => choose(l, h));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -H, ArrowDown: H }[event.key];
        const next = multiples[l * H + h + step];
        if (!step || !next) return;
        event.preventDefault();
        next.click();
        next.focus();
      });
      multiples.push(button);
    }
}
function paint_multiples() {
  multiples.forEach((button, n) => {
    const side = Math.max(T, S), pixels = Math.max(60, button.clientWidth - 6);
    paint(sized(button.firstChild, pixels, pixels), Math.floor(n / H), n % H, 0, 0, pixels / side);
  });
  const ramp = $("ramp"), context = sized(ramp, 200, 12), colour = rgb("--head-0");
  for (let i = 0; i < 200; ++i) {
    context.fillStyle = `rgba(${colour}, ${Math.sqrt(i / 199)})`;
    context.fillRect(i, 0, 1, 12);
  }
  $("ramp-ends").textContent = "0 to 100%";
}

// --- layer and heads ---------------------------------------------------------------------------------------------
function chip(parent, type, name, text, label, change) {
  const own = make(parent, "label", { className: "chip" });
  const input = make(own, "input", { type, name });
  input.setAttribute("aria-label", label);
  make(own, "span", { textContent: text });
  input.addEventListener("change", () => change(input.checked));
  return input;
}
const layer_inputs = [], head_inputs = [];
function build_choices() {
  for (let l = 0; l < L; ++l)
    layer_inputs.push(chip($("layers"), "radio", "layer", l + 1, `layer ${l + 1}`,
                           () => choose(l, state.head, state.shown)));
  for (let h = 0; h < H; ++h) {
    head_inputs.push(chip($("heads"), "checkbox", "head", h + 1, `head ${h + 1}`, (on) => {
      if (on) state.shown.add(h);
      else if (state.shown.size > 1) state.shown.delete(h);
      choose(state.layer, on ? h : Math.min(...state.shown), state.shown);
    }));
    head_inputs[h].parentNode.style.setProperty("--own", variable_of(h));
  }
}
function choose(layer, head, shown = new Set([head])) {
  Object.assign(state, { layer, head, shown: new Set(shown) });
  render();
}

// --- tokens and links --------------------------------------------------------------------------------------------
const tokens = { key: [], query: [] };
function build_row(side, labels) {
  labels.forEach((label, i) => {
    const token = make($(side + "-row"), "button", { type: "button", tabIndex: -1, textContent: label });
    token.className = "token" + (letters ? "" : " word") + (is_blank(label) ? " blank" : "");
    token.setAttribute("aria-label", `${side === "query" ? "what looks" : "looked at"}: token ${i + 1}, ${label}`);
    token.addEventListener("pointerenter", () => state.held || point(side, i));
    token.addEventListener("focus", () => state.held || point(side, i));
    token.addEventListener("click", () => {
      state.held = !(state.held && state.side === side && state.index === i);
      point(side, i);
    });
    token.addEventListener("keydown", (event) => move(event, side, i));
    tokens[side].push(token);
  });
}
// Tokens shrink until the longer row fits into the panel, but no further than they can be read; beyond that the panel
// scrolls, and says so.
function fit_rows() {
  const links = $("links"), room = links.parentNode.clientWidth;
  links.style.setProperty("--share", room / Math.max(T, S) + "px");
  links.style.setProperty("--size", "15px");
  const size = Math.max(9, Math.min(15, Math.floor(150 * room / links.offsetWidth) / 10));
  links.style.setProperty("--size", size + "px");
  $("beyond").hidden = links.offsetWidth <= room + 1;
  const pointed = state.side === null ? null : tokens[state.side][state.index];
  if (pointed) links.parentNode.scrollLeft = middle(pointed) - room / 2;
}
function move(event, side, i) {
  const other = side === "query" ? "key" : "query", across = i + (side === "query" ? S - T : T - S);
  const next = {
    ArrowLeft: tokens[side][i - 1], ArrowRight: tokens[side][i + 1], Home: tokens[side][0], End: tokens[side].at(-1),
    ArrowUp: side === "query" && tokens.key[across], ArrowDown: side === "key" && tokens.query[across],
  }[event.key];
  if (!next) return;
  event.preventDefault();
  state.held = false;
  next.focus();
}
function point(side, index) {
  Object.assign(state, { side, index });
  render_links();
  render_token();
  render_matrix();
}

function middle(token) {
  return token.offsetLeft + token.offsetWidth / 2;
}
function line(t, s, head, w, near) {
  const alone = state.side === null, path = document.createElementNS($("lines").namespaceURI, "path");
  const x0 = middle(tokens.query[t]), x1 = middle(tokens.key[s]), height = 210, bend = 80;
  path.setAttribute("d", `M${x0} ${height}C${x0} ${height - bend} ${x1} ${bend} ${x1} 0`);
  path.style.stroke = variable_of(head);
  path.style.strokeWidth = near ? 1 + 9 * w : 0.5 + 3 * w;
  path.style.strokeOpacity = near ? 0.25 + 0.75 * w : alone ? 0.1 + 0.6 * w : 0.04 + 0.16 * w;
  return path;
}
function render_links() {
  const far = [], near = [];
  for (const h of state.shown)
    for (let t = 0; t < T; ++t)
      data.layers[state.layer][h].weights[t].forEach((whole, s) => {
        const w = whole / 10000;
        if (w < state.least || w === 0) return;
        const touched = state.index === (state.side === "query" ? t : state.side === "key" ? s : -1);
        (touched ? near : far).push([t, s, h, w, touched]);
      });
  near.sort((a, b) => a[3] - b[3]);
  $("lines").replaceChildren(...far.concat(near).map((link) => line(...link)));
  for (const side of ["key", "query"])
    tokens[side].forEach((token, i) => {
      const own = state.side === side && state.index === i;
      token.classList.toggle("pointed", own);
      token.tabIndex = own || (state.side === null && i === 0) || (state.side !== side && i === 0) ? 0 : -1;
      let best = 0, head = state.head;
      if (state.side !== null && state.side !== side)
        for (const h of state.shown) {
          const w = side === "key" ? weight(state.layer, h, state.index, i) : weight(state.layer, h, i, state.index);
          if (w > best) [best, head] = [w, h];
        }
      token.style.background = best > 0.002
          ? `color-mix(in srgb, ${variable_of(head)} ${Math.round(80 * Math.sqrt(best))}%, transparent)` : "";
    });
}
)js";

}  // namespace qkv::cli
