import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import SMTPConnection from "nodemailer/lib/smtp-connection/index.js";
import { Sendmail, TRACK, World, sleep, slow } from "./harness.mjs";
import { assertTailored, field, links, pixels, read, split } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const run = promisify(execFile);
const people = Object.fromEntries(
  ["anna", "ben", "carl", "dora", "emil", "fay"].map((name, i) => [
    `${name}@customers.example`,
    { first_name: name[0].toUpperCase() + name.slice(1), city: i % 2 ? "Köln" : "Reykjavík" },
  ]),
);
const conf = `
cap strict { category = { strict } limit = 1 window = 7d action = reject }
campaign spring { category = promo recipients = one defaults { first_name = "friend" city = "town" } }
campaign strict { category = strict recipients = one }
campaign receipts { category = transactional list_unsubscribe = no missing = hold track_opens = no track_clicks = no recipients = one }
campaign by-sender { match_sender = { "spring@shop.example" } recipients = one defaults { first_name = "friend" city = "town" } }
`;
const milter = "max_message = 200K";
const world = await World.start({
  mta: Sendmail,
  signer: true,
  ports: { campaign: ["milter.sock"], listener: ["milter.sock"], signed: ["milter.sock", "signer.sock"], injection: ["signer.sock"], plain: [] },
  profiles: people,
  milter,
  conf,
});
const HTML = '<html><body><p>Dear {{first_name}} of {{city}}</p><a href="https://shop.example/a?x=1&amp;y=2">a</a> <a href="{{unsubscribe_url}}">u</a></body></html>';
const TEXT = "Dear {{first_name}} of {{city}},\n\nyour box: https://shop.example/box?a=1&b=2\n\nLeave: {{unsubscribe_url}}\n";
const mail = (campaign, to, more = {}) => ({ to, subject: "Hello {{first_name}}", text: TEXT, html: HTML, headers: { "X-Mailtailor-Campaign": campaign }, ...more });

let serial = 0;
/** A whole message as bytes, CR LF. */
function message({ to, campaign = "spring", text = TEXT, more = "" }) {
  return `From: Shop <news@shop.example>\nTo: ${to}\nSubject: Hello {{first_name}}\nDate: Tue, 24 Nov 2026 10:00:00 +0000
Message-ID: <raw-${++serial}@shop.example>\nMIME-Version: 1.0\n${campaign ? `X-Mailtailor-Campaign: ${campaign}\n` : ""}${more}Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit\n\n${text}`.replaceAll("\n", "\r\n");
}

async function assertCopy(to, n = 1) {
  const copy = await read((await world.sink.take(to, n)).at(-1));
  const { first_name: name, city } = people[to] ?? { first_name: "friend", city: "town" };
  assertTailored(copy);
  assert.equal(copy.subject, `Hello ${name}`);
  assert.match(copy.text, new RegExp(`^Dear ${name} of ${city},`));
  assert.equal(copy.to.value[0].address, to);
  return copy;
}

/** DKIM verifies, and nobody can add another unsubscribe field. */
async function assertSigned(raw) {
  const { result, headers } = await world.signer.verify(raw);
  assert.equal(result, "pass");
  for (const name of ["list-unsubscribe", "list-unsubscribe-post"])
    assert.equal(headers.filter((covered) => covered === name).length, 2, `${name} is covered as often as it is there, and once more`);
}

async function assertRefused(sent, code, pattern) {
  const answer = await world.submit(sent);
  assert.equal(answer.code, code, answer.response);
  assert.match(answer.response, pattern);
  await world.mta.drained();
}

await test("a campaign message arrives as the recipient's own", async () => {
  const to = "anna@customers.example";
  await world.submit(mail("spring", to));
  const copy = await assertCopy(to);
  const [box, leave] = links(copy.html);
  assert.equal(world.token(box).url, "https://shop.example/a?x=1&y=2");
  assert.equal(world.token(leave).purpose, "unsubscribe");
  assert.equal(world.token(pixels(copy.html, TRACK)[0]).purpose, "open");
  assert.match(copy.html, /<p>Dear Anna of Reykjavík<\/p>/);
});

await test("UTF-8 in 8bit, and merge data in a long folded field", async () => {
  const to = "carl@customers.example";
  const data = { offer: "Äpfel & Birnen", items: Array.from({ length: 200 }, (_, i) => ({ name: `Sorte ${i} – süß`, price: i })) };
  const more = `X-Mailtailor-Data: ${JSON.stringify(data).replaceAll(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).replaceAll('},{"name"', '},\n {"name"')}\n`;
  const text = `${TEXT}{{offer}}\n{{#each items}}{{name}}: {{price}}\n{{/each}}東京\n`;
  await world.submit({ to, envelope: { from: "news@shop.example", to, use8BitMime: true }, raw: Buffer.from(message({ to, text, more })) });
  const copy = await assertCopy(to);
  assert.equal(field(copy, "Content-Transfer-Encoding"), "8bit");
  assert.match(copy.text, /Äpfel & Birnen\nSorte 0 – süß: 0\n[^]*Sorte 199 – süß: 199\n東京\n/);
});

await test("ordinary mail: its body is byte for byte what arrives without mailtailor", async () => {
  const samples = {
    plain: { text: "{{stay}} as you are\n.dot\n..dots\n\ttab \n" },
    eightbit: { text: "Grüße {{name}}\n" },
    folded: { more: "X-Folded: a\n  b\n\tc   d\nX-Odd:no space\nSUBJECT:   spaced   \n" },
    big: { text: "0123456789 abcdefghij {{x}}\n".repeat(40000) },
    empty: { text: "" },
  };
  for (const [name, sample] of Object.entries(samples)) {
    const raw = message({ to: "x@friends.example", campaign: "", ...sample });
    const to = (port) => `${port}-${name}@friends.example`;
    for (const port of ["campaign", "plain"]) await world.submit({ to: to(port), raw, from: "tom@shop.example", port });
    const [a, b] = [split((await world.sink.take(to("campaign")))[0].raw), split((await world.sink.take(to("plain")))[0].raw)];
    assert.equal(a.head, b.head, name);
    assert.ok(a.body.equals(b.body), name);
    assert.ok(a.body.equals(Buffer.from(raw.slice(raw.indexOf("\r\n\r\n") + 4))), `${name}: as sent`);
  }
});

await test("a suppressed recipient: accepted, discarded, nothing stays in the queue", async () => {
  world.mt("suppress", "add", "bob@customers.example", "--reason", "unsubscribe");
  const before = world.daemon.log().length;
  const answer = await world.submit(mail("spring", "bob@customers.example"));
  assert.match(answer.response, /^250 /);
  await world.mta.drained();
  await sleep(200);
  assert.equal(world.sink.of("bob@customers.example").length, 0);
  assert.match(world.daemon.log().slice(before), /campaign=spring .*dropped reason=suppressed/);
});

await test("refusals come as SMTP replies, and nothing leaves", async () => {
  const to = "refused@customers.example";
  await assertRefused(mail("spring", to, { html: "<html><body>\n<p>{{#if x}}\n</p></body></html>" }), 550, /^550 5\.6\.0 .*part 2 \(text\/html\): line 2, column 4: .*never closed/);
  await assertRefused(mail("sprign", to), 550, /^550 5\.6\.0 .*"sprign"/);
  await assertRefused(mail("receipts", to), 550, /^550 5\.6\.0 .*first_name/);
  await assertRefused(mail("spring", to, { text: "0123456789 {{first_name}}\n".repeat(10000) }), 552, /^552 5\.3\.4 .*max_message/);
  assert.match((await world.submit(mail("strict", "fay@customers.example"))).response, /^250 /);
  await assertRefused(mail("strict", "fay@customers.example"), 550, /^550 5\.7\.1 .*"strict"/);
  assert.equal(world.sink.of(to).length, 0);
  assert.equal((await world.sink.take("fay@customers.example")).length, 1);
});

await test("recipients = one: 452 4.5.3 for the second RCPT of a named sender; 550 5.5.3 where a field names the campaign", async () => {
  const from = "spring@shop.example";
  const to = ["first@customers.example", "second@customers.example"];
  const answer = await world.submit({ from, to, envelope: { from, to }, subject: "Hello {{first_name}}", text: TEXT });
  assert.deepEqual(answer.accepted, [to[0]]);
  assert.match(answer.rejectedErrors[0].response, /^452 4\.5\.3 .*campaign by-sender/);
  await assertCopy(to[0]);
  await assertRefused({ ...mail("spring", to), envelope: { from: "news@shop.example", to } }, 550, /^550 5\.5\.3 /);
});

await test("a campaign by the daemon's name, and by its port", async () => {
  const listeners = `
campaign by-name { match_listener = { "port-${world.mta.ports.listener}" } recipients = one }
campaign by-number { match_listener = { "${world.mta.ports.signed}" } recipients = one }`;
  world.configure({ milter, more: conf + listeners });
  assert.match(await world.daemon.reload(), /is in use/);
  for (const [port, campaign] of [["listener", "by-name"], ["signed", "by-number"]]) {
    const before = world.daemon.log().length;
    await world.submit({ ...mail("", "ben@customers.example"), headers: {}, port });
    await world.sink.take("ben@customers.example", port === "listener" ? 1 : 2);
    assert.match(world.daemon.log().slice(before), new RegExp(`campaign=${campaign} recipient=[0-9a-f]+ sent`));
  }
});

await test("one connection: campaign, ordinary, a refusal, RSET, campaign", async () => {
  const connection = new SMTPConnection({ host: "127.0.0.1", port: world.mta.ports.campaign, secure: false, ignoreTLS: true });
  const send = (to, raw) =>
    new Promise((resolve) => connection.send({ from: "news@shop.example", to: [to] }, raw, (error, info) => resolve(error ?? info)));
  await new Promise((resolve) => connection.connect(resolve));
  assert.match((await send("dora@customers.example", message({ to: "dora@customers.example" }))).response, /^250 /);
  assert.match((await send("tom@friends.example", message({ to: "tom@friends.example", campaign: "" }))).response, /^250 /);
  assert.equal((await send("emil@customers.example", message({ to: "emil@customers.example", text: "{{#if broken}}" }))).responseCode, 550);
  await new Promise((resolve, reject) => connection.reset((error) => (error ? reject(error) : resolve())));
  assert.match((await send("emil@customers.example", message({ to: "emil@customers.example" }))).response, /^250 /);
  connection.quit();
  for (const to of ["dora@customers.example", "emil@customers.example"]) await assertCopy(to);
  assert.equal((await read((await world.sink.take("tom@friends.example"))[0])).subject, "Hello {{first_name}}");
  await world.mta.drained();
  assert.equal(world.sink.of("emil@customers.example").length, 1);
});

await test("clients that drop the connection at each step cost nobody anything", async () => {
  for (const how of ["--drop-after", "--drop-after-send"])
    for (const step of ["EHLO", "MAIL", "RCPT", "DATA"])
      await run("swaks", ["--server", `127.0.0.1:${world.mta.ports.campaign}`, "--from", "spring@shop.example", "--to", "jon@customers.example",
        "--hide-all", "--h-Subject", "x {{first_name}}", how, step]).catch(() => {});
  const socket = net.connect(world.mta.ports.campaign, "127.0.0.1");
  socket.on("error", () => {});
  for (const line of ["EHLO a\r\n", "MAIL FROM:<spring@shop.example>\r\n", "RCPT TO:<jon@customers.example>\r\n", "DATA\r\n"]) {
    await once(socket, "data");
    socket.write(line);
  }
  await once(socket, "data");
  socket.write(message({ to: "jon@customers.example" }).slice(0, -10));
  await sleep(200);
  socket.resetAndDestroy?.();
  socket.destroy();
  await world.submit({ to: "jon@customers.example", raw: message({ to: "jon@customers.example" }) });
  await assertCopy("jon@customers.example");
  await world.mta.drained();
  assert.equal(world.sink.of("jon@customers.example").length, 1, "none of the dropped ones arrived");
});

await test("many sessions at once: each recipient once", async () => {
  const file = join(world.dir, "source.eml");
  writeFileSync(file, message({ to: "all@shop.example" }).replaceAll("\r\n", "\n"));
  const count = Math.max(20, Math.round(100 / slow));
  await run("/usr/sbin/smtp-source", ["-s", "5", "-m", String(count), "-N", "-f", "news@shop.example", "-t", "-x@customers.example", "-F", file, `127.0.0.1:${world.mta.ports.campaign}`]);
  await world.mta.drained();
  const got = world.sink.mails.filter((one) => /^\d+-x@customers\.example$/.test(one.to[0]));
  assert.equal(got.length, count);
  const unsubscribe = new Set();
  for (const one of got) unsubscribe.add(field(await assertCopy(one.to[0]), "List-Unsubscribe"));
  assert.equal(unsubscribe.size, count, "each has its own unsubscribe link");
});

await test("mailtailor first, the signer behind it: the copy's signature holds and covers the unsubscribe fields", async () => {
  await world.submit({ ...mail("spring", "ben@customers.example"), port: "signed" });
  const copy = await assertCopy("ben@customers.example", 3);
  await assertSigned(copy.raw);
});

/** A copy as the injector hands it over. */
function injected(to, i, lines) {
  const unsubscribe = `List-Unsubscribe: <https://t.shop.example/u/${"x".repeat(150)}>,\n <mailto:leave@shop.example>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n`;
  return `X-Mailtailor-Job: token\nReceived: from x by y; Tue, 24 Nov 2026 10:00:00 +0000\n${lines}To: "Ms. A" <${to}>\nSubject: {{as}}  it\n  is
Date: Tue, 24 Nov 2026 10:00:00 +0000\nMessage-ID: <copy-${i}@shop.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8
Feedback-ID: spring:promo:1:orchard\n${unsubscribe}\n{{as it is}} \n.\n${"x".repeat(998)}\n`.replaceAll("\n", "\r\n");
}

// Sendmail writes address fields anew behind its milters. What is documented for it must not break the signature.
await test("the injection port: signed, not tailored; the mark of the job is taken off, and the signature holds", async () => {
  const friends = Array.from({ length: 9 }, (_, i) => `"Friend ${i}" <friend${i}@friends.example>`);
  const headers = ["From: Shop <news@shop.example>\n", 'From: "Shop, Inc." <news@shop.example>\n', "From: Dr. Shop <news@shop.example>\n",
    "From: =?utf-8?Q?K=C3=B6ln?= <news@shop.example>\nSender: <news@shop.example>\n", "From: news@shop.example (Shop)\n", "From:   Köln   <News@shop.example>\n",
    `From: news@shop.example\nCc: ${friends.join(", ")}\n`, `From: news@shop.example\nCc: ${friends.join(",\n  ")}\nReply-To: Shop<help@shop.example>\n`];
  for (const [i, lines] of headers.entries()) {
    const to = `copy-${i}@customers.example`;
    const raw = Buffer.from(injected(to, i, lines));
    await world.submit({ port: "injection", from: "bounces+token@shop.example", to, raw });
    const [got] = await world.sink.take(to);
    assert.equal(got.from, "bounces+token@shop.example");
    await assertSigned(got.raw);
    assert.equal(split(got.raw).body.toString(), split(raw).body.toString());
    const copy = await read(got);
    assert.equal(field(copy, "X-Mailtailor-Job"), undefined);
    assert.equal(copy.subject, "{{as}}  it is");
  }
});

await test("1000 recipients in one transaction", async () => {
  const to = Array.from({ length: 1000 }, (_, i) => `r${i}@many.example`);
  const answer = await world.submit({ port: "plain", to, envelope: { from: "news@shop.example", to }, subject: "s", text: "x" });
  assert.equal(answer.accepted.length, 1000);
  await world.mta.drained();
  assert.equal(new Set(world.sink.mails.flatMap((one) => one.to).filter((one) => one.endsWith("@many.example"))).size, 1000);
});

await test("1000 copies through the injection port, over 16 connections", async () => {
  const file = join(world.dir, "copy.eml");
  const count = Math.round(1000 / slow);
  writeFileSync(file, message({ to: "you@copies.example", more: "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n" }).replaceAll("\r\n", "\n"));
  const begin = Date.now();
  await run("/usr/sbin/smtp-source", ["-d", "-s", "16", "-m", String(count), "-N", "-f", "news@shop.example", "-t", "@copies.example", "-F", file, `127.0.0.1:${world.mta.ports.injection}`]);
  const taken = Date.now();
  await world.mta.drained(120);
  console.log(`# ${count} copies: accepted in ${taken - begin} ms, delivered in ${Date.now() - begin} ms`);
  assert.equal(new Set(world.sink.mails.flatMap((one) => one.to).filter((one) => one.endsWith("@copies.example"))).size, count);
});

await test("without mailtailord the client gets 451, and other ports go on", async () => {
  assert.equal((await world.daemon.stop()).code, 0);
  await assertRefused(mail("spring", "late@customers.example"), 451, /^451 4\.3\.2 /);
  const answer = await world.submit({ port: "plain", to: "late@friends.example", subject: "s", text: "x" });
  assert.match(answer.response, /^250 /);
  await world.sink.take("late@friends.example");
  await world.daemon.start();
  await world.submit(mail("spring", "late@customers.example"));
  await assertCopy("late@customers.example");
});

await test("mailtailord and Sendmail end well", async () => {
  await world.stop();
  assert.equal(world.sink.of("refused@customers.example").length, 0);
});
done();
