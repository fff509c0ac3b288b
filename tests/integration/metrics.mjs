import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { World, freePort, until } from "./harness.mjs";
import { links } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const port = await freePort();
const world = await World.start({
  milter: `metrics = "127.0.0.1:${port}"`,
  inject: "",
  track: "rate = 0",
  conf: `campaign spring { category = promo match_sender = { "spring@shop.example" } }
campaign strict { category = promo match_sender = { "strict@shop.example" } missing = hold }
campaign late { category = promo match_sender = { "late@shop.example" } start = "2099-01-01T00:00:00Z" }`,
});
const { trackd } = world;
const ask = (path, options) => trackd.request(path, { port, ...options });

/** Samples: name{labels} → value. */
function samples(text) {
  return new Map(text.split("\n").filter((line) => line && !line.startsWith("#")).map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}
async function metrics(of = port) {
  const { status, headers, body } = await trackd.request("/metrics", { port: of });
  assert.equal(status, 200);
  assert.match(headers["content-type"], /^text\/plain/);
  return body.toString();
}
const send = (from, to, subject = "Hello") => world.submit({ from, to, subject, text: "Hello" });

await test("before any mail: healthy, ready, and promtool finds nothing to say", async () => {
  assert.equal((await ask("/healthz")).status, 200);
  assert.equal((await ask("/readyz")).status, 200);
  assert.equal((await ask("/nothing")).status, 404);
  assert.equal((await ask("/metrics", { method: "POST" })).status, 405);
  const said = spawnSync("promtool", ["check", "metrics"], { input: await metrics(), encoding: "utf8" });
  assert.equal(said.status, 0, said.stderr + said.stdout);
});

await test("mailtailord: messages, decisions by word, refusals, times, spool and injector are what happened", async () => {
  world.mt("suppress", "add", "gone@count.example");
  for (let i = 0; i < 3; i++) assert.match((await send("spring@shop.example", `r${i}@count.example`)).response, /^250/);
  assert.match((await send("spring@shop.example", "gone@count.example")).response, /^250/);
  assert.match((await send("strict@shop.example", "a@count.example", "Hello {{nobody_has_this}}")).response, /^550 5\.6\.0/);
  assert.match((await send("spring@shop.example", ["s1@count.example", "s2@count.example"])).response, /^250/);
  assert.match((await send("late@shop.example", "later@count.example")).response, /^250/);
  await until("the injector's copies", async () => samples(await metrics()).get('mailtailor_injector_copies_total{state="sent"}') === 2);
  const text = await metrics();
  const m = samples(text);
  for (const [name, value] of Object.entries({
    'mailtailor_messages_total{answer="accept"}': 3,
    'mailtailor_messages_total{answer="discard"}': 3,
    'mailtailor_messages_total{answer="reject"}': 1,
    'mailtailor_messages_total{answer="try-again"}': 0,
    'mailtailor_replies_total{code="550"}': 1,
    'mailtailor_decisions_total{verdict="dropped",reason="suppressed"}': 1,
    'mailtailor_decisions_total{verdict="refused",reason="missing"}': 1,
    'mailtailor_decisions_total{verdict="later",reason="start"}': 1,
    mailtailor_spooled_total: 3,
    'mailtailor_spool_jobs{state="queued"}': 1,
    'mailtailor_spool_jobs{state="sent"}': 2,
    mailtailor_injector_up: 1,
    mailtailor_injector_attempts_total: 2,
    mailtailor_message_seconds_count: 7,
    'mailtailor_message_seconds_bucket{le="+Inf"}': 7,
    mailtailor_suppressions: 1,
    mailtailor_transactions: 0,
  }))
    assert.equal(m.get(name), value, name);
  assert.ok(m.get("mailtailor_store_commits_total") > 0);
  assert.doesNotMatch(text, /count\.example/, "no address");
  const said = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  assert.equal(said.status, 0, said.stderr + said.stdout);
});

await test("counters of the injector go on when it is killed and comes back", async () => {
  process.kill(world.daemon.injector(), "SIGKILL");
  const m = await until("another injector", async () => {
    const now = samples(await metrics());
    return now.get("mailtailor_injector_starts_total") === 2 && now.get("mailtailor_injector_up") === 1 && now;
  });
  assert.equal(m.get('mailtailor_injector_copies_total{state="sent"}'), 2);
});

await test("mailtailor-trackd: promtool reads it", async () => {
  const copy = await world.copy({ from: "spring@shop.example", to: "t@count.example", subject: "Hello", html: '<a href="https://shop.example/">shop</a>' });
  assert.equal((await trackd.request(links(copy.html)[0], {})).status, 302);
  const text = await metrics(trackd.metrics);
  assert.equal(samples(text).get('mailtailor_http_requests_total{route="click",status="3xx"}'), 1);
  const said = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  assert.equal(said.status, 0, said.stderr + said.stdout);
});

await world.stop();
done();
