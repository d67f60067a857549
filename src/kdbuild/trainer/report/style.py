"""The style sheet of a report: light and dark, for phones, screens and paper."""

STYLE = """\
:root {
  --page: #f4f6f8; --card: #ffffff; --text: #1f2328; --muted: #59636e; --line: #d9dee3; --accent: #0072b2;
  --warn: #fff6e5; --warn-line: #e69f00;
}
figure img { display: block; }
figure img.dark { display: none; }
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0d1013; --card: #15191e; --text: #e8edf2; --muted: #a3acb5; --line: #353c44; --accent: #56b4e9;
    --warn: #2a2212; --warn-line: #b98000;
  }
  figure img.light { display: none; }
  figure img.dark { display: block; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 72rem; background: var(--page);
  color: var(--text); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere;
}
h1 { margin: 0; font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.2; }
h2 { margin: 0; font-size: 1.2rem; }
p { margin: 0; }
.kicker { margin: 0; color: var(--accent); font-weight: 600; letter-spacing: 0.03em; }
.lead { margin: 0.4rem 0 1.6rem; color: var(--muted); }
section, .cards > div {
  background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem;
}
section { margin: 1.25rem 0; padding: clamp(1rem, 3vw, 1.6rem); }
section > :not(h2) { margin-top: 1.2rem; }
section > :last-child { margin-bottom: 0; }
dl, dd { margin: 0; }
.cards { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(9.2rem, 1fr)); }
.cards > div { padding: 0.8rem 1rem; }
.cards dt { color: var(--muted); font-size: 0.9rem; }
.cards strong { display: block; font-size: clamp(1.4rem, 2.8vw, 1.9rem); line-height: 1.3; font-variant-numeric: tabular-nums; }
.cards span { color: var(--muted); font-size: 0.85rem; line-height: 1.35; display: block; }
.warning {
  margin: 1.25rem 0; padding: 0.9rem 1.2rem; background: var(--warn); border-left: 4px solid var(--warn-line);
  border-radius: 0.4rem;
}
.warning ul { margin: 0.3rem 0 0; padding-left: 1.2rem; }
.pictures { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; }
figure img { width: 100%; max-width: 36rem; height: auto; }
.wide img { max-width: 60rem; min-width: 42rem; }
figcaption { margin-top: 0.6rem; max-width: 36rem; color: var(--muted); font-size: 0.9rem; }
@media (min-width: 60rem) {
  .pictures figure:only-child { display: grid; grid-template-columns: 36rem minmax(0, 1fr); gap: 0 2rem; align-items: center; }
}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.95rem; }
th { color: var(--muted); font-size: 0.85rem; font-weight: 600; text-align: left; }
th, td { padding: 0.45rem 0.9rem 0.45rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th, td { overflow-wrap: break-word; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.mistakes td:nth-last-child(n+4) { min-width: 14rem; overflow-wrap: anywhere; }
.times td:last-child { width: 60%; }
.bar { display: block; height: 0.8rem; margin-top: 0.35rem; min-width: 1px; border-radius: 2px; background: var(--accent); }
.facts { display: grid; gap: 0.5rem; }
.facts > div { display: grid; gap: 0 1rem; grid-template-columns: 6rem 1fr; }
.facts dt { color: var(--muted); }
@media (max-width: 40rem) {
  .mistakes thead { display: none; }
  .mistakes tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
  .mistakes tr:last-child { border-bottom: 0; }
  .mistakes td { border: 0; padding: 0; min-width: 0; overflow-wrap: anywhere; }
  .mistakes td:nth-last-child(n+4) { flex: 1 0 100%; min-width: 0; }
  .mistakes td:nth-last-child(-n+3) { color: var(--muted); font-size: 0.9rem; }
  .mistakes td:last-child { margin-left: auto; }
  .mistakes td:nth-last-child(3)::before { content: "true: "; }
  .mistakes td:nth-last-child(2)::before { content: "answer: "; }
}
code, pre { font: 0.88em/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.digest { color: var(--muted); font-size: 0.8em; }
pre { margin: 0; padding: 0.9rem 1.1rem; background: var(--page); border-radius: 0.5rem; width: max-content; min-width: 100%; }
summary { cursor: pointer; margin-bottom: 0.6rem; }
@media print {
  html { font-size: 11px; }
  body { max-width: none; padding: 0; background: #fff; }
  section, .cards > div { border-color: #bbb; }
  section { margin: 0.8rem 0; }
  figure, tr, .cards > div { break-inside: avoid; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
  .wide img { min-width: 0; }
  pre { white-space: pre-wrap; width: auto; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
