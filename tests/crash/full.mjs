// The disk is full, or the spool's map, while messages are fanned out by clients that retry:
// new mail is told to come later (452 4.3.1), nobody spins, what was accepted is sent, kill -9 or not, and when there is room
// again everybody gets his copy.
//
//   node full.mjs [--messages 50] [--recipients 100] [--seconds 3] [--json FILE]
//
// --seconds: how long it stays full.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { World, root, sleep, timeLimit, until } from "../integration/harness.mjs";
import { Disk } from "../integration/disk.mjs";
import { Scripted } from "../integration/scripted.mjs";
import { comment, done, test } from "../integration/tap.mjs";
import { options, processorTime, table, writeJson } from "./common.mjs";
import { Load } from "./load.mjs";

const opt = options({ messages: 50, recipients: 100, seconds: 3 });
const CONNECTIONS = 4;
const UNRECORDED = CONNECTIONS * Number(/^#define INJECT_UNRECORDED (\d+)$/m.exec(readFileSync(join(root, "src/inject/inject.h"), "utf8"))[1]);
timeLimit(900);

const rows = [["full: …", "copies", "452 4.3.1", "duplicates", "copies lost", "CPU while full"]];
const results = [];

async function world(more) {
  const port = new Scripted();
  await port.open();
  const started = await World.start({
    injectTo: port.port,
    inject: `helo = "mailtailor.shop.example" connections = ${CONNECTIONS} retry_min = 1s retry_max = 2s keep = 1s`,
    conf: 'campaign crash { category = promo defaults { code = "none" } }',
    ...more,
  });
  return { port, w: started };
}

const queue = (w) => JSON.parse(w.mt("queue", "--json"));
/** Processor time of mailtailord and its injector, in ms. */
const cpu = (w) => processorTime(w.daemon.child.pid) + processorTime(w.daemon.injector());

/** Of one core, while nothing is asked of them for so many seconds. */
async function idle(w, seconds) {
  const before = cpu(w);
  await sleep(seconds * 1000);
  return (cpu(w) - before) / (seconds * 1000);
}

/** kill -9 of mailtailord, and with it of the injector; then another. */
async function again(w) {
  const injector = w.daemon.injector();
  await w.daemon.stop("SIGKILL");
  await until("the injector's end", () => {
    try {
      process.kill(injector, 0);
      return false;
    } catch {
      return true;
    }
  });
  await w.daemon.start();
}

async function account(what, { port, w }, load, { busy, kills }) {
  await load.arrived(port);
  const missing = load.missing(port.mails);
  const duplicates = port.mails.length - load.expected.size + missing.length;
  results.push({ what, copies: load.expected.size, refused: load.answers.get("452 4.3.1") ?? 0, duplicates, lost: missing.length, cpu: busy });
  rows.push([`… ${what}`, ...Object.values(results.at(-1)).slice(1, 5), `${(busy * 100).toFixed(0)} %`]);
  assert.equal(missing.length, 0, `no copy for ${missing.slice(0, 5).join(", ")} …`);
  load.check(port.mails);
  assert.ok(duplicates <= kills * UNRECORDED, `${duplicates} duplicates with ${kills} kills`);
  assert.ok(load.answers.get("452 4.3.1") > 0, `nobody was told to come later: ${[...load.answers]}`);
  assert.equal(load.answers.get("250"), load.messages.length, `${[...load.answers]}`);
  await until("an empty queue", () => {
    const { total } = queue(w);
    return total.queued + total.held === 0;
  }, 90);
  const { total, bad } = queue(w);
  assert.deepEqual([total.failed, bad], [0, 0]);
  assert.ok(busy < 0.2, `${(busy * 100).toFixed(0)} % of a core while there was nothing to do`);
}

async function end({ port, w }) {
  await w.stop();
  await port.close();
}

/** Clients that pause while gate.open is false; gate.waiting resolves when none of them is at it. */
function gated() {
  const gate = { open: true };
  gate.attempt = async () => {
    while (!gate.open) await sleep(20);
  };
  return gate;
}

const impossible = Disk.impossible();
await test("the disk runs full: later, not lost; kill -9 meanwhile changes nothing", async () => {
  if (impossible) return `a tmpfs cannot be mounted: ${impossible}`;
  const here = await world({ disk: "64m", map: "256M" });
  const { port, w } = here;
  const load = new Load(w, { name: "disk", messages: opt.messages, recipients: opt.recipients });
  const gate = gated();
  w.mt("campaign", "pause", "crash");
  const sending = load.send({ attempt: gate.attempt });
  await until("some accepted mail", () => load.messages.length - load.unanswered >= opt.messages / 4, 120);
  w.disk.fill();
  await until("the answer that there is no room", () => load.answers.get("452 4.3.1") > 0, 60);
  gate.open = false;
  await until("the clients' pause", () => load.busy === 0, 60);
  // Copies are due, and wait: a place in caps has to be on disk before one leaves.
  w.mt("campaign", "resume", "crash");
  await sleep(1000);
  const busy = await idle(w, opt.seconds);
  await again(w);
  w.disk.fill();
  gate.open = true;
  await sleep(opt.seconds * 1000);
  w.disk.free();
  await sending;
  await account("disk", here, load, { busy, kills: 1 });
  await end(here);
});

await test("the spool's map runs full: later, not lost; kill -9 meanwhile changes nothing", async () => {
  const here = await world({ map: "8M" });
  const { w } = here;
  const pad = Math.ceil((12 << 20) / opt.messages / opt.recipients);
  const load = new Load(w, { name: "map", messages: opt.messages, recipients: opt.recipients, pad });
  const gate = gated();
  w.mt("campaign", "pause", "crash");
  const sending = load.send({ attempt: gate.attempt });
  await until("the answer that there is no room", () => load.answers.get("452 4.3.1") > 0, 120);
  gate.open = false;
  await until("the clients' pause", () => load.busy === 0, 60);
  const accepted = load.answers.get("250");
  assert.ok(accepted > 0);
  assert.equal(queue(w).total.queued, accepted * opt.recipients, "what was told 250 is there, whole");
  const busy = await idle(w, opt.seconds);
  await again(w);
  w.mt("campaign", "resume", "crash");
  gate.open = true;
  await sending;
  await account("spool's map", here, load, { busy, kills: 1 });
  await end(here);
});

comment(table(rows));
writeJson(opt.json, { ...opt, full: results });
done();
