// Is a tailored HTML part what was submitted, but for wrapped hrefs and one pixel? Judged twice: byte by byte, with
// parse5's word on where links stand, and node by node over parse5's trees.
import { isUtf8 } from "node:buffer";
import { conditional, document, fragment, isLink, linkAttr, links } from "./dom.mjs";

const CLICK = /^https:\/\/t\.shop\.example\/c\/([\w-]+)/;
const PIXEL = /<img src="https:\/\/t\.shop\.example\/o\/([\w-]+)"[^<>]*>/g;

// ---- what is to be wrapped; written from the documentation, not from the code ----

const OPT_OUT = {
  "data-notrack": null,
  clicktracking: "off",
  "data-msys-clicktrack": "0",
  "ses:no-track": null,
  "mautic:disable-tracking": null,
  "data-pm-no-track": null,
  "mc:disable-tracking": null,
  "disable-tracking": "true",
};

function optsOut(node) {
  return node.attrs.some(({ name, prefix, value }) => {
    const full = prefix ? `${prefix}:${name}` : name;
    if (!Object.hasOwn(OPT_OUT, full)) return false;
    const said = value.trim().toLowerCase();
    return OPT_OUT[full] === null ? !["false", "no", "0"].includes(said) : said === OPT_OUT[full];
  });
}

/** A URL as the URL standard reads it: nothing around it, no tabs or line ends within. */
export const cleanUrl = (value) => value.replace(/^[\0- ]+|[\0- ]+$/g, "").replace(/[\t\r\n]/g, "");

function isWeb(url) {
  const authority = /^https?:\/\/([^/\\?#]*)/i.exec(url)?.[1];
  if (authority === undefined || url.length > 8000) return false;
  const host = authority.slice(authority.lastIndexOf("@") + 1).replace(/:[^\]]*$/, "");
  return host !== "" && !/[\0- \x7f]/.test(authority);
}

const isWrapped = (node, value) => isWeb(cleanUrl(value)) && !optsOut(node);

// ---- bytes ----

class Comparison {
  constructor(before, after, tokens) {
    // parse5 counts characters; of bytes that are no UTF-8 each is one.
    const coding = isUtf8(before) && isUtf8(after) ? "utf8" : "latin1";
    this.coding = coding;
    this.before = before.toString(coding);
    this.after = after.toString(coding);
    this.tokens = tokens;
    this.errors = [];
    this.wrapped = 0;
    this.conditional = 0;
    this.treePixels = 0;
  }

  error(text) {
    if (this.errors.length < 10) this.errors.push(text);
  }

  /** Does a wrapped href open to the URL that stood there? */
  opens(wrapped, value) {
    const match = CLICK.exec(wrapped);
    const token = match && match[0] === wrapped && this.tokens[match[1]];
    if (!token || token.purpose !== "c") return false;
    const bytes = Buffer.from(cleanUrl(value), this.coding);
    // A reference beyond Latin-1 has no byte of its own in a text that is not UTF-8.
    if (this.coding === "latin1" && /[^\0-\x7f]/.test(value)) return true;
    return bytes.equals(Buffer.from(token.url_bytes, "base64url"));
  }

  bytes(wantPixel) {
    const found = links(this.before);
    let rest = this.after;
    let pixelAt = null;
    const pixels = [...rest.matchAll(PIXEL)];
    if (pixels.length !== (wantPixel ? 1 : 0)) this.error(`${pixels.length} pixels instead of ${wantPixel ? 1 : 0}`);
    if (pixels.length === 1) {
      pixelAt = pixels[0].index;
      if (this.tokens[pixels[0][1]]?.purpose !== "o") this.error("the pixel's token does not open");
      rest = rest.slice(0, pixelAt) + rest.slice(pixelAt + pixels[0][0].length);
    }
    let at = 0, out = 0, pixelStood = null;
    for (const link of found.links) {
      if (!isWrapped(link.node, link.value)) continue;
      const gap = link.start - at;
      if (rest.slice(out, out + gap) !== this.before.slice(at, link.start)) {
        this.error(`bytes changed between ${at} and ${link.start}: ${firstDifference(this.before.slice(at, link.start), rest.slice(out, out + gap))}`);
        return;
      }
      if (pixelAt !== null && pixelAt >= out && pixelAt <= out + gap) pixelStood = at + pixelAt - out;
      at = link.end;
      out += gap;
      const wrapped = CLICK.exec(rest.slice(out, out + 12000))?.[0];
      if (!wrapped) {
        this.error(`not wrapped at ${link.start}: ${link.value.slice(0, 100)}`);
        return;
      }
      if (!this.opens(wrapped, link.value)) this.error(`does not open to what was there: ${link.value.slice(0, 100)}`);
      out += wrapped.length;
      this.wrapped++;
      this.conditional += link.conditional;
    }
    if (rest.slice(out) !== this.before.slice(at)) this.error(`bytes changed behind ${at}: ${firstDifference(this.before.slice(at), rest.slice(out))}`);
    if (pixelAt !== null && found.bodyEnd !== null && (pixelStood ?? at + pixelAt - out) !== found.bodyEnd) this.error("the pixel is not right before </body>");
  }

  // ---- trees ----

  attrs(b, a, inConditional) {
    const link = isLink(b, inConditional) ? linkAttr(b)?.attr : null;
    const names = (node) => node.attrs.map((x) => `${x.prefix ?? ""}:${x.name}`).join(" ");
    if (names(b) !== names(a)) return this.error(`<${b.tagName}> has other attributes`);
    b.attrs.forEach((attr, i) => {
      const is = a.attrs[i].value;
      if (attr === link && isWrapped(b, attr.value)) {
        if (!this.opens(is, attr.value)) this.error(`tree: href ${attr.value.slice(0, 80)} became ${is.slice(0, 80)}`);
      } else if (attr.value !== is) {
        this.error(`tree: <${b.tagName} ${attr.name}> changed from ${attr.value.slice(0, 80)} to ${is.slice(0, 80)}`);
      }
    });
  }

  comment(b, a, inConditional) {
    const was = inConditional ? null : conditional(b.data);
    if (!was) {
      if (b.data !== a.data) this.error("a comment changed");
      return;
    }
    const is = conditional(a.data);
    if (!is || b.data.slice(0, was.start) !== a.data.slice(0, is.start)) this.error("the head of a conditional comment changed");
    else this.tree(fragment(was.html), fragment(is.html), true);
  }

  node(b, a, inConditional) {
    if (b.nodeName !== a.nodeName || b.tagName !== a.tagName || b.namespaceURI !== a.namespaceURI || b.mode !== a.mode)
      return this.error(`tree: ${b.nodeName} became ${a.nodeName}`);
    if (b.nodeName === "#text" && b.value !== a.value) this.error("tree: a text changed");
    if (b.nodeName === "#documentType" && (b.name !== a.name || b.publicId !== a.publicId || b.systemId !== a.systemId))
      this.error("tree: the doctype changed");
    if (b.nodeName === "#comment") this.comment(b, a, inConditional);
    if (b.attrs) this.attrs(b, a, inConditional);
    if (b.content) this.tree(b.content, a.content, inConditional);
    return b.childNodes !== undefined;
  }

  tree(before, after, inConditional) {
    const stack = [[before, after]];
    while (stack.length > 0 && this.errors.length < 10) {
      const [b, a] = stack.pop();
      if (!this.node(b, a, inConditional)) continue;
      const kids = this.withoutPixel(a.childNodes);
      if (kids.length !== b.childNodes.length) {
        this.error(`tree: <${b.nodeName}> has ${kids.length} children instead of ${b.childNodes.length}`);
        continue;
      }
      b.childNodes.forEach((child, i) => stack.push([child, kids[i]]));
    }
  }

  /** The children without the pixel, and the texts on both sides of it as the one that they were. */
  withoutPixel(childNodes) {
    const at = childNodes.findIndex((n) => n.tagName === "img" && n.attrs[0]?.value.startsWith("https://t.shop.example/o/"));
    if (at < 0) return childNodes;
    this.treePixels++;
    const kids = childNodes.toSpliced(at, 1);
    if (kids[at - 1]?.nodeName === "#text" && kids[at]?.nodeName === "#text")
      kids.splice(at - 1, 2, { nodeName: "#text", value: kids[at - 1].value + kids[at].value });
    return kids;
  }
}

function firstDifference(b, a) {
  let i = 0;
  while (i < b.length && b[i] === a[i]) i++;
  return `${JSON.stringify(b.slice(Math.max(0, i - 20), i + 40))} became ${JSON.stringify(a.slice(Math.max(0, i - 20), i + 40))}`;
}

/** { errors, wrapped, conditional } of two texts as bytes; onlyBytes: without the trees. */
export function compareHtml(before, after, tokens, wantPixel, onlyBytes = false) {
  const c = new Comparison(before, after, tokens);
  c.bytes(wantPixel);
  if (onlyBytes) return c;
  c.tree(document(c.before), document(c.after), false);
  if (c.treePixels !== (wantPixel ? 1 : 0)) c.error(`tree: ${c.treePixels} pixels`);
  return c;
}

/** The same for a text part: with every wrapped URL replaced by what it opens to, it is what it was. */
export function compareText(before, after, tokens) {
  let wrapped = 0;
  const errors = [];
  const undone = after.toString("latin1").replace(/https:\/\/t\.shop\.example\/c\/([\w-]+)/g, (whole, token) => {
    if (tokens[token]?.purpose !== "c") {
      errors.push("a URL does not open");
      return whole;
    }
    wrapped++;
    return Buffer.from(tokens[token].url_bytes, "base64url").toString("latin1");
  });
  const was = before.toString("latin1");
  if (undone !== was) errors.push(`text: ${firstDifference(was, undone)}`);
  const missed = after.toString("latin1").replace(/https:\/\/t\.shop\.example\/c\/[\w-]+/g, "").match(/\bhttps?:\/\/[a-z0-9][^\s<>"]*/gi);
  if (missed) errors.push(`text: not wrapped: ${missed[0]}`);
  return { errors, wrapped };
}
