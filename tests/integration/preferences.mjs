import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { World, sleep, until } from "./harness.mjs";
import { field, links, pixels } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const BROWSER = { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0" };
const world = await World.start({
  conf: `cap twice { category = { news } limit = 2 window = 1d }
campaign spring { category = promo match_sender = { "spring@shop.example" } }
campaign weekly { category = news match_sender = { "weekly@shop.example" } }
campaign receipts { category = transactional match_sender = { "receipts@shop.example" } list_unsubscribe = no }
campaign late { category = promo match_sender = { "late@shop.example" } start = "2099-01-01T00:00:00Z" }`,
  inject: "",
  track: "rate = 0",
  profiles: { "anna@data.example": { first_name: "Anna", city: "Köln" }, "berta@data.example": { first_name: "Berta" }, "Carla@data.example": { first_name: "Carla" } },
});
const { trackd } = world;

async function copyFor(to, from = "spring@shop.example") {
  const mail = await world.copy({ from, to, subject: "Sale for {{default first_name 'you'}}", text: "Sale", html: '<a href="https://shop.example/sale">sale</a> <a href="{{preferences_url}}">preferences</a>' });
  const { hash } = held(to);
  await until("its event", () => events().filter((e) => e.recipient?.startsWith(hash)).length >= world.sink.of(to).length);
  const all = links(mail.html);
  return {
    click: all.find((url) => url.includes("/c/")),
    preferences: all.find((url) => url.includes("/p/")),
    open: pixels(mail.html, "https://t.shop.example")[0],
    unsubscribe: /<(https:[^>]+)>/.exec(field(mail, "list-unsubscribe"))[1],
  };
}
const post = (url, fields, headers = {}) =>
  trackd.request(url, { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", ...BROWSER, ...headers }, body: new URLSearchParams(fields).toString() });
const get = (url) => trackd.request(url, { headers: BROWSER });
const events = () => world.mt("events", "export").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const held = (address) => JSON.parse(world.mt("profile", "export", address));
async function mailed(to, from) {
  const before = world.sink.of(to).length;
  assert.match((await world.submit({ from, to, subject: "Again", text: "Again" })).response, /^250 /);
  await world.postfix.drained();
  return world.sink.of(to).length > before;
}
const from = (ip) => ({ "x-forwarded-for": ip });

await test("how often: at most once a week, of all kinds together; what is transactional comes; it can be taken back", async () => {
  const to = "wim@often.example";
  const copy = await copyFor(to);
  assert.match((await get(copy.preferences)).body.toString(), /name="often" value="any" checked/);
  assert.equal((await post(copy.preferences, [["category", "promo"], ["category", "news"], ["often", "week"], ["save", "yes"]])).status, 200);
  const event = events().at(-1);
  assert.equal(event.type, "consent");
  assert.equal((typeof event.details === "string" ? JSON.parse(event.details) : event.details)["at-most:week"], "granted");
  const page = (await get(copy.preferences)).body.toString();
  assert.match(page, /name="often" value="week" checked/);
  assert.doesNotMatch(page, /name="often" value="any" checked/);
  assert.ok(await mailed(to, "spring@shop.example"), "the first of the week");
  assert.ok(!(await mailed(to, "spring@shop.example")), "the second");
  assert.ok(!(await mailed(to, "weekly@shop.example")), "nor of another kind");
  assert.ok(await mailed(to, "receipts@shop.example"));
  assert.match(world.daemon.log(), /dropped reason=cap cap "recipient's wish" is full: 1 of 1 in 7d/);
  const cap = JSON.parse(world.mt("caps", "show", to, "--json")).find((c) => c.cap === "recipient's wish");
  assert.equal(cap.used, 1);
  // A month counts what the week counted.
  await post(copy.preferences, [["category", "promo"], ["category", "news"], ["often", "month"], ["save", "yes"]]);
  assert.ok(!(await mailed(to, "spring@shop.example")));
  assert.match(world.daemon.log(), /"recipient's wish" is full: 1 of 1 in 30d/);
  await post(copy.preferences, [["category", "promo"], ["category", "news"], ["often", "any"], ["save", "yes"]]);
  assert.ok(await mailed(to, "spring@shop.example"));
});

await test("a wish only tightens: the sender's cap holds with it and without; an unknown word changes nothing", async () => {
  const to = "willi@often.example";
  const copy = await copyFor(to);
  await post(copy.preferences, [["category", "promo"], ["category", "news"], ["often", "hourly"], ["save", "yes"]]);
  assert.ok(!held(to).consents.some((c) => c.topic.startsWith("at-most")));
  await post(copy.preferences, [["category", "promo"], ["category", "news"], ["often", "any"], ["save", "yes"]]);
  assert.deepEqual([await mailed(to, "weekly@shop.example"), await mailed(to, "weekly@shop.example"), await mailed(to, "weekly@shop.example")], [true, true, false]);
});

await test("export my data: who asks waits for the audit log, and nobody else does", async () => {
  const to = "waits@data.example";
  const copy = await copyFor(to);
  const lock = spawn("flock", [join(world.dir, "state/audit.log"), "-c", "echo held; exec sleep 4"], { stdio: ["ignore", "pipe", "inherit"] });
  await once(lock.stdout, "data");
  let answered = 0;
  const asked = Array.from({ length: 5 }, () => post(copy.preferences, { address: to, export: "yes" }).then((answer) => (answered++, answer)));
  await sleep(300);
  for (let i = 0; i < 4; i++) assert.equal((await get(copy.open)).status, 200);
  assert.equal(answered, 0, "the log is still locked");
  for (const { status, body } of await Promise.all(asked)) assert.equal([status, JSON.parse(body).address].join(" "), `200 ${to}`);
});

await test("export my data: all that is held, opened, as a download, for who knows the address", async () => {
  const to = "anna@data.example";
  const copy = await copyFor(to);
  assert.equal((await get(copy.open)).status, 200);
  assert.equal((await get(copy.click)).status, 302);
  assert.match((await world.submit({ from: "late@shop.example", to, subject: "Later", text: "Later" })).response, /^250 /);
  const { status, headers, body } = await post(copy.preferences, { address: " Anna@DATA.example ", export: "yes" });
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["content-disposition"], 'attachment; filename="my-data.json"');
  assert.equal(headers["cache-control"], "no-store, private");
  const data = JSON.parse(body);
  assert.equal(data.address, to);
  assert.equal(data.profile.city, "Köln");
  assert.ok(data.decisions.length > 0 && data.decisions[0].decision, "decisions are opened");
  assert.deepEqual(data.jobs.map((j) => j.state), ["queued"]);
  assert.equal(data.jobs[0].address, to);
  assert.deepEqual(data.events.map((e) => e.type), ["held", "clicked", "opened", "injected"], "newest first");
  assert.deepEqual(data.caps.map((c) => c.cap), ["twice"]);
  assert.deepEqual(Object.keys(held(to)), Object.keys(data), "the administrator sees the same");
});

await test("erase me: profile, events, waiting mail and all; the suppression stays, and nothing is recorded again", async () => {
  const to = "anna@data.example";
  const copy = await copyFor(to);
  const before = events().length;
  const answer = await post(copy.preferences, { address: to, erase: "yes" });
  assert.equal(answer.status, 200);
  assert.match(answer.body.toString(), /<h1>Your data is deleted/);
  const left = held(to);
  assert.equal(left.profile, null);
  assert.deepEqual([left.decisions, left.jobs, left.events], [[], [], []]);
  assert.deepEqual(left.consents.map((c) => [c.topic, c.state, c.source]), [["tracking", "denied", "erased"]]);
  assert.deepEqual(left.suppressions.map((s) => [s.of, s.category, s.reason]), [["recipient", "", "unsubscribe"]]);
  assert.ok(!(await mailed(to, "spring@shop.example")));
  const told = events().slice(before).filter((e) => e.type === "unsubscribed");
  assert.deepEqual(told.map((e) => [e.reason, e.recipient, e.copy, e.details]), [["erased", null, null, null]], "it is counted, and names nobody");
  const followed = () => events().filter((e) => e.type === "opened" || e.type === "clicked").length;
  const count = followed();
  assert.equal((await get(copy.click)).headers.location, "https://shop.example/sale", "his old links still lead on");
  assert.equal((await get(copy.open)).status, 200);
  assert.equal(followed(), count);
});

await test("what a complaint or an admin has put there is not his to lift, by no way round", async () => {
  const to = "ida@data.example";
  const copy = await copyFor(to);
  const suppressions = () => held(to).suppressions.map((s) => [s.of, s.category, s.reason]);
  world.mt("suppress", "add", to, "--reason", "complaint");
  assert.equal((await post(copy.unsubscribe, { confirm: "yes", all: "yes" })).status, 200);
  // Both stand, and only his own is taken back.
  assert.deepEqual(suppressions(), [["recipient", "", "unsubscribe"], ["recipient", "", "complaint"]]);
  assert.equal((await post(copy.preferences, { save: "yes", category: "promo", often: "any", tracking: "no" })).status, 200);
  assert.deepEqual(suppressions(), [["recipient", "", "complaint"]]);
  // His own word is.
  world.mt("suppress", "remove", to);
  assert.equal((await post(copy.unsubscribe, { confirm: "yes", all: "yes" })).status, 200);
  assert.deepEqual(suppressions(), [["recipient", "", "unsubscribe"]]);
  assert.equal((await post(copy.preferences, { save: "yes", category: "promo", often: "any", tracking: "no" })).status, 200);
  assert.deepEqual(suppressions(), []);
});

await test("who has a forwarded mail learns nothing, and changes nothing", async () => {
  const to = "berta@data.example";
  const copy = await copyFor(to);
  const answers = [];
  let net = 0;
  for (const kind of ["export", "erase"])
    for (const address of ["anna@data.example", "nobody@data.example", "no address", "", "x".repeat(900), `${to}\0`, `${to}.example`])
      answers.push(await post((await copyFor(to)).preferences, { address, [kind]: "yes" }, from(`203.0.${++net}.1`)));
  // Of one recipient a few may be tried; these look alike, whatever was typed in.
  assert.deepEqual([...new Set(answers.slice(0, 5).map(({ status, headers, body }) => JSON.stringify([status, { ...headers, date: "", "content-length": "" }, body.toString().replace(/\/p\/[\w-]+/, "")])))].length, 1);
  assert.equal(answers[0].status, 403);
  assert.match(answers[0].body.toString(), /<h1>Nothing was done/);
  // And then no more, from wherever, with whichever mail: not the right one either.
  assert.deepEqual([...new Set(answers.slice(5).map((a) => a.status))], [429]);
  const right = await post(copy.preferences, { address: to, export: "yes" }, from("198.51.100.1"));
  assert.equal(right.status, 429);
  assert.match(right.headers["retry-after"], /^\d{2,}$/);
  assert.match(right.body.toString(), /<h1>Too many attempts/);
  assert.equal(held(to).profile.first_name, "Berta");
  assert.equal(held(to).suppressions.length, 0);
});

await test("attempts are limited for a network, too", async () => {
  const statuses = [];
  for (let i = 0; i < 22; i++) statuses.push((await post((await copyFor(`guess${i}@data.example`)).preferences, { address: "anna@data.example", export: "yes" }, from(`192.0.2.${i}`))).status);
  assert.deepEqual(statuses, [...Array(20).fill(403), 429, 429]);
});

await test("telephones begin with a capital; local parts that have one are taken as they are", async () => {
  const copy = await copyFor("dora@data.example");
  assert.equal((await post(copy.preferences, { address: "Dora@data.example", export: "yes" }, from("198.51.100.2"))).status, 200);
  const carla = await copyFor("Carla@data.example");
  assert.equal((await post(carla.preferences, { address: "Carla@data.example", export: "yes" }, from("198.51.100.2"))).status, 200);
  assert.equal((await post(carla.preferences, { address: "carla@data.example", export: "yes" }, from("198.51.100.2"))).status, 403);
});

await test("a GET never changes anything, whatever stands in its query", async () => {
  const to = "emil@data.example";
  const copy = await copyFor(to);
  const before = JSON.stringify(held(to));
  for (const query of ["save=yes&often=month&tracking=no", `erase=yes&address=${to}`, `export=yes&address=${to}`, "confirm=yes"])
    for (const method of ["GET", "HEAD"])
      for (const url of [copy.preferences, copy.unsubscribe]) {
        const { status, headers } = await trackd.request(`${url}?${query}`, { method, headers: BROWSER });
        assert.equal(status, 200);
        assert.match(headers["content-type"], /^text\/html/);
      }
  assert.equal(JSON.stringify(held(to)), before);
});

await test("export my data: of somebody who clicked all day what is newest, and that there is more", async () => {
  const to = "vera@many.example";
  const copy = await copyFor(to);
  const file = join(world.dir, "clicks.csv");
  const at = Date.now();
  const lines = Array.from({ length: 10000 }, (_, i) => `${new Date(at + i).toISOString()},clicked,machine,${to},spring`);
  writeFileSync(file, `at,type,class,email,campaign\n${lines.join("\n")}\n`);
  world.mt("events", "import", file);
  const mine = JSON.parse((await post(copy.preferences, { address: to, export: "yes" }, from("198.51.100.77"))).body);
  assert.equal(mine.events.length, 10000);
  assert.equal(mine.events[0].at, new Date(at + 9999).toISOString());
  assert.equal(mine.older_events_left_out, true);
  assert.equal(held(to).events.length, 10001);
});

await world.stop();
done();
