// Which kill is charged with which duplicate (duplicates.mjs), on made-up copies.
import assert from "node:assert/strict";
import { done, test } from "../integration/tap.mjs";
import { attribute } from "./duplicates.mjs";

const DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
const digits = (n, width) => Array.from({ length: width }, (_, i) => DIGITS[Math.floor(n / DIGITS.length ** (width - 1 - i)) % DIGITS.length]).join("");
/** A copy that Postfix took over at a second of its own. */
const copy = (second, generation = 0) => ({ raw: Buffer.from(`Received: by mail\r\n\tid ${digits(second, 6)}${digits(0, 4)}z1\r\n\r\n`), generation });
const at = (second) => second * 1000 + 500;
const kill = (kind, second, generation, seen = second) => ({ kind, from: at(second), at: at(seen), postfix: kind !== "injector", injector: kind !== "postfix", generation });
const causes = (mails, said, kills) => attribute(mails, said, kills).map(({ cause, kill: by }) => `${cause} ${by?.kind}`);

await test("a kill is charged with what it did", () => {
  assert.deepEqual(causes([copy(10), copy(12)], 0, [kill("injector", 11)]), ["unrecorded injector"]);
  assert.deepEqual(causes([copy(10), copy(12)], 1, [kill("postfix", 11)]), ["uncertain postfix"]);
  assert.deepEqual(causes([copy(10, 3), copy(10, 4)], 0, [kill("postfix", 11, 3)]), ["redelivered postfix"]);
  assert.deepEqual(causes([copy(10), copy(12)], 0, [kill("all", 11)]), ["unrecorded all"]);
  assert.deepEqual(causes([copy(10), copy(12)], 1, [kill("all", 11)]), ["uncertain all"]);
  // Seen so late that the next injector was at work.
  assert.deepEqual(causes([copy(10), copy(12)], 0, [kill("injector", 11, 0, 13)]), ["unrecorded injector"]);
});
await test("what the log says goes to where nothing else explains it", () => {
  assert.deepEqual(causes([copy(10), copy(12), copy(14)], 1, [kill("all", 11), kill("postfix", 13)]), ["unrecorded all", "uncertain postfix"]);
  assert.deepEqual(causes([copy(10), copy(12), copy(14)], 2, [kill("all", 11), kill("postfix", 13)]), ["uncertain all", "uncertain postfix"]);
});
await test("what no kill explains is told", () => {
  assert.deepEqual(causes([copy(10), copy(12)], 0, [kill("postfix", 11)]), ["unrecorded undefined"]);
  assert.deepEqual(causes([copy(10), copy(12)], 1, [kill("injector", 13)]), ["unrecorded undefined"]);
});
done();
