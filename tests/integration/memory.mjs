// One message of 50 KB is handed to mailtailord again and again, each time with 1000 other recipients, as a marketing
// system does that has a million: memory of the daemon and of the injector stays flat, and the last thousand are taken as
// fast as the first. Then some of them are due, and the injector drains these out of the full spool.
//
// Spool pages in the page cache belong to nobody: RssAnon is judged, what a process has for itself.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { World, build, connects, freePort, slow, timeLimit, until } from "./harness.mjs";
import { comment, done, test } from "./tap.mjs";

const JOBS = Number(process.env.MT_MEMORY_JOBS) || 20_000;
const RCPTS = 1000;
const TENTH = JOBS / 10;
const TURN = Math.min(5 * RCPTS, TENTH);
const NOW = Math.min(JOBS / 5, 50_000); // these, from the middle on, are due at once
const FULL = JOBS >= 1_000_000; // what takes minutes is only then said in figures, and judged by its time
const LIMIT = 200; // MB
const GROWTH = 24; // MB, from the first tenth of the jobs to the last
assert.ok(TENTH % TURN === 0 && NOW % TURN === 0 && TURN % RCPTS === 0, "MT_MEMORY_JOBS is 10,000, 20,000 … or a multiple of 50,000");
timeLimit(240 + JOBS / 500);

const sinkPort = await freePort();
const sink = spawn("/usr/sbin/smtp-sink", ["-u", "nobody", `127.0.0.1:${sinkPort}`, "100"], { stdio: "ignore" });
process.on("exit", () => sink.kill("SIGKILL"));
await until("smtp-sink", () => connects({ host: "127.0.0.1", port: sinkPort }));

const start = () =>
  World.start({
    postfix: false,
    injectTo: sinkPort,
    inject: 'helo = "mailtailor.shop.example" connections = 4',
    map: `${256 + Math.ceil(JOBS / 500)}M`,
    conf: "campaign news { category = news defaults { first_name = \"you\" } }",
  });
const world = await start();
const empty = await start(); // takes as many as a tenth, in turns with the last: what a start costs in the weather of the end

/** Writes the message; headers: lines. */
function message(name, headers = "") {
  const file = join(world.dir, name);
  const line = "<p>Dear {{first_name}}, these are the things that you have waited for, and they are here.</p>\r\n".repeat(25) +
    '<p><a href="https://shop.example/offer?utm=1">An offer</a></p>\r\n';
  writeFileSync(file, `From: news@shop.example\r\nTo: all@shop.example\r\nSubject: Hello {{first_name}}\r\nMessage-ID: <million@shop.example>\r\n` +
    `X-Mailtailor-Campaign: news\r\n${headers}MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${line.repeat(Math.floor((50 << 10) / line.length))}`);
  return file;
}

/** RssAnon of a process in MB. */
const memory = (pid) => Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]) / 1024;
const daemon = () => memory(world.daemon.child.pid);
const injector = () => memory(world.daemon.injector());

/** Runs body and returns what it gives, and the most that a process had meanwhile. */
async function watched(pid, body) {
  let most = memory(pid);
  const timer = setInterval(() => (most = Math.max(most, memory(pid))), 50);
  try {
    return [await body(), most];
  } finally {
    clearInterval(timer);
  }
}

/** CPU of a process so far, in microseconds. */
function cpu(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13);
  return (Number(user) + Number(system)) * 10_000;
}

/** Hands recipients to a world's mailtailord; adds to times what each message took, and the CPU of all. */
async function fill(file, first, jobs, times = { ms: [], cpu: 0, jobs: 0 }, to = world) {
  const args = [to.socket, file, first, jobs / RCPTS, RCPTS, 2].map(String);
  const before = cpu(to.daemon.child.pid);
  const { stdout } = await promisify(execFile)(join(build, "tests/milter-fill"), args, { maxBuffer: 1 << 24 });
  times.ms.push(...JSON.parse(stdout).ms);
  times.cpu += cpu(to.daemon.child.pid) - before;
  times.jobs += jobs;
  return times;
}

const counts = () => JSON.parse(world.mt("queue", "--json")).campaigns.find((c) => c.campaign === "news") ?? {};
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const mb = (n) => `${n.toFixed(1)} MB`;

/** Memory under a sanitizer is the sanitizer's. */
function small(what, now, before) {
  comment(`${what}: ${mb(now)}${before === undefined ? "" : `, ${mb(before)} at the start`}`);
  if (slow > 1) return;
  assert.ok(now < LIMIT, `${what} has ${mb(now)}`);
  if (before !== undefined) assert.ok(now < before + GROWTH, `${what} grew from ${mb(before)} to ${mb(now)}`);
}

const due = message("now.eml");
const later = message("later.eml", `X-Mailtailor-Send-At: ${new Date(Date.now() + 12 * 3600_000).toISOString()}\r\n`);
const tenths = [];
const meanwhile = { ms: [], cpu: 0, jobs: 0 };

async function fillTenth(number) {
  const times = { ms: [], cpu: 0, jobs: 0 };
  for (let at = number * TENTH; at < (number + 1) * TENTH; at += TURN) {
    await fill(at >= JOBS / 2 && at < JOBS / 2 + NOW ? due : later, at, TURN, times);
    if (number === 9) await fill(later, at - number * TENTH, TURN, meanwhile, empty);
  }
  tenths.push(times);
}

await test(`${JOBS} jobs of one message: mailtailord's memory is flat`, async () => {
  world.mt("campaign", "pause", "news");
  const started = Date.now();
  const [, first] = await watched(world.daemon.child.pid, () => fillTenth(0));
  const [, most] = await watched(world.daemon.child.pid, async () => {
    for (let i = 1; i < 10; i++) await fillTenth(i);
  });
  const seconds = (Date.now() - started) / 1000;
  assert.equal(counts().queued, JOBS);
  comment(`${JOBS} jobs in ${seconds.toFixed(1)} s: ${Math.round(JOBS / seconds)} jobs/s over 2 connections`);
  small("mailtailord", most, first);
  small("the injector", injector());
});

await test("the last are taken as fast as the first", () => {
  const each = (times) => (median(times.ms) / RCPTS) * 1000;
  const list = (of) => tenths.map((times) => of(times).toFixed(1)).join(" ");
  const cpuOf = (times) => times.cpu / times.jobs;
  const ratio = each(tenths[9]) / each(meanwhile);
  comment(`us per job, by tenths: ${list(each)}; an empty spool meanwhile: ${each(meanwhile).toFixed(1)}`);
  comment(`CPU us per job: ${list(cpuOf)}; an empty spool meanwhile: ${cpuOf(meanwhile).toFixed(1)}`);
  comment(`last / first ${(each(tenths[9]) / each(tenths[0])).toFixed(2)}, last / an empty spool meanwhile ${ratio.toFixed(2)}`);
  if (!FULL) return "too few to be judged by their time: make check-memory";
  assert.ok(ratio < 1.5, `the last tenth took ${ratio.toFixed(2)} times as long as the first jobs of an empty spool meanwhile`);
});

await test("a client that tries again adds nothing, whichever thousand it is", async () => {
  await fill(later, 0, RCPTS);
  await fill(later, JOBS - RCPTS, RCPTS);
  await fill(later, JOBS / 2 - RCPTS / 2, RCPTS);
  assert.equal(counts().queued, JOBS);
});

await test(`the injector sends ${NOW} of them: its memory is flat`, async () => {
  const before = injector();
  const started = Date.now();
  world.mt("campaign", "resume", "news");
  const [, most] = await watched(world.daemon.injector(), () =>
    until(`${NOW} copies`, async () => {
      await new Promise((next) => setTimeout(next, 100));
      return counts().sent === NOW;
    }, 60 + NOW / 200));
  const seconds = (Date.now() - started) / 1000;
  assert.equal(counts().queued, JOBS - NOW);
  comment(`${NOW} copies in ${seconds.toFixed(1)} s: ${Math.round(NOW / seconds)} copies/s`);
  small("the injector", most);
  comment(`before: ${mb(before)}; mailtailord: ${mb(daemon())}`);
});

await test("all end well", () => Promise.all([world.stop(), empty.stop()]));
sink.kill();
done();
