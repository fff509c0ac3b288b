// Compares what html_scan sees with parse5: the links (offsets and decoded
// values) and where the body ends, for every .html file below a folder.
//
//	node links-parse5.mjs TOOL FOLDER
//
// TOOL is the program html-tokens. Conditional comments are parsed as
// fragments of their own, as Outlook reads them. Exit status: 0 all agree,
// 1 some do not, 2 nothing to compare.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { links as parse5Links } from "./dom.mjs";

function htmlFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    if (e.isDirectory()) return htmlFiles(path);
    return e.isFile() && /\.html?$/i.test(e.name) ? [path] : [];
  });
}

// latin1 holds one character per byte, so that parse5's offsets are bytes; utf8 says what the values mean.
function reference(bytes) {
  const found = parse5Links(bytes.toString("latin1"));
  const links = found.links.map((l) => ({
    start: l.start,
    end: l.end,
    conditional: l.conditional,
    value: Buffer.from(l.value.replaceAll("\ufffd", "\xef\xbf\xbd"), "latin1").toString("utf8"),
    // A reference to a character beyond ASCII cannot be told from bytes here.
    wide: l.raw.includes("&") && /[^\0-\x7f]/.test(l.value),
  }));
  return { links, bodyEnd: found.bodyEnd };
}

function ours(tool, path) {
  const lines = execFileSync(tool, [path], { encoding: "utf8", maxBuffer: 1 << 26 }).trim().split("\n").map((l) => JSON.parse(l));
  const end = lines.pop();
  return { links: lines.filter((l) => l.link), bodyEnd: end.has_body_end ? end.body_end : null };
}

function differences(ref, got) {
  const out = [];
  if (ref.bodyEnd !== got.bodyEnd) out.push(`body end: parse5 ${ref.bodyEnd}, html_scan ${got.bodyEnd}`);
  const seen = new Map(got.links.map((l) => [l.start, l]));
  for (const r of ref.links) {
    const g = seen.get(r.start);
    seen.delete(r.start);
    if (!g) out.push(`missed: ${JSON.stringify(r)}`);
    else if (g.end !== r.end || g.conditional !== r.conditional || (!r.wide && g.decoded !== r.value))
      out.push(`differs: parse5 ${JSON.stringify(r)}, html_scan ${JSON.stringify(g)}`);
  }
  for (const g of seen.values()) out.push(`too many: ${JSON.stringify(g)}`);
  return out;
}

const [tool, folder] = process.argv.slice(2);
if (!tool || !folder) {
  console.error("usage: links-parse5.mjs TOOL FOLDER");
  process.exit(64);
}
let agree = 0, links = 0, conditional = 0, ends = 0;
const files = htmlFiles(folder);
for (const path of files) {
  const ref = reference(readFileSync(path));
  const diff = differences(ref, ours(tool, path));
  links += ref.links.length;
  conditional += ref.links.filter((l) => l.conditional).length;
  ends += ref.bodyEnd !== null;
  if (diff.length === 0) agree++;
  else console.log(`${path}:\n  ${diff.slice(0, 5).join("\n  ")}`);
}
console.log(`links-parse5: ${agree}/${files.length} files agree (${links} links, ${conditional} of them conditional; ${ends} body ends)`);
process.exit(files.length === 0 ? 2 : agree === files.length ? 0 : 1);
