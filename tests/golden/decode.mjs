// Transfer encodings and charsets undone without our own code, to check ours.
import { isUtf8 } from "node:buffer";
import { iconv } from "./parsers.mjs";

/** RFC 2045, 6.7: spaces before a line end go, then soft breaks; escapes become bytes, what is no escape stays. */
function quotedPrintable(raw) {
  const text = raw
    .toString("latin1")
    .replace(/[ \t]+(?=\r?\n)/g, "")
    .replace(/=\r?\n/g, "")
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(text, "latin1");
}

function bytes(raw, cte) {
  if (cte === "quoted-printable") return quotedPrintable(raw);
  if (cte === "base64") return Buffer.from(raw.toString("latin1"), "base64");
  return raw;
}

/** The part's text as UTF-8 bytes; null when this charset is not known here. */
export function decodePart(raw, cte, charset) {
  const decoded = bytes(raw, cte);
  if (/^(utf-?8|us-ascii)$/i.test(charset) || isUtf8(decoded) && /^[\0-\x7f]*$/.test(decoded.toString("latin1")) && !/^(iso-2022|utf-?(16|7)|hz)/i.test(charset)) return decoded;
  if (!iconv.encodingExists(charset)) return null;
  return Buffer.from(iconv.decode(decoded, charset, { stripBOM: false }), "utf8");
}
