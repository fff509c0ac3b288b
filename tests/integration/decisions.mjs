import assert from "node:assert/strict";
import { join } from "node:path";
import { Daemon, Postfix, TRACK, World, build, configuration } from "./harness.mjs";
import { writeFileSync } from "node:fs";
import { assertTailored, field, links, pixels, read, split } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const SCORER = join(build, "tests/plugins/probe-score.so"); // click = profile.orders / 10
const conf = `
plugin scores { path = "${SCORER}" deadline = 10s }
cap weekly { category = { capped } limit = 2 window = 7d }
cap strict { category = { strict } limit = 1 window = 7d action = reject }
cap house { category = { house } limit = 2 window = 1d scope = domain }
campaign spring { category = promo }
campaign asked { category = newsletter require_consent = yes }
campaign receipts { category = transactional list_unsubscribe = no missing = hold track_opens = no track_clicks = no }
campaign capped { category = capped }
campaign strict { category = strict }
campaign house { category = house }
campaign likely { category = promo scorers = { scores } send_if = "click >= 0.5" }
campaign shy { category = promo tracking_unknown = deny }
campaign one { category = promo match_sender = { "one@shop.example" } }
campaign raw { category = promo templates = no }
`;
const world = await World.start({
  conf,
  milter: "max_message = 200K",
  ports: { campaign: ["milter.sock"], plain: [], untrusted: ["untrusted.sock"] },
  profiles: {
    "lover@customers.example": { first_name: "Lou", orders: 9 },
    "stranger@customers.example": { first_name: "Sam", orders: 1 },
    "Case.Sensitive@customers.example": { first_name: "Case" },
    "idn@xn--bcher-kva.example": { first_name: "Idna" },
  },
});
const HTML = '<html><body><p>Hi {{first_name}}</p><a href="https://shop.example/a?x=1">a</a> <a href="{{unsubscribe_url}}">u</a></body></html>';
const mail = (campaign, to, more = {}) => ({ to, subject: "Offer for {{first_name}}", text: "Hi {{first_name}}: https://shop.example/t", html: HTML, headers: { "X-Mailtailor-Campaign": campaign }, ...more });

async function assertDropped(campaign, to, reason) {
  const before = world.daemon.log().length;
  const count = world.sink.of(to).length;
  const answer = await world.submit(mail(campaign, to));
  assert.match(answer.response, /^250 /, "the submitter is told 250");
  await world.postfix.drained();
  assert.equal(world.sink.of(to).length, count, "no copy arrives");
  assert.match(world.daemon.log().slice(before), new RegExp(`campaign=${campaign} .*dropped reason=${reason}`));
}

async function assertSent(campaign, to, tracked = true) {
  const copy = await world.copy(mail(campaign, to));
  assertTailored(copy, { tracked });
  return copy;
}

async function assertRefused(message, code, pattern) {
  const answer = await world.submit(message);
  assert.equal(answer.code, code, answer.response);
  assert.match(answer.response, pattern);
}

await test("suppressed: accepted and discarded; transactional mail still goes; a domain and a category can be suppressed", async () => {
  world.mt("suppress", "add", "bob@customers.example", "--reason", "unsubscribe");
  await assertDropped("spring", "bob@customers.example", "suppressed");
  const receipt = await world.copy({ to: "bob@customers.example", subject: "Receipt", text: "paid", headers: { "X-Mailtailor-Campaign": "receipts" } });
  assertTailored(receipt, { unsubscribe: false });
  assert.equal(field(receipt, "List-Unsubscribe"), undefined);
  world.mt("suppress", "add", "all@customers.example", "--category", "*");
  await assertDropped("receipts", "all@customers.example", "suppressed");
  world.mt("suppress", "add", "@blocked.example");
  await assertDropped("spring", "any@blocked.example", "suppressed");
  world.mt("suppress", "add", "some@customers.example", "--category", "newsletter");
  await assertSent("spring", "some@customers.example");
  world.mt("suppress", "remove", "bob@customers.example");
  await assertSent("spring", "bob@customers.example");
});

await test("suppression finds the address however it is written: domain in another case, or IDN", async () => {
  world.mt("suppress", "add", "Bea@customers.example");
  await assertDropped("spring", "Bea@CUSTOMERS.Example", "suppressed");
});

await test("consent: mail denied is discarded; require_consent wants it granted", async () => {
  world.mt("profile", "consent", "no@customers.example", "mail", "denied");
  await assertDropped("spring", "no@customers.example", "consent");
  await assertDropped("asked", "unknown@customers.example", "consent");
  world.mt("profile", "consent", "yes@customers.example", "mail:newsletter", "granted");
  await assertSent("asked", "yes@customers.example");
  world.mt("profile", "consent", "yes@customers.example", "mail:newsletter", "denied");
  await assertDropped("asked", "yes@customers.example", "consent");
});

await test("cap: the third of two is discarded; a retry of the first goes again and takes no place", async () => {
  const to = "cap@customers.example";
  const again = mail("capped", to, { messageId: "<first@shop.example>" });
  await world.copy(again);
  await world.copy(again);
  await assertSent("capped", to);
  await assertDropped("capped", to, "cap");
  await world.copy(again);
  const [weekly] = JSON.parse(world.mt("caps", "show", to, "--campaign", "capped", "--json"));
  assert.equal(weekly.used, 2);
});

await test("cap with action reject: 550 5.7.1; cap of a domain counts all its recipients", async () => {
  await assertSent("strict", "strict@customers.example");
  await assertRefused(mail("strict", "strict@customers.example"), 550, /^550 5\.7\.1 .*cap "strict" is full/);
  await assertSent("house", "a@house.example");
  await assertSent("house", "b@house.example");
  await assertDropped("house", "c@house.example", "cap");
});

await test("send_if: by the scorer's score; an unknown recipient's missing feature follows the rule", async () => {
  await assertSent("likely", "lover@customers.example");
  await assertDropped("likely", "stranger@customers.example", "send-if");
});

await test("tracking consent denied, or unknown with a campaign that wants it: no pixel, links as the sender wrote them", async () => {
  world.mt("profile", "consent", "private@customers.example", "tracking", "denied");
  for (const [campaign, to] of [["spring", "private@customers.example"], ["shy", "nobody@customers.example"]]) {
    const copy = await assertSent(campaign, to, false);
    assert.equal(links(copy.html)[0], "https://shop.example/a?x=1");
    assert.ok(copy.text.includes("https://shop.example/t"));
    assert.equal(world.token(/<([^>]*)>/.exec(field(copy, "List-Unsubscribe"))[1]).purpose, "unsubscribe", "leaving is always possible");
  }
  world.mt("profile", "consent", "open@customers.example", "tracking", "granted");
  const copy = await assertSent("shy", "open@customers.example");
  assert.equal(world.token(links(copy.html)[0]).url, "https://shop.example/a?x=1");
  assert.equal(pixels(copy.html, TRACK).length, 1);
});

await test("a mistake in a template: 550 5.6.0 with part, line and column, and nothing leaves", async () => {
  const to = "mistake@customers.example";
  await assertRefused(mail("spring", to, { html: "<html><body>\n<p>{{#if x}}\n</p></body></html>" }), 550, /^550 5\.6\.0 .*part 2 \(text\/html\): line 2, column 4: .*never closed/);
  await assertRefused(mail("spring", to, { text: "a\nb {{first name}}" }), 550, /^550 5\.6\.0 .*part 1 \(text\/plain\): line 2, column \d+/);
  await assertRefused(mail("spring", to, { subject: "Hi {{" }), 550, /^550 5\.6\.0 .*header Subject: line 1, column \d+/);
  await assertRefused(mail("spring", to, { headers: { "X-Mailtailor-Campaign": "spring", "X-Mailtailor-Data": "{broken" } }), 550, /^550 5\.6\.0 .*X-Mailtailor-Data/);
  await world.postfix.drained();
  assert.equal(world.sink.of(to).length, 0);
});

await test("missing = hold: refused, and the reply names the variable", async () => {
  await assertRefused(mail("receipts", "gap@customers.example"), 550, /^550 5\.6\.0 .*first_name/);
});

await test("a campaign nobody configured: 550 5.6.0 with its name; an empty name is none", async () => {
  const before = world.daemon.log().length;
  await assertRefused(mail("sprign", "x@customers.example"), 550, /^550 5\.6\.0 .*no campaign "sprign" is configured \(did you mean "spring"\?\); check X-Mailtailor-Campaign/);
  assert.match(world.daemon.log().slice(before), /warning: \w+: campaign=sprign: no campaign "sprign" is configured \(did you mean "spring"\?\); check X-Mailtailor-Campaign\n/);
  const raw = "From: a@shop.example\r\nX-Mailtailor-Campaign: \r\nSubject: {{x}}\r\n\r\n{{x}}\r\n";
  await assertRefused({ to: "x@customers.example", raw }, 550, /^550 5\.6\.0 /);
});

await test("too large: 552 5.3.4; an ordinary mail of that size passes", async () => {
  const text = "0123456789 {{first_name}}\n".repeat(10000);
  await assertRefused(mail("spring", "large@customers.example", { text }), 552, /^552 5\.3\.4 .*max_message/);
  assert.match(world.daemon.log(), /warning: \w+: campaign=\S+: the message is larger than max_message \(\d+ bytes\)\n/);
  const copy = await world.copy({ to: "large@customers.example", subject: "s", text });
  assert.ok(copy.text.length > 250000);
});

await test("templates = no: braces stay, the rest is done", async () => {
  const copy = await world.copy(mail("raw", "raw@customers.example", { html: undefined, text: "{{first_name}} stays" }));
  assert.equal(copy.text.trim(), "{{first_name}} stays");
  assert.equal(field(copy, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
});

await test("recipients = one: the second RCPT of a named sender gets 452 4.5.3", async () => {
  const answer = await world.submit({ from: "one@shop.example", to: "first@customers.example, second@customers.example",
    envelope: { from: "one@shop.example", to: ["first@customers.example", "second@customers.example"] }, subject: "s", text: "Hi {{first_name}}" });
  assert.deepEqual(answer.accepted, ["first@customers.example"]);
  assert.equal(answer.rejectedErrors[0].responseCode, 452);
  assert.match(answer.rejectedErrors[0].response, /^452 4\.5\.3 .*campaign one/);
  assert.equal((await read((await world.sink.take("first@customers.example"))[0])).to.value.length, 1, "To names the one");
});

await test("recipients = one: named by the header only, two recipients are refused at the end", async () => {
  await assertRefused({ ...mail("spring", "x"), to: "Everybody <all@shop.example>", envelope: { from: "news@shop.example", to: ["p@customers.example", "q@customers.example"] } },
    550, /^550 5\.5\.3 .*one recipient/);
});

await test("a Postfix in front brings five recipients one by one", async () => {
  const hop = new Postfix(join(world.dir, "hop"));
  await hop.start(world.postfix.ports.campaign, { in: [] }, { myhostname: "hop.shop.example", minimal_backoff_time: "2s", maximal_backoff_time: "2s", queue_run_delay: "2s" });
  const to = ["v", "w", "x", "y", "z"].map((name) => `five-${name}@customers.example`);
  const transport = world.transport("campaign", { port: hop.ports.in });
  await transport.sendMail({ from: "one@shop.example", to: "list@shop.example", envelope: { from: "one@shop.example", to }, subject: "s", text: "Hi {{first_name}}: {{unsubscribe_url}}" });
  // A queue run that meets a delivery under way puts the message off for a minute.
  await hop.drained(150);
  const seen = new Set();
  for (const address of to) {
    const [got] = await world.sink.take(address);
    assert.deepEqual(got.to, [address]);
    const copy = await read(got);
    assertTailored(copy);
    assert.equal(copy.to.value[0].address, address);
    seen.add(field(copy, "List-Unsubscribe"));
    assert.equal(world.sink.of(address).length, 1);
  }
  assert.equal(seen.size, 5);
  await hop.stop();
});

await test("merge data or a time without a campaign: 550 5.6.0, and the template does not go out", async () => {
  const to = "nameless@customers.example";
  for (const headers of [{ "X-Mailtailor-Data": "{}" }, { "X-Mailtailor-Send-At": "2026-12-01T09:00" }])
    await assertRefused(mail("", to, { headers }), 550, new RegExp(`^550 5\\.6\\.0 mailtailor: ${Object.keys(headers)[0]} is for campaign mail`));
  await world.postfix.drained();
  assert.equal(world.sink.of(to).length, 0);
});

await test("an untrusted submitter: X-Mailtailor fields go, all else stays as it is", async () => {
  const untrusted = join(world.dir, "untrusted.conf");
  writeFileSync(untrusted, configuration(world.dir, { socket: "untrusted.sock", state: "state-untrusted", milter: 'trusted_networks = { "192.0.2.0/24" }', more: conf }));
  const daemon = new Daemon(untrusted, join(world.dir, "run/untrusted.sock"), join(world.dir, "untrusted.log"));
  await daemon.start();
  const head = "From: X <one@shop.example>\r\nTo: y@friends.example\r\nSubject: {{first_name}} {{#if\r\nMessage-ID: <u@x>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n";
  const ours = 'X-Mailtailor-Campaign: spring\r\nX-MAILTAILOR-data: {"a":\r\n "b"}\r\nx-mailtailor-anything: c\r\n';
  const body = "Content-Type: text/plain\r\n\r\n{{first_name}} https://shop.example/ \r\n";
  await world.submit({ port: "untrusted", from: "one@shop.example", to: "with@friends.example", raw: ours.slice(0, 31) + head + ours.slice(31) + body });
  await world.submit({ port: "plain", from: "one@shop.example", to: "without@friends.example", raw: head + body });
  const a = split((await world.sink.take("with@friends.example"))[0].raw);
  const b = split((await world.sink.take("without@friends.example"))[0].raw);
  assert.equal(a.head, b.head);
  assert.deepEqual(a.body, b.body);
  const many = await world.submit({ port: "untrusted", from: "one@shop.example", envelope: { from: "one@shop.example", to: ["m1@friends.example", "m2@friends.example"] }, raw: ours + head + body });
  assert.equal(many.accepted.length, 2, "nor are recipients counted");
  assert.equal((await daemon.stop()).code, 0);
});

await test("mailtailord ends well", () => world.stop());
done();
