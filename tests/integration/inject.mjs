import assert from "node:assert/strict";
import { join } from "node:path";
import { World, build, dialog, lives, sleep, slow, until } from "./harness.mjs";
import { assertTailored, field, read, split } from "./mail.mjs";
import { Scripted } from "./scripted.mjs";
import { done, test } from "./tap.mjs";

const port = new Scripted();
await port.open();
const CONF = `
campaign spring { category = promo }
campaign by-sender { match_sender = { "spring@shop.example" } category = promo }
campaign strict { category = promo missing = hold }
cap rare { category = { rare } limit = 1 window = 4s action = defer }
campaign rare { category = rare }
cap once { category = { once } limit = 1 window = 1d action = reject }
campaign once { category = once }
plugin rows { path = "${join(build, "tests/plugins/probe-score.so")}" deadline = 10s options { mode = "log" } }
campaign scored { category = promo scorers = { rows } }
campaign verp { category = promo return_path = "bounces@shop.example" }
`;
const LIFETIME = 5;
const inject = (to) => `target = "127.0.0.1:${to}" helo = "mailtailor.shop.example" connections = 4 report_from = "postmaster@shop.example"
	connect_timeout = 1s command_timeout = ${slow}s data_timeout = ${slow}s retry_min = 1s retry_max = 10s lifetime = ${LIFETIME}s`;
const world = await World.start({
  injectTo: port.port,
  inject: inject(port.port).replace(/^target = \S+/, ""),
  // The mark stays on what this Postfix sends on: the guard is looked at.
  settings: { smtp_header_checks: "" },
  conf: CONF,
});

let serial = 0;
/** Submits a campaign message to several: names of recipients, or addresses; more as world.submit, and dsn of the envelope. */
async function submit(names, { campaign = "spring", from = "news@shop.example", headers = {}, envelope = {}, ...more } = {}) {
  const to = names.map((name) => (name.includes("@") ? name : `${name}@customers.example`));
  const answer = await world.submit({
    envelope: { from, to, ...envelope },
    from: "news@shop.example",
    to: "All <all@shop.example>",
    subject: "Hello {{default first_name \"you\"}}",
    text: "Dear {{default first_name \"you\"}}: https://shop.example/\n",
    messageId: `<m${++serial}@shop.example>`,
    headers: { ...(campaign && { "X-Mailtailor-Campaign": campaign }), ...headers },
    ...more,
  });
  assert.match(answer.response, /^250 /, answer.response);
  return to;
}

const EIGHT = `From: news@shop.example\r\nTo: all@shop.example\r\nSubject: x\r\nMessage-ID: <eight@shop.example>\r\nX-Mailtailor-Campaign: verp\r
MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße, {{default first_name "Sie"}}\r\n`;

/** Waits until each has a copy, and checks that each has n. */
async function assertCopies(to, n = 1, box = port) {
  for (const one of to) await box.take(one, n, 30 * slow);
  for (const one of to) {
    assert.equal(box.of(one).length, n, one);
    assertTailored(await read(withoutMark(box.of(one).at(-1))));
  }
}

const withoutMark = (mail) => ({ ...mail, raw: Buffer.from(mail.raw.toString("latin1").replace(/^X-Mailtailor-Job:.*\r\n(?:[ \t].*\r\n)*/m, ""), "latin1") });

/** Waits for lines of mailtailord's log; returns them. */
function logged(pattern, since = 0, n = 1) {
  const all = new RegExp(pattern.source, `g${pattern.flags}`);
  return until(`${n} lines like ${pattern}`, () => {
    const lines = [...world.daemon.log().slice(since).matchAll(all)];
    return lines.length >= n && lines;
  }, 30);
}

/** A delivery report (RFC 3464), taken apart: { mail, text, status: { field: value }, original }. */
async function report(to, n = 1) {
  const got = (await port.take(to, n, 30 * slow)).at(n - 1);
  assert.equal(got.from, "", "a report has the null sender");
  const mail = await read(got);
  const { value, params } = mail.headers.get("content-type");
  assert.equal(value, "multipart/report");
  assert.equal(params["report-type"], "delivery-status");
  const parts = got.raw.toString("utf8").split(`--${params.boundary}`).slice(1, -1).map((part) => {
    const end = part.indexOf("\r\n\r\n");
    return { type: /^Content-Type: *([^;\s]+)/im.exec(part.slice(0, end))[1], body: part.slice(end + 4) };
  });
  assert.deepEqual(parts.slice(0, 2).map((part) => part.type), ["text/plain", "message/delivery-status"]);
  assert.match(parts[2].type, /^(message\/rfc822|text\/rfc822-headers)$/);
  const status = Object.fromEntries([...parts[1].body.matchAll(/^([\w-]+): *(.*?)\r$/gm)].map(([, name, text]) => [name.toLowerCase(), text]));
  return { mail, text: parts[0].body, status, original: parts[2].body };
}

await test("what the port sees: parameters of the envelope, the mark, one connection for many", async () => {
  const to = await submit(["seen-a", "seen-b"], { envelope: { use8BitMime: true, dsn: { return: "headers", id: "env+1", notify: ["failure", "delay"], recipient: "rfc822;orig@customers.example" } }, raw: EIGHT });
  await assertCopies(to);
  for (const one of to) {
    const [attempt] = port.attemptsAt(one);
    assert.match(attempt.from, /^bounces\+[a-z2-7]{56}@shop\.example$/);
    assert.match(attempt.mail, /(^| )BODY=8BITMIME( |$)/);
    assert.match(attempt.mail, /(^| )RET=HDRS( |$)/);
    assert.match(attempt.mail, /(^| )ENVID=env\+2B1( |$)/);
    assert.match(attempt.rcpt, /(^| )NOTIFY=FAILURE,DELAY( |$)/);
    assert.match(attempt.rcpt, /(^| )ORCPT=rfc822;orig@customers\.example( |$)/);
    assert.match(field(await read(port.of(one)[0]), "X-Mailtailor-Job"), /^1 [0-9a-f]{32} \d+ [0-9a-f]{32}$/);
  }
  const many = Array.from({ length: 40 }, (_, i) => `many-${i}`);
  const before = port.connections;
  await assertCopies(await submit(many));
  assert.ok(port.connections - before <= 4, `${port.connections - before} connections for 40 copies`);
});

await test("due jobs of one message are scored together: one call for 64, and one for the two that are left", async () => {
  const before = world.daemon.log().length;
  await assertCopies(await submit(Array.from({ length: 66 }, (_, i) => `scored-${i}`), { campaign: "scored" }));
  const calls = (await logged(/plugin rows: (\d+) rows/, before, 2)).map(([, rows]) => Number(rows));
  assert.deepEqual(calls, [64, 2]);
});

await test("SMTPUTF8: an address in UTF-8 goes as it is, with its parameter", async () => {
  const to = await submit(["jörg@customers.example", "ascii"], { subject: "Grüße" });
  await assertCopies(to);
  assert.match(port.attemptsAt(to[0])[0].mail, /(^| )SMTPUTF8( |$)/);
});

await test("what Postfix lets pass goes on: an address in UTF-8 without SMTPUTF8, DSN parameters beyond RFC 3461", async () => {
  const send = async (from, ...to) => {
    const raw = EIGHT.replace("<eight@", `<lax${++serial}@`).replace(": verp", ": spring");
    const answers = await dialog(world.postfix.ports.campaign, ["EHLO client.example\r\n", `MAIL FROM:${from}\r\n`, ...to.map((one) => `RCPT TO:${one}\r\n`), "DATA\r\n", `${raw}.\r\n`]);
    for (const answer of answers) assert.match(answer, /^[23]/);
  };
  const of = (name) => `${name}@customers.example`;
  await send("<nöws@shop.example>", `<${of("lax-a")}>`, `<${of("läx-b")}>`);
  await send("<news@shop.example>", `<${of("läx-c")}>`, `<${of("lax-d")}>`);
  await send(`<news@shop.example> ENVID=${"x".repeat(150)}`, `<${of("lax-e")}> ORCPT=rfc822;${"x".repeat(510)}`, `<${of("lax-f")}> ORCPT=utf-8;jörg@x`);
  await assertCopies(["lax-a", "läx-b", "läx-c", "lax-d", "lax-e", "lax-f"].map(of));
  for (const name of ["lax-a", "läx-b", "läx-c"]) assert.match(port.attemptsAt(of(name))[0].mail, /(^| )SMTPUTF8( |$)/, name);
  for (const name of ["lax-d", "lax-e", "lax-f"]) assert.doesNotMatch(port.attemptsAt(of(name))[0].mail, /SMTPUTF8|ENVID/, name);
  for (const name of ["lax-e", "lax-f"]) assert.equal(port.attemptsAt(of(name))[0].rcpt, "", name);
  assert.equal(port.of("news@shop.example").length + port.of("nöws@shop.example").length, 0, "no report");
});

await test("the loop guard: a copy that comes back passes byte for byte and is logged once", async () => {
  const [name] = await submit(["spring-loop", "spring-other"], { from: "spring@shop.example", campaign: "" });
  const [copy] = await port.take(name);
  await logged(/campaign=by-sender .* sent/, 0, 2);
  const before = world.daemon.log().length;
  const arrive = async (portName, raw) => {
    await world.submit({ port: portName, envelope: { from: "spring@shop.example", to: [`${portName}@friends.example`, "second@friends.example"] }, raw });
    const all = await world.sink.take(`${portName}@friends.example`);
    return split(all.at(-1).raw);
  };
  const [a, b] = [await arrive("campaign", copy.raw), await arrive("plain", copy.raw)];
  assert.equal(a.head, b.head);
  assert.match(a.head, /^X-Mailtailor-Job: 1 /m);
  assert.deepEqual(a.body, b.body);
  assert.equal(world.daemon.log().slice(before).match(/one of our own copies/g)?.length, 1);
  assert.doesNotMatch(world.daemon.log().slice(before), /spooled|sent/);
});

await test("a copy made in place has a mark, too, and passes byte for byte when it comes round again", async () => {
  const [name] = await submit(["in-place-loop"], { from: "spring@shop.example", campaign: "" });
  const [copy] = await world.sink.take(name);
  assert.match(split(copy.raw).head, /^X-Mailtailor-Job: 1 [0-9a-f]{32} \d+ [0-9a-f]{32}\r?$/m);
  const before = world.daemon.log().length;
  const back = async (portName, to) => {
    await world.submit({ port: portName, envelope: { from: "spring@shop.example", to: [to] }, raw: copy.raw });
    return split((await world.sink.take(to))[0].raw);
  };
  const [a, b] = [await back("campaign", "back-a@friends.example"), await back("plain", "back-b@friends.example")];
  assert.equal(a.head, b.head);
  assert.deepEqual(a.body, b.body);
  assert.match(world.daemon.log().slice(before), /one of our own copies/);
  assert.doesNotMatch(world.daemon.log().slice(before), /sent reason/);
});

await test("a forged mark counts for nothing: it is taken out like every X-Mailtailor field", async () => {
  const [copy] = await port.take("spring-loop@customers.example");
  const forged = copy.raw.toString("latin1").replace(/^X-Mailtailor-Job: 1 ./m, (m) => `${m.slice(0, -1)}${m.endsWith("0") ? "1" : "0"}`);
  await world.submit({ envelope: { from: "tom@shop.example", to: ["forged@friends.example"] }, raw: Buffer.from(forged, "latin1") });
  const [got] = await world.sink.take("forged@friends.example");
  assert.doesNotMatch(split(got.raw).head, /X-Mailtailor/i);
  assert.deepEqual(split(got.raw).body, split(copy.raw).body);
});

await test("4xx, hangs and lost connections: tried again, later each time, until each has his copy", async () => {
  const before = world.daemon.log().length;
  const plans = {
    "soft-rcpt": [{ rcpt: "450 4.2.1 busy" }, { rcpt: "450 4.2.1 busy still" }],
    "soft-end": [{ end: "451 4.3.0 disk" }],
    "soft-data": [{ data: "452 4.3.1 no room" }],
    "shut-421": [{ rcpt: "421 4.3.2 going down" }],
    "lost-data": [{ data: "close" }],
    "lost-body": [{ body: "close" }],
    "hang-rcpt": [{ rcpt: "hang" }],
    "easy": [],
  };
  for (const [name, outcomes] of Object.entries(plans)) port.plan(`${name}@customers.example`, ...outcomes);
  const to = await submit(Object.keys(plans));
  await assertCopies(to);
  for (const [i, outcomes] of Object.values(plans).entries()) assert.equal(port.attemptsAt(to[i]).length, outcomes.length + 1, to[i]);
  const at = port.attemptsAt(to[0]).map((attempt) => attempt.at);
  assert.ok(at[1] - at[0] >= 990 && at[2] - at[1] >= 1990, `attempts after ${at[1] - at[0]} and ${at[2] - at[1]} ms`);
  const log = (await logged(/campaign=spring recipient=[0-9a-f]+ later reason=(?:retry|uncertain) due=\S+ .*/, before, 8)).map((m) => m[0]).join("\n");
  assert.match(log, /RCPT: .*450 4\.2\.1 busy still/);
  assert.doesNotMatch(log, /customers\.example/);
});

await test("the answer to the final dot is lost: uncertain, sent again, and the log says so", async () => {
  const before = world.daemon.log().length;
  port.plan("dot-taken@customers.example", { end: "close", kept: true });
  port.plan("dot-lost@customers.example", { end: "close" });
  port.plan("dot-hang@customers.example", { end: "hang" });
  const to = await submit(["dot-taken", "dot-lost", "dot-hang"]);
  await port.take(to[0], 2, 30 * slow);
  await assertCopies(to.slice(1));
  await logged(/later reason=uncertain/, before, 3);
  const ids = (await Promise.all(port.of(to[0]).map(read))).map((copy) => field(copy, "Message-ID"));
  assert.equal(ids[0], ids[1], "both are the same copy");
});

await test("5xx: the sender gets a report (RFC 3464); NOTIFY=NEVER and the null sender get none", async () => {
  const before = world.daemon.log().length;
  port.plan("gone@customers.example", { rcpt: "550 5.1.1 <gone@customers.example>: no such user" });
  port.plan("big@customers.example", { end: "552 5.3.4 too big" });
  port.plan("never@customers.example", { rcpt: "550 5.1.1 no such user" });
  port.plan("null@customers.example", { rcpt: "550 5.1.1 no such user" });
  await submit(["gone", "fine"], { from: "boss@shop.example", envelope: { dsn: { return: "headers", id: "batch-7" } } });
  await submit(["never", "fine2"], { from: "never-sender@shop.example", envelope: { dsn: { notify: "never" } } });
  await submit(["null", "fine3"], { from: "" });
  const { mail, text, status, original } = await report("boss@shop.example");
  assert.equal(mail.from.value[0].address, "postmaster@shop.example");
  assert.equal(mail.to.value[0].address, "boss@shop.example");
  assert.match(field(mail, "Auto-Submitted"), /^auto-/);
  assert.match(text, /gone@customers\.example/);
  assert.match(status["reporting-mta"], /^dns; *\S+/);
  assert.equal(status["original-envelope-id"], "batch-7");
  assert.match(status["final-recipient"], /^rfc822; *gone@customers\.example$/);
  assert.equal(status.action, "failed");
  assert.equal(status.status, "5.1.1");
  assert.match(status["diagnostic-code"], /^smtp; *550 5\.1\.1 /);
  assert.match(original, /^Subject: Hello you/m);
  assert.doesNotMatch(original, /Dear you/, "RET=HDRS: the header alone");
  await submit(["big", "fine4"], { from: "boss@shop.example", envelope: { dsn: { return: "full" } } });
  const second = await report("boss@shop.example", 2);
  assert.equal(second.status.status, "5.3.4");
  assert.match(second.original, /Dear you/, "RET=FULL: the whole copy");
  await logged(/failed reason=rejected/, before, 4);
  await sleep(300);
  assert.equal(port.of("never-sender@shop.example").length, 0);
  assert.equal(port.mails.filter((one) => one.to[0] === "").length, 0);
});

await test("a refusal is a hard bounce when it is about the address: not when it is about the sender, or the content", async () => {
  const replies = { none: { rcpt: "550 5.1.1 no such user" }, moved: { rcpt: "551 gone elsewhere" }, sender: { rcpt: "550 5.1.7 sender unknown" }, host: { rcpt: "553 5.1.8 bad sender's system" }, policy: { rcpt: "550 5.7.1 no" }, content: { end: "550 this is spam" } };
  const names = Object.keys(replies);
  for (const name of names) port.plan(`hard-${name}@customers.example`, replies[name]);
  await submit(names.map((name) => `hard-${name}`), { from: "hard@shop.example" });
  await report("hard@shop.example", names.length);
  const bounced = (name) => world.mt("events", "export", "--recipient", `hard-${name}@customers.example`).split("\n").filter(Boolean).map(JSON.parse).find((e) => e.type === "bounced");
  await until("the events", () => names.every(bounced));
  assert.deepEqual(Object.fromEntries(names.map((name) => [name, bounced(name).reason])), { none: "hard", moved: "hard", sender: "rejected", host: "rejected", policy: "rejected", content: "rejected" });
});

await test("a copy that cannot be made, or that a cap refuses: the sender gets a report, the others their copies", async () => {
  world.profiles({ "whole@customers.example": { code: "c1" } });
  const [whole, gap] = await submit(["whole", "gap"], { campaign: "strict", from: "strict@shop.example", text: "Your code: {{code}}" });
  await assertCopies([whole]);
  const missing = await report("strict@shop.example");
  assert.equal(missing.status.status, "5.6.0");
  assert.match(missing.status["final-recipient"], /gap@customers\.example/);
  assert.match(missing.text, /missing variable "code"/);
  assert.equal(port.attemptsAt(gap).length, 0);
  const [first] = await submit(["once-a", "once-b"], { campaign: "once", from: "once@shop.example" });
  await port.take(first);
  const [again, other] = await submit(["once-a", "once-c"], { campaign: "once", from: "once@shop.example" });
  const full = await report("once@shop.example");
  assert.equal(full.status.status, "5.7.1");
  assert.match(full.text, /cap "once" is full/);
  await assertCopies([again, other]);
});

await test("a copy that is refused for good gives its place back, unless it may have left", async () => {
  const from = "again@shop.example";
  port.plan("back@customers.example", { rcpt: "550 5.7.1 <else@elsewhere.example>: not now" });
  port.plan("gone-back@customers.example", { end: "close" }, { rcpt: "451 4.7.1 wait" }, { rcpt: "550 5.1.1 no such user" });
  port.plan("asked-back@customers.example", { end: "close" }, { rcpt: "451 4.7.1 wait" }, { rcpt: "550 5.1.1 no such user" });
  const before = world.daemon.log().length;
  // Why it waits is forgotten when an administrator has it tried at once; that it may have left is not.
  const [asked] = await submit(["asked-back", "asked-other"], { campaign: "once", from: "asked@shop.example" });
  await until("the loss", () => /uncertain/.test(world.mt("queue", "list", "--campaign", "once")));
  world.mt("queue", "retry", "--campaign", "once", "--yes");
  await report("asked@shop.example");
  await submit(["asked-back", "asked-other"], { campaign: "once", from: "asked@shop.example" });
  assert.match((await report("asked@shop.example", 2)).text, /cap "once" is full/);
  await report("asked@shop.example", 3);
  assert.equal(port.of(asked).length, 0);
  const [back, perhaps] = await submit(["back", "gone-back"], { campaign: "once", from });
  await report(from, 2);
  const log = (await logged(/campaign=once .* failed reason=rejected.*/, before, 3)).map((m) => m[0]).join("\n");
  assert.match(log, /550 5\.7\.1 <\(address\)>: not now/);
  await submit(["back", "gone-back"], { campaign: "once", from });
  await assertCopies([back]);
  assert.match((await report(from, 3)).text, /cap "once" is full/);
  assert.equal(port.of(perhaps).length, 0);
});

await test("cap with action defer: who had his copy waits until the window has room, the others do not", async () => {
  const before = world.daemon.log().length;
  const [one] = await submit(["rare-a", "rare-b"], { campaign: "rare" });
  await port.take(one);
  const [again, other] = await submit(["rare-a", "rare-c"], { campaign: "rare" });
  assert.match(world.daemon.log().slice(before), /spooled recipients=2 now=1 later=1/);
  await assertCopies([other]);
  assert.equal(port.of(again).length, 1);
  await assertCopies([again], 2);
  const [first, second] = port.attemptsAt(again).map((attempt) => attempt.at);
  assert.ok(second - first >= 3500, `${second - first} ms apart`);
});

await test(`4xx for longer than the lifetime of ${LIFETIME} s: given up, and the sender gets a report`, async () => {
  port.plan("stubborn@customers.example", ...Array(20).fill({ rcpt: "451 4.7.1 greylisted" }));
  await submit(["stubborn", "fine5"], { from: "patient@shop.example" });
  const { status, text } = await report("patient@shop.example");
  assert.equal(status.status, "4.4.7");
  assert.equal(status.action, "failed");
  assert.match(status["diagnostic-code"], /451 4\.7\.1 greylisted/);
  assert.match(text, /stubborn@customers\.example/);
  assert.equal(port.of("stubborn@customers.example").length, 0);
  await logged(/failed reason=expired/);
});

await test("a copy that waited for longer than its lifetime before its first attempt is tried again all the same", async () => {
  const from = "patience@shop.example";
  port.plan("paused@customers.example", { rcpt: "451 4.7.1 greylisted" });
  world.mt("campaign", "pause", "rare");
  const to = await submit(["paused", "fine6"], { from, campaign: "rare" });
  await sleep((LIFETIME + 1) * 1000);
  world.mt("campaign", "resume", "rare");
  await assertCopies(to);
  assert.equal(port.attemptsAt(to[0]).length, 2);
  assert.equal(port.of(from).length, 0, "no report");
});

await test("the port refuses connections, then answers 421 and hangs: no attempt is counted, then all goes", async () => {
  const before = world.daemon.log().length;
  await port.close();
  const to = await submit(["down-a", "down-b", "down-c"]);
  await logged(/inject [\d.:]+: connect: .*trying again/, before);
  const trouble = () => JSON.parse(world.mt("queue", "--json")).target_trouble;
  assert.match(trouble(), /^connect: /);
  assert.match(world.mt("queue"), /^the inject target does not work: connect: .*; tried \d+ s ago, again /m);
  port.greeting = "421 4.3.2 too many connections";
  await port.open();
  await logged(/inject [\d.:]+: greeting: .*421.*trying again/, before);
  port.greeting = "hang";
  await logged(/inject [\d.:]+: greeting: .*tim.*trying again/i, before);
  port.greeting = "220 inject.example ESMTP";
  await assertCopies(to);
  await logged(/works again/, before);
  assert.equal(trouble(), null);
  for (const one of to) assert.equal(port.attemptsAt(one).length, 1);
  assert.doesNotMatch(world.daemon.log().slice(before), /reason=retry/);
});

await test("what is said of a recipient between acceptance and injection counts", async () => {
  const names = ["late-plain", "late-suppressed", "late-denied", "late-profile"];
  const send_at = new Date(Date.now() + 2000 * slow).toISOString();
  const before = world.daemon.log().length;
  const to = await submit(names, { headers: { "X-Mailtailor-Send-At": send_at } });
  assert.match(world.daemon.log().slice(before), /spooled recipients=4 now=0 later=4/);
  world.mt("suppress", "add", to[1], "--reason", "complaint");
  world.mt("profile", "consent", to[2], "mail", "denied");
  world.profiles({ [to[3]]: { first_name: "Zoë" } });
  assert.equal(port.of(to[0]).length, 0, "not before its time");
  await assertCopies([to[0], to[3]]);
  assert.equal((await read(port.of(to[3])[0])).subject, "Hello Zoë");
  assert.ok(port.attemptsAt(to[0])[0].at >= Date.parse(send_at), "not before its time");
  const log = (await logged(/job=\S+ campaign=spring recipient=[0-9a-f]+ dropped reason=\S+/, before, 2)).map((m) => m[0]).join("\n");
  assert.match(log, /dropped reason=suppressed/);
  assert.match(log, /dropped reason=consent/);
  assert.equal(port.attemptsAt(to[1]).length + port.attemptsAt(to[2]).length, 0);
});

await test("what was made in place and comes again as jobs is sent: the MTA may not have kept it", async () => {
  const before = world.daemon.log().length;
  const messageId = "<in-place@shop.example>";
  const [first] = await submit(["place-a"], { messageId });
  await world.sink.take(first);
  const to = await submit(["place-a", "place-b"], { messageId });
  assert.match(world.daemon.log().slice(before), /spooled recipients=2 now=2 later=0 dropped=0 again=0/);
  await assertCopies(to);
  await submit(["place-a", "place-b"], { messageId });
  assert.match(world.daemon.log().slice(before), /spooled recipients=2 now=0 later=0 dropped=0 again=2/);
  const [waits] = await submit(["place-c"], { messageId: "<in-place-c@shop.example>" });
  await world.sink.take(waits);
  await submit(["place-c"], { messageId: "<in-place-c@shop.example>", headers: { "X-Mailtailor-Send-At": new Date(Date.now() + 1500).toISOString() } });
  await assertCopies([waits]);
});

await test("a paused campaign: one recipient's copy waits, too; resumed, it leaves", async () => {
  const before = world.daemon.log().length;
  world.mt("campaign", "pause", "spring");
  const to = [...(await submit(["pause-one"])), ...(await submit(["pause-two", "pause-three"]))];
  const [other] = await submit(["pause-other"], { campaign: "strict", text: "nothing is missing" });
  await world.sink.take(other);
  assert.match(world.daemon.log().slice(before), /campaign=spring spooled recipients=1 /);
  await sleep(1500);
  for (const one of to) assert.equal(port.of(one).length, 0);
  world.mt("campaign", "resume", "spring");
  await assertCopies(to);
});

await test("one recipient's copy that waited, and comes again when nothing keeps it: it leaves once, or as it was dropped not at all", async () => {
  const [sent, dropped] = ["again-sent@customers.example", "again-dropped@customers.example"];
  const before = world.daemon.log().length;
  world.mt("campaign", "pause", "spring");
  for (const to of [sent, dropped]) await submit([to], { messageId: `<again-${to}>` });
  const waiting = JSON.parse(world.mt("queue", "list", "--campaign", "spring", "--state", "queued", "--addresses", "--json"));
  world.mt("queue", "drop", waiting.find((job) => job.address === dropped).id);
  world.mt("campaign", "resume", "spring");
  for (const to of [sent, dropped]) await submit([to], { messageId: `<again-${to}>` });
  await assertCopies([sent]);
  await logged(/campaign=spring spooled recipients=1 now=0 later=0 dropped=0 again=1/, before, 2);
  await sleep(500);
  assert.deepEqual([sent, dropped].map((to) => port.of(to).length + world.sink.of(to).length), [1, 0]);
});

await test("a send time that is decades ahead is a mistake, and refused", async () => {
  const answer = await world.submit({ envelope: { from: "news@shop.example", to: ["far-a@customers.example", "far-b@customers.example"] }, subject: "x", text: "x", headers: { "X-Mailtailor-Campaign": "spring", "X-Mailtailor-Send-At": "2062-12-01T09:00" } });
  assert.equal(answer.code, 550);
  assert.match(answer.response, /^550 5\.6\.0 .*X-Mailtailor-Send-At: 2062-12-01T09:00:00Z is more than 366 days ahead/);
});

await test("one recipient who has to wait is spooled, too", async () => {
  const before = world.daemon.log().length;
  const to = await submit(["later-one"], { headers: { "X-Mailtailor-Send-At": new Date(Date.now() + 1500).toISOString() } });
  assert.match(world.daemon.log().slice(before), /spooled recipients=1 now=0 later=1/);
  await assertCopies(to);
});

await test("mailtailord ends and comes back: what was on disk goes on", async () => {
  await port.close();
  const to = await submit(["restart-a", "restart-b", "restart-c"]);
  assert.deepEqual(await world.daemon.stop(), { code: 0, signal: null });
  await port.open();
  await sleep(300);
  assert.equal(port.of(to[0]).length, 0);
  await world.daemon.start();
  await assertCopies(to);
});

await test("SIGTERM in the midst of many copies: those under way are ended and noted, none comes twice", async () => {
  // The port is so slow that the last of them is many seconds away when the first are there, on a busy machine, too.
  const drained = () => port.mails.filter((m) => m.to[0].startsWith("drain-")).length;
  port.delay = 200;
  try {
    const to = await submit(Array.from({ length: 150 }, (_, i) => `drain-${i}`));
    await until("the first copies", () => drained() >= 4);
    const stopped = await world.daemon.stop();
    const got = drained();
    port.delay = 20;
    await sleep(500);
    const later = drained();
    await world.daemon.start();
    assert.deepEqual(stopped, { code: 0, signal: null });
    assert.ok(got < to.length, "it ended before all was sent");
    assert.equal(later, got, "nothing goes when it has ended");
    await assertCopies(to);
  } finally {
    port.delay = 20;
    if (!lives(world.daemon.child.pid)) await world.daemon.start();
  }
});

await test("kill -9 of the injector: mailtailord starts another, every copy arrives, few twice", async () => {
  const before = world.daemon.log().length;
  const to = await submit(Array.from({ length: 150 }, (_, i) => `killed-${i}`));
  const count = () => port.mails.filter((m) => m.to[0].startsWith("killed-")).length;
  await until("the first copies", () => count() >= 20);
  const pid = world.daemon.injector();
  process.kill(pid, "SIGKILL");
  for (const one of to) await port.take(one, 1, 30 * slow);
  assert.notEqual(world.daemon.injector(), pid);
  await logged(/injector: process \d+ was ended by signal 9/, before);
  await logged(/sent reason=sent/, before, 130);
  const twice = count() - to.length;
  console.log(`# ${twice} of ${to.length} came twice`);
  assert.ok(twice <= 4 * 8, `${twice} came twice`);
  port.delay = 0;
});

await test("kill -9 of mailtailord: its injector ends with it, and comes back with it", async () => {
  port.delay = 20;
  const to = await submit(Array.from({ length: 60 }, (_, i) => `both-${i}`));
  await until("the first copies", () => port.of(to[0]).length > 0);
  const pid = world.daemon.injector();
  await world.daemon.stop("SIGKILL");
  await until("the injector's end", () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
  await world.daemon.start();
  for (const one of to) await port.take(one, 1, 30 * slow);
  port.delay = 0;
});

await test("SIGUSR1 while the port takes its time over the final dot: the copy is waited for, and leaves once", async () => {
  world.configure({ more: CONF, inject: inject(port.port).replace(/data_timeout = \w+/, "data_timeout = 60s") });
  assert.match(await world.daemon.reload(), /is in use/);
  port.delay = 12000;
  const to = await submit(["slow-a", "slow-b"]);
  await until("the attempts", () => to.every((one) => port.attemptsAt(one).length === 1));
  await sleep(500);
  world.configure({ more: CONF, inject: inject(port.port) });
  assert.match(await world.daemon.reload(), /is in use/);
  await sleep(500);
  await until("the answers", () => to.every((one) => port.of(one).length === 1));
  port.delay = 0;
  await assertCopies(await submit(["swift-a", "swift-b"]));
  assert.deepEqual(to.map((one) => port.attemptsAt(one).length), [1, 1]);
});

await test("a key that the injector has not read when it sees the first job under it: the job waits for its successor, and is not put aside", async () => {
  for (let round = 0; round < 8; round++) {
    const pid = world.daemon.injector();
    // Not while it writes: nobody else can, then.
    await until("the end of what is under way", () => JSON.parse(world.mt("queue", "--json")).total.queued === 0);
    process.kill(pid, "SIGSTOP");
    world.mt("key", "rotate");
    assert.match(await world.daemon.reload(), /is in use/);
    const to = await submit([`rotated-${round}-a`, `rotated-${round}-b`]);
    await sleep(1100); // it looks into the spool each second, and does so as soon as it goes on
    process.kill(pid, "SIGCONT");
    await assertCopies(to);
  }
  assert.equal(JSON.parse(world.mt("queue", "--json")).bad, 0);
});

await test("a profile under a key that nobody has read yet: its copy waits, is not held, and leaves after the reload", async () => {
  const one = "unread-a@customers.example";
  world.mt("campaign", "pause", "spring");
  const to = await submit([one.split("@")[0], "unread-b"]);
  world.mt("key", "rotate");
  world.profiles({ [one]: { code: "u1" } });
  world.mt("campaign", "resume", "spring");
  const job = () => JSON.parse(world.mt("queue", "list", "--campaign", "spring", "--addresses", "--json")).find((it) => it.address === one);
  await until("the trouble", () => job().reason === "trouble");
  assert.equal(job().state, "queued");
  assert.match(job().note, /its key is not in the key ring/);
  assert.match(await world.daemon.reload(), /is in use/);
  world.mt("queue", "retry", job().id);
  await assertCopies(to);
});

await test("with a rate, no more is made than leaves at once: a pause, a drop and a suppression hold from now on", async () => {
  world.configure({ more: CONF, inject: `${inject(port.port)} rate = 2` });
  assert.match(await world.daemon.reload(), /is in use/);
  const to = await submit(Array.from({ length: 40 }, (_, i) => `paced-${i}`));
  const attempts = () => to.filter((one) => port.attemptsAt(one).length > 0);
  await until("the first", () => attempts().length >= 2);
  world.mt("campaign", "pause", "spring");
  const at = attempts().length;
  await sleep(4000);
  assert.ok(attempts().length <= at + 2, `${at} at the pause, ${attempts().length} then`);
  const refused = to.find((one) => !attempts().includes(one));
  world.mt("suppress", "add", refused, "--reason", "complaint");
  world.mt("campaign", "resume", "spring");
  world.configure({ more: CONF, inject: `${inject(port.port)} rate = 100` });
  assert.match(await world.daemon.reload(), /is in use/);
  await assertCopies(to.filter((one) => one !== refused));
  assert.equal(port.of(refused).length, 0);
  world.configure({ more: CONF, inject: inject(port.port) });
  assert.match(await world.daemon.reload(), /is in use/);
});

await test("SIGUSR1 brings another target: what comes after goes there, and what waits", async () => {
  const other = new Scripted();
  await other.open();
  const waiting = await submit(["moved-a", "moved-b"], { headers: { "X-Mailtailor-Send-At": new Date(Date.now() + 1500 * slow).toISOString() } });
  world.configure({ more: CONF, inject: inject(other.port) });
  assert.match(await world.daemon.reload(), /is in use/);
  await assertCopies(await submit(["there-a", "there-b"]), 1, other);
  await assertCopies(waiting, 1, other);
  assert.equal(port.of(waiting[0]).length, 0);
  await other.close();
});

await test("SIGUSR1 takes the target away: several RCPTs are refused; jobs wait until there is one again", async () => {
  world.configure({ more: CONF, inject: inject(port.port) });
  assert.match(await world.daemon.reload(), /is in use/);
  const waiting = await submit(["kept-a", "kept-b"], { headers: { "X-Mailtailor-Send-At": new Date(Date.now() + 1000).toISOString() } });
  world.configure({ more: CONF, inject: "" });
  assert.match(await world.daemon.reload(), /has mistakes; the old one stays/, "a cap defers, and there would be no spool");
  world.configure({ more: CONF.replace("action = defer", ""), inject: "" });
  assert.match(await world.daemon.reload(), /is in use/);
  const answer = await world.submit({ envelope: { from: "news@shop.example", to: ["p@customers.example", "q@customers.example"] }, subject: "x", text: "x", headers: { "X-Mailtailor-Campaign": "spring" } });
  assert.equal(answer.code, 550, answer.response);
  assert.match(answer.response, /^550 5\.5\.3 .*one recipient/);
  world.mt("campaign", "pause", "spring");
  const paused = await world.submit({ envelope: { from: "news@shop.example", to: ["r@customers.example"] }, subject: "x", text: "x", headers: { "X-Mailtailor-Campaign": "spring" } });
  assert.match(paused.response, /^451 4\.3\.2 .*campaign spring is paused/);
  world.mt("campaign", "resume", "spring");
  await sleep(1200);
  assert.equal(port.of(waiting[0]).length, 0);
  world.configure({ more: CONF, inject: inject(port.port) });
  assert.match(await world.daemon.reload(), /is in use/);
  await assertCopies(waiting);
});

await test("mailtailord ends well, and its injector", async () => {
  await world.stop();
  await port.close();
});
done();
