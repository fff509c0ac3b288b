// The injection port refuses connections, answers 421, hangs, and closes after the final dot, each for a time and then works
// again, while messages are fanned out: every recipient gets his copy, and duplicates are no more than the answers to the
// final dot that were lost. The client, who talks to another port, has its 250 at once throughout.
//
//   node port.mjs [--windows 12] [--longest 1500] [--messages 50] [--recipients 100] [--seed N] [--json FILE]
//
// For each fault one set of messages, and so many windows in which the port is at fault, each until it has met a copy and at most
// --longest ms more.
import assert from "node:assert/strict";
import { statSync, readFileSync } from "node:fs";
import { World, sleep, slow, timeLimit, until } from "../integration/harness.mjs";
import { Scripted } from "../integration/scripted.mjs";
import { bail, comment, done, test } from "../integration/tap.mjs";
import { chance, options, progress, table, writeJson } from "./common.mjs";
import { Load } from "./load.mjs";

const opt = options({ windows: 12, longest: 1500, messages: 50, recipients: 100, seed: Math.floor(Math.random() * 2 ** 31) });
const random = chance(opt.seed);
const CONNECTIONS = 4;
const TIMEOUT = slow; // s
timeLimit(600 + opt.windows * 120);

const BUSY = "421 4.3.2 try again later";
const maybe = () => random() < 0.5;
/** What an attempt meets at a port at fault, by the fault's name. */
const ATTEMPTS = {
  "421 to RCPT": () => ({ rcpt: BUSY }),
  "421 to the final dot": () => ({ end: BUSY }),
  "hangs after DATA": () => ({ data: "hang" }),
  "hangs after the final dot": () => ({ end: "hang", kept: maybe() }),
  "closes after DATA": () => ({ body: "close" }),
  "closes after the final dot": () => ({ end: "close", kept: maybe() }),
};
const any = Object.values(ATTEMPTS);
ATTEMPTS["one or the other"] = () => (maybe() ? {} : any[Math.floor(random() * any.length)]());
/** What a new connection meets. */
const GREETINGS = { "421 as greeting": BUSY, "hangs before its greeting": "hang" };
const FAULTS = ["refuses connections", ...Object.keys(GREETINGS), ...Object.keys(ATTEMPTS)];

const port = new Scripted();
await port.open();
comment(`seed ${opt.seed}: ${FAULTS.length} faults, ${opt.windows} windows and ${opt.messages} messages to ${opt.recipients} recipients each`);
const world = await World.start({
  injectTo: port.port,
  inject: `helo = "mailtailor.shop.example" connections = ${CONNECTIONS} retry_min = 1s retry_max = 2s
	connect_timeout = ${TIMEOUT}s command_timeout = ${TIMEOUT}s data_timeout = ${TIMEOUT}s`,
  conf: 'campaign crash { category = promo defaults { code = "none" } }',
});
const { daemon } = world;
const processes = () => [daemon.child.pid, daemon.injector()];
const started = processes();
const WORKING = { greeting: port.greeting, otherwise: port.otherwise };

/** The port is at fault until a copy has met that and a while longer; then it works again. */
async function window(fault) {
  const logged = statSync(daemon.logFile).size;
  let met = 0;
  if (fault === "refuses connections") await port.close();
  else if (GREETINGS[fault]) {
    port.greeting = GREETINGS[fault];
    port.drop();
  } else
    port.otherwise = () => {
      const outcome = ATTEMPTS[fault]();
      if (Object.keys(outcome).length > 0) met++;
      return outcome;
    };
  const said = () => / inject \S+: (connect|greeting|EHLO|cannot connect)/.test(readFileSync(daemon.logFile).subarray(logged).toString("utf8"));
  // The injector says of a port that is out of order what it met, and lets it rest.
  await until(`a copy that meets a port that ${fault}`, () => (ATTEMPTS[fault] ? met > 0 : said()), 60);
  await sleep(random() * opt.longest);
  if (fault === "refuses connections") await port.open();
  Object.assign(port, WORKING);
}

/** Sends a set; each window has some new messages to meet. */
async function run(load, fault) {
  let open = 0, answered = 0;
  const say = () => progress(`port ${fault}: window ${answered} of ${opt.windows}, ${load.delivered(port.mails)} of ${load.expected.size} copies delivered`);
  const sending = load.send({
    may: async (number) => {
      while (number >= open) await sleep(10);
    },
  });
  for (; answered < opt.windows; answered++) {
    say();
    open = Math.ceil((opt.messages * (answered + 1)) / opt.windows);
    await window(fault);
    // Only a copy that leaves ends the injector's patience with the port, which grows from fault to fault.
    const before = port.mails.length;
    await until("a copy that leaves again", () => port.mails.length > before || load.delivered(port.mails) >= (load.answers.get("250") ?? 0) * opt.recipients, 90);
    await sleep(random() * opt.longest * 0.2);
  }
  await sending;
  await load.arrived(port, say);
  await until("an empty spool", () => {
    const { total } = JSON.parse(world.mt("queue", "--json"));
    return total.queued + total.held === 0;
  }, 90);
}

let begun = 0; // bytes of the log when the set began: recipients are the same in all

/** How often the log says that the end of a recipient's copy is not known. */
function uncertain(to) {
  const { hash } = JSON.parse(world.mt("profile", "export", to));
  return [...readFileSync(daemon.logFile).subarray(begun).toString("utf8").matchAll(/recipient=([0-9a-f]+) later reason=uncertain/g)].filter(([, prefix]) => hash.startsWith(prefix)).length;
}

/** { duplicates, lost: answers to the final dot that were }, after a look at whether one follows from the other. */
function account() {
  const lost = new Map(), kept = new Map();
  const more = (map, to) => map.set(to, (map.get(to) ?? 0) + 1);
  for (const attempt of port.attempts.filter((attempt) => attempt.kept)) {
    more(kept, attempt.to);
    if (attempt.outcome.kept || attempt.cut) more(lost, attempt.to);
  }
  for (const [to, n] of kept) {
    if (n - 1 <= (lost.get(to) ?? 0)) continue;
    // On a slow machine an answer may come when the injector has stopped waiting for it: the port cannot know, the log does.
    const late = uncertain(to);
    assert.ok(n - 1 <= late, `${to} has ${n} copies, of which ${lost.get(to) ?? 0} were not answered for, and ${late} too late`);
    lost.set(to, n - 1);
  }
  const sum = (map) => [...map.values()].reduce((a, b) => a + b, 0);
  return { duplicates: sum(kept) - kept.size, lost: sum(lost) };
}

const rows = [["the port …", "windows", "copies", "attempts", "answers lost", "duplicates", "copies lost"]];
const results = [];
for (const fault of FAULTS) {
  const load = new Load(world, { name: fault.replaceAll(/\W/g, "-"), messages: opt.messages, recipients: opt.recipients });
  port.mails = [];
  port.attempts = [];
  begun = statSync(daemon.logFile).size;
  await test(`the port ${fault}, ${opt.windows} ${opt.windows === 1 ? "time" : "times"}: every recipient of ${opt.messages} messages got his copy, twice only where the answer was lost`, async () => {
    await run(load, fault);
    const missing = load.missing(port.mails);
    const { duplicates, lost } = account();
    results.push({ fault, windows: opt.windows, copies: load.expected.size, attempts: port.attempts.length, answers_lost: lost, duplicates, lost: missing.length });
    rows.push(["…" + fault, ...Object.values(results.at(-1)).slice(1)]);
    assert.equal(missing.length, 0, `no copy for ${missing.slice(0, 5).join(", ")} …`);
    load.check(port.mails);
    assert.deepEqual([...load.answers], [["250", opt.messages]], "the client notices nothing");
    const { total, bad } = JSON.parse(world.mt("queue", "--json"));
    assert.deepEqual([total.held, total.dropped, total.failed, bad], [0, 0, 0, 0]);
    assert.deepEqual(processes(), started, "mailtailord and its injector are those that were started");
  });
  // The port of a set that failed must not be the next one's trouble.
  if (!port.server.listening) await port.open();
  Object.assign(port, WORKING);
}
progress();
comment(table(rows));
comment(`seed ${opt.seed}`);
writeJson(opt.json, { ...opt, faults: results });

await test("mailtailord ends well, and its injector", () => world.stop());
await port.close();
if (results.some((result) => result.lost > 0)) bail("copies were lost");
done();
