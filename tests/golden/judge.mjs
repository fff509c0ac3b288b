// What a copy must be beside the message that was submitted, from what copy-compare says of the two; TAP lines with figures.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { decodePart } from "./decode.mjs";
import { compareHtml, compareText } from "./html-compare.mjs";

/** Runs a tool that prints JSON lines. */
export function jsonLines(tools, program, args, input) {
  const out = execFileSync(join(tools, program), args, { input, maxBuffer: 1 << 30, stdio: ["pipe", "pipe", "inherit"] });
  return out.toString("utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

// ---- one copy ----

/** Figures and errors of a set of copies. */
export class Tally {
  constructor(name) {
    Object.assign(this, { name, messages: 0, refused: 0, same: 0, html: 0, equal: 0, text: 0, wrapped: 0, conditional: 0, textLinks: 0, left: 0, recoded: 0, decoded: 0, undecoded: 0 });
    this.errors = [];
  }

  error(where, what) {
    this.errors.push(`${where}: ${what}`);
  }
}

/** Where and what: an admin can act on it. */
export const CLEAR = /^(part [\d.]+ \(text\/[\w.-]+\)|header [\w-]+): line \d+, column \d+: \S|^the message has /;
export const ERR_LIMIT = 4;
export const NAMES = { plain: "templates off", templates: "templates on", denied: "tracking denied" };

function judgeDecoding(t, where, file, side) {
  const own = decodePart(file.subarray(side.start, side.end), side.cte, side.charset);
  if (own === null) t.undecoded++;
  else if (own.equals(Buffer.from(side.text, "base64url"))) t.decoded++;
  else t.error(where, `another decoder reads something else (${side.cte}, ${side.charset})`);
}

function judgePart(t, where, pair, part, pixel, onlyBytes) {
  const before = Buffer.from(part.before.text, "base64url");
  const after = Buffer.from(part.after.text, "base64url");
  t.recoded += part.recoded;
  judgeDecoding(t, where, pair.bytes, part.after);
  if (part.subtype === "html") {
    const c = compareHtml(before, after, pair.tokens, pixel, onlyBytes);
    t.html++;
    t.equal += c.errors.length === 0;
    t.wrapped += c.wrapped;
    t.conditional += c.conditional;
    for (const e of c.errors) t.error(where, e);
  } else if (part.subtype === "plain") {
    const c = compareText(before, after, pair.tokens);
    t.text++;
    t.textLinks += c.wrapped;
    for (const e of c.errors) t.error(where, e);
  } else if (part.changed) {
    t.error(where, `text/${part.subtype} changed`);
  }
}

/** pair: what copy-compare printed; way: a key of NAMES; onlyBytes: HTML is compared without trees. */
export function judgePair(t, pair, way, onlyBytes = false) {
  const name = `${basename(pair.before)} (${NAMES[way]})`;
  let pixel = way !== "denied";
  t.messages++;
  t.same += pair.same;
  for (const failure of pair.failures) t.error(name, failure);
  pair.bytes = readFileSync(pair.after);
  for (const part of pair.parts) {
    const where = `${name} part ${part.path}`;
    if (part.left) {
      t.left++;
    } else if (way === "denied") {
      if (part.changed) t.error(where, "changed without tracking");
    } else if (way === "templates" && /\{\{/.test(Buffer.from(part.before.text, "base64url").toString("latin1"))) {
      if (part.subtype === "html") pixel = false;
      judgeDecoding(t, where, pair.bytes, part.after);
    } else {
      judgePart(t, where, pair, part, pixel && part.subtype === "html", onlyBytes);
      if (part.subtype === "html") pixel = false;
    }
  }
}

// ---- TAP ----

let count = 0, failed = 0;

export function tell(t, figures) {
  count++;
  const ok = t.errors.length === 0 && t.messages > 0;
  if (!ok) failed++;
  console.log(`${ok ? "ok" : "not ok"} ${count} - ${t.name}: ${figures}`);
  for (const e of t.errors.slice(0, 40)) console.log(`# ${e.slice(0, 500)}`);
  if (t.errors.length > 40) console.log(`# and ${t.errors.length - 40} more`);
}

export function figures(t) {
  const list = [`${t.messages} copies`];
  if (t.html) list.push(`${t.equal}/${t.html} HTML parts equal`, `${t.wrapped} links wrapped (${t.conditional} in conditional comments)`);
  if (t.text) list.push(`${t.textLinks} in ${t.text} text parts`);
  list.push(`${t.same} unchanged parts byte for byte`);
  if (t.left) list.push(`${t.left} left alone (no known charset or encoding)`);
  if (t.recoded) list.push(`${t.recoded} encoded anew`);
  if (t.refused) list.push(`${t.refused} refused with a clear reason`);
  if (t.decoded) list.push(`${t.decoded} read alike by another decoder${t.undecoded ? ` (${t.undecoded} in a charset it lacks)` : ""}`);
  return list.join(", ");
}

export function skip(name, why) {
  console.log(`ok ${++count} - ${name} # SKIP ${why}`);
}

/** After the last. */
export function done() {
  console.log(`1..${count}`);
  process.exitCode = failed > 0 || count === 0 ? 1 : 0;
}
