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
import { parse, parseFragment } from "./parsers.mjs";

const options = { sourceCodeLocationInfo: true, scriptingEnabled: false };
const VALUE = /^\s*=\s*("([^"]*)"|'([^']*)'|([^\s>]*))/;
const CONDITIONAL = /^<!--\[if[\s(][^>]*\]>/i;

function htmlFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    if (e.isDirectory()) return htmlFiles(path);
    return e.isFile() && /\.html?$/i.test(e.name) ? [path] : [];
  });
}

function* nodes(root) {
  const stack = [root];
  while (stack.length > 0) {
    const node = stack.pop();
    yield node;
    if (node.content) stack.push(node.content);
    for (const child of node.childNodes ?? []) stack.push(child);
  }
}

function isLink(node, conditional) {
  return node.tagName === "a" || node.tagName === "area" || (conditional && /^v:/.test(node.tagName ?? ""));
}

// The attribute whose value the link is, as { key in the locations, value }.
function linkAttr(node) {
  const plain = node.attrs.find((a) => a.name === "href" && !a.prefix);
  if (plain) return { key: "href", value: plain.value };
  const xlink = node.attrs.find((a) => a.name === "href" && a.prefix === "xlink");
  return xlink && { key: "xlink:href", value: xlink.value };
}

// latin1 holds one character per byte, so that parse5's offsets are bytes; utf8 says what the values mean.
function collect(tree, latin1, base, conditional, found) {
  for (const node of nodes(tree)) {
    const where = node.sourceCodeLocation;
    if (node.nodeName === "#comment" && !conditional && where) {
      const raw = latin1.slice(where.startOffset, where.endOffset);
      const head = CONDITIONAL.exec(raw);
      if (!head) continue;
      const inner = raw.slice(head[0].length).replace(/--!?>$/, "");
      collect(parseFragment(inner, options), inner, where.startOffset + head[0].length, true, found);
    } else if (node.attrs && isLink(node, conditional) && where) {
      const attr = linkAttr(node);
      const at = attr && (where.attrs ?? where.startTag?.attrs)?.[attr.key];
      if (!at) continue;
      // parse5 ends the location of `a="b"c` at the name, so the value is read from the source.
      const from = at.startOffset + attr.key.length;
      const m = VALUE.exec(latin1.slice(from)) ?? ["", ""];
      const raw = m[2] ?? m[3] ?? m[4] ?? "";
      const start = from + m[0].length - raw.length - (m[4] === undefined && m[1] ? 1 : 0);
      // A reference to a character beyond ASCII cannot be told from bytes here.
      const wide = raw.includes("&") && /[^\0-\x7f]/.test(attr.value);
      const value = Buffer.from(attr.value.replaceAll("\ufffd", "\xef\xbf\xbd"), "latin1").toString("utf8");
      // The adoption agency copies elements with their locations: one entry per offset.
      found.set(base + start, { start: base + start, end: base + start + raw.length, conditional, value, wide });
    }
  }
}

function reference(bytes) {
  const latin1 = bytes.toString("latin1");
  const tree = parse(latin1, options);
  const found = new Map();
  collect(tree, latin1, 0, false, found);
  let bodyEnd = null;
  for (const node of nodes(tree))
    if (node.tagName === "body") bodyEnd = node.sourceCodeLocation?.endTag?.startOffset ?? null;
  return { links: [...found.values()].sort((a, b) => a.start - b.start), bodyEnd };
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
