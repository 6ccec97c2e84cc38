// The page's style sheet, light and dark.
#include "apps/cli/attention_page.h"

namespace qkv::cli {

const char* const attention_page_style = R"css(
:root {
  color-scheme: light dark;
  --page: light-dark(#f4f5f7, #101216);
  --card: light-dark(#ffffff, #191c22);
  --edge: light-dark(#dfe2e8, #2b303a);
  --ink: light-dark(#1b1e24, #eceef2);
  --soft: light-dark(#5a6270, #a3abba);
  --accent: light-dark(#2166c4, #78b1ff);
  --head-0: light-dark(#2a6fd0, #6cacff);
  --head-1: light-dark(#c9560f, #ff9c57);
  --head-2: light-dark(#0f806a, #3ecfae);
  --head-3: light-dark(#7a3fc0, #bd93ff);
  --head-4: light-dark(#c2274f, #ff7d9a);
  --head-5: light-dark(#8a6d00, #e5c04a);
  --head-6: light-dark(#3f7a1d, #93d162);
  --head-7: light-dark(#a0338f, #f08bdf);
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
* { box-sizing: border-box; }
body { margin: 0; padding: 20px clamp(12px, 2vw, 32px) 40px; background: var(--page); color: var(--ink);
  font: 15px/1.5 var(--sans); max-width: 1560px; margin-inline: auto; }
header { display: flex; justify-content: space-between; align-items: start; gap: 20px; margin-bottom: 16px; }
h1 { font-size: 24px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 15px; margin: 0; }
blockquote { margin: 0; font-family: var(--mono); font-size: 14px; white-space: pre-wrap; overflow-wrap: anywhere;
  max-height: 6.2em; overflow: auto; }
.facts, .hint { color: var(--soft); font-size: 13px; margin: 6px 0 0; }
main { display: grid; grid-template-columns: minmax(250px, 400px) minmax(0, 1fr); gap: 16px; align-items: start; }
.right { display: grid; gap: 16px; min-width: 0; }
.pair { display: grid; grid-template-columns: minmax(250px, 1fr) auto; gap: 16px;
  align-items: start; }
.wide { grid-column: 1 / -1; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 14px 16px; min-width: 0; }
.scroll { overflow-x: auto; }
.bar { display: flex; flex-wrap: wrap; gap: 6px 22px; align-items: center; margin-bottom: 10px; font-size: 13px; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
legend { float: left; padding: 0 6px 0 0; color: var(--soft); }
.least { color: var(--soft); display: flex; align-items: center; gap: 6px; }
.least input { width: 90px; accent-color: var(--accent); }
.least output { min-width: 3ch; color: var(--ink); font-variant-numeric: tabular-nums; }
.chip { position: relative; }
.chip input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; }
.chip span { display: block; min-width: 28px; padding: 1px 8px; text-align: center; border: 1px solid var(--edge);
  border-radius: 6px; color: var(--soft); }
.chip input:checked + span { background: var(--own, var(--ink)); border-color: var(--own, var(--ink));
  color: var(--card); font-weight: 600; }
.chip input:focus-visible + span, button:focus-visible, .token:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 2px; }
button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: 6px;
  cursor: pointer; }
#theme { padding: 3px 12px; font-size: 13px; flex: none; }
#links { position: relative; width: max-content; min-width: 100%; }
.row { display: flex; justify-content: center; font-size: var(--size, 15px); }
.token { font: 1em/1 var(--mono); padding: 7px 0; min-width: clamp(1em, var(--share), 20px); border: 0;
  border-radius: 4px; background: none; white-space: pre; flex: none; text-align: center; }
.token.word { padding: 7px 0.5em; }
.token.blank { color: var(--soft); }
.token.pointed { background: var(--ink) !important; color: var(--card); font-weight: 700; }
#lines { display: block; width: 100%; height: 210px; overflow: visible; }
#lines path { fill: none; stroke-linecap: round; }
#all { display: grid; gap: 5px; margin: 10px 0; }
.multiple { padding: 3px; border-radius: 6px; border: 1px solid transparent; background: none; min-width: 0;
  text-align: left; display: flex; flex-direction: column; justify-content: flex-start; }
.multiple:hover { border-color: var(--edge); }
.multiple[aria-pressed="true"] { border-color: var(--own); box-shadow: 0 0 0 1px var(--own); }
.multiple canvas { width: 100%; aspect-ratio: 1; display: block; border-radius: 3px; }
.multiple small { display: block; font-size: 11px; line-height: 1.25; margin-top: 3px; color: var(--soft);
  min-height: 2.5em; }
.multiple b { color: var(--ink); font-weight: 600; }
.legend { display: flex; gap: 8px; align-items: center; font-size: 12px; color: var(--soft); }
#ramp { height: 12px; flex: 1; border-radius: 3px; min-width: 0; }
#words { margin: 8px 0 4px; font-size: 14px; }
#ranking { list-style: none; margin: 10px 0 0; padding: 0; font-size: 14px; }
#ranking { display: grid; grid-template-columns: max-content 1fr 5ch; column-gap: 12px; }
#ranking li { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; padding: 2px 0; }
#ranking code { font-family: var(--mono); color: var(--soft); white-space: pre; justify-self: center; }
#ranking mark { background: none; color: var(--own); font-weight: 700; }
#ranking i { height: 10px; border-radius: 2px; background: var(--own); display: block; min-width: 1px; }
#ranking span { text-align: right; font-variant-numeric: tabular-nums; }
#matrix { display: block; margin-top: 8px; max-width: 100%; cursor: crosshair; }
table { border-collapse: collapse; font-size: 13px; margin-top: 8px; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 12px; border-bottom: 1px solid var(--edge); white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
thead th { color: var(--soft); font-weight: 500; }
tbody tr.chosen { background: color-mix(in srgb, var(--own) 14%, transparent); }
tbody th { font-weight: 600; color: var(--own); }
kbd { font: 12px var(--mono); border: 1px solid var(--edge); border-radius: 4px; padding: 0 4px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 1020px) { main, .pair { grid-template-columns: minmax(0, 1fr); } .all { max-width: 640px; } }
@media print { body { max-width: none; } #theme, .hint { display: none; } }
)css";

}  // namespace qkv::cli
