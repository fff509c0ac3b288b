import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { World, build, sleep, slow, until } from "./harness.mjs";
import { links, read } from "./mail.mjs";
import { comment, done, test } from "./tap.mjs";

const BROWSER = { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0" };
const SCORER = join(build, "tests/plugins/probe-score.so"); // click = profile.orders / 10
const MANY = slow > 1 ? 80 : 200;
const WINDOW = 12 * slow; // seconds
const everybody = Array.from({ length: MANY }, (_, i) => `r${i}@customers.example`);
const early = Array.from({ length: 24 }, (_, i) => `early${i}@customers.example`);
const world = await World.start({
  track: "rate = 0",
  inject: "connections = 8",
  profiles: Object.fromEntries([...everybody, ...early].map((to) => [to, { first_name: to.split("@")[0], orders: 4 }])),
  conf: `
plugin scores { path = "${SCORER}" deadline = 10s }
campaign spring {
	category = promo
	scorers = { scores }
	send_if = "click >= 0"
	control_share = 25%
	defaults { block = "<p>plain</p>" }
	policy { kind = thompson window = ${WINDOW}s explore = 5% }
	arm control { }
	arm short { subject = "{{first_name}}: 3 days" values { block = "<p><b>short</b></p>" } }
	arm long { subject = "{{first_name}}, all of it" values { block = "<p><i>long</i></p>" } }
}
campaign hourly {
	category = promo
	arm soon { send_hour = any weight = 1 }
	arm morning { send_hour = 3 weight = 1 }
}
campaign learned-hour {
	category = promo
	policy { kind = epsilon-greedy epsilon = 100% explore = 0 }
	arm soon { }
	arm morning { send_hour = 3 }
}
`,
});
const { trackd } = world;
const HTML = `<html><body><p>Hi {{first_name}}, score [{{scores.click}}], arm [{{arm.name}}]</p>{{{block}}}<a href="https://shop.example/a">a</a></body></html>`;
const SUBJECTS = { control: (name) => `Spring for ${name}`, short: (name) => `${name}: 3 days`, long: (name) => `${name}, all of it` };
const BLOCKS = { control: "<p>plain</p>", short: "<p><b>short</b></p>", long: "<p><i>long</i></p>" };
const mail = (to, messageId, campaign = "spring") => ({
  envelope: { from: "news@shop.example", to },
  to: "All <all@shop.example>",
  subject: "Spring for {{first_name}}",
  text: "Hi {{first_name}}\n",
  html: HTML,
  messageId,
  headers: { "X-Mailtailor-Campaign": campaign },
});

/** Sends to many, waits for all; address → { arm, copy } of the last copy of each. */
async function send(to, messageId) {
  const before = new Map(to.map((one) => [one, world.sink.of(one).length]));
  assert.match((await world.submit(mail(to, messageId))).response, /^250 /);
  const got = new Map();
  for (const one of to) {
    const copy = await read((await world.sink.take(one, before.get(one) + 1, 60 * slow)).at(-1));
    got.set(one, { arm: /arm \[([a-z]*)\]/.exec(copy.html)?.[1], copy });
  }
  return got;
}

const count = (got, arm) => [...got.values()].filter((one) => one.arm === arm).length;
const tool = (...args) => JSON.parse(world.mt(...args, "--json"));
const shown = () => Object.fromEntries(tool("policy", "show", "spring")[0].arms.map((arm) => [arm.arm, arm]));

/** mailtailord and its injector, which look when they decide, have said so. */
async function both(pattern) {
  const said = () => world.daemon.log().split("\n").filter((line) => pattern.test(line)).length;
  const before = said();
  let i = 0;
  await until(`${pattern}`, async () => {
    await send([early[0]], `<look-${Date.now()}-${i++}@shop.example>`);
    await send(early.slice(0, 2), `<look-${Date.now()}-${i++}@shop.example>`);
    await sleep(200);
    return said() >= before + 2;
  }, 30);
}

const alone = new Map(); // sent one by one, before anything is learned
const first = new Map();

await test(`${MANY} RCPTs: each copy is its arm's, subject and block; the control's is as it was, and no plugin had a say`, async () => {
  for (const [to, one] of await send(everybody, "<first@shop.example>")) first.set(to, one);
  for (const [to, { arm, copy }] of first) {
    assert.equal(copy.subject, SUBJECTS[arm](to.split("@")[0]));
    assert.ok(copy.html.includes(BLOCKS[arm]), copy.html);
    assert.match(copy.html, arm === "control" ? /score \[\]/ : /score \[0\.4\]/);
  }
  const of = ["control", "short", "long"].map((arm) => count(first, arm));
  comment(`control, short, long: ${of}`);
  // 4.5 standard errors
  for (const [i, share] of [0.25, 0.375, 0.375].entries()) assert.ok(Math.abs(of[i] - share * MANY) < 4.5 * Math.sqrt(share * (1 - share) * MANY), `${of}`);
  for (const to of early) alone.set(to, (await send([to], `<${to}>`)).get(to));
  assert.ok(count(alone, "short") > 1 && count(alone, "long") > 1);
});

await test("propensities are kept with the decisions; the report takes control and shares from the configuration", async () => {
  const injected = await until("the events", () => {
    const all = world.mt("events", "export").split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const of = all.filter((e) => e.type === "injected" && e.campaign === "spring");
    return of.length >= MANY + early.length && of;
  });
  for (const e of injected) {
    const details = typeof e.details === "string" ? JSON.parse(e.details) : e.details;
    assert.equal(details.propensity, e.arm === "control" ? 0.25 : 0.375, e.arm);
  }
  const report = tool("report", "spring");
  assert.equal(report.comparison.control, "control");
  assert.equal(report.comparison.sample_ratio, null, "with send_if no share is known");
});

await test("what people click is learned when its window has passed, and taken up without a restart", async () => {
  for (const [, { arm, copy }] of first)
    if (arm === "long") {
      const { status } = await trackd.request(links(copy.html).find((url) => url.includes("/c/")), { headers: BROWSER });
      assert.equal(status, 302);
    }
  assert.equal(tool("policy", "learn", "spring").pending > 0, true, "too young to count");
  await until("the window", () => tool("policy", "learn", "spring").pending === 0, 3 * WINDOW);
  const arms = shown();
  assert.equal(arms.long.rewards, count(first, "long"));
  assert.equal(arms.short.rewards, 0);
  assert.equal(arms.control.decisions, count(first, "control") + count(alone, "control"));
  assert.equal(arms.control.share, 0.25);
  assert.ok(arms.long.share > 0.72, JSON.stringify(arms));
  await both(/a state of 3 arms is in force/);
});

await test("what each arm for everybody would have brought is estimated from the decisions, and not concluded from so few", () => {
  const found = tool("policy", "evaluate", "spring");
  const rows = MANY + early.length;
  assert.equal(found.rows, rows);
  const of = Object.fromEntries(found.policies.map((p) => [p.policy, p]));
  const close = (got, want) => assert.ok(Math.abs(got - want) < 1e-9, `${got}, not ${want}`);
  close(of["always long"].estimates.IPS.value, count(first, "long") / 0.375 / rows);
  close(of["always long"].estimates.SNIPS.value, count(first, "long") / (count(first, "long") + count(alone, "long")));
  close(of["always short"].estimates.IPS.value, 0);
  close(of["always control"].ess, count(first, "control") + count(alone, "control"));
  assert.equal(of["always short"].concluded, false);
  assert.equal(found.recommended, of["always long"].concluded ? "always long" : null);
  assert.match(world.mt("policy", "evaluate", "spring"), /always short: no conclusion: the \d+ rows are worth/);
});

await test("the better arm gets the traffic; the control is the same people as before", async () => {
  const second = await send(everybody, "<second@shop.example>");
  comment(`control, short, long: ${["control", "short", "long"].map((arm) => count(second, arm))}`);
  for (const [to, { arm }] of second) assert.equal(arm === "control", first.get(to).arm === "control", to);
  assert.ok(count(second, "long") > 8 * count(second, "short"));
});

await test("a client's retry gets the arm that it had, whatever was learned since", async () => {
  for (const [to, { arm }] of alone) assert.equal((await send([to], `<${to}>`)).get(to).arm, arm, to);
});

await test("a damaged state is refused, the one before stays; render shows any arm", async () => {
  const path = join(world.dir, "state", "policy-spring.state");
  const good = readFileSync(path);
  writeFileSync(path, good.subarray(0, good.length - 5));
  await both(/its checksum does not agree.*the one before stays in force/);
  const third = await send(everybody.slice(0, 40), "<third@shop.example>");
  assert.ok(count(third, "long") > 3 * count(third, "short"));
  writeFileSync(path, good);
  const message = join(world.dir, "message.eml");
  writeFileSync(message, `From: news@shop.example\nSubject: Spring for {{first_name}}\nX-Mailtailor-Campaign: spring\nContent-Type: text/html\n\n${HTML}\n`);
  assert.match(world.mt("render", "--recipient", everybody[0], "--arm", "short", message), /Subject: r0: 3 days\r?\n/);
  assert.match(world.mt("render", "--recipient", everybody[0], "--arm", "control", message), /Subject: Spring for r0\r?\n/);
});

for (const [campaign, when] of [["hourly", "at acceptance"], ["learned-hour", "when the copy is made, and noted with the job"]])
  await test(`an arm's hour is the due time of its copies' jobs; decided ${when}`, async () => {
    const to = everybody.slice(0, 30);
    const before = new Map(to.map((one) => [one, world.sink.of(one).length]));
    assert.match((await world.submit(mail(to, `<${campaign}@shop.example>`, campaign))).response, /^250 /);
    if (new Date().getUTCHours() === 3) return comment("it is that hour: nothing waits");
    const jobs = () => tool("queue", "list", "--campaign", campaign, "--addresses");
    await until("all decided", () => jobs().every((job) => job.state !== "queued" || job.reason === "send-hour"), 30);
    const waiting = jobs().filter((job) => job.reason === "send-hour");
    assert.ok(waiting.length > 3 && waiting.length < 27, `${waiting.length}`);
    for (const job of waiting) {
      assert.match(job.due, /T03:00:00Z$/);
      assert.match(job.note, /^arm morning 0\.5: due /);
    }
    for (const one of to.filter((one) => !waiting.some((job) => job.address === one)))
      await world.sink.take(one, before.get(one) + 1, 30 * slow);
  });

await test("mailtailord ends well", () => world.stop());
done();
