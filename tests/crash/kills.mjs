// kill -9 of mailtailord, its injector, Postfix or all of them at random moments, while a client that retries sends messages
// to many recipients each: every recipient gets his copy, and duplicates are no more than the copies that were in flight.
//
//   node kills.mjs [--rounds 208] [--sets 8] [--messages 50] [--recipients 100] [--seed N] [--json FILE]
//
// Each set of messages is sent, killed upon, waited for and looked at; the next has other Message-IDs and the same people.
// Kinds and moments follow from the seed, what the machine does at that moment does not.
//
// What this does not show: kill -9 leaves the page cache to the kernel, so a write that was never fsync'ed survives it. That
// the spool's commits reach the disk before the client has its 250 is LMDB's doing (no MDB_NOSYNC; src/store/writer.c), and
// only a machine that loses its power can put it to the test.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { World, lives, root, sleep, slow, timeLimit, until } from "../integration/harness.mjs";
import { assertTailored, links, read } from "../integration/mail.mjs";
import { bail, comment, done, test } from "../integration/tap.mjs";
import { chance, options, progress, shuffled, table, writeJson } from "./common.mjs";
import { CAUSES, attribute, queueId, queueTime } from "./duplicates.mjs";
import { Load } from "./load.mjs";

const opt = options({ rounds: 208, sets: 8, messages: 50, recipients: 100, seed: Math.floor(Math.random() * 2 ** 31) });
const KINDS = ["mailtailord", "injector", "postfix", "all"];
const CONNECTIONS = 4; // of the injector
const DELIVERIES = 10; // of Postfix, at once
const UNRECORDED = CONNECTIONS * Number(/^#define INJECT_UNRECORDED (\d+)$/m.exec(readFileSync(join(root, "src/inject/inject.h"), "utf8"))[1]);
/** Copies that may be in flight at a kill of each kind, by what makes a duplicate of them. */
const BOUNDS = {
  mailtailord: { redelivered: 0, uncertain: 0, unrecorded: 0 }, // its injector ends what it has begun, and writes it down
  injector: { redelivered: 0, uncertain: 0, unrecorded: UNRECORDED },
  postfix: { redelivered: DELIVERIES, uncertain: CONNECTIONS, unrecorded: 0 },
  all: { redelivered: DELIVERIES, uncertain: CONNECTIONS, unrecorded: UNRECORDED },
};
const LONGEST = 1200 * slow; // ms from one round's restart to the next kill, at most
const SUBMISSION = 150 * slow; // ms that a client is busy with a message, about
const random = chance(opt.seed);
const kinds = Array.from({ length: Math.ceil(opt.rounds / KINDS.length) }, () => shuffled(KINDS, random)).flat().slice(0, opt.rounds);
const kills = []; // { n, kind, at, postfix, injector, generation, unanswered, undelivered, duplicates: { cause: n } }
const summary = { ...opt, copies: 0, lost: 0, tries: 0, answers: {} };

timeLimit(300 + opt.rounds * 30);
comment(`seed ${opt.seed}: ${opt.rounds} kills in ${opt.sets} sets of ${opt.messages} messages to ${opt.recipients} recipients each`);
const world = await World.start({
  inject: `helo = "mailtailor.shop.example" connections = ${CONNECTIONS} retry_min = 1s retry_max = 2s`,
  settings: {
    enable_long_queue_ids: "yes",
    default_destination_concurrency_limit: DELIVERIES,
    initial_destination_concurrency: DELIVERIES,
  },
  conf: 'campaign crash { category = promo defaults { code = "none" } }',
});
const { daemon, postfix, sink } = world;
const injectors = new Set(); // all that were seen

// ---- killing ----

function killProcess(pid) {
  if (pid !== undefined && lives(pid)) process.kill(pid, "SIGKILL");
}

/** kill -9 of everything of a kind, at one moment; resolves when it is gone. */
async function kill(kind) {
  const gone = [];
  const injector = daemon.injector();
  if (injector) injectors.add(injector);
  if (kind === "mailtailord" || kind === "all") gone.push(daemon.stop("SIGKILL"));
  if (kind === "injector") killProcess(injector);
  if (kind === "all") for (const pid of injectors) killProcess(pid); // one whose mailtailord is gone may still be ending
  if (kind === "postfix" || kind === "all") gone.push(postfix.kill());
  if (kind === "injector" || kind === "all") gone.push(until("the injector's end", () => ![...injectors].some((pid) => lives(pid) && (kind === "all" || pid === injector))));
  await Promise.all(gone);
}

/** What is not there comes back, as by init; the injector by itself. */
async function restart(kind) {
  const back = [];
  if (kind === "postfix" || kind === "all") {
    await sleep(50); // the sink has seen all connections of that Postfix
    sink.generation++;
    back.push(postfix.again());
  }
  if (kind === "mailtailord" || kind === "all") back.push(sleep(random() * 200).then(() => daemon.start()));
  await Promise.all(back);
}

/** Half of the moments are while a client submits, half are any. */
async function moment(load) {
  const [aimed, when] = [random() < 0.5, random()];
  if (!aimed) return sleep(when * LONGEST);
  const end = Date.now() + LONGEST;
  while (load.busy === 0 && Date.now() < end) await sleep(1);
  return sleep(when * SUBMISSION);
}

async function round(load, n) {
  const kind = kinds[n];
  await moment(load);
  // It may have been killed a moment ago.
  if (kind === "injector") await until("an injector", () => daemon.injector(), 90);
  const entry = { n, kind, postfix: kind === "postfix" || kind === "all", injector: kind === "injector" || kind === "all", generation: sink.generation, log: statSync(daemon.logFile).size };
  entry.unanswered = load.unanswered;
  entry.undelivered = load.expected.size - load.delivered(sink.mails);
  entry.duplicates = Object.fromEntries(CAUSES.map((cause) => [cause, 0]));
  entry.from = Date.now();
  await kill(kind);
  entry.at = Date.now() + 1; // it is cut to the millisecond, and queue ids are not
  kills.push(entry);
  await restart(kind);
}

// ---- one set ----

const queue = () => JSON.parse(world.mt("queue", "--json"));

/** Nothing is under way any more: no live job, no complete file in Postfix's queue. */
async function settled() {
  await until("an empty spool", () => {
    const { total } = queue();
    return total.queued + total.held === 0;
  }, 120);
  const files = () => spawnSync("find", [..."incoming active deferred".split(" ").map((dir) => join(postfix.dir, "queue", dir)), "-type", "f", "-perm", "-100"], { encoding: "utf8" }).stdout;
  await until("an empty queue of Postfix", () => files() === "", 120);
}

/** Sends a set and kills rounds first… to last-1 upon it. */
async function run(load, first, last) {
  let open = 0; // so many messages may have been begun: each round has something to break
  const say = () => progress(`round ${kills.length} of ${opt.rounds}, set ${load.name}: ${opt.messages - load.unanswered} messages accepted, ${load.delivered(sink.mails)} of ${load.expected.size} copies delivered`);
  const sending = load.send({
    may: async (number) => {
      while (number >= open) await sleep(10);
      await sleep(random() * LONGEST * 0.5);
    },
  });
  for (let n = first; n < last; n++) {
    open = Math.ceil((opt.messages * (n - first + 1)) / (last - first));
    say();
    await round(load, n);
  }
  open = opt.messages;
  await sending;
  await load.arrived(sink, say);
  await settled();
}

/** How often the log says of each recipient's copy that its end is uncertain, by the recipient's hash. */
function uncertain(log) {
  const map = new Map();
  for (const [, hash] of log.matchAll(/recipient=([0-9a-f]+) later reason=uncertain/g)) map.set(hash, (map.get(hash) ?? 0) + 1);
  return map;
}

/** Puts each duplicate to the account of its kill; returns those that no kill explains. */
function account(load, log) {
  const unknown = [];
  const said = uncertain(log);
  const by = new Map();
  for (const mail of sink.mails) by.set(mail.to[0], [...(by.get(mail.to[0]) ?? []), mail]);
  for (const [to, mails] of by) {
    if (mails.length === 1) continue;
    const { hash } = JSON.parse(world.mt("profile", "export", to));
    const times = [...said].find(([prefix]) => hash.startsWith(prefix))?.[1] ?? 0;
    for (const { cause, kill: by } of attribute(mails, times, kills)) {
      if (by) by.duplicates[cause]++;
      else unknown.push(`${to}: ${cause}, handed over at ${mails.map((mail) => queueTime(queueId(mail)))}; kills ${kills.map((k) => `${k.kind} ${k.from}-${k.at}`)}; ${log.split("\n").filter((line) => line.includes(hash.slice(0, 16))).join("; ")}`);
    }
  }
  return unknown;
}

/** A few are looked at by parsers and keys. */
async function inspect(load) {
  for (let i = 0; i < 10; i++) {
    const mail = sink.mails[Math.floor(random() * sink.mails.length)];
    const copy = await read(mail);
    assertTailored(copy);
    const token = world.token(links(copy.html)[0]);
    const { hash } = JSON.parse(world.mt("profile", "export", mail.to[0]));
    assert.ok(hash.startsWith(token.recipient), `the link of ${mail.to[0]} is another's`);
    assert.equal(decodeURIComponent(token.url), `https://shop.example/box?code=${load.expected.get(mail.to[0]).code}`);
  }
}

for (let set = 0; set < opt.sets; set++) {
  const [first, last] = [set, set + 1].map((n) => Math.round((n * opt.rounds) / opt.sets));
  const load = new Load(world, { name: `set${set}`, messages: opt.messages, recipients: opt.recipients });
  const logged = statSync(daemon.logFile).size;
  const log = () => readFileSync(daemon.logFile).subarray(logged).toString("utf8");
  sink.mails = [];

  await test(`set ${set}, ${last - first} kills: every recipient of ${opt.messages} messages got his copy, whole and his own`, async () => {
    await run(load, first, last);
    const missing = load.missing(sink.mails);
    summary.copies += load.expected.size;
    summary.lost += missing.length;
    summary.tries += load.tries;
    for (const [answer, n] of load.answers) summary.answers[answer] = (summary.answers[answer] ?? 0) + n;
    assert.equal(missing.length, 0, `no copy for ${missing.slice(0, 5).join(", ")} …`);
    load.check(sink.mails);
    await inspect(load);
    const { total, bad } = queue();
    assert.deepEqual([total.held, total.dropped, total.failed, bad], [0, 0, 0, 0]);
  });

  await test(`set ${set}: each duplicate was in flight at a kill that may double it, and no kill made more than were in flight`, () => {
    assert.doesNotMatch(log(), /it may be sent twice|may be sent twice$/m, "an injector did not end in time");
    assert.deepEqual(account(load, log()), [], "duplicates that no kill explains");
    for (const kill of kills.slice(first, last))
      for (const cause of CAUSES)
        assert.ok(kill.duplicates[cause] <= BOUNDS[kill.kind][cause], `kill ${kill.n} (${kill.kind}): ${kill.duplicates[cause]} ${cause}, more than ${BOUNDS[kill.kind][cause]}`);
  });
}
progress();

// ---- what it was ----

const sum = (list) => list.reduce((a, b) => a + b, 0);
const all = (kill) => sum(Object.values(kill.duplicates));
const row = (name, list, bound) => [name, list.length, ...CAUSES.map((cause) => sum(list.map((kill) => kill.duplicates[cause]))), sum(list.map(all)), Math.max(0, ...list.map(all)), bound];
const rows = [["kill -9 of", "rounds", ...CAUSES, "duplicates", "most in a round", "bound"]];
for (const kind of KINDS) rows.push(row(kind, kills.filter((kill) => kill.kind === kind), sum(Object.values(BOUNDS[kind]))));
rows.push(row("together", kills, sum(kills.map((kill) => sum(Object.values(BOUNDS[kill.kind]))))));
comment(table(rows));
const busy = kills.filter((kill) => kill.undelivered > 0 || kill.unanswered > 0);
const during = kills.filter((kill) => kill.undelivered > kill.unanswered * opt.recipients);
summary.duplicates = sum(kills.map(all));
comment(`${summary.copies} copies wanted, ${summary.lost} lost, ${summary.duplicates} duplicates; ${summary.tries} attempts at ${opt.sets * opt.messages} messages: ${Object.entries(summary.answers).map(([answer, n]) => `${n} × ${answer}`).join(", ")}`);
comment(`${busy.length} kills met unfinished messages, ${during.length} copies on their way; seed ${opt.seed}`);
writeJson(opt.json, { ...summary, bounds: BOUNDS, kills: kills.map(({ log: _, ...kill }) => kill) });

await test("the kills met work under way: they prove something", () => {
  assert.equal(kills.length, opt.rounds);
  assert.ok(busy.length > opt.rounds / 2, `only ${busy.length} of ${opt.rounds} kills met unfinished messages`);
  assert.ok(summary.tries > opt.sets * opt.messages, "no kill met a client");
});

await test("mailtailord ends well, and its injector", () => world.stop());
if (summary.lost > 0) bail(`${summary.lost} copies were lost`);
done();
