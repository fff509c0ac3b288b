import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { World, build, sleep, slow } from "./harness.mjs";
import { assertTailored, field, read } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const run = promisify(execFile);
const ROUNDS = Math.max(5, Math.round(20 / slow));
const CLIENTS = 6;
const CAP = 3;
const EACH = 4; // messages for each recipient: one more than may arrive
const world = await World.start({
  conf: `
cap limit { limit = ${CAP} window = 7d }
campaign load { category = promo defaults { greeting = "Hello" } }
`,
});

/** Everything that was ever begun: Message-ID → { to, id, accepted, tries }. Messages to one recipient follow closely. */
const jobs = [];
let running = true;

function nextJob() {
  if (!running) return undefined;
  const number = jobs.length;
  const job = { to: `r${Math.floor(number / EACH)}@customers.example`, id: `<m${number}@shop.example>`, accepted: false, tries: 0 };
  jobs.push(job);
  return job;
}

function message({ to, id }) {
  const html = `<html><body><p>{{greeting}} ${to}</p><a href="https://shop.example/{{greeting}}">x</a>${"<p>filler</p>\r\n".repeat(200)}</body></html>`;
  return `From: news@shop.example\r\nTo: ${to}\r\nSubject: {{greeting}}\r\nMessage-ID: ${id}\r\nX-Mailtailor-Campaign: load\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html}\r\n`;
}

/** A mailer that does not give up: the same message again after every 4xx, over a new connection. */
async function client() {
  let transport = world.transport("campaign", { pool: true, maxConnections: 1 });
  for (let job; (job = nextJob()); ) {
    while (!job.accepted) {
      job.tries++;
      try {
        await transport.sendMail({ envelope: { from: "news@shop.example", to: [job.to] }, raw: message(job) });
        job.accepted = true;
      } catch (error) {
        transport.close();
        assert.ok(error.responseCode === undefined || error.responseCode < 500, `a retry must do: ${error.response}`);
        await sleep(30);
        transport = world.transport("campaign", { pool: true, maxConnections: 1 });
      }
    }
  }
  transport.close();
}

await test(`${ROUNDS} times kill -9 under load: every message is accepted in the end`, async () => {
  const clients = Promise.all(Array.from({ length: CLIENTS }, client));
  for (let round = 0; round < ROUNDS; round++) {
    await sleep((150 + Math.random() * 350) * slow);
    const { code, signal } = await world.daemon.stop("SIGKILL");
    assert.equal(signal, "SIGKILL", `it had ended before: ${code}`);
    await sleep(Math.random() * 100);
    await world.daemon.start();
  }
  running = false;
  await clients;
  await world.postfix.drained();
  assert.ok(jobs.every((job) => job.accepted));
  const retried = jobs.filter((job) => job.tries > 1).length;
  console.log(`# ${jobs.length} messages, ${retried} had to be tried again`);
  assert.ok(retried > 0, "no kill met a message: the test proves nothing");
});

await test("no message left untailored", async () => {
  for (const mail of world.sink.mails) {
    const copy = await read(mail);
    assertTailored(copy);
    assert.equal(copy.subject, "Hello");
    assert.ok(copy.html.includes(`Hello ${mail.to[0]}`));
  }
});

/** recipient → Message-IDs of the copies that arrived */
async function arrived() {
  const map = new Map();
  for (const mail of world.sink.mails) {
    const id = field(await read(mail), "Message-ID");
    map.set(mail.to[0], [...(map.get(mail.to[0]) ?? []), id]);
  }
  return map;
}

await test("each recipient got as many copies as the cap allows, none twice", async () => {
  const copies = await arrived();
  const wanted = new Map();
  for (const job of jobs) wanted.set(job.to, (wanted.get(job.to) ?? 0) + 1);
  for (const [to, n] of wanted) {
    const ids = copies.get(to) ?? [];
    assert.equal(new Set(ids).size, ids.length, `${to} got a copy twice`);
    assert.equal(ids.length, Math.min(n, CAP), to);
  }
});

await test("killed once more: the store holds a reservation for every copy that left, and no other", async () => {
  await world.daemon.stop("SIGKILL");
  const copies = [...(await arrived())];
  const tool = join(build, "bin/mailtailor");
  await Promise.all([0, 1].map(async (half) => {
    for (let i = half; i < copies.length; i += 2) {
      const [to, ids] = copies[i];
      const { stdout } = await run(tool, ["caps", "show", to, "--json"]);
      assert.equal(JSON.parse(stdout)[0].used, ids.length, to);
    }
  }));
  await world.daemon.start();
  const [to] = copies.find(([, ids]) => ids.length === CAP);
  const answer = await world.submit({ envelope: { from: "news@shop.example", to: [to] }, raw: message({ to, id: "<one-more@shop.example>" }) });
  assert.match(answer.response, /^250 /);
  await world.postfix.drained();
  assert.equal(world.sink.of(to).length, CAP, "the cap still holds");
});

await test("mailtailord ends well", () => world.stop());
done();
