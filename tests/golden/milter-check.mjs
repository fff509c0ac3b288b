// Judges what milter-client tells: JSON lines on standard input.
//
//	node milter-check.mjs TOOLS KEYS ordinary|stripped|plain|templates NAME
//
// ordinary: mail that passes as it is; stripped: an untrusted client's, which loses X-Mailtailor fields and nothing else;
// plain, templates: campaign mail.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { CLEAR, Tally, done, figures, jsonLines, judgePair, tell } from "./judge.mjs";

const [tools, keys, kind, name] = process.argv.slice(2);
const outcomes = readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const t = new Tally(name);
const answers = {};

function ordinary(o) {
  t.messages++;
  if (o.answer !== "accept" || o.at !== "eoh") t.error(basename(o.file), `${o.answer} at ${o.at}, not accepted at the end of the header`);
  if (o.edits > 0 || o.body) t.error(basename(o.file), "changed");
}

function stripped(o) {
  t.messages++;
  if (o.answer !== "continue" || o.at !== "eom") return t.error(basename(o.file), `${o.answer} at ${o.at}: ${o.text}`);
  const sent = readFileSync(o.sent, "latin1"), copy = readFileSync(o.copy, "latin1");
  const end = sent.indexOf("\r\n\r\n") + 2;
  const head = sent.slice(0, end).replace(/^X-Mailtailor-.*\r\n(?:[ \t].*\r\n)*/gim, "");
  if (copy !== head + sent.slice(end)) t.error(basename(o.file), "lost more than its X-Mailtailor fields");
}

/** A refusal is the SMTP reply that says why. */
function refused(o) {
  t.refused++;
  const reply = /^([45]\d\d) ([45]\.\d+\.\d+) mailtailor: (.*)$/s.exec(o.text);
  if (o.answer !== "reply" || !reply || !CLEAR.test(reply[3])) t.error(basename(o.file), `${o.answer} at ${o.at}: ${o.text}`);
}

for (const o of outcomes) answers[`${o.answer} at ${o.at}`] = (answers[`${o.answer} at ${o.at}`] ?? 0) + 1;
if (kind === "ordinary") outcomes.forEach(ordinary);
else if (kind === "stripped") outcomes.forEach(stripped);
else {
  outcomes.filter((o) => !o.copy).forEach(refused);
  const made = outcomes.filter((o) => o.copy);
  const pairs = jsonLines(tools, "copy-compare", ["-k", keys], made.map((o) => `${o.sent}\t${o.copy}\n`).join(""));
  pairs.forEach((pair) => judgePair(t, pair, kind));
  if (pairs.length !== made.length) t.error(name, `${made.length} copies, ${pairs.length} compared`);
}
const told = Object.entries(answers).map(([what, n]) => `${n} ${what}`).join(", ");
tell(t, kind === "plain" || kind === "templates" ? `${figures(t)}; ${told}` : told);
done();
