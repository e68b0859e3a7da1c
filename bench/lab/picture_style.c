/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The styles. The panels' use plain properties, no variables, for an SVG is also read by programs
 * that know none; those know no media query either, and show the light theme.
 *
 * Each colour keeps three to one with its ground. They were searched for so that any two of the
 * families, and Shoal, lie 25 apart or more in CIELAB (29 in the dark), for usual eyes and for
 * those that lack a kind of cone, as the model of Machado, Oliveira and Fernandes (2009) has it.
 * Marker and label say it again.
 */
#include "picture_panel.h"

const char picture_style_panel[] =
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    "font-size:12px;fill:#1c2126;font-variant-numeric:tabular-nums}\n"
    ".title{font-size:14px;font-weight:600}\n"
    ".heading{font-size:20px;font-weight:700}\n"
    ".quiet{fill:#5a6570}.small{font-size:11px}.strong{font-weight:700}\n"
    ".warning{fill:#9a3412;font-weight:600}\n"
    ".e{text-anchor:end}.m{text-anchor:middle}\n"
    ".ground{fill:#fcfcfb}\n"
    ".grid{stroke:#dfe3e8}.minor{stroke:#eff1f4}.axis{stroke:#8b95a0}\n"
    ".curve{fill:none;stroke:currentColor;stroke-width:1.5;stroke-linejoin:round}\n"
    ".curve.shoal{stroke-width:3.5}\n"
    ".curve.limit{stroke-dasharray:5 4}\n"
    ".lead{fill:none;stroke:currentColor;stroke-dasharray:1.5 2.5}\n"
    ".lead.limit{stroke-dasharray:5 4}\n"
    ".spread{fill:none;stroke:currentColor;stroke-width:5;stroke-opacity:.4}\n"
    ".mark{fill:currentColor}\n"
    ".bar{fill:currentColor}.whisker{stroke:#1c2126;stroke-width:1.5}\n"
    ".plain{color:#8a949f}.outline{fill:none;stroke:#737e8a;stroke-dasharray:4 3}\n"
    ".shoal{color:#0a5bd3}.limit{color:#737e8a}\n"
    ".pipes{color:#613908}.sockets{color:#b48900}.queues{color:#d57059}\n"
    ".wakes{color:#413170}.memory{color:#8c284c}.other{color:#05a19c}\n"
    "@media (prefers-color-scheme:dark){\n"
    "text{fill:#e7eaee}.quiet{fill:#a3adb8}.warning{fill:#ffb089}\n"
    ".ground{fill:#14171c}\n"
    ".grid{stroke:#323942}.minor{stroke:#22272e}.axis{stroke:#77818c}\n"
    ".plain{color:#66707c}.outline{stroke:#99a3ae}.whisker{stroke:#e7eaee}\n"
    ".shoal{color:#5aa5ff}.limit{color:#99a3ae}\n"
    ".pipes{color:#768800}.sockets{color:#ffd665}.queues{color:#d45264}\n"
    ".wakes{color:#9e639a}.memory{color:#c1cee6}.other{color:#69fcb7}\n"
    "}\n";

const char picture_style_page[] =
    ":root{color-scheme:light dark}\n"
    "body{margin:0 auto;max-width:1290px;padding:24px;background:#fcfcfb;color:#1c2126;"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    "h1{font-size:26px;margin:0 0 12px}h2{font-size:20px;margin:36px 0 8px}\n"
    "p{max-width:76ch}.how{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));"
    "gap:0 28px;margin-top:16px}.how p{margin:6px 0}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}\n"
    "dt{color:#5a6570}dd{margin:0;overflow-wrap:anywhere}\n"
    ".alert{border-left:4px solid #c2410c;padding:4px 12px;font-weight:600}\n"
    ".pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:28px;margin:16px 0}\n"
    ".pair svg{width:100%;height:auto;overflow:visible}\n"
    "figure{margin:0}\n"
    "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}\n"

    ".wide{overflow-x:auto}\n"
    "th,td{padding:3px 6px;text-align:right;border-bottom:1px solid #dfe3e8;"
    "white-space:nowrap}\n"
    "th.l,td.l{text-align:left}th{font-weight:600}\n"
    "tr.own{background:#e8f0fc}\n"
    "@media (max-width:900px){.pair{grid-template-columns:minmax(0,1fr)}}\n"
    "@media print{.pair{break-inside:avoid}}\n"
    "@media (prefers-color-scheme:dark){\n"
    "body{background:#14171c;color:#e7eaee}dt{color:#a3adb8}\n"
    "th,td{border-color:#323942}tr.own{background:#1b2a42}.alert{border-color:#fb923c}\n"
    "}\n";
