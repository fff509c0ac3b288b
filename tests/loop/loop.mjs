// The closed loop: simulated customers get waves of one campaign through a real Postfix, mailtailor's milter, spool, injector and
// endpoint; after each wave the policy learns from the events alone. Ends well when the learned copies convert better than the
// control's, clear of chance, and do not unsubscribe more; with --tastes alike when no gain is reported.
//   node loop.mjs [--customers 3000] [--waves 10] [--seed 1] [--tastes different|alike] [--out DIR] [--json] [--unjudged]
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { World, build, sleep, timeLimit, until } from "../integration/harness.mjs";
import { chart } from "./chart.mjs";
import { CATEGORIES, address, profile } from "./customers.mjs";
import { copies, difference, rate } from "./measure.mjs";

const { values: options } = parseArgs({
  options: {
    customers: { type: "string", default: "3000" },
    waves: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    tastes: { type: "string", default: "different" },
    out: { type: "string", default: join(build, "demo-loop") },
    json: { type: "boolean", default: false },
    unjudged: { type: "boolean", default: false }, // too few customers to tell: only that everything turns
  },
});
const CUSTOMERS = Number(options.customers), WAVES = Number(options.waves), RCPTS = 1000;
assert.ok(CUSTOMERS > 0 && WAVES > 0 && ["different", "alike"].includes(options.tastes), "what the options say");
timeLimit(1800);
const say = (text) => process.stderr.write(text);
const terminal = process.stderr.isTTY;

/** Customers, scanners, proxies and the shop: a process of its own behind the MTA. */
class Simulator {
  constructor(world) {
    this.world = world;
    this.state = {};
  }

  async start() {
    const { trackd } = this.world;
    const env = { ...process.env, LOOP_SEED: options.seed, LOOP_TASTES: options.tastes, LOOP_TRACKD: String(trackd.listen), LOOP_SHOP: `webshop ${this.world.mt("key", "shop", "webshop").trim()}` };
    this.child = spawn(process.execPath, [fileURLToPath(new URL("simulator.mjs", import.meta.url))], { env, stdio: ["pipe", "pipe", "inherit"] });
    this.ended = once(this.child, "exit");
    createInterface({ input: this.child.stdout }).on("line", (line) => (this.state = JSON.parse(line)));
    await until("the simulator", () => this.state.port);
    this.port = this.state.port;
  }

  async stop() {
    this.child.stdin.end();
    await this.ended;
  }
}

const WINDOW = 3; // seconds: who has not answered by then does not
const subjects = { garden: "Fresh for your garden", kitchen: "New in the kitchen", books: "Books you will not put down", sport: "Ready for sport" };
const arms = CATEGORIES.map((c) => `	arm ${c} { subject = "${subjects[c]}" values { topic = "${c}" } }`).join("\n");
const CONF = `
shop webshop { }
features customer {
	columns = { ${CATEGORIES.map((c) => `"profile.last_category=${c}"`).join(", ")}, "profile.age | missing 40 | div 80",
		${["DE", "FR", "GB"].map((c) => `"profile.country=${c}"`).join(", ")} }
}
campaign weekly {
	category = promo
	click_id = mtid
	features = customer
	arm control { }
${arms}
	control_share = 25%
	policy { kind = linucb reward = clicked window = ${WINDOW}s explore = 10% }
}
`;
const HTML = `<html><body>
<h1>{{subject}}</h1>
<p>Dear {{first_name}}, {{#if arm.topic}}we have chosen for you from {{arm.topic}}.{{else}}these are our picks of the week.{{/if}}</p>
<p><a href="https://shop.example/{{#if arm.topic}}{{arm.topic}}{{else}}picks{{/if}}?wave={{wave}}">{{#if arm.topic}}See all of {{arm.topic}}{{else}}See our picks{{/if}}</a></p>
<p><a href="{{unsubscribe_url}}">Unsubscribe</a></p>
</body></html>`;

const world = await World.start({
  inject: "connections = 8",
  map: "1G",
  track: "rate = 0",
  conf: CONF,
  profiles: Object.fromEntries(Array.from({ length: CUSTOMERS }, (_, i) => [address(i), profile(options.seed, i)])),
  sink: (w) => new Simulator(w),
});
const simulator = world.sink;

async function wave(number) {
  const before = simulator.state.received;
  let accepted = 0;
  for (let at = 0; at < CUSTOMERS; at += RCPTS) {
    const to = Array.from({ length: Math.min(RCPTS, CUSTOMERS - at) }, (_, i) => address(at + i));
    const answer = await world.submit({
      envelope: { from: "news@shop.example", to },
      to: "Our customers <news@shop.example>",
      subject: "Our picks of the week",
      messageId: `<wave-${number}-${at}@shop.example>`,
      headers: { "X-Mailtailor-Campaign": "weekly", "X-Mailtailor-Data": JSON.stringify({ wave: number }) },
      html: HTML,
    });
    assert.match(answer.response, /^250 /);
    accepted += to.length;
  }
  // Each of them has his copy, or a reason why not, and everybody has answered.
  let told = 0;
  await until(
    `wave ${number}`,
    async () => {
      const { received, answered } = simulator.state;
      if (terminal && Date.now() - told > 500) say(`\rwave ${number}: ${received - before} of ${accepted} copies, ${received - answered} being read  `), (told = Date.now());
      if (received !== answered) return false;
      const { queued, sent } = JSON.parse(world.mt("queue", "--json")).total;
      return queued === 0 && received === answered && received === sent;
    },
    600,
  );
  if (terminal) say("\r\x1b[K");
  return simulator.state.received - before;
}

const events = () =>
  world.mt("events", "export", "--campaign", "weekly").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const SIDES = { control: (c) => c.arm === "control", learned: (c) => c.arm !== "control" };
const percent = (v) => `${(100 * v).toFixed(2)} %`;

const starts = [], shown = [];
for (let number = 1; number <= WAVES; number++) {
  starts.push(Date.now());
  const sent = await wave(number);
  await sleep((WINDOW + 1) * 1000);
  world.mt("policy", "learn", "weekly");
  const now = copies(events()).filter((c) => c.at >= starts.at(-1));
  const sides = Object.fromEntries(Object.entries(SIDES).map(([side, is]) => [side, now.filter(is)]));
  shown.push({
    ...Object.fromEntries(["clicked", "converted", "unsubscribed"].map((fact) => [fact, Object.fromEntries(Object.entries(sides).map(([side, list]) => [side, rate(list, fact)]))])),
    sends: Object.fromEntries(Object.entries(sides).map(([side, list]) => [side, { value: list.length / Math.max(1, new Set(list.map((c) => c.who)).size), se: 0 }])),
  });
  const w = shown.at(-1);
  say(`wave ${String(number).padStart(2)}: ${sent} copies in ${((Date.now() - starts.at(-1)) / 1000).toFixed(0)} s; clicks: control ${percent(w.clicked.control.value)}, learned ${percent(w.clicked.learned.value)}; conversions: ${percent(w.converted.control.value)}, ${percent(w.converted.learned.value)}\n`);
}

// The verdict is of all waves but the first, in which nothing had been learned.
const late = copies(events()).filter((c) => c.at >= starts[Math.min(1, WAVES - 1)]);
const total = (fact) => Object.fromEntries(Object.entries(SIDES).map(([side, is]) => [side, rate(late.filter(is), fact)]));
const result = { tastes: options.tastes, customers: CUSTOMERS, waves: WAVES, seconds: Math.round((Date.now() - starts[0]) / 1000), simulator: simulator.state };
for (const fact of ["clicked", "converted", "unsubscribed"]) {
  const sides = total(fact);
  result[fact] = { ...sides, difference: difference(sides.learned, sides.control) };
}
mkdirSync(options.out, { recursive: true });
writeFileSync(join(options.out, "loop.svg"), chart(options.tastes === "alike" ? "All alike: there is nothing to learn" : "Ten waves: what learning brings", shown));
writeFileSync(join(options.out, "loop.json"), `${JSON.stringify({ ...result, per_wave: shown }, null, 1)}\n`);
world.mt("report", "weekly", "--html", join(options.out, "report.html"));
await world.stop();

const line = (fact) => {
  const { control, learned, difference: d } = result[fact];
  return `  ${fact.padEnd(13)} control ${percent(control.value).padStart(7)}  learned ${percent(learned.value).padStart(7)}  difference ${percent(d.value)} (${percent(d.low)} to ${percent(d.high)})`;
};
if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else process.stdout.write(`Waves 2 to ${WAVES}, ${CUSTOMERS} customers, tastes ${options.tastes}:\n${["clicked", "converted", "unsubscribed"].map(line).join("\n")}\nChart: ${join(options.out, "loop.svg")}; report: ${join(options.out, "report.html")}\n`);

const { converted, unsubscribed } = result;
assert.equal(simulator.state.failed, 0, "every request was answered as it should be");
assert.ok(simulator.state.scanned > 0 && simulator.state.bought > 0 && converted.learned.y > 0, "something has happened");
if (!options.unjudged) {
  if (options.tastes === "different") assert.ok(converted.difference.low > 0, "the learned copies convert better, clear of chance");
  else assert.ok(converted.difference.low <= 0, "no gain is reported where there is none");
  assert.ok(unsubscribed.difference.low <= 0, "the learned copies do not unsubscribe more");
}
process.exit(0);
