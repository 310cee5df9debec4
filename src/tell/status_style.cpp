#include "mtls_authz/tell/status_report.hpp"

namespace mtls {

// Lines break between words; a word breaks only where it is longer than the phone's width.
const std::string_view kStatusStyle = R"(
:root { --page: #f3f5f8; --card: #fff; --ink: #1c2229; --dim: #566270; --line: #d9dfe6; --soft: #eef1f5;
  --up: #3d7ea6; --down: #c8303f; --focus: #0b63ce; --bad-soft: #fdecec; --warn-soft: #fdf3dc; --good-soft: #e7f5ec; }
@media (prefers-color-scheme: dark) { :root { --page: #0e1217; --card: #171d24; --ink: #e4e9ef; --dim: #9eabb9;
  --line: #2c3540; --soft: #1f2730; --up: #5fa8d3; --down: #ff7b7b; --focus: #7cb7ff; --bad-soft: #3a1c20;
  --warn-soft: #352a14; --good-soft: #16301f; } }
body { max-width: 80rem; padding: 1.25rem; background: var(--page); color: var(--ink); line-height: 1.45; }
a { color: inherit; text-decoration-color: var(--dim); text-underline-offset: .2em; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: .25rem; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; z-index: 1; }
h2 { font-size: 1.1rem; margin: 0; }
h3 { font-size: 1rem; margin: 0; font-weight: 600; }
.note { color: var(--dim); opacity: 1; margin: 0; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.good, .warn, .bad { font-weight: 600; }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.25rem; margin: 0 0 1rem; }
.name, h3, .lines, dd, td, th { overflow-wrap: break-word; }
code { overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .25rem 2rem; margin: 0 0 1rem; }
header h1 { font-size: 1.35rem; margin: 0; }
header p { margin: 0; }
.clock { font-variant-numeric: tabular-nums; color: var(--dim); }
.clock b { color: var(--ink); font-size: 1.1rem; }
.state { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 24rem); gap: 1rem 2rem; align-items: end; border-left: .4rem solid var(--good); }
.state.is-warn { border-left-color: var(--warn); } .state.is-bad { border-left-color: var(--bad); }
.verdict { font-size: 1.6rem; line-height: 1.2; font-weight: 700; margin: 0 0 .75rem; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 0; padding: 0; list-style: none; }
.figures b { display: block; font-size: 1.25rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.figures span { color: var(--dim); font-size: .875rem; }
figure { margin: 0; } figcaption { display: flex; justify-content: space-between; color: var(--dim); font-size: .8rem; }
.bars { display: block; width: 100%; height: 1.75rem; } .bars.large { height: 5rem; }
.bars .base { fill: var(--line); } .bars .up { fill: var(--up); } .bars .down { fill: var(--down); }
.key { display: inline-block; width: .65rem; height: .65rem; border-radius: .15rem; margin-right: .3rem; }
.key.up { background: var(--up); } .key.down { background: var(--down); }
.troubles { margin: .5rem 0 0; padding: 0; list-style: none; }
.troubles > li { display: grid; grid-template-columns: 1.75rem minmax(0, 1fr); gap: 0 .5rem; padding: .75rem 0; border-top: 1px solid var(--line); }
.troubles > li:first-child { border-top: 0; }
.sign { width: 1.5rem; height: 1.5rem; border-radius: 50%; text-align: center; font-weight: 700; line-height: 1.5rem; background: var(--warn-soft); color: var(--warn); }
.urgent .sign { background: var(--bad-soft); color: var(--bad); }
.troubles p { margin: .15rem 0 0; } .troubles .advice { color: var(--dim); }
.lines { list-style: none; margin: .4rem 0 0; padding: .4rem .75rem; background: var(--soft); border-radius: .35rem; font: .85rem/1.5 ui-monospace, monospace; }
.tools { display: flex; flex-wrap: wrap; gap: .75rem 1.5rem; align-items: center; justify-content: space-between; margin: .75rem 0; }
.tools nav { display: flex; flex-wrap: wrap; gap: .4rem; }
.tools nav a { border: 1px solid var(--line); border-radius: 2rem; padding: .2rem .75rem; text-decoration: none; }
.tools nav a:hover { background: var(--soft); }
.tools nav a[aria-current] { background: var(--ink); color: var(--card); border-color: var(--ink); }
.tools nav b { font-variant-numeric: tabular-nums; font-weight: 600; margin-left: .25rem; }
.tools nav .none { color: var(--dim); }
form { display: flex; gap: .4rem; }
input, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .35rem; padding: .25rem .6rem; min-width: 0; }
input { width: 14rem; } button { background: var(--soft); cursor: pointer; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
td, th { padding: .6rem 1rem .6rem 0; font-variant-numeric: tabular-nums; }
td:last-child { padding-right: 0; }
thead th { border-top: 0; font-size: .8rem; color: var(--dim); font-weight: 600; white-space: nowrap; padding-top: 0; }
tbody th { font-weight: 600; }
.more td { border-top: 0; padding-top: 0; }
[data-label="Last 24 hours"] { min-width: 9rem; } [data-label="Last seen"], [data-label="Ends in"], .sub .bad { white-space: nowrap; }
.tag { display: inline-block; white-space: nowrap; border-radius: .3rem; padding: 0 .4rem; margin: 0 .25rem .25rem 0; font-size: .875rem; font-weight: 600; background: var(--soft); color: var(--dim); }
.tag.is-bad { background: var(--bad-soft); color: var(--bad); } .tag.is-warn { background: var(--warn-soft); color: var(--warn); } .tag.is-good { background: var(--good-soft); color: var(--good); }
.sub { display: block; color: var(--dim); font-size: .875rem; font-weight: 400; }
.gone .name { text-decoration: line-through; }
td summary { cursor: pointer; } td summary::marker { color: var(--dim); font-size: .8em; } td details dl { font-size: .875rem; margin: .25rem 0 .5rem; }
dl { grid-template-columns: minmax(6rem, max-content) minmax(0, 1fr); gap: .15rem 1rem; } dt { font-weight: 600; color: var(--dim); }
summary { cursor: pointer; } .card > summary h2 { display: inline; } .count { color: var(--dim); margin-left: .4rem; }
.card[open] > summary { margin-bottom: .75rem; }
.example { border-left: 3px solid var(--line); padding: .25rem 0 .25rem .75rem; margin: .5rem 0; }
.card h3 { margin: 1rem 0 0; }
.plain { margin: 0 0 .75rem; padding: 0; list-style: none; } .plain li { padding: .2rem 0; }
@media (max-width: 56rem) {
  .state { grid-template-columns: minmax(0, 1fr); }
  table, tbody, tr, td, tbody th { display: block; width: auto; }
  thead { display: none; }
  tbody { border-top: 1px solid var(--line); padding: .6rem 0; }
  .card tbody, .tools + table + tbody { border-top: 0; } .card tr { border-top: 1px solid var(--line); padding: .5rem 0; }
  td, tbody th { border: 0; padding: .15rem 0; }
  td { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .5rem; }
  td.empty { display: none; }
  td::before { content: attr(data-label); color: var(--dim); font-size: .875rem; }
  .more { margin-top: .5rem; padding-top: .25rem; border-top: 1px dashed var(--line); }
  [data-label="Last 24 hours"] { min-width: 0; } [data-label="Last seen"], [data-label="Ends in"] { white-space: normal; }
}
@media (max-width: 36rem) {
  body { padding: .75rem; } .card, section { padding: .85rem; } .verdict { font-size: 1.35rem; }
  form { width: 100%; } input { flex: 1; width: auto; } dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
}
@media (forced-colors: active) { .bars .up { fill: CanvasText; } .bars .down { fill: Highlight; } }
)";

}  // namespace mtls
