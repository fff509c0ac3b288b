import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, copyFileSync, existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { World, build, root, slow, until } from "./harness.mjs";
import { field, links } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const BROWSER = { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0" };
/** The service of contrib/postfix/master.cf, with this build's program and a user that is there. */
function service(world) {
  const lines = readFileSync(join(root, "contrib/postfix/master.cf"), "utf8").split("\n");
  const at = lines.findIndex((line) => line.startsWith("mailtailor-feedback "));
  const text = lines.slice(at, lines.findIndex((line, i) => i > at && !line.startsWith(" "))).join("\n");
  // Who must not reach the build directory reaches the scratch directory.
  copyFileSync(join(build, "bin/mailtailor"), join(world.dir, "mailtailor"));
  return [text.replace("user=mailtailor", "user=nobody:nogroup").replace("/usr/bin/mailtailor feedback", `${world.dir}/mailtailor feedback -c ${world.conf}`)];
}
const world = await World.start({
  conf: `campaign spring { category = promo match_sender = { "spring@shop.example" } return_path = "bounces@shop.example" unsubscribe_mailto = "unsubscribe@shop.example" }`,
  inject: "connections = 4",
  track: "rate = 0",
  settings: { recipient_delimiter: "+", transport_maps: "inline:{{bounces@shop.example = mailtailor-feedback:} {unsubscribe@shop.example = mailtailor-feedback:}}", "mailtailor-feedback_destination_recipient_limit": "1" },
  services: service,
});
// pipe(8) runs nothing as root: what the daemon's user has on a real machine.
execFileSync("chown", ["-R", "nobody:nogroup", join(world.dir, "state")]);
execFileSync("chgrp", ["nogroup", join(world.dir, "keys")]);
execFileSync("chmod", ["640", join(world.dir, "keys")]);

const HTML = '<html><body><a href="https://shop.example/sale">sale</a></body></html>';
const mail = (to) => ({ from: "spring@shop.example", to, subject: "Sale", text: "Sale", html: HTML });
const events = (type) =>
  world
    .mt("events", "export")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .map((e) => ({ ...e, details: e.details && JSON.parse(e.details) }))
    .filter((e) => type === undefined || e.type === type);
const suppressions = (address) => JSON.parse(world.mt("suppress", "list", address, "--json"));
const log = join(world.postfix.dir, "log/maillog");
const state = join(world.dir, "maillog.state");
/** One run over a log: the objects that it prints. */
const take = (file = log, more = []) =>
  world.mt("feedback", "--maillog", file, "--state", state, "--json", ...more).split("\n").filter(Boolean).map((line) => JSON.parse(line));

async function assertDropped(to, reason) {
  const before = { log: world.daemon.log().length, mails: world.sink.of(to).length };
  assert.match((await world.submit(mail(to))).response, /^250 /);
  await world.postfix.drained();
  assert.equal(world.sink.of(to).length, before.mails, "no copy");
  assert.match(world.daemon.log().slice(before.log), new RegExp(`campaign=spring .*dropped reason=${reason}`));
}

await test("a bounce of the next server comes back to bounces+TOKEN@, and suppresses", async () => {
  const to = "gone@customers.example";
  world.sink.refused.set(to, "550 5.1.1 No such user here");
  assert.match((await world.submit(mail(to))).response, /^250 /);
  const [event] = await until("the bounce", () => events("bounced").length > 0 && events("bounced"));
  assert.equal(event.reason, "hard");
  assert.equal(event.campaign, "spring");
  assert.equal(event.source, "feedback");
  assert.deepEqual(event.details, { proof: "return-path", why: "unknown-user", status: "5.1.1" });
  await until("the suppression", () => suppressions(to).some((s) => s.reason === "hard_bounce" || s.reason === "hard-bounce"));
  await world.postfix.drained();
  assert.match(world.postfix.log(), /relay=mailtailor-feedback, .*status=sent \(delivered via mailtailor-feedback service\)/);
  world.sink.refused.delete(to);
  await assertDropped(to, "suppressed");
});

await test("a complaint (ARF) about a copy suppresses at once", async () => {
  const to = "angry@customers.example";
  const copy = await world.copy(mail(to));
  const path = world.sink.of(to)[0].from;
  assert.match(path, /^bounces\+[a-z0-9]+@shop\.example$/i);
  const report = [
    "From: abuse@isp.example", `To: ${path}`, "Subject: complaint", "MIME-Version: 1.0",
    'Content-Type: multipart/report; report-type=feedback-report; boundary="b"', "",
    "--b", "Content-Type: text/plain", "", "This is an abuse report.", "",
    "--b", "Content-Type: message/feedback-report", "", "Feedback-Type: abuse", "User-Agent: Loop/1.0", "Version: 1", "",
    "--b", "Content-Type: message/rfc822", "", copy.raw.toString("latin1"), "", "--b--", "",
  ].join("\r\n");
  // Sent to the address for replies of the ISP's choice: the token is in what it returns, and in the envelope.
  await world.submit({ port: "plain", envelope: { from: "abuse@isp.example", to: path }, raw: report, to: path });
  const [event] = await until("the complaint", () => events("complained").length > 0 && events("complained"));
  assert.equal(event.reason, "abuse");
  assert.equal(event.campaign, "spring");
  await until("the suppression", () => suppressions(to).length > 0);
  await assertDropped(to, "suppressed");
});

await test("who unsubscribes by mail gets no more, whatever address he writes from; a token that is none says nothing", async () => {
  const [to, other] = ["leaver@customers.example", "stayer@customers.example"];
  const leave = async (subject) => {
    await world.submit({ port: "plain", envelope: { from: "work@elsewhere.example", to: "unsubscribe@shop.example" }, from: "work@elsewhere.example", to: "unsubscribe@shop.example", subject, text: "\n" });
    await world.postfix.drained();
  };
  const copy = await world.copy(mail(to));
  const uri = new URL(/<(mailto:[^>]+)>/.exec(copy.raw.toString("latin1"))[1]);
  assert.equal(uri.pathname, "unsubscribe@shop.example");
  const subject = uri.searchParams.get("subject");
  await world.copy(mail(other));
  await leave(subject.slice(0, -4) + "AAAA");
  await leave("unsubscribe");
  assert.deepEqual([to, other].flatMap(suppressions), []);
  await leave(subject);
  const [event] = await until("the event", () => events("unsubscribed").length > 0 && events("unsubscribed"));
  assert.equal(event.campaign, "spring");
  assert.equal(event.details.proof, "unsubscribe-link");
  assert.deepEqual(suppressions(to).map((s) => s.reason), ["unsubscribe"]);
  assert.deepEqual(suppressions(other), []);
  // Once: who says it again has left already.
  await leave(subject);
  const audited = world.mt("audit", "show", "--json").split("\n").filter((line) => line.includes('"privacy.')).map((line) => JSON.parse(line));
  assert.deepEqual(audited.map((a) => [a.action, a.actor, a.campaign, a.details]), [
    ["privacy.complaint", "recipient", "spring", "abuse"],
    ["privacy.unsubscribe", "recipient", "spring", "all mail, by mail"],
  ]);
  assert.equal(audited[1].subject, world.token(`${uri.protocol}/u/${subject.split(" ")[1]}`).recipient_key);
  await assertDropped(to, "suppressed");
});

await test("a forged bounce says nothing; pipe(8) is content with it", async () => {
  const to = "loyal@customers.example";
  await world.copy(mail(to));
  const before = events().length;
  const forged = readFileSync(join(root, "tests/golden/fixtures/feedback/postfix-unknown-user.eml"), "utf8").replaceAll("\n", "\r\n");
  await world.submit({ port: "plain", envelope: { from: "", to: "bounces+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@shop.example" }, raw: forged, to });
  await world.postfix.drained();
  assert.deepEqual(events().slice(before).filter((e) => e.type === "bounced"), []);
  assert.deepEqual(suppressions(to), []);
});

await test("the log: copies that were made in place and copies that were injected are delivered, once", async () => {
  const many = ["ann@many.example", "bob@many.example", "cid@many.example"];
  assert.match((await world.submit({ ...mail(many), to: many, envelope: { from: "spring@shop.example", to: many } })).response, /^250 /);
  for (const to of many) await world.sink.take(to);
  await world.postfix.drained();
  const ids = () => events("injected").filter((e) => e.queue_id).length;
  await until("the copies' events", () => ids() >= 8);
  const taken = take();
  const delivered = events("delivered");
  // angry, leaver, stayer, loyal and three of many; gone's never was
  assert.equal(delivered.length, 7);
  assert.equal(taken.filter((t) => t.event === "delivered").length, 7);
  for (const e of delivered) {
    assert.equal(e.campaign, "spring");
    assert.equal(e.source, "maillog");
    assert.deepEqual(e.details, { status: "2.0.0" });
    assert.ok(Math.abs(Date.parse(e.at) - Date.now()) < 120000 * slow, e.at);
  }
  assert.doesNotMatch(JSON.stringify([taken, delivered]), /@/, "no address");
  // The bounce in it is the one that came by mail already.
  assert.deepEqual(taken.filter((t) => t.event === "bounced").map((t) => [t.hard, t.applied]), [[true, "suppressed"]]);
  assert.equal(events("bounced").length, 1);
  // Nothing new; and all of it once more, with no memory.
  const all = events().length;
  assert.ok(take().every((t) => t.applied !== "recorded"), "lines that waited may come again, known");
  world.mt("feedback", "--maillog", log, "--state", join(world.dir, "other.state"));
  assert.equal(events().length, all, "to read it again adds nothing");
});

class Follower {
  constructor() {
    this.out = "";
    this.child = spawn(join(build, "bin/mailtailor"), ["feedback", "--maillog", log, "--state", state, "--follow", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
    this.child.stdout.on("data", (part) => (this.out += part));
    this.ended = once(this.child, "exit");
    process.on("exit", () => this.child.exitCode ?? this.child.kill("SIGKILL"));
  }

  async stop(signal) {
    this.child.kill(signal);
    return this.ended;
  }
}
const deliveredTo = async (to) => {
  const before = events("delivered").length;
  await world.copy(mail(to));
  await until(`the delivery to ${to}`, () => events("delivered").length > before);
  assert.equal(events("delivered").length, before + 1);
};

await test("--follow: over rotations of each kind, kill -9 and restart; SIGTERM ends it well", async () => {
  let follower = new Follower();
  await deliveredTo("f1@follow.example");
  const second = spawn(join(build, "bin/mailtailor"), ["feedback", "--maillog", log, "--state", state], { stdio: "ignore" });
  assert.deepEqual((await once(second, "exit"))[0], 75, "a second one is kept away");
  // postlogd goes on writing to the file that it has open
  copyFileSync(log, `${log}.1`);
  truncateSync(log, 0);
  await deliveredTo("f2@follow.example");
  await follower.stop("SIGKILL");
  const count = events("delivered").length;
  await world.copy(mail("f3@follow.example"));
  await world.postfix.drained();
  // rotated and compressed while nobody read
  renameSync(log, `${log}-2`);
  writeFileSync(`${log}-2.gz`, gzipSync(readFileSync(`${log}-2`)));
  rmSync(`${log}-2`);
  execFileSync("postfix", ["-c", join(world.postfix.dir, "etc"), "reload"], { stdio: "ignore" });
  await world.copy(mail("f4@follow.example"));
  await world.postfix.drained();
  follower = new Follower();
  await until("what was written meanwhile", () => events("delivered").length >= count + 2);
  await deliveredTo("f5@follow.example");
  assert.equal(events("delivered").length, count + 3, "each once");
  const [code] = await follower.stop("SIGTERM");
  assert.equal(code, 0);
  assert.match(follower.out, /"event":"delivered"/);
});

await test("a click within two seconds of delivery is a machine's, a later one a person's", async () => {
  const follower = new Follower();
  const to = "scanned@gateway.example";
  const before = events("delivered").length;
  const copy = await world.copy(mail(to));
  await until("the delivery", () => events("delivered").length > before);
  const click = links(copy.html).find((url) => url.includes("/c/"));
  const at = Date.parse(events("delivered").at(-1).at);
  await world.trackd.request(click, { headers: BROWSER });
  const asked = Date.now();
  const [first] = await until("the click", () => events("clicked").length > 0 && events("clicked"));
  if (asked < at + 2000) assert.deepEqual([first.class, first.reason], ["machine", "at-delivery"]);
  await until("the time", () => Date.now() > at + 2500);
  await world.trackd.request(click, { headers: BROWSER });
  const [, second] = await until("the second click", () => events("clicked").length > 1 && events("clicked"));
  assert.equal(second.class, "human");
  assert.equal((await follower.stop("SIGINT"))[0], 0);
});

await test("what others write into the log does nothing", async () => {
  const to = "loyal@customers.example";
  const [{ queue_id: id }] = events("injected").filter((e) => e.queue_id).slice(1, 2);
  const before = events().length;
  const stamp = new Date().toISOString().replace("Z", "+00:00");
  const file = join(world.dir, "hostile.log");
  appendFileSync(file, [
    `${stamp} mail evil: postfix/smtp[1]: ${id}: to=<${to}>, relay=none, dsn=5.1.1, status=bounced (no such user)`,
    `${stamp} mail postfix/cleanup[1]: ${id}: warning: header Subject: postfix/smtp[1]: ${id}: to=<${to}>, relay=none, dsn=5.1.1, status=bounced (x)`,
    `${stamp} mail postfix/smtp[1]: ${id}: to=<"${to}>, relay=none, dsn=5.1.1, status=bounced (x"@evil.example>, relay=none, status=sent (250 ok)`,
    `${stamp} mail postfix/smtp[1]: ${id}: to=<stranger@evil.example>, relay=none, dsn=5.1.1, status=bounced (no such user)`,
    "\0".repeat(100000), "x".repeat(100000), "",
  ].join("\n"));
  world.mt("feedback", "--maillog", file, "--state", join(world.dir, "hostile.state"));
  assert.equal(events().length, before);
  assert.ok(existsSync(join(world.dir, "hostile.state")));
});

await world.stop();
done();
