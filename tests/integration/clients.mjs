import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import SMTPConnection from "nodemailer/lib/smtp-connection/index.js";
import { TRACK, World, dialog, slow } from "./harness.mjs";
import { assertTailored, elements, field, fields, links, pixels, read, split, textOf } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const run = promisify(execFile);
const people = Object.fromEntries(
  ["anna", "ben", "carl", "dora", "emil", "fay", "gus", "hana", "ida", "jon"].map((name, i) => [
    `${name}@customers.example`,
    { first_name: name[0].toUpperCase() + name.slice(1), orders: i, city: i % 2 ? "Köln" : "Reykjavík" },
  ]),
);
const world = await World.start({
  profiles: people,
  conf: `
campaign spring {
	category = promo
	feedback_id = orchard
	unsubscribe_mailto = "unsubscribe@shop.example"
	defaults { first_name = "friend" city = "town" }
}
campaign by-sender { match_sender = { "spring@shop.example" } defaults { first_name = "friend" city = "town" } }
`,
});
const CAMPAIGN = { "X-Mailtailor-Campaign": "spring" };
const BOX = "https://shop.example/box?a=1&b=2";
const HTML = `<!DOCTYPE html><html><head><title>Box</title></head><body>
<p>Dear {{first_name}} of {{city}},</p>
<p><a href="https://shop.example/box?a=1&amp;b=2">Your box</a>, <a href='https://shop.example/for/{{first_name}}'>just for you</a>,
<a href="mailto:help@shop.example">help</a> <a href="{{unsubscribe_url}}">leave</a></p>
</body></html>`;
const TEXT = "Dear {{first_name}} of {{city}},\n\nyour box: https://shop.example/box?a=1&b=2\n\nLeave: {{unsubscribe_url}}\n";

let serial = 0;
/** A whole campaign message as bytes, CR LF. */
function message({ to, subject = "Hello {{first_name}}", campaign = "spring", text = TEXT, more = "", cte = "8bit" }) {
  return `From: Shop <news@shop.example>\nTo: ${to}\nSubject: ${subject}\nDate: Tue, 24 Nov 2026 10:00:00 +0000
Message-ID: <raw-${++serial}@shop.example>\nMIME-Version: 1.0\n${campaign ? `X-Mailtailor-Campaign: ${campaign}\n` : ""}${more}Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: ${cte}\n\n${text}`.replaceAll("\n", "\r\n");
}

async function assertCopy(address, { html = true } = {}) {
  const copy = await read((await world.sink.take(address)).at(-1));
  const { first_name: name, city } = people[address] ?? { first_name: "friend", city: "town" };
  assertTailored(copy);
  assert.equal(copy.subject, `Hello ${name}`);
  assert.match(copy.text, new RegExp(`^Dear ${name} of ${city},`));
  if (html) assert.match(textOf([...elements(copy.html)][0].node), new RegExp(`Dear ${name} of ${city},`));
  return copy;
}

await test("nodemailer: text and HTML are the recipient's own, links and pixel open to what the sender wrote", async () => {
  const to = "anna@customers.example";
  await world.submit({ to, subject: "Hello {{first_name}}", text: TEXT, html: HTML, headers: CAMPAIGN });
  const copy = await assertCopy(to);
  const [box, own, help, leave] = links(copy.html);
  const click = world.token(box);
  assert.equal(click.purpose, "click");
  assert.equal(click.url, BOX);
  assert.equal(click.campaign, "spring");
  assert.equal(world.token(own).url, "https://shop.example/for/Anna");
  assert.equal(help, "mailto:help@shop.example");
  assert.equal(leave, /<([^>]*)>/.exec(field(copy, "List-Unsubscribe"))[1], "the body's link is the header's");
  assert.equal(world.token(leave).purpose, "unsubscribe");
  assert.equal(world.token(pixels(copy.html, TRACK)[0]).purpose, "open");
  const textLink = /your box: (\S+)/.exec(copy.text)[1];
  assert.equal(world.token(textLink).url, BOX);
  const keys = new Set([box, own, leave, pixels(copy.html, TRACK)[0], textLink].map((url) => world.token(url).recipient));
  assert.equal(keys.size, 1, "all tokens are one recipient's");
  assert.match(world.daemon.log(), new RegExp(`recipient=${[...keys][0]} sent`), "and the one of the log");
  assert.doesNotMatch(world.daemon.log(), /customers\.example/, "no address in the log");
});

await test("nodemailer: RFC 8058 and RFC 2369 headers, Feedback-ID, To", async () => {
  const copy = await world.copy({ to: "ben@customers.example", subject: "x", text: "x", headers: { ...CAMPAIGN, "List-Unsubscribe": "<mailto:old@shop.example>" } });
  assertTailored(copy);
  assert.match(field(copy, "List-Unsubscribe"), /^<https:[^>]*>, *<mailto:unsubscribe@shop\.example\?subject=unsubscribe%20[\w-]+>$/);
  assert.match(field(copy, "Feedback-ID"), /^spring:promo:[^:]+:orchard$/);
  assert.equal(copy.to.value[0].address, "ben@customers.example");
  assert.equal(fields(copy, "To").length, 1);
});

await test("nodemailer: merge data of one message in X-Mailtailor-Data, folded and encoded", async () => {
  const data = { offer: "Äpfel & Birnen", items: Array.from({ length: 12 }, (_, i) => ({ name: `Sorte ${i} – süß`, price: i })) };
  const copy = await world.copy({
    to: "carl@customers.example",
    subject: "{{offer}}",
    text: "{{#each items}}{{name}}: {{price}}\n{{/each}}",
    headers: { ...CAMPAIGN, "X-Mailtailor-Data": JSON.stringify(data) },
  });
  assertTailored(copy);
  assert.equal(copy.subject, "Äpfel & Birnen");
  assert.match(copy.text, /^Sorte 0 – süß: 0\nSorte 1 – süß: 1\n/);
});

await test("nodemailer: three messages over one connection, campaign, ordinary, campaign", async () => {
  const transport = world.transport("campaign", { pool: true, maxConnections: 1 });
  const before = world.daemon.log().length;
  for (const [to, headers] of [["dora@customers.example", CAMPAIGN], ["tom@friends.example", {}], ["emil@customers.example", CAMPAIGN]])
    await transport.sendMail({ from: "news@shop.example", to, subject: "Hello {{first_name}}", text: TEXT, html: HTML, headers });
  transport.close();
  await assertCopy("dora@customers.example");
  await assertCopy("emil@customers.example");
  const [ordinary] = await world.sink.take("tom@friends.example");
  assert.equal((await read(ordinary)).subject, "Hello {{first_name}}");
  assert.equal(world.daemon.log().slice(before).match(/ sent reason=/g).length, 2);
});

await test("nodemailer: after a refused message and RSET the same connection sends the next", async () => {
  const connection = new SMTPConnection({ host: "127.0.0.1", port: world.postfix.ports.campaign, secure: false, ignoreTLS: true });
  const send = (to, raw) =>
    new Promise((resolve) => connection.send({ from: "news@shop.example", to: [to] }, raw, (error, info) => resolve(error ?? info)));
  await new Promise((resolve) => connection.connect(resolve));
  const refused = await send("fay@customers.example", message({ to: "fay@customers.example", text: "{{#if broken}}" }));
  assert.equal(refused.responseCode, 550);
  await new Promise((resolve, reject) => connection.reset((error) => (error ? reject(error) : resolve())));
  const accepted = await send("fay@customers.example", message({ to: "fay@customers.example" }));
  assert.match(accepted.response, /^250 /);
  connection.quit();
  await assertCopy("fay@customers.example", { html: false });
  assert.equal(world.sink.of("fay@customers.example").length, 1);
});

await test("RSET after MAIL, after RCPT, twice, and a second MAIL: the last transaction counts alone", async () => {
  const mail = (from) => `MAIL FROM:<${from}>\r\n`;
  const rcpt = (to) => `RCPT TO:<${to}>\r\n`;
  const answers = await dialog(world.postfix.ports.campaign, [
    "EHLO client.example\r\n",
    mail("spring@shop.example"), "RSET\r\n",
    mail("spring@shop.example"), rcpt("gus@customers.example"), "RSET\r\n", "RSET\r\n",
    mail("news@shop.example"), rcpt("hana@customers.example"), "DATA\r\n", `${message({ to: "hana@customers.example" })}\r\n.\r\n`,
    mail("spring@shop.example"), rcpt("gus@customers.example"), "DATA\r\n", `${message({ to: "gus@customers.example", campaign: "" })}\r\n.\r\n`,
    "QUIT\r\n",
  ]);
  assert.deepEqual(answers.map((line) => line.slice(0, 3)), ["250", "250", "250", "250", "250", "250", "250", "250", "250", "354", "250", "250", "250", "354", "250", "221"]);
  for (const to of ["hana@customers.example", "gus@customers.example"]) {
    const copy = await read((await world.sink.take(to))[0]);
    assert.match(copy.text, new RegExp(`^Dear ${people[to].first_name} of`));
    assert.equal(world.sink.of(to).length, 1);
  }
});

await test("the same RCPT twice is one recipient, whoever names the campaign", async () => {
  const rcpt = (to) => `RCPT TO:<${to}>\r\n`;
  for (const [to, from, campaign] of [["twice@customers.example", "spring@shop.example", ""], ["again@customers.example", "news@shop.example", "spring"]]) {
    const answers = await dialog(world.postfix.ports.campaign, ["EHLO client.example\r\n", `MAIL FROM:<${from}>\r\n`, rcpt(to), rcpt(to), "DATA\r\n", `${message({ to, campaign })}\r\n.\r\n`, "QUIT\r\n"]);
    assert.deepEqual(answers.map((line) => line.slice(0, 3)), ["250", "250", "250", "250", "354", "250", "221"]);
    await world.postfix.drained();
    assert.equal(world.sink.of(to).length, 1);
  }
});

await test("swaks: one campaign message of its own making, with an attachment", async () => {
  const file = join(world.dir, "attachment.bin");
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 255));
  writeFileSync(file, bytes);
  const to = "ida@customers.example";
  await run("swaks", ["--server", `127.0.0.1:${world.postfix.ports.campaign}`, "--from", "news@shop.example", "--to", to, "--hide-all",
    "--h-Subject", "Hello {{first_name}}", "--add-header", "X-Mailtailor-Campaign: spring", "--attach-type", "text/plain",
    "--attach-body", TEXT.replaceAll("\n", "\\n"), "--attach-type", "application/octet-stream", "--attach", `@${file}`]);
  const copy = await assertCopy(to, { html: false });
  assert.deepEqual(copy.attachments[0].content, bytes);
});

await test("swaks: clients that drop the connection after each step cost nobody anything", async () => {
  for (const how of ["--drop-after", "--drop-after-send"])
    for (const step of ["EHLO", "MAIL", "RCPT", "DATA"])
      await run("swaks", ["--server", `127.0.0.1:${world.postfix.ports.campaign}`, "--from", "spring@shop.example", "--to", "jon@customers.example",
        "--hide-all", "--h-Subject", "x {{first_name}}", how, step]).catch(() => {});
  const socket = net.connect(world.postfix.ports.campaign, "127.0.0.1");
  await once(socket, "data");
  socket.write("EHLO a\r\n");
  await once(socket, "data");
  socket.write("MAIL FROM:<spring@shop.example>\r\nRCPT TO:<jon@customers.example>\r\nDATA\r\n");
  await once(socket, "data");
  socket.write(message({ to: "jon@customers.example" }).slice(0, -10));
  await new Promise((resolve) => setTimeout(resolve, 200));
  socket.resetAndDestroy ? socket.resetAndDestroy() : socket.destroy();
  await world.submit({ to: "jon@customers.example", raw: message({ to: "jon@customers.example" }) });
  await world.postfix.drained();
  await assertCopy("jon@customers.example", { html: false });
  assert.equal(world.sink.of("jon@customers.example").length, 1, "none of the dropped ones arrived");
});

await test("smtp-source -F: many sessions at once, each recipient once", async () => {
  const file = join(world.dir, "source.eml");
  writeFileSync(file, message({ to: "all@shop.example" }).replaceAll("\r\n", "\n"));
  const count = Math.max(20, Math.round(100 / slow));
  const port = String(world.postfix.ports.campaign);
  await run("/usr/sbin/smtp-source", ["-s", "5", "-m", String(count), "-N", "-f", "news@shop.example", "-t", "-x@customers.example", "-F", file, `127.0.0.1:${port}`]);
  await run("/usr/sbin/smtp-source", ["-d", "-s", "2", "-m", "10", "-N", "-f", "news@shop.example", "-t", "-y@customers.example", "-F", file, `127.0.0.1:${port}`]);
  await world.postfix.drained();
  const got = world.sink.mails.filter((mail) => /^\d+-[xy]@customers\.example$/.test(mail.to[0]));
  assert.equal(new Set(got.map((mail) => mail.to[0])).size, count + 10);
  assert.equal(got.length, count + 10);
  const unsubscribe = new Set();
  for (const mail of got) {
    const copy = await read(mail);
    assertTailored(copy);
    assert.equal(copy.to.value[0].address, mail.to[0]);
    assert.match(copy.text, /^Dear friend of town,/);
    unsubscribe.add(field(copy, "List-Unsubscribe"));
  }
  assert.equal(unsubscribe.size, count + 10, "each has its own unsubscribe link");
});

await test("8BITMIME: UTF-8 bytes stay 8bit; a part of another charset gets what it cannot hold", async () => {
  const to = "carl@customers.example";
  await world.submit({ to, envelope: { from: "news@shop.example", to, use8BitMime: true }, raw: Buffer.from(message({ to, text: "Grüße aus {{city}}, 東京\n" })) });
  let copy = await read((await world.sink.take(to, 2))[1]);
  assert.equal(field(copy, "Content-Transfer-Encoding"), "8bit");
  assert.match(split(copy.raw).body.toString("utf8"), /^Grüße aus Reykjavík, 東京\r\n/);
  const latin = Buffer.from(message({ to: "dora@customers.example", text: "Gr\xfc\xdfe {{name}}\n", more: 'X-Mailtailor-Data: {"name": "\\u6771\\u4eac"}\n' })
    .replace("charset=utf-8", "charset=iso-8859-1"), "latin1");
  await world.submit({ to: "dora@customers.example", raw: latin });
  copy = await read((await world.sink.take("dora@customers.example", 2))[1]);
  assert.equal(copy.text.trim(), "Grüße 東京");
});

await test("1 MB: a large attachment keeps its bytes, a large HTML part gets its tags", async () => {
  const bytes = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31 + (i >> 8)) & 255));
  const rows = Array.from({ length: 16000 }, (_, i) => `<tr><td>row ${i}</td><td>{{first_name}}</td><td>a cell with text &amp; more of it here</td></tr>\n`);
  const html = `<html><body><table>${rows.join("")}</table><a href="${BOX.replace("&", "&amp;")}">box</a></body></html>`;
  const copy = await world.copy({ to: "emil@customers.example", subject: "Big for {{first_name}}", text: TEXT, html, headers: CAMPAIGN,
    attachments: [{ filename: "a.bin", content: bytes }] });
  const name = people["emil@customers.example"].first_name;
  assert.equal(copy.subject, `Big for ${name}`);
  assertTailored(copy);
  assert.ok(copy.html.length > 1 << 20);
  assert.equal(copy.html.split(`<td>${name}</td>`).length - 1, 16000);
  assert.equal(world.token(links(copy.html)[0]).url, BOX);
  assert.deepEqual(copy.attachments[0].content, bytes);
});

await test("ordinary mail: what arrives is what arrives without mailtailor, byte for byte", async () => {
  const samples = {
    plain: message({ to: "x@friends.example", campaign: "", text: "{{stay}} as you are\n.dot\n..dots\n\ttab \n" }),
    eightbit: message({ to: "x@friends.example", campaign: "", text: "Grüße {{name}}\n" }),
    folded: message({ to: "x@friends.example", campaign: "", more: "X-Folded: a\n  b\n\tc   d\nX-Odd:no space\nX-Empty:\nSUBJECT:   spaced   \n" }),
    big: message({ to: "x@friends.example", campaign: "", text: "0123456789 abcdefghij {{x}}\n".repeat(40000) }),
    empty: message({ to: "x@friends.example", campaign: "", text: "" }),
  };
  for (const [name, raw] of Object.entries(samples)) {
    const with_ = `with-${name}@friends.example`;
    const without = `without-${name}@friends.example`;
    await world.submit({ to: with_, raw, from: "tom@shop.example" });
    await world.submit({ to: without, raw, from: "tom@shop.example", port: "plain" });
    const [a, b] = [split((await world.sink.take(with_))[0].raw), split((await world.sink.take(without))[0].raw)];
    assert.equal(a.head, b.head, name);
    assert.ok(a.body.equals(b.body), name);
  }
});

await test("mailtailord ends well", () => world.stop());
done();
