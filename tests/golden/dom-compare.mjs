// Tailors the corpora and judges every copy with parsers that are not ours.
//
//	node dom-compare.mjs TOOLS CORPUS
//
// TOOLS holds corpus-tailor and copy-compare. Each HTML file of CORPUS/campaigns and of fixtures/ is sent as quoted-printable,
// base64 and 8bit; each file of CORPUS/mime and CORPUS/mime-hostile as it is. Prints TAP.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodePart } from "./decode.mjs";
import { compareHtml, compareText } from "./html-compare.mjs";
import { htmlMessages } from "./messages.mjs";
import { simpleParser } from "./parsers.mjs";

const [tools, corpus] = process.argv.slice(2);
if (!tools || !corpus) {
  console.error("usage: dom-compare.mjs TOOLS CORPUS");
  process.exit(64);
}
const dir = mkdtempSync(join(tmpdir(), "mailtailor-corpus-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

function files(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath ?? e.path, e.name))
    .sort();
}

function jsonLines(program, args, input) {
  const out = execFileSync(join(tools, program), args, { input, maxBuffer: 1 << 30, stdio: ["pipe", "pipe", "inherit"] });
  return out.toString("utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

// ---- one copy ----

class Tally {
  constructor(name) {
    Object.assign(this, { name, messages: 0, refused: 0, same: 0, html: 0, equal: 0, text: 0, wrapped: 0, conditional: 0, textLinks: 0, left: 0, recoded: 0, decoded: 0, undecoded: 0 });
    this.errors = [];
  }

  error(where, what) {
    this.errors.push(`${where}: ${what}`);
  }
}

/** Where and what: an admin can act on it. */
const CLEAR = /^(part [\d.]+ \(text\/[\w.-]+\)|header [\w-]+): line \d+, column \d+: \S|^the message has /;
const ERR_LIMIT = 4;
const NAMES = { plain: "templates off", templates: "templates on", denied: "tracking denied" };

function judgeDecoding(t, where, file, side) {
  const own = decodePart(file.subarray(side.start, side.end), side.cte, side.charset);
  if (own === null) t.undecoded++;
  else if (own.equals(Buffer.from(side.text, "base64url"))) t.decoded++;
  else t.error(where, `another decoder reads something else (${side.cte}, ${side.charset})`);
}

function judgePart(t, where, pair, part, pixel) {
  const before = Buffer.from(part.before.text, "base64url");
  const after = Buffer.from(part.after.text, "base64url");
  t.recoded += part.recoded;
  judgeDecoding(t, where, pair.bytes, part.after);
  if (part.subtype === "html") {
    const c = compareHtml(before, after, pair.tokens, pixel);
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

function judgePair(t, pair, way) {
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
      judgePart(t, where, pair, part, pixel && part.subtype === "html");
      if (part.subtype === "html") pixel = false;
    }
  }
}

// ---- a set of messages, three ways ----

let count = 0, failed = 0;

function tell(t, figures) {
  count++;
  const ok = t.errors.length === 0 && t.messages > 0;
  if (!ok) failed++;
  console.log(`${ok ? "ok" : "not ok"} ${count} - ${t.name}: ${figures}`);
  for (const e of t.errors.slice(0, 40)) console.log(`# ${e.slice(0, 500)}`);
  if (t.errors.length > 40) console.log(`# and ${t.errors.length - 40} more`);
}

function figures(t) {
  const list = [`${t.messages} copies`, `${t.equal}/${t.html} HTML parts with an equal DOM`, `${t.wrapped} links wrapped (${t.conditional} in conditional comments)`];
  if (t.text) list.push(`${t.text} text parts with ${t.textLinks}`);
  list.push(`${t.same} parts byte for byte`);
  if (t.left) list.push(`${t.left} left alone (no known charset or encoding)`);
  if (t.recoded) list.push(`${t.recoded} encoded anew`);
  if (t.refused) list.push(`${t.refused} refused with a clear reason`);
  list.push(`${t.decoded} read alike by another decoder${t.undecoded ? ` (${t.undecoded} in a charset it lacks)` : ""}`);
  return list.join(", ");
}

/** Tailors messages in three ways, judges each copy, and returns the copies with what copy-compare said. */
function run(name, messages) {
  const outdir = mkdtempSync(join(dir, "copies-"));
  const copies = jsonLines("corpus-tailor", [outdir], messages.join("\n") + "\n");
  const made = copies.filter((c) => c.copy);
  const pairs = jsonLines("copy-compare", [], made.map((c) => `${c.file}\t${c.copy}\n`).join(""));
  made.forEach((c, i) => (c.pair = pairs[i]));
  for (const way of Object.keys(NAMES)) {
    const t = new Tally(`${name}, ${NAMES[way]}`);
    for (const c of copies.filter((x) => x.way === way)) {
      if (c.pair) {
        judgePair(t, c.pair, way);
        continue;
      }
      t.refused++;
      if (c.copy) t.error(basename(c.file), "was not compared");
      else if (!CLEAR.test(c.error)) t.error(basename(c.file), `unclear: ${c.error}`);
      else if (way !== "templates" && c.kind !== ERR_LIMIT) t.error(basename(c.file), `refused: ${c.error}`);
    }
    tell(t, figures(t));
  }
  return made;
}

/** Does mailparser read the HTML of the copies as our decoder does? */
async function mailparser(name, made) {
  const t = new Tally(`${name}: mailparser reads the same HTML`);
  const lf = (s) => s.replace(/\r\n/g, "\n").trimEnd();
  for (const c of made.filter((x) => x.way === "plain")) {
    const after = await simpleParser(readFileSync(c.copy), { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true });
    const ours = c.pair.parts.find((part) => part.subtype === "html").after.text;
    t.messages++;
    if (lf(after.html || "") !== lf(Buffer.from(ours, "base64url").toString("utf8"))) t.error(basename(c.file), "another HTML");
  }
  tell(t, `${t.messages} copies`);
}

// ---- what there is ----

const isHtml = (name) => /\.html?$/i.test(name);
const folder = (name) => mkdtempSync(join(dir, name));
const fixtures = files(join(dirname(fileURLToPath(import.meta.url)), "fixtures")).filter(isHtml);

run("fixtures", htmlMessages(fixtures, folder("fixtures-"), ["\r\n", "\n"]));
if (existsSync(join(corpus, "campaigns"))) {
  const pages = files(join(corpus, "campaigns")).filter(isHtml);
  await mailparser("campaigns", run("campaigns", htmlMessages(pages, folder("campaigns-"))));
  run("real mail", files(join(corpus, "mime")));
  run("hostile mail", files(join(corpus, "mime-hostile")));
} else {
  console.log(`ok ${++count} - campaigns and mail # SKIP corpus not found: campaigns (set CORPUS)`);
}
console.log(`1..${count}`);
process.exitCode = failed > 0 ? 1 : 0;
