// Tailors the corpora and judges every copy with parsers that are not ours.
//
//	node dom-compare.mjs TOOLS CORPUS
//
// TOOLS holds corpus-tailor and copy-compare. Each HTML file of CORPUS/campaigns and of fixtures/, and generated pages, are
// sent as quoted-printable, base64 and 8bit; each file of CORPUS/mime and CORPUS/mime-hostile as it is. Prints TAP.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLEAR, ERR_LIMIT, NAMES, Tally, done, figures, jsonLines, judgePair, skip, tell } from "./judge.mjs";
import { htmlMessages } from "./messages.mjs";
import { simpleParser } from "./parsers.mjs";
import { soup } from "./soup.mjs";

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

// ---- a set of messages, three ways ----

/** Tailors messages in three ways, judges each copy, and returns the copies with what copy-compare said. */
function run(name, messages, onlyBytes = false) {
  const outdir = mkdtempSync(join(dir, "copies-"));
  const copies = jsonLines(tools, "corpus-tailor", [outdir], messages.join("\n") + "\n");
  const made = copies.filter((c) => c.copy);
  const pairs = jsonLines(tools, "copy-compare", [], made.map((c) => `${c.file}\t${c.copy}\n`).join(""));
  made.forEach((c, i) => (c.pair = pairs[i]));
  for (const way of Object.keys(NAMES)) {
    const t = new Tally(`${name}, ${NAMES[way]}`);
    for (const c of copies.filter((x) => x.way === way)) {
      if (c.pair) {
        judgePair(t, c.pair, way, onlyBytes);
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
// In what is never closed a pixel moves the tree around it: here only the bytes count, and what was wrapped.
const generated = folder("soup-");
const names = soup(1, 500).map((page, i) => {
  writeFileSync(join(generated, `${i}.html`), page);
  return join(generated, `${i}.html`);
});
run("generated pages", htmlMessages(names, folder("generated-")), true);
if (existsSync(join(corpus, "campaigns"))) {
  const pages = files(join(corpus, "campaigns")).filter(isHtml);
  await mailparser("campaigns", run("campaigns", htmlMessages(pages, folder("campaigns-"))));
  run("real mail", files(join(corpus, "mime")));
  run("hostile mail", files(join(corpus, "mime-hostile")));
} else {
  skip("campaigns and mail", "corpus not found: campaigns (set CORPUS)");
}
done();
