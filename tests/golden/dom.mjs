// HTML as parse5 reads it: a walk over all nodes, and the links with where their values stand.
// Conditional comments are fragments of their own, as Outlook reads them.
import { parse, parseFragment } from "./parsers.mjs";

const options = { sourceCodeLocationInfo: true, scriptingEnabled: false };
const VALUE = /^\s*=\s*("([^"]*)"|'([^']*)'|([^\s>]*))/;
const CONDITIONAL = /^\[if[\s(][^>]*\]>/i;

export const document = (html) => parse(html, options);
export const fragment = (html) => parseFragment(html, options);

export function* nodes(root) {
  const stack = [root];
  while (stack.length > 0) {
    const node = stack.pop();
    yield node;
    if (node.content) stack.push(node.content);
    for (const child of node.childNodes ?? []) stack.push(child);
  }
}

/** The HTML inside a conditional comment's data and where it begins there; null for other comments. */
export function conditional(data) {
  const head = CONDITIONAL.exec(data);
  return head && { html: data.slice(head[0].length), start: head[0].length };
}

export function isLink(node, inConditional) {
  return node.tagName === "a" || node.tagName === "area" || (inConditional && /^v:/.test(node.tagName ?? ""));
}

/** The attribute that makes an element a link, as { key in the locations, value, attr }. */
export function linkAttr(node) {
  const plain = node.attrs.find((a) => a.name === "href" && !a.prefix);
  if (plain) return { key: "href", value: plain.value, attr: plain };
  const xlink = node.attrs.find((a) => a.name === "href" && a.prefix === "xlink");
  return xlink && { key: "xlink:href", value: xlink.value, attr: xlink };
}

function collect(tree, source, base, inConditional, found) {
  for (const node of nodes(tree)) {
    const where = node.sourceCodeLocation;
    if (node.nodeName === "#comment" && !inConditional && where) {
      const raw = source.slice(where.startOffset, where.endOffset);
      const inner = raw.startsWith("<!--") && conditional(raw.slice(4).replace(/--!?>$/, ""));
      if (inner) collect(fragment(inner.html), inner.html, where.startOffset + 4 + inner.start, true, found);
    } else if (node.attrs && isLink(node, inConditional) && where) {
      const link = linkAttr(node);
      const at = link && (where.attrs ?? where.startTag?.attrs)?.[link.key];
      if (!at) continue;
      // parse5 ends the location of `a="b"c` at the name, so the value is read from the source.
      const from = at.startOffset + link.key.length;
      const m = VALUE.exec(source.slice(from)) ?? ["", ""];
      const raw = m[2] ?? m[3] ?? m[4] ?? "";
      const start = from + m[0].length - raw.length - (m[4] === undefined && m[1] ? 1 : 0);
      // The adoption agency copies elements with their locations: one entry per offset.
      found.set(base + start, { start: base + start, end: base + start + raw.length, conditional: inConditional, raw, value: link.value, node });
    }
  }
}

/** Every link of a document in source order, and the offset of the real </body>, or null. */
export function links(source, tree = document(source)) {
  const found = new Map();
  collect(tree, source, 0, false, found);
  let bodyEnd = null;
  for (const node of nodes(tree))
    if (node.tagName === "body") bodyEnd = node.sourceCodeLocation?.endTag?.startOffset ?? null;
  return { links: [...found.values()].sort((a, b) => a.start - b.start), bodyEnd };
}
