// Pages that nobody would write: links, comments, raw text elements and unbalanced tags in random order; the same for the
// same seed. Without SVG and MathML: where unclosed foreign elements end only a tree knows.

const URLS = ["https://s.example/", "http://s.example/?a=1&amp;b=", "HTTPS://S.example/&#x41;", "https://s.example/?copy=1&copy=", "https://s.example/ä&euml;&notit;", "https://s.example/'"];
const LINKS = [
  (url) => `<a href="${url}">x</a>`,
  (url) => `<a href="${url}">x`,
  (url) => `<a href=${url}>x</a>`,
  (url) => `<A HREF = "${url}" x>y</A>`,
  (url) => `<area href="${url}">`,
  (url) => `<a href="${url}" href="${url}second">`,
  (url) => `<a x"y href="${url}"/>`,
  (url) => `<a/href="${url}"/>z`,
  (url) => `<a title=">" href="${url}">`,
  (url) => `<a href="${url}"x=1>`,
  (url) => `<!--[if mso]><v:rect href="${url}">`,
];
const BITS = [
  ..."<!-- c |-->|--!>|<![endif]-->|<!--[if !mso]><!-->|<!--<![endif]-->|<!---->|<!-->|<?php ?>|</>|<>|</ x>|<!doctype html>".split("|"),
  ..."style script textarea xmp noscript iframe title table p b i div body html head template h1".split(" ").flatMap((name) => [`<${name}>`, `</${name}>`]),
  ..."<script><!--<script>|<tr>|<td>|<br/>|<nobr>|<button>|<li>|<form>|<center>|<base href='https://b.example/'>".split("|"),
  "text & &amp; &copy ", "\n", "<", '"', "'", "é🍏",
];

/** mulberry32: small, and the same everywhere. */
function random(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export function soup(seed, pages) {
  const below = random(seed);
  const pick = (list) => list[below(list.length)];
  let number = 0;
  const bit = () => (below(4) === 0 ? pick(LINKS)(pick(URLS) + number++) : pick(BITS));
  return Array.from({ length: pages }, () => Array.from({ length: 3 + below(25) }, bit).join(""));
}
