import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { Postfix, Sendmail, TRACK, World, slow } from "./harness.mjs";
import { assertTailored, field, fields, links, pixels, read } from "./mail.mjs";
import { comment, done, test } from "./tap.mjs";

const mta = { postfix: Postfix, sendmail: Sendmail }[process.argv[2]];
const MANY = slow > 1 ? 200 : 1000;
const TOKENS = slow > 1 ? 10 : 50; // of so many recipients every token is opened, by a process each
const CITIES = ["Köln", "Reykjavík", "東京", "Łódź", "Up & <Down>"];
const person = (i) => ({ first_name: `Nr${i}`, city: CITIES[i % CITIES.length] });
const address = (i) => `r${i}@customers.example`;
const everybody = Array.from({ length: MANY }, (_, i) => address(i));
const world = await World.start({
  mta,
  signer: true,
  inject: 'connections = 16 retry_min = 1s helo = "mailtailor.shop.example"',
  profiles: Object.fromEntries(everybody.map((to, i) => [to, person(i)])),
  conf: `
campaign spring {
	category = promo
	return_path = "bounces@shop.example"
	unsubscribe_mailto = "unsubscribe@shop.example"
	defaults { first_name = "friend" city = "town" code = "none" }
}
campaign by-sender { match_sender = { "spring@shop.example" } category = promo }
campaign plain { category = promo }
campaign alone { recipients = one match_sender = { "alone@shop.example" } }
`,
});
const VERP = /^bounces\+[a-z2-7]{56}@shop\.example$/;
const HTML = `<html><body><p>Dear {{first_name}} of {{city}}, {{code}}</p>
<a href="https://shop.example/box?a=1&amp;code={{code}}">box</a> <a href="{{unsubscribe_url}}">leave</a></body></html>`;
const TEXT = "Dear {{first_name}} of {{city}}, {{code}}\n{{#each items}}* {{name}}\n{{/each}}\nhttps://shop.example/text\n";

/** A data part: address → object, perhaps packed. */
function dataPart(map, encode = (bytes) => bytes, type = "") {
  return { contentType: `application/vnd.mailtailor.data+json${type}`, filename: false, contentDisposition: "inline", content: encode(Buffer.from(JSON.stringify(map))) };
}

const mail = (to, more = {}) => ({
  from: "news@shop.example",
  envelope: { from: more.from ?? "news@shop.example", to },
  to: "Our customers <news@shop.example>",
  subject: "{{first_name}}, {{city}} waits",
  text: TEXT,
  html: HTML,
  headers: { "X-Mailtailor-Campaign": "spring" },
  ...more,
});

/** Submits; returns what mailtailord says about it. */
async function spooled(message) {
  const before = world.daemon.log().length;
  const answer = await world.submit(message);
  assert.match(answer.response, /^250 /, answer.response);
  const said = /spooled (recipients=\d+ now=\d+ later=\d+ dropped=\d+ again=\d+)/.exec(world.daemon.log().slice(before));
  return said?.[1];
}

async function arrived(n, seconds = 120) {
  const end = Date.now() + seconds * slow * 1000;
  while (world.sink.mails.length < n && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  await world.mta.drained();
  return world.sink.mails.length;
}

const code = (i) => `C-${i}-${(i * 7919) % 1000}`;
const big = mail(everybody, {
  messageId: "<big@shop.example>",
  date: new Date("2026-11-24T10:00:00Z"),
  attachments: [
    dataPart(Object.fromEntries(everybody.map((to, i) => [to, { code: code(i), items: [{ name: `thing ${i}` }, { name: "Größe <b>" }] }]))),
    { filename: "terms.pdf", content: Buffer.from("the same for all\n".repeat(50)) },
  ],
});
const copies = new Map(); // address → parsed copy

await test(`${mta.name}: one message with ${MANY} RCPTs: ${MANY} copies arrive, each at its recipient`, async () => {
  const began = Date.now();
  assert.equal(await spooled(big), `recipients=${MANY} now=${MANY} later=0 dropped=0 again=0`);
  const accepted = Date.now();
  assert.equal(await arrived(MANY), MANY);
  const ended = Date.now();
  comment(`${MANY} recipients: accepted after ${accepted - began} ms, all delivered ${ended - accepted} ms later, ${Math.round((MANY * 1000) / (ended - began))} copies/s`);
  for (const got of world.sink.mails) {
    assert.equal(got.to.length, 1);
    assert.ok(!copies.has(got.to[0]), `${got.to[0]} got two`);
    copies.set(got.to[0], Object.assign(await read(got), { envelopeFrom: got.from }));
  }
  assert.deepEqual([...copies.keys()].sort(), [...everybody].sort());
});

await test("each copy holds the recipient's own profile and data, and nobody else's", () => {
  for (let i = 0; i < MANY; i++) {
    const copy = copies.get(address(i));
    const { first_name: name, city } = person(i);
    assertTailored(copy);
    assert.equal(copy.subject, `${name}, ${city} waits`);
    assert.equal(copy.to.value.length, 1);
    assert.equal(copy.to.value[0].address, address(i));
    assert.ok(copy.text.startsWith(`Dear ${name} of ${city}, ${code(i)}\n* thing ${i}\n* Größe <b>\n`), copy.text);
    assert.ok(copy.html.includes(`<p>Dear ${name} of ${city.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}, ${code(i)}</p>`), copy.html);
    assert.deepEqual(copy.attachments.map((a) => a.filename), ["terms.pdf"], "the data part is in no copy");
    assert.equal(copy.attachments[0].content.length, 850);
    assert.equal(copy.headers.get("date").toISOString(), "2026-11-24T10:00:00.000Z");
  }
});

await test("Message-ID, unsubscribe link, pixel, links and return path are each copy's own", () => {
  const unique = { id: new Set(), unsubscribe: new Set(), pixel: new Set(), link: new Set(), text: new Set(), path: new Set() };
  for (const copy of copies.values()) {
    assert.match(copy.envelopeFrom, VERP);
    assert.equal(fields(copy, "Message-ID").length, 1);
    assert.match(field(copy, "Message-ID"), /^<[^<>@\s]+@shop\.example>$/);
    unique.id.add(field(copy, "Message-ID"));
    unique.unsubscribe.add(field(copy, "List-Unsubscribe"));
    unique.pixel.add(pixels(copy.html, TRACK)[0]);
    unique.link.add(links(copy.html)[0]);
    unique.text.add(/^https:.*$/m.exec(copy.text)[0]);
    unique.path.add(copy.envelopeFrom);
  }
  for (const [what, values] of Object.entries(unique)) assert.equal(values.size, MANY, what);
});

await test(`tokens of ${TOKENS} copies open to their recipient, and to what the sender wrote`, () => {
  const keys = new Set();
  for (let n = 0; n < TOKENS; n++) {
    const i = Math.floor((n * (MANY - 1)) / (TOKENS - 1));
    const copy = copies.get(address(i));
    const key = JSON.parse(world.mt("profile", "export", address(i))).hash;
    const [box, leave] = links(copy.html);
    const urls = [box, leave, pixels(copy.html, TRACK)[0], /^https:.*$/m.exec(copy.text)[0], copy.envelopeFrom];
    const opened = (n % 10 === 0 ? urls : urls.slice(0, 1)).map((url) => world.token(url)); // a process each
    for (const token of opened) assert.ok(key.startsWith(token.recipient), `${token.purpose} of ${address(i)} is ${token.recipient}'s, not ${key}'s`);
    assert.equal(opened[0].url, `https://shop.example/box?a=1&code=${code(i)}`);
    assert.equal(opened[0].campaign, "spring");
    if (opened.length > 1) assert.deepEqual(opened.map((token) => token.purpose), ["click", "unsubscribe", "open", "click", "bounce"]);
    keys.add(key);
  }
  assert.equal(keys.size, TOKENS);
});

await test("DKIM verifies for every copy, and covers both unsubscribe fields", async () => {
  for (const [to, copy] of copies) {
    const { result, headers } = await world.signer.verify(copy.raw);
    assert.equal(result, "pass", to);
    for (const name of ["list-unsubscribe", "list-unsubscribe-post"])
      assert.equal(headers.filter((one) => one === name).length, 2, `${name} is signed and oversigned`);
  }
});

await test("the log has a line for each copy, with hashes and no address", () => {
  const log = world.daemon.log();
  const sent = new Set([...log.matchAll(/job=(\S+) campaign=spring recipient=([0-9a-f]+) sent reason=sent/g)].map((m) => m[2]));
  assert.equal(sent.size, MANY);
  assert.doesNotMatch(log, /customers\.example/);
});

await test("the same message again, as after a lost answer: nothing is added, nothing arrives twice", async () => {
  assert.equal(await spooled(big), `recipients=${MANY} now=0 later=0 dropped=0 again=${MANY}`);
  assert.equal(await spooled({ ...big, envelope: { from: "news@shop.example", to: [...everybody.slice(0, 9), "new@customers.example"] } }), "recipients=10 now=1 later=0 dropped=0 again=9");
  assert.equal(await arrived(MANY + 1), MANY + 1);
  assert.match((await read(world.sink.of("new@customers.example")[0])).text, /^Dear friend of town, none/);
});

await test("who is suppressed, or denied consent, gets none, and the log says why", async () => {
  const names = ["keep-a", "suppressed", "keep-b", "denied", "keep-c"];
  const to = names.map((name) => `${name}@customers.example`);
  world.mt("suppress", "add", to[1], "--reason", "unsubscribe");
  world.mt("profile", "consent", to[3], "mail", "denied");
  const before = world.daemon.log().length;
  const count = world.sink.mails.length;
  assert.equal(await spooled(mail(to)), "recipients=5 now=3 later=0 dropped=2 again=0");
  assert.equal(await arrived(count + 3), count + 3);
  for (const [i, name] of names.entries()) assert.equal(world.sink.of(to[i]).length, name.startsWith("keep") ? 1 : 0, name);
  const log = world.daemon.log().slice(before);
  assert.match(log, /campaign=spring recipient=[0-9a-f]+ dropped reason=suppressed unsubscribe/);
  assert.match(log, /campaign=spring recipient=[0-9a-f]+ dropped reason=consent/);
});

await test("merge data packed by gzip; an address that is not in it has its profile", async () => {
  const to = ["zip-a@customers.example", "zip-b@customers.example", address(3)];
  const map = { "zip-a@customers.example": { code: "A", city: "Ulm" }, "ZIP-B@customers.example": { code: "wrong" }, "zip-b@CUSTOMERS.example": { code: "B" } };
  await spooled(mail(to, { attachments: [dataPart(map, gzipSync, "+gzip")] }));
  for (const [one, says] of [[to[0], "Dear friend of Ulm, A"], [to[1], "Dear friend of town, B"], [to[2], `Dear ${person(3).first_name} of ${person(3).city}, none`]]) {
    const copy = await read((await world.sink.take(one, one === to[2] ? 2 : 1)).at(-1));
    assert.ok(copy.text.startsWith(says), `${one}: ${copy.text}`);
    assert.equal(copy.attachments.length, 0);
  }
});

await test("a mistake in template or data: 550 5.6.0 for the whole message, nothing is spooled", async () => {
  const to = ["bad-a@customers.example", "bad-b@customers.example"];
  const before = world.daemon.log().length;
  const template = await world.submit(mail(to, { text: "{{#if x}}" }));
  assert.equal(template.code, 550);
  assert.match(template.response, /^550 5\.6\.0 .*part 1/);
  const data = await world.submit(mail(to, { attachments: [{ ...dataPart({}), content: '{"bad-a@customers.example": {"a": }}' }] }));
  assert.match(data.response, /^550 5\.6\.0 .*data\+json.*line 1/);
  await world.mta.drained();
  assert.doesNotMatch(world.daemon.log().slice(before), /spooled/);
  assert.equal(world.sink.of(to[0]).length + world.sink.of(to[1]).length, 0);
});

await test("one RCPT that is due now is edited in place: no spool, the signed copy is the client's own message", async () => {
  const to = "single@customers.example";
  const before = world.daemon.log().length;
  assert.equal(await spooled(mail([to], { attachments: [dataPart({ [to]: { code: "own" } })] })), undefined, "nothing was spooled");
  const [got] = await world.sink.take(to);
  const copy = await read(got);
  assertTailored(copy);
  assert.equal(fields(copy, "DKIM-Signature").length, 1);
  assert.match(copy.text, /^Dear friend of town, own\n/);
  assert.match(got.from, VERP);
  assert.match(world.daemon.log().slice(before), /: campaign=spring recipient=[0-9a-f]+ sent reason=send/);
});

await test("without return_path the copies keep the envelope sender", async () => {
  const to = ["path-a@customers.example", "path-b@customers.example"];
  await spooled(mail(to, { headers: { "X-Mailtailor-Campaign": "plain" } }));
  for (const one of to) assert.equal((await world.sink.take(one))[0].from, "news@shop.example");
});

await test("a campaign that the sender names takes several RCPTs; recipients = one still refuses the second", async () => {
  const to = ["named-a@customers.example", "named-b@customers.example"];
  assert.equal(await spooled(mail(to, { from: "spring@shop.example", headers: {} })), "recipients=2 now=2 later=0 dropped=0 again=0");
  for (const one of to) assertTailored(await read((await world.sink.take(one))[0]));
  const alone = ["alone-a@customers.example", "alone-b@customers.example"];
  const answer = await world.submit(mail(alone, { from: "alone@shop.example", headers: {} }));
  assert.deepEqual(answer.accepted, [alone[0]]);
  assert.match(answer.rejectedErrors[0].response, /^452 4\.5\.3 .*campaign alone/);
  assertTailored(await read((await world.sink.take(alone[0]))[0]));
});

await test("ordinary mail to several is one message still", async () => {
  const to = ["x@friends.example", "y@friends.example"];
  await world.submit({ envelope: { from: "tom@shop.example", to }, to: "friends:;", subject: "{{stay}}", text: "{{stay}}" });
  assert.equal((await read((await world.sink.take(to[0]))[0])).subject, "{{stay}}");
  await world.sink.take(to[1]);
});

await test("mailtailord ends well, and its injector", () => world.stop());
done();
