// HTML files as mail: multipart/alternative with the HTML in each transfer encoding.
import { isUtf8 } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { libqp } from "./parsers.mjs";

const crlf = (bytes) => Buffer.from(bytes.toString("latin1").replace(/\r\n|\r|\n/g, "\r\n"), "latin1");

const encoders = {
  "quoted-printable": (bytes) => libqp.wrap(libqp.encode(crlf(bytes)), 76),
  base64: (bytes) => crlf(bytes).toString("base64").replace(/.{76}/g, "$&\r\n"),
  "8bit": (bytes) => crlf(bytes).toString("latin1"),
};

function message(html, cte, charset) {
  return [
    "From: Orchard <news@shop.example>",
    "To: list@shop.example",
    "Subject: =?utf-8?q?Fr=C3=BChling?= in the orchard",
    "Date: Thu, 09 Oct 2025 08:00:00 +0200",
    "Message-ID: <corpus@shop.example>",
    "MIME-Version: 1.0",
    "List-Unsubscribe: <https://old.shop.example/u>",
    'Content-Type: multipart/alternative; boundary="=_b"',
    "",
    "A reader without MIME sees this.",
    "--=_b",
    "Content-Type: text/plain; charset=utf-8; format=flowed",
    "Content-Transfer-Encoding: 7bit",
    "",
    "Look: https://shop.example/a?b=1&c=2, or <http://shop.example/(x)>.",
    "Write to mailto:help@shop.example",
    "",
    "--=_b",
    `Content-Type: text/html; charset=${charset}`,
    `Content-Transfer-Encoding: ${cte}`,
    "",
    encoders[cte](html),
    "--=_b--",
    "Behind the last boundary.",
    "",
  ].join("\r\n");
}

/** Writes the messages into folder and returns their names. ends: "\r\n", and "\n" too when asked for. */
export function htmlMessages(files, folder, ends = ["\r\n"]) {
  const out = [];
  files.forEach((file, number) => {
    const html = readFileSync(file);
    const charset = isUtf8(html) ? "utf-8" : "windows-1252";
    for (const cte of Object.keys(encoders)) {
      for (const eol of ends) {
        const name = join(folder, `${number}-${basename(file)}.${cte}${eol === "\n" ? ".lf" : ""}.eml`);
        writeFileSync(name, Buffer.from(message(html, cte, charset).replaceAll("\r\n", eol), "latin1"));
        out.push(name);
      }
    }
  });
  return out;
}
