import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { World, build, until } from "./harness.mjs";
import { links } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const work = mkdtempSync(join(tmpdir(), "mailtailor-recommend."));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
const at = (name) => join(work, name);
/** The admin tool without a configuration: { status, stdout, stderr }. */
const tool = (...args) => spawnSync(join(build, "bin/mailtailor"), ["catalog", ...args], { encoding: "utf8" });
const good = (...args) => {
  const { status, stdout, stderr } = tool(...args);
  assert.equal(status, 0, stderr);
  return stdout;
};

// Gardeners and cooks: half of a garden's or a kitchen's items each, and everybody a bag.
const GARDEN = ["seeds", "spade", "rake", "hose"], KITCHEN = ["pan", "pot", "knife", "bowl"];
const log = ["customer,item,time"];
for (let c = 0; c < 40; c++) {
  const side = c % 2 ? GARDEN : KITCHEN;
  for (let k = 0; k < 3; k++) log.push(`c${c},${side[((c >> 1) + k) % 4]},2026-01-0${1 + k}`);
  log.push(`c${c},bag,2026-01-04 10:00:00`);
}
writeFileSync(at("log.csv"), `${log.join("\n")}\n`);
const catalog = (items) => `id,title,url,image,price,currency,category,stock\n${items.join("\n")}\n`;
const ITEMS = [...GARDEN, ...KITCHEN, "bag"].map((id, i) => `${id},"The ${id} & more",https://shop.example/item/${id}?a=1,https://shop.example/${id}.jpg,${10 + i}.5,EUR,${GARDEN.includes(id) ? "garden" : "home"},${id === "hose" ? 0 : 5}`);
writeFileSync(at("catalog.csv"), catalog(ITEMS));
good("import", at("catalog.csv"), "-o", at("catalog"));
good("train", "--csv", at("log.csv"), "--lambda", "5", "-o", at("model"));

const world = await World.start({
  conf: `plugin recommend { path = "recommend.so" deadline = 10s
  options { catalog = "${at("catalog")}" model = "${at("model")}" count = "2" } }
campaign cross { category = promo match_sender = { "cross@shop.example" } personalizers = { recommend } }
shop webshop { }`,
  track: "rate = 0",
});
const html = `<html><body>{{#recommendations}}<p><a href="{{url}}">{{title}}</a> {{money price currency}} <img src="{{image}}"></p>{{/recommendations}}
<a href="{{unsubscribe_url}}">leave</a></body></html>`;
const text = "{{#recommendations}}[{{id}}]{{/recommendations}} {{recommendations_personal}} personal";
const copyFor = (to) => world.copy({ from: "cross@shop.example", to, subject: "For you: {{recommendations.0.id}}", text, html });
const shown = (copy) => [...copy.text.matchAll(/\[(\w+)\]/g)].map((m) => m[1]);

/** What a shop reports of somebody. */
async function report(email, type, items) {
  const body = JSON.stringify([{ id: `${email}-${type}-${items}`, type, email, items }]);
  const time = Math.floor(Date.now() / 1000);
  const secret = world.mt("key", "shop", "webshop").trim();
  const { status } = await world.trackd.request("/v1/events", {
    method: "POST",
    headers: { "x-mailtailor-shop": "webshop", "x-mailtailor-time": time, "x-mailtailor-signature": createHmac("sha256", secret).update(`${time}\n${body}`).digest("hex") },
    body,
  });
  assert.equal(status, 200);
}

await test("two customers get what goes with their own purchases, a stranger what is popular; never what they have, or what is sold out", async () => {
  await report("gardener@customers.example", "purchased", ["seeds", "bag"]);
  await report("cook@customers.example", "purchased", ["pan", "bag"]);
  const gardener = await copyFor("gardener@customers.example");
  const cook = await copyFor("cook@customers.example");
  const stranger = await copyFor("stranger@customers.example");
  assert.deepEqual(shown(gardener).sort(), ["rake", "spade"]);
  assert.equal(shown(cook).length, 2);
  for (const item of shown(cook)) assert.ok(KITCHEN.includes(item) && item !== "pan", item);
  assert.equal(shown(stranger)[0], "bag");
  assert.equal(shown(stranger).length, 2);
  assert.match(gardener.text, /2 personal/);
  assert.match(stranger.text, /0 personal/);
});

await test("what was recommended is kept with the decision: the ids that the copy shows, in their order", async () => {
  const copy = await copyFor("gardener@customers.example");
  const items = await until("the event", () => {
    const lines = world.mt("events", "export").split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const sent = lines.filter((e) => e.type === "injected" && e.campaign === "cross");
    return sent.length === 4 && sent.map(({ details }) => (typeof details === "string" ? JSON.parse(details) : details).items);
  });
  assert.deepEqual(items.at(-1), { recommendations: shown(copy) });
});

await test("in HTML titles are escaped, prices are money, and links are tracked", async () => {
  const copy = await copyFor("gardener@customers.example");
  assert.match(copy.html, /The (rake|spade) &amp; more/);
  assert.match(copy.html, /€1\d\.50|1\d[.,]50 ?€/);
  const tracked = links(copy.html).filter((url) => url.includes("/c/"));
  assert.equal(tracked.length, 2);
  const targets = tracked.map((url) => world.token(url).url).sort();
  assert.deepEqual(targets, ["https://shop.example/item/rake?a=1", "https://shop.example/item/spade?a=1"]);
});

await test("what is bought meanwhile is out of the next mail; an erased recipient is a stranger", async () => {
  await report("gardener@customers.example", "purchased", ["rake"]);
  const next = await copyFor("gardener@customers.example");
  assert.ok(!shown(next).includes("rake") && shown(next).includes("spade"), next.text);
  world.mt("profile", "forget", "gardener@customers.example", "--yes");
  assert.equal(shown(await copyFor("gardener@customers.example"))[0], "bag");
});

await test("render shows the same, and says for a history of one's own what it would be", () => {
  const eml = join(world.dir, "mail.eml");
  writeFileSync(eml, `From: cross@shop.example\nTo: x@customers.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/plain\n\n${text}\n`);
  writeFileSync(join(world.dir, "cook.json"), JSON.stringify({ _history: { purchased: ["pan"] } }));
  const cook = world.mt("render", "-k", "cross", "-r", "cook@customers.example", eml);
  assert.match(cook, /\[(pot|knife|bowl)\]\[(pot|knife|bowl)\] 2 personal/);
  const other = world.mt("render", "-k", "cross", "-r", "x@customers.example", "-p", join(world.dir, "cook.json"), eml);
  assert.match(other, /2 personal/);
});

await test("a model learnt from the events; a catalog and a model that are damaged leave the old ones in use", async () => {
  for (let c = 0; c < 12; c++) await report(`c${c}@customers.example`, "purchased", c % 2 ? ["pan", "rake"] : ["pan", "rake", "bag"]);
  await report("looker@customers.example", "viewed", ["pan"]);
  const trained = JSON.parse(world.mt("catalog", "train", "--kind", "knn", "--shrink", "0", "--min-customers", "2", "-o", at("model"), "--json"));
  assert.equal(trained.kind, "knn");
  assert.equal(trained.customers, 13); // the cook, and the twelve; the gardener is erased
  assert.match(await world.daemon.reload(), /is in use/);
  await report("late@customers.example", "purchased", ["pan"]);
  assert.equal(shown(await copyFor("late@customers.example"))[0], "rake");
  assert.doesNotMatch(readFileSync(at("model"), "latin1"), /customers\.example/);

  copyFileSync(at("model"), at("model.good"));
  // In place, as cp does it, under the daemon's eyes: what is in use is a copy.
  writeFileSync(at("model"), "");
  assert.equal(shown(await copyFor("late@customers.example"))[0], "rake");
  copyFileSync(at("model.good"), at("model"));
  const bytes = readFileSync(at("model"));
  bytes[bytes.length - 9] ^= 1;
  writeFileSync(at("model.bad"), bytes);
  renameSync(at("model.bad"), at("model"));
  assert.match(await world.daemon.reload(), /has mistakes/);
  assert.match(world.daemon.log(), /its bytes do not agree with its checksum/);
  assert.equal(shown(await copyFor("late@customers.example"))[0], "rake");
  renameSync(at("model.good"), at("model"));
  assert.match(await world.daemon.reload(), /is in use/);
});

await test("import: every mistake with its line, and the catalog stays; JSON and NDJSON say the same as CSV", () => {
  const before = statSync(at("catalog")).mtimeMs;
  writeFileSync(at("bad.csv"), catalog(["a,A,https://x,,1,EUR,,", "b,,https://x,,,,,", "c,C,javascript:x,,,,,", "d,D,https://x,,5,,,", "a,Again,https://y,,,,,"]));
  const { status, stderr } = tool("import", at("bad.csv"), "-o", at("catalog"));
  assert.equal(status, 65);
  for (const says of [/line 3: title is missing/, /line 4: url is no http/, /line 5: a price needs a currency/, /line 6: id "a" is there already, in line 2/, /4 mistakes; the catalog stays/])
    assert.match(stderr, says);
  assert.equal(statSync(at("catalog")).mtimeMs, before);
  const rows = [{ id: "a", title: "A", url: "https://x", price: 1.5, currency: "EUR", stock: 3 }, { id: 7, title: "Ü", url: "https://y", category: "c", other: [1] }];
  writeFileSync(at("c.csv"), 'id,title,url,price,currency,category,stock\na,A,https://x,1.5,EUR,,3\n7,Ü,https://y,,,c,\n');
  writeFileSync(at("c.json"), JSON.stringify(rows));
  writeFileSync(at("c.ndjson"), rows.map((r) => JSON.stringify(r)).join("\n"));
  const files = ["csv", "json", "ndjson"].map((f) => {
    assert.equal(JSON.parse(good("import", at(`c.${f}`), "-o", at(`c.${f}.out`), "--json")).items, 2);
    return readFileSync(at(`c.${f}.out`));
  });
  writeFileSync(at("c.typo.csv"), "id,title,url,Prize,colour,name\na,A,https://x,1,red,\n7,Ü,https://y,2,blue,n\n");
  const { stdout: out, stderr: said } = tool("import", at("c.typo.csv"), "--dry-run", "--json");
  assert.deepEqual(JSON.parse(out).passed_over, [
    { column: "Prize", did_you_mean: "price" }, { column: "colour", did_you_mean: null }, { column: "name", did_you_mean: null },
  ]);
  assert.match(said, /c\.typo\.csv: column "Prize" is passed over; did you mean "price"\?\n.*column "colour" is passed over\n/);
  writeFileSync(at("c.name.json"), JSON.stringify([{ id: "a", name: "A", url: "https://x" }]));
  assert.match(tool("import", at("c.name.json"), "--dry-run").stderr, /title is missing\n.*column "name" is passed over; did you mean "title"/);
  assert.deepEqual(files[0], files[1]);
  assert.deepEqual(files[0], files[2]);
  const shownItems = JSON.parse(good("show", "7", "a", "--catalog", at("c.csv.out"), "--model", at("model"), "--json"));
  assert.deepEqual(shownItems.map((i) => [i.id, i.title, i.price, i.stock]), [["7", "Ü", null, null], ["a", "A", 1.5, 3]]);
  assert.equal(tool("check", "--catalog", at("c.csv.out"), "--model", at("model")).status, 65);
  assert.equal(JSON.parse(good("check", "--catalog", at("catalog"), "--model", at("model"), "--json")).good, true);
});

await test("what replaces a file is in the audit log before it is done; what is not there is named with what makes it", () => {
  world.mt("catalog", "import", at("catalog.csv"), "-o", at("catalog"));
  const said = world.mt("audit", "show", "--action", "catalog", "--json").trim().split("\n").map((l) => JSON.parse(l));
  assert.deepEqual(said.map((r) => r.action), ["catalog.train", ...Array(4).fill("catalog.import")]);
  assert.equal(said.at(-1).details, at("catalog"));
  for (const [args, code, says] of [
    [["import", at("catalog.csv"), "-o", at("nowhere/catalog")], 73, /there is no directory .*nowhere.* first start/],
    [["check", "--catalog", at("nothing"), "--model", at("model")], 66, /nothing is not there; `mailtailor catalog import` makes it/],
    [["train", "--csv", at("log.csv"), "--dry-run"], 64, /needs --test-from/],
  ]) {
    const { status, stderr } = tool(...args);
    assert.match(stderr, says);
    assert.equal(status, code);
  }
});

await test("of a few customers nothing is concluded; of enough there is an interval", () => {
  const judge = (customers, ...more) => {
    const lines = log.filter((l, i) => i === 0 || l.includes("2026-01-01") || Number(l.slice(1).split(",")[0]) < customers);
    writeFileSync(at("few.csv"), `${lines.join("\n")}\n`);
    return good("train", "--csv", at("few.csv"), "--lambda", "5", "--min-customers", "1", "--test-from", "2026-01-03", "--dry-run", ...more);
  };
  const few = JSON.parse(judge(1, "--json")).test;
  assert.deepEqual([few.customers, few.conclusive, "ndcg_low" in few], [1, false, false]);
  assert.match(judge(1), /no conclusion: the figures are of fewer than 30 customers/);
  const many = JSON.parse(judge(40, "--json")).test;
  assert.deepEqual([many.customers, many.conclusive], [40, true]);
  assert.ok(many.ndcg_low <= many["ndcg@10"] && many["ndcg@10"] <= many.ndcg_high);
  assert.doesNotMatch(judge(40), /no conclusion/);
});

await world.stop();
done();
