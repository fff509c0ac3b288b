import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { World, build, configuration, sleep, slow, until } from "./harness.mjs";
import { field, read } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const campaign = (greeting, more = "") => `campaign spring { category = promo match_sender = { "spring@shop.example" } defaults { greeting = "${greeting}" } ${more} }`;
const world = await World.start({ conf: campaign("hello") });
const plugins = join(build, "tests/plugins");

/** mailtailord -t of a configuration whose last lines are given, and perhaps changed: { code, out, err }, and the line number of marker. */
function check(more, marker, change = (text) => text) {
  const file = join(world.dir, "check.conf");
  const text = change(configuration(world.dir, { more }));
  writeFileSync(file, text);
  const ran = spawnSync(join(build, "bin/mailtailord"), ["-t", "-c", file], { encoding: "utf8" });
  const line = marker && text.split("\n").findIndex((l) => l.includes(marker)) + 1;
  return { code: ran.status, out: ran.stdout, err: ran.stderr, at: `${file}:${line}: ` };
}

function assertRefused(more, marker, pattern) {
  const { code, err, at } = check(more, marker);
  assert.equal(code, 78, `EX_CONFIG; it says: ${err}`);
  const said = err.split("\n").filter((line) => line.startsWith(at));
  assert.ok(said.some((line) => pattern.test(line)), `${at}${pattern}; it says: ${err}`);
}

await test("mailtailord -t: a good configuration is counted", () => {
  const { code, out, err } = check(`plugin hi { path = "${plugins}/probe.so" }\ncap c { limit = 1 window = 1d }\n${campaign("x", "personalizers = { hi }")}`);
  assert.equal(code, 0, err);
  assert.match(out, /1 campaign, 1 cap, 1 plugin\n/);
});

await test("mailtailord -t: a host for links that is the shipped example's is a warning, and no mistake", () => {
  const warnings = (host, more) => {
    const { code, err } = check(more, null, (text) => text.replace("https://t.shop.example", host));
    assert.equal(code, 0, err);
    return err.split("\n").filter((line) => /warning/.test(line));
  };
  const own = campaign("x", 'track_host = "https://Example.com:8443"');
  const said = warnings("https://t.shop.example", own);
  assert.equal(said.length, 2, said.join("\n"));
  assert.match(said[0], /check\.conf: warning: track: https:\/\/t\.shop\.example is .*mailtailor-trackd/);
  assert.match(said[1], /warning: campaign spring: https:\/\/example\.com:8443 is /);
  assert.match(warnings("https://t.notexample.com", own)[0], /campaign spring/);
  assert.deepEqual(warnings("https://t.notexample.com:8443", campaign("x")), []);
});

await test("mailtailord -t: a plugin that is missing, no plugin, of another ABI, unwilling, or open to others' hands", () => {
  const use = (path, more = "") => `plugin odd { path = "${path}" ${more} }\n${campaign("x", "personalizers = { odd }")}`;
  assertRefused(use("/nowhere/odd.so"), "plugin odd", /odd\.so/);
  assertRefused(use(join(plugins, "no-magic.so")), "plugin odd", /not a mailtailor plugin|mailtailor_plugin_magic/i);
  assertRefused(use(join(plugins, "wrong-major.so")), "plugin odd", /ABI/);
  assertRefused(use(join(plugins, "probe.so"), 'options { create = "fail" }'), "plugin odd", /no parrot in the cage/);
  assertRefused(use(join(world.dir, "text.so")), "plugin odd", /text\.so/);
  const mine = join(world.dir, "plugins");
  mkdirSync(mine);
  copyFileSync(join(plugins, "probe.so"), join(mine, "probe.so"));
  chmodSync(join(mine, "probe.so"), 0o666);
  assertRefused(use(join(mine, "probe.so")), "plugin odd", /writ/);
  // A scorer where a personalizer belongs.
  assertRefused(use(join(plugins, "probe-score.so")), "campaign spring", /odd/);
});

await test("mailtailord -t: every mistake at once, each with file and line", () => {
  const { code, err } = check('cap c { limit = 1 window = 1 fortnight }\ncampaign a { recipient = one }\ncampaign b { personalizers = { ghost } }\ncampaign b { }\n', null);
  assert.equal(code, 78);
  for (const pattern of [/check\.conf:\d+: .*(window|fortnight)/, /check\.conf:\d+: .*recipient.*recipients/, /check\.conf:\d+: .*ghost/, /check\.conf:\d+: .*\bb\b/])
    assert.match(err, pattern);
});

await test("mailtailord -t: no key ring", () => {
  const { code, err } = check(campaign("x").replace("campaign", 'keys { file = "/nowhere/keys" }\ncampaign'), null);
  assert.equal(code, 78, err);
});

/** An SMTP client in single steps. */
class Steps {
  static async open() {
    const steps = new Steps();
    steps.socket = net.connect(world.postfix.ports.campaign, "127.0.0.1");
    steps.buffer = "";
    steps.socket.on("data", (chunk) => (steps.buffer += chunk));
    steps.socket.on("error", () => {});
    await once(steps.socket, "connect");
    await steps.answer();
    await steps.say("EHLO client.example");
    return steps;
  }

  answer() {
    return until("an answer", () => {
      const m = /^(?:\d{3}-[^\n]*\n)*(\d{3} [^\n]*)\n/.exec(this.buffer);
      if (m) this.buffer = this.buffer.slice(m[0].length);
      return m?.[1].trim();
    }, 60);
  }

  say(line) {
    this.socket.write(`${line}\r\n`);
    return this.answer();
  }

  async begin(to) {
    assert.match(await this.say("MAIL FROM:<spring@shop.example>"), /^250 /);
    assert.match(await this.say(`RCPT TO:<${to}>`), /^250 /);
  }

  async finish(to) {
    assert.match(await this.say("DATA"), /^354 /);
    return this.say(`From: s@shop.example\r\nTo: ${to}\r\nSubject: {{greeting}}\r\nMessage-ID: <${to}>\r\n\r\n{{greeting}}\r\n.`);
  }
}

const subject = async (to) => (await read((await world.sink.take(to))[0])).subject;

async function submitted(to) {
  return (await world.copy({ from: "spring@shop.example", to, subject: "{{greeting}}", text: "x" })).subject;
}

await test("SIGUSR1: the changed configuration holds for what begins then; a transaction under way ends with the old one", async () => {
  assert.equal(await submitted("before@customers.example"), "hello");
  const steps = await Steps.open();
  await steps.begin("underway@customers.example");
  world.configure({ more: campaign("good day") });
  assert.match(await world.daemon.reload(), /is in use/);
  assert.equal(await submitted("after@customers.example"), "good day");
  assert.match(await steps.finish("underway@customers.example"), /^250 /);
  assert.equal(await subject("underway@customers.example"), "hello");
  await steps.begin("same@customers.example");
  assert.match(await steps.finish("same@customers.example"), /^250 /);
  assert.equal(await subject("same@customers.example"), "good day", "the same connection's next transaction has the new one");
  steps.socket.destroy();
});

await test("SIGUSR1: what only a restart brings is told", async () => {
  const before = world.daemon.log().length;
  world.configure({ milter: 'metrics = "127.0.0.1:9"', more: campaign("good day") });
  assert.match(await world.daemon.reload(), /is in use/);
  assert.match(world.daemon.log().slice(before), /warning: reload: a changed milter socket, metrics, log or state setting takes effect at the next restart\n/);
  world.configure({ more: campaign("good day") });
  await world.daemon.reload();
});

await test("SIGUSR1 with mistakes: all are told with file and line, the old configuration stays", async () => {
  const before = world.daemon.log().length;
  world.configure({ more: `${campaign("broken")}\ncap c { limitt = 1 }\nplugin p { path = "/nowhere/p.so" }\n` });
  assert.match(await world.daemon.reload(), /has mistakes/);
  assert.match(world.daemon.log().slice(before), /mailtailor\.conf:\d+: .*limitt/);
  assert.equal(await submitted("kept@customers.example"), "good day");
  world.configure({ more: campaign("again") });
  assert.match(await world.daemon.reload(), /is in use/);
  assert.equal(await submitted("mended@customers.example"), "again");
});

await test("SIGUSR1 brings new keys: links of the old key still open, new ones have the new key", async () => {
  const unsubscribe = async (to) => {
    const copy = await world.copy({ from: "spring@shop.example", to, subject: "x", text: "x" });
    return /<([^>]*)>/.exec(field(copy, "List-Unsubscribe"))[1];
  };
  const old = await unsubscribe("k1@customers.example");
  world.mt("key", "rotate");
  await world.daemon.reload();
  const fresh = await unsubscribe("k2@customers.example");
  assert.notEqual(world.token(fresh).key, world.token(old).key);
});

await test("twenty reloads under load: no message fails, none is half", async () => {
  let running = true;
  let count = 0;
  const load = Promise.all([1, 2, 3].map(async (client) => {
    for (let i = 0; running; i++) {
      const to = `load-${client}-${i}@customers.example`;
      const answer = await world.submit({ from: "spring@shop.example", to, subject: "{{greeting}}", html: "<html><body>{{greeting}}</body></html>" });
      assert.match(answer.response, /^250 /);
      count++;
    }
  }));
  for (let i = 0; i < Math.ceil(20 / slow); i++) {
    world.configure({ more: campaign(`round ${i}`) });
    assert.match(await world.daemon.reload(), /is in use/);
    await sleep(50);
  }
  running = false;
  await load;
  await world.postfix.drained();
  const got = world.sink.mails.filter((mail) => mail.to[0].startsWith("load-"));
  assert.equal(got.length, count);
  for (const mail of got) {
    const copy = await read(mail);
    assert.match(copy.subject, /^(again|round \d+)$/);
    assert.ok(copy.html.includes(`<body>${copy.subject}<img`), "subject and body of one configuration");
  }
});

await test("a second mailtailord on the same socket ends with 69 and says why; the first goes on", async () => {
  const second = spawnSync(join(build, "bin/mailtailord"), ["-c", world.conf], { encoding: "utf8", timeout: 20000 * slow });
  assert.equal(second.status, 69, second.stderr);
  assert.match(second.stderr, /error: milter socket "unix:[^"]*": another daemon listens there; end that one first/);
  await world.copy({ from: "spring@shop.example", to: "still@customers.example", subject: "{{greeting}}", text: "x" });
});

await test("SIGTERM: a transaction under way still gets its copy, then mailtailord ends with 0 and its socket is gone", async () => {
  const steps = await Steps.open();
  await steps.begin("last@customers.example");
  const started = Date.now();
  world.daemon.child.kill("SIGTERM");
  await sleep(1000);
  assert.equal(world.daemon.child.exitCode, null, "it waits for the transaction");
  const other = await Steps.open();
  await other.say("MAIL FROM:<spring@shop.example>");
  assert.match(await other.say("RCPT TO:<late@customers.example>"), /^451 4\.3\.2 .*shutting down/, "and begins no other");
  other.socket.destroy();
  assert.match(await steps.finish("last@customers.example"), /^250 /);
  assert.match(await subject("last@customers.example"), /^round/);
  const [code] = await world.daemon.ended;
  assert.equal(code, 0);
  assert.ok(Date.now() - started < 4000 * slow, `${Date.now() - started} ms`);
  assert.throws(() => readFileSync(world.socket), /ENOENT/);
});

await test("without mailtailord Postfix says 451; after its return the same message goes", async () => {
  const mail = { from: "spring@shop.example", to: "patient@customers.example", subject: "{{greeting}}", text: "x", messageId: "<patient@shop.example>" };
  const answer = await world.submit(mail);
  assert.equal(answer.code, 451);
  await world.daemon.start();
  assert.match((await world.copy(mail)).subject, /^round/);
});

await test("mailtailord ends well", () => world.stop());
done();
