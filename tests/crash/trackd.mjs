// kill -9 of mailtailor-trackd at random moments under load: every event whose answer a client saw is in the log, and none is
// there twice. Some rounds begin while the database is away, so that what comes in goes to the queue file, and the next kill
// falls into its move into the database.
//
//   node trackd.mjs [--rounds 50] [--clients 24] [--crowd 200] [--seed N] [--json FILE]
//
// Opens and clicks are asked for once, each link of its own; unsubscribes and a shop's orders are sent until they are answered,
// as clients do. Moments follow from the seed, what the machine does at that moment does not. What is not shown is the same as
// in kills.mjs: a machine that loses its power.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { renameSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { World, build, sleep, slow, timeLimit, until } from "../integration/harness.mjs";
import { comment, done, test } from "../integration/tap.mjs";
import { chance, options, progress, writeJson } from "./common.mjs";

const opt = options({ rounds: 50, clients: 24, crowd: 200, seed: Math.floor(Math.random() * 2 ** 31) });
const LONGEST = 400 * slow; // ms of load before a kill, at most
const DRAIN = 150 * slow; // ms from a start with a full queue file to the kill, at most
const QUEUE_EVERY = 3; // one round of so many begins without the database
const LINKS = 5000; // recipients of a round, more than it can use up
const MIX = ["open", "open", "open", "click", "click", "unsubscribe", "order"];
const BROWSER = { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0" };
const TYPES = { open: "opened", click: "clicked", unsubscribe: "unsubscribed", order: "purchased" };
const random = chance(opt.seed);

timeLimit(120 + opt.rounds * 20);
comment(`seed ${opt.seed}: ${opt.rounds} kills, ${opt.clients} clients and ${opt.crowd} in turns`);
const world = await World.start({
  postfix: false,
  conf: 'campaign spring { category = promo }\nshop webshop { }',
  track: "rate = 0",
});
await world.daemon.stop();
const { trackd } = world;
const secret = world.mt("key", "shop", "webshop").trim();
const state = join(world.dir, "state");
const queue = join(world.dir, "trackd.queue");
const asked = []; // { kind, recipient, copy, order, round, answered, tries }
const rounds = []; // { n, queue, asked, answered, cut }

function mint(first, n) {
  const lines = execFileSync(join(build, "tests/mint"), [join(world.dir, "keys"), "spring", "promo", "crash.example", String(first), String(n)], { encoding: "utf8", maxBuffer: 1 << 28 });
  return lines.trim().split("\n").map((line) => {
    const [recipient, copy, open, click, unsubscribe, , id] = line.split(" ");
    return { recipient, copy, open, click, unsubscribe, id };
  });
}

/** The status, or undefined: no answer came. */
function ask(agent, { path, method = "GET", headers = {}, body }) {
  return new Promise((end) => {
    const request = http.request({ host: "127.0.0.1", port: trackd.listen, agent, method, path, headers: { ...BROWSER, ...headers } }, (answer) => {
      answer.resume().on("end", () => end(answer.statusCode)).on("error", () => end(undefined));
    });
    request.on("error", () => end(undefined)).end(body);
  });
}

function request(job) {
  const { kind, link, order } = job;
  if (kind === "unsubscribe") return { path: link.unsubscribe, method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: "List-Unsubscribe=One-Click" };
  if (kind !== "order") return { path: link[kind] };
  const body = JSON.stringify([{ id: order, type: "purchased", click: link.id, value: 1, currency: "EUR" }]);
  const time = Math.floor(Date.now() / 1000);
  return { path: "/v1/events", method: "POST", body, headers: { "x-mailtailor-shop": "webshop", "x-mailtailor-time": time, "x-mailtailor-signature": createHmac("sha256", secret).update(`${time}\n${body}`).digest("hex") } };
}

const STATUS = { open: 200, click: 302, unsubscribe: 200, order: 200 };

/** One job once; what it got. An answer that is no success would make the proof empty. */
async function attempt(agent, job) {
  job.tries++;
  const status = await ask(agent, request(job));
  if (status === undefined) return false;
  assert.equal(status, STATUS[job.kind], `${job.kind} was answered ${status}`);
  job.answered = true;
  return true;
}

/** Clients that ask until they are stopped. */
class Clients {
  constructor(links, round) {
    // Every other time a crowd: its events go another way (src/web/arrivals.c).
    const clients = round % 2 === 0 ? opt.clients : opt.crowd;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: clients });
    this.jobs = [];
    this.answers = 0;
    this.stopped = false;
    this.running = Array.from({ length: clients }, async () => {
      for (let link; !this.stopped && (link = links.pop()); ) {
        const kind = MIX[Math.floor(random() * MIX.length)];
        const job = { kind, link, order: `order-${link.copy}`, round, answered: false, tries: 0 };
        this.jobs.push(job);
        asked.push(job);
        if (!(await attempt(this.agent, job))) break; // killed
        this.answers++;
      }
    });
  }

  async end() {
    this.stopped = true;
    await Promise.all(this.running);
    this.agent.destroy();
  }

  get cut() {
    return this.jobs.filter((job) => !job.answered).length;
  }
}

/** Load, then kill -9 in the midst of it. */
async function killUnderLoad(n, entry) {
  const clients = new Clients(mint(n * LINKS, LINKS), n);
  await until("the first answer", () => clients.answers > 0);
  await sleep(random() * LONGEST);
  await trackd.stop("SIGKILL");
  await clients.end();
  entry.asked += clients.jobs.length;
  entry.answered += clients.answers;
  entry.cut += clients.cut;
}

/** What was not answered and may be sent again is, until it is. */
async function insist() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: opt.clients });
  for (const job of asked.filter((job) => !job.answered && (job.kind === "unsubscribe" || job.kind === "order")))
    await until(`an answer to ${job.kind}`, () => attempt(agent, job));
  agent.destroy();
}

async function round(n) {
  const entry = { n, queue: n % QUEUE_EVERY === QUEUE_EVERY - 1, asked: 0, answered: 0, cut: 0, lines: 0 };
  rounds.push(entry);
  if (entry.queue) {
    await trackd.stop("SIGKILL");
    renameSync(state, `${state}.away`);
    writeFileSync(state, ""); // no directory can be made there
    await trackd.start();
  }
  await killUnderLoad(n, entry);
  if (entry.queue) {
    entry.lines = statSync(queue).size;
    renameSync(state, `${state}.file`);
    renameSync(`${state}.away`, state);
    await trackd.start();
    await sleep(random() * DRAIN);
    entry.drained = statSync(queue).size === 0;
    await trackd.stop("SIGKILL");
  }
  await trackd.start();
  await insist();
}

/** Type and copy of an event → how often it is in the log. */
function logged() {
  const times = new Map();
  for (const line of world.mt("events", "export").split("\n")) {
    if (line === "") continue;
    const { type, recipient, copy } = JSON.parse(line);
    const key = `${type} ${recipient} ${copy}`;
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  return times;
}

await test(`${opt.rounds} kills under load, restarts, and the queue file back into the database`, async () => {
  for (let n = 0; n < opt.rounds; n++) {
    progress(`round ${n} of ${opt.rounds}: ${asked.length} requests`);
    await round(n);
  }
  await until("an empty queue file", () => statSync(queue).size === 0);
});
progress();

const times = logged();
const label = (job) => `round ${job.round}: ${TYPES[job.kind]} ${job.link.recipient} ${job.link.copy}`;
const count = (job) => times.get(`${TYPES[job.kind]} ${job.link.recipient} ${job.link.copy}`) ?? 0;
const summary = { ...opt, requests: asked.length, answered: asked.filter((job) => job.answered).length, events: [...times.values()].reduce((a, b) => a + b, 0) };
summary.lost = asked.filter((job) => job.answered && count(job) === 0).length;
summary.twice = asked.filter((job) => count(job) > 1).length;
summary.unanswered = asked.filter((job) => !job.answered).length;
summary.recordedUnanswered = asked.filter((job) => !job.answered && count(job) === 1).length;

await test("every event whose answer was seen is in the log", () => {
  const lost = asked.filter((job) => job.answered && count(job) === 0);
  assert.equal(lost.length, 0, `${lost.length} lost: ${lost.slice(0, 5).map(label).join("; ")}`);
});

await test("no event is there twice, and none that nobody asked for", () => {
  const twice = asked.filter((job) => count(job) > 1);
  assert.equal(twice.length, 0, `${twice.length} doubled: ${twice.slice(0, 5).map(label).join("; ")}`);
  const known = new Set(asked.map((job) => `${TYPES[job.kind]} ${job.link.recipient} ${job.link.copy}`));
  assert.deepEqual([...times.keys()].filter((key) => !known.has(key)), []);
});

await test("who was told that he is unsubscribed is", () => {
  const suppressed = new Set(JSON.parse(world.mt("suppress", "list", "--json")).map((entry) => entry.hash));
  const missing = asked.filter((job) => job.kind === "unsubscribe" && job.answered && !suppressed.has(job.link.recipient.slice(0, 16)));
  assert.equal(missing.length, 0, `${missing.length} are not: ${missing.slice(0, 5).map(label).join("; ")}`);
});

await test("the counters are what the log says", () => {
  assert.match(world.mt("events", "verify"), /^all agrees$/m);
});

await test("the kills met requests under way, and full queue files: they prove something", () => {
  const cut = rounds.filter((entry) => entry.cut > 0).length;
  const full = rounds.filter((entry) => entry.queue);
  assert.ok(cut > opt.rounds / 2, `only ${cut} of ${opt.rounds} kills cut requests off`);
  assert.ok(full.length > 0 && full.every((entry) => entry.lines > 0), "no queue file was full");
});

comment(`${summary.requests} requests, ${summary.answered} answered, ${summary.lost} of them lost, ${summary.twice} events doubled; ${summary.recordedUnanswered} of ${summary.unanswered} unanswered ones are in the log`);
comment(`${rounds.filter((r) => r.queue).length} rounds by way of the queue file, ${rounds.filter((r) => r.queue && !r.drained).length} killed before it was moved; seed ${opt.seed}`);
writeJson(opt.json, { ...summary, kills: rounds });
await world.trackd.stop();
await world.stop();
done();
