// Looks at copies with parsers that are not ours: mailparser for the mail, parse5 for its HTML.
import assert from "node:assert/strict";
import { simpleParser } from "mailparser";
import { parse } from "parse5";

const AS_IT_IS = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true };

/** { headers, headerLines, subject, to, from, text, html, attachments }, and raw. */
export async function read(mail) {
  const parsed = await simpleParser(mail.raw, AS_IT_IS);
  parsed.raw = mail.raw;
  return parsed;
}

/** One field's value with its folds undone; undefined when there is none. */
export function field(parsed, name) {
  const all = fields(parsed, name);
  return all.length > 0 ? all[0] : undefined;
}

export function fields(parsed, name) {
  return parsed.headerLines
    .filter((line) => line.key === name.toLowerCase())
    .map((line) => line.line.slice(line.line.indexOf(":") + 1).replace(/\r?\n(?=[ \t])/g, "").trim());
}

/** Header block and body as bytes, without the Received field that each hop puts on top. */
export function split(raw) {
  const end = raw.indexOf("\r\n\r\n");
  const head = raw.subarray(0, end < 0 ? raw.length : end + 2).toString("latin1");
  return {
    head: head.replace(/^Received:.*\r\n(?:[ \t].*\r\n)*/, ""),
    body: end < 0 ? Buffer.alloc(0) : raw.subarray(end + 4),
  };
}

export function* elements(html) {
  const stack = [parse(html, { scriptingEnabled: false })];
  while (stack.length > 0) {
    const node = stack.pop();
    if (node.tagName) yield { name: node.tagName, attrs: Object.fromEntries(node.attrs.map((a) => [a.name, a.value])), node };
    if (node.content) stack.push(node.content);
    stack.push(...[...(node.childNodes ?? [])].reverse());
  }
}

export const links = (html) => [...elements(html)].filter((e) => e.name === "a" && "href" in e.attrs).map((e) => e.attrs.href);
export const pixels = (html, host) =>
  [...elements(html)].filter((e) => e.name === "img" && e.attrs.src?.startsWith(`${host}/o/`)).map((e) => e.attrs.src);

export function textOf(node) {
  return node.nodeName === "#text" ? node.value : (node.childNodes ?? []).map(textOf).join("");
}

/** What holds for every copy of a campaign, whoever gets it. */
export function assertTailored(parsed, { tracked = true, unsubscribe = true } = {}) {
  assert.doesNotMatch(parsed.raw.toString("latin1"), /\{\{/, "no template tag is left");
  assert.doesNotMatch(parsed.raw.toString("latin1"), /^X-Mailtailor/im, "no X-Mailtailor field is left");
  if (unsubscribe) assertOneClick(parsed);
  if (parsed.html)
    assert.equal(pixels(parsed.html, "https://t.shop.example").length, tracked ? 1 : 0, "pixels");
}

/** RFC 8058 and RFC 2369. */
export function assertOneClick(parsed) {
  assert.deepEqual(fields(parsed, "List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"]);
  const uris = fields(parsed, "List-Unsubscribe");
  assert.equal(uris.length, 1, "one List-Unsubscribe");
  assert.match(uris[0], /^<https:\/\/t\.shop\.example\/u\/[A-Za-z0-9_-]+>(?:, *<mailto:[^<>\s]+>)?$/);
}
