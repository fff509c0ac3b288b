// What the crash tests have in common: options, chance that can be had again, progress on a terminal.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Numbers by name, and json (a file name or undefined): defaults, unless the command line says otherwise. */
export function options(defaults) {
  const known = { ...Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: "string" }])), json: { type: "string" } };
  const { values } = parseArgs({ options: known });
  const out = { json: values.json };
  for (const [name, value] of Object.entries(defaults)) {
    out[name] = values[name] === undefined ? value : Number(values[name]);
    if (!Number.isSafeInteger(out[name]) || out[name] < 0) throw new Error(`--${name} takes a whole number, not "${values[name]}"`);
  }
  return out;
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function chance(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** list in an order that random says. */
export function shuffled(list, random) {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** One line that is written over; only on a terminal. */
export function progress(text = "") {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** Rows of cells as lines of equal columns, the first to the left. */
export function table(rows) {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => String(row[c]).length)));
  return rows.map((row) => row.map((cell, c) => (c === 0 ? String(cell).padEnd(widths[c]) : String(cell).padStart(widths[c]))).join("  ")).join("\n");
}

export function writeJson(file, object) {
  if (file) writeFileSync(file, `${JSON.stringify(object, null, 2)}\n`);
}

/** Milliseconds of processor time that a process has had (clock ticks are 10 ms on Linux, whatever the kernel's HZ). */
export function processorTime(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
