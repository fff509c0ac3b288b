// The chart of the loop: one panel for each figure, waves from left to right, control and learned with their 95% intervals.
const W = 420, H = 220, LEFT = 56, TOP = 34, RIGHT = 14, BOTTOM = 32;
const COLOURS = { control: "#6b7280", learned: "#0f766e" };

function panel(title, waves, key, percent, x0, y0) {
  const shown = (v) => (percent ? `${(100 * v).toFixed(1)} %` : v.toFixed(2));
  const top = Math.max(1e-9, ...waves.flatMap((w) => Object.values(w[key]).map((r) => r.value + 1.96 * (r.se || 0))));
  const x = (i, side) => x0 + LEFT + ((i + 0.5) / waves.length) * (W - LEFT - RIGHT) + (side === "learned" ? 4 : -4);
  const y = (v) => y0 + TOP + (1 - Math.max(0, v) / top) * (H - TOP - BOTTOM);
  const out = [`<text x="${x0 + LEFT}" y="${y0 + 20}" class="t">${title}</text>`];
  for (const part of [0, 0.5, 1]) {
    out.push(`<line x1="${x0 + LEFT}" x2="${x0 + W - RIGHT}" y1="${y(part * top)}" y2="${y(part * top)}" class="g"/>`);
    out.push(`<text x="${x0 + LEFT - 6}" y="${y(part * top) + 4}" class="n">${shown(part * top)}</text>`);
  }
  waves.forEach((w, i) => out.push(`<text x="${x(i) + 4}" y="${y0 + H - 12}" class="w">${i + 1}</text>`));
  for (const [side, colour] of Object.entries(COLOURS)) {
    out.push(`<polyline fill="none" stroke="${colour}" stroke-width="2" points="${waves.map((w, i) => `${x(i, side)},${y(w[key][side].value)}`).join(" ")}"/>`);
    waves.forEach((w, i) => {
      const { value, se } = w[key][side];
      if (se > 0) out.push(`<line x1="${x(i, side)}" x2="${x(i, side)}" y1="${y(value - 1.96 * se)}" y2="${y(value + 1.96 * se)}" stroke="${colour}"/>`);
      out.push(`<circle cx="${x(i, side)}" cy="${y(value)}" r="3" fill="${colour}"><title>wave ${i + 1}, ${side}: ${shown(value)}</title></circle>`);
    });
  }
  return out.join("\n");
}

/** waves: [{ clicked, converted, unsubscribed, sends: { control, learned } }], each side { value, se }. */
export function chart(title, waves) {
  const panels = [["Clicks per copy", "clicked", true], ["Conversions per copy", "converted", true], ["Unsubscribed per copy", "unsubscribed", true], ["Copies per customer", "sends", false]];
  const body = panels.map(([name, key, percent], i) => panel(name, waves, key, percent, (i % 2) * W, 40 + Math.floor(i / 2) * H));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * W} ${2 * H + 50}" font-family="sans-serif" font-size="11" role="img" aria-label="${title}">
<style>.t{font-size:13px;font-weight:600}.g{stroke:#e5e7eb}.n{text-anchor:end;fill:#374151}.w{text-anchor:middle;fill:#374151}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="24" font-size="15" font-weight="600">${title}</text>
<g transform="translate(${2 * W - 260},20)"><circle r="4" fill="${COLOURS.control}"/><text x="9" y="4">control</text><circle cx="75" r="4" fill="${COLOURS.learned}"/><text x="84" y="4">learned (95% intervals)</text></g>
${body.join("\n")}
</svg>
`;
}
