import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { World, build, until } from "./harness.mjs";
import { field, links } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const BROWSER = { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0" };
const ONE_CLICK = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: "List-Unsubscribe=One-Click" };
const conf = `campaign spring { category = promo match_sender = { "spring@shop.example" } honeypot = yes click_id = mtid }
shop webshop { }`;
const world = await World.start({
  conf,
  track: "rate = 0",
  map: "16M",
});
const { trackd } = world;
const queue = join(world.dir, "trackd.queue");

async function copyFor(to) {
  const mail = await world.copy({ from: "spring@shop.example", to, subject: "Sale", text: "Sale", html: '<html><body><a href="https://shop.example/1">1</a> <a href="{{preferences_url}}">p</a></body></html>' });
  const unsubscribe = /<(https:[^>]+)>/.exec(field(mail, "list-unsubscribe"))[1];
  return { clicks: links(mail.html).filter((url) => url.includes("/c/")), preferences: links(mail.html).find((url) => url.includes("/p/")), unsubscribe };
}
const suppressed = (address) => world.mt("suppress", "list", address, "--json").includes('"promo"');
const events = (type) => world.mt("events", "export").split("\n").filter(Boolean).map((line) => JSON.parse(line)).filter((e) => e.type === type);
const report = (body) => {
  const time = Math.floor(Date.now() / 1000);
  const key = world.mt("key", "shop", "webshop").trim();
  const signature = createHmac("sha256", key).update(`${time}\n${body}`).digest("hex");
  return trackd.request("/v1/events", { method: "POST", headers: { "x-mailtailor-shop": "webshop", "x-mailtailor-time": time, "x-mailtailor-signature": signature }, body });
};

await test("who follows the honeypot into the shop holds up nobody's events", async () => {
  const copy = await copyFor("anna@trap.example");
  const target = new URL((await trackd.request(copy.clicks[1], { headers: BROWSER })).headers.location);
  const click = target.searchParams.get("mtid");
  assert.equal((await report(JSON.stringify([{ id: "view-1", type: "viewed", click }]))).status, 200);
  assert.deepEqual(events("viewed").map((e) => [e.campaign, e.link]), [["spring", null]]);
  assert.equal(statSync(queue).size, 0, "nothing has to wait");
  assert.equal((await trackd.request(copy.unsubscribe, ONE_CLICK)).status, 200);
  assert.ok(suppressed("anna@trap.example"));
});

const recipient = async (to) => world.token((await copyFor(to)).unsubscribe).recipient_key;
const held = (address) => JSON.parse(world.mt("profile", "export", address));
/** trackd begins with that in its queue file. */
async function begin(...entries) {
  await trackd.stop();
  writeFileSync(queue, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  await trackd.start();
}
const leave = (key, at = Date.now()) => ({ at, recipient: key, suppress: true, category: "promo", consents: [], lifted: [] });

await test("an event that can never be stored is left out, and what is queued behind it is not", async () => {
  const key = await recipient("berta@poison.example");
  const event = { at: Date.now(), type: "opened", class: "human", recipient: key, link: 0 };
  await begin({ ...event, idem: "01".repeat(16), link: 65536 }, { ...event, idem: "02".repeat(16), campaign: "spring" }, leave(key));
  await until("the queue", () => statSync(queue).size === 0);
  assert.equal(events("opened").filter((e) => e.recipient === key).length, 1);
  assert.ok(suppressed("berta@poison.example"));
});

await test("a change that can never be stored is left out, and others are not", async () => {
  const keys = [await recipient("carl@change.example"), await recipient("dora@change.example")];
  const topic = `mail:${"x".repeat(200)}`;
  await begin({ ...leave(keys[0]), suppress: false, consents: [{ topic, state: 2, at: 1, source: "preferences" }] }, leave(keys[1]));
  await until("the queue", () => statSync(queue).size === 0);
  assert.ok(suppressed("dora@change.example"));
});

await test("who left again since is not brought back by what waited", async () => {
  const key = await recipient("emil@again.example");
  world.mt("suppress", "add", "emil@again.example", "--category", "promo", "--reason", "unsubscribe");
  await begin({ at: Date.now() - 60000, recipient: key, suppress: false, consents: [], lifted: ["promo"] });
  await until("the queue", () => statSync(queue).size === 0);
  assert.ok(suppressed("emil@again.example"));
});

await test("a clock that was set back does not make the last word the first", async () => {
  const to = "fritz@clock.example";
  const copy = await copyFor(to);
  await begin({ at: Date.now() + 3600000, recipient: world.token(copy.unsubscribe).recipient_key, suppress: false, consents: [{ topic: "tracking", state: 2, at: Date.now() + 3600000, source: "preferences" }], lifted: [] });
  await until("the queue", () => statSync(queue).size === 0);
  assert.deepEqual(held(to).consents.map((c) => [c.topic, c.state]), [["tracking", "denied"]]);
  const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", ...BROWSER }, body: "tracking=yes&often=none&shown=none&save=yes" };
  assert.equal((await trackd.request(copy.preferences, form)).status, 200);
  assert.deepEqual(held(to).consents.map((c) => [c.topic, c.state]), [["tracking", "granted"]]);
});

await test("what was queued of somebody who had everything erased since names nobody", async () => {
  const key = await recipient("gerda@erased.example");
  const event = { at: Date.now() - 1000, type: "purchased", class: "human", recipient: key, source: "shop:webshop", currency: "EUR", micros: 5000000, idem: "05".repeat(16) };
  await begin({ at: Date.now(), recipient: key, suppress: true, erase: true, consents: [{ topic: "tracking", state: 2, at: Date.now(), source: "erased" }], lifted: [] }, event);
  await until("the queue", () => statSync(queue).size === 0);
  assert.deepEqual(held("gerda@erased.example").events, []);
  assert.equal(events("purchased").at(-1).recipient, null);
  // So it is when an administrator did it.
  const other = await recipient("gusta@erased.example");
  world.mt("profile", "forget", "gusta@erased.example", "--yes");
  await begin({ ...event, recipient: other, idem: "06".repeat(16) });
  await until("the queue", () => statSync(queue).size === 0);
  assert.deepEqual(held("gusta@erased.example").events, []);
  assert.equal(events("purchased").length, 2);
});

await test("while the event log is full, who leaves has left at once; so has who left when trackd was down", async () => {
  const [one, two, three] = [await copyFor("hans@full.example"), await copyFor("ida@full.example"), await copyFor("kurt@full.example")];
  const fill = (n, bytes) => {
    const line = JSON.stringify({ at: new Date().toISOString(), type: "viewed", details: { x: "x".repeat(bytes) } });
    return spawnSync(join(build, "bin/mailtailor"), ["events", "import", "-", "-c", world.conf], { input: `${line}\n`.repeat(n) }).status === 0;
  };
  // Pages that a commit frees can be used soon after: what was full a moment ago may take some more.
  await until("a full log", async () => {
    for (const [n, bytes] of [[100, 10000], [10, 10000], [1, 10000], [1, 1]]) while (fill(n, bytes));
    assert.equal((await trackd.request(one.clicks[0], { headers: BROWSER })).status, 302);
    return statSync(queue).size > 0;
  });
  assert.equal((await trackd.request(two.unsubscribe, ONE_CLICK)).status, 200);
  assert.ok(suppressed("ida@full.example"));
  const event = { at: Date.now(), type: "opened", class: "human", recipient: "07".repeat(16), campaign: "spring" };
  // Events of her copy wait to be moved into the log: she cannot be forgotten now. Whoever leaves behind her can.
  const her = await recipient("lotte@full.example");
  const erase = { ...leave(her), category: "", erase: true, consents: [{ topic: "tracking", state: 2, at: Date.now(), source: "erased" }] };
  await begin(...Array.from({ length: 2500 }, (_, i) => ({ ...event, idem: (i + 1).toString(16).padStart(32, "0") })), erase, leave(world.token(three.unsubscribe).recipient_key));
  await until("what does not need the log", () => suppressed("kurt@full.example"));
  assert.ok(statSync(queue).size > 0, "and the events still wait");
  assert.equal((await trackd.request(one.unsubscribe, ONE_CLICK)).status, 200);
  assert.ok(suppressed("hans@full.example"));
  assert.match(trackd.log(), /1 unsubscribes or preferences cannot be stored yet/);
  // With room again all of it is done.
  await trackd.stop();
  await world.daemon.stop();
  world.map = "64M";
  world.configure({ more: conf });
  await world.daemon.start();
  await trackd.start();
  await until("the queue", () => statSync(queue).size === 0);
  const { events: done, decisions } = held("lotte@full.example");
  assert.deepEqual([done, decisions], [[], []]);
  assert.equal(events("opened").filter((e) => e.recipient === event.recipient).length, 2500);
});

await world.stop();
done();
