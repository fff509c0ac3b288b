import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { World, build, sleep, slow, until } from "./harness.mjs";
import { field, links, pixels } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const BROWSER = { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0" };
const ONE_CLICK = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: "List-Unsubscribe=One-Click" };
const SHOP = "https://shop.example/sale?a=1&b=2";
const world = await World.start({
  conf: `campaign spring { category = promo match_sender = { "spring@shop.example" } }
campaign weekly { category = news match_sender = { "weekly@shop.example" } }
campaign old { category = promo match_sender = { "old@shop.example" } link_lifetime = 1s }
campaign trap { category = promo match_sender = { "trap@shop.example" } honeypot = yes }
campaign shopping { category = promo match_sender = { "shopping@shop.example" } click_id = mtid }
shop webshop { }`,
  track: "rate = 0",
});
const { trackd } = world;

/** A copy for one recipient: { click, open, unsubscribe, preferences } URLs. */
async function copyFor(to, from = "spring@shop.example") {
  const html = `<html><body><a href="${SHOP}">sale</a> <a href="https://shop.example/2">2</a> <a href="https://shop.example/3">3</a>
<a href="https://shop.example/4">4</a> <a href="{{preferences_url}}">preferences</a></body></html>`.replaceAll("&", "&amp;");
  const mail = await world.copy({ from, to, subject: "Sale", text: "Sale", html });
  const all = links(mail.html);
  return {
    clicks: all.filter((url) => url.includes("/c/")),
    preferences: all.find((url) => url.includes("/p/")),
    open: pixels(mail.html, "https://t.shop.example")[0],
    unsubscribe: /<(https:[^>]+)>/.exec(field(mail, "list-unsubscribe"))[1],
  };
}

/** The log so far: events of one type. */
const events = (type) =>
  world.mt("events", "export")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter((e) => type === undefined || e.type === type);

/** Opens and clicks of a copy that are a person's, in the end: each "reclassified" takes one back. */
function people(copy) {
  const of = events().filter((e) => e.copy === copy);
  const left = of.filter((e) => ["opened", "clicked"].includes(e.type) && e.class === "human");
  for (const e of of.filter((e) => e.type === "reclassified")) {
    const { type } = typeof e.details === "string" ? JSON.parse(e.details) : e.details;
    const at = left.findIndex((l) => l.type === type && l.link === e.link);
    assert.ok(at >= 0, "only what was a person's is taken back");
    left.splice(at, 1);
  }
  return left;
}
const held = (address) => JSON.parse(world.mt("profile", "export", address));
const suppressed = (address, category) => world.mt("suppress", "list", address, "--json").includes(`"${category}"`);
const mailed = async (to, from) => {
  const before = world.sink.of(to).length;
  assert.match((await world.submit({ from, to, subject: "Again", text: "Again" })).response, /^250 /);
  await world.postfix.drained();
  return world.sink.of(to).length > before;
};

/** trackd with other settings in its section. */
async function restartWith(track) {
  await trackd.stop();
  world.track = track;
  world.configure({ more: readFileSync(world.conf, "utf8").split("\n").filter((l) => l.startsWith("campaign")).join("\n") });
  await trackd.start();
}

/** A request as it is on the wire. */
const get = (path) => `GET ${path} HTTP/1.1\r\nHost: t\r\n\r\n`;

/** A connection to trackd. */
async function connected() {
  const socket = net.connect({ host: "127.0.0.1", port: trackd.listen }).on("error", () => {});
  await once(socket, "connect");
  return socket;
}

await test("a click leads to the sender's own URL, and is on disk before the answer", async () => {
  const copy = await copyFor("anna@click.example");
  const before = events("clicked").length;
  const { status, headers, body } = await trackd.request(copy.clicks[0], { headers: BROWSER });
  assert.equal(status, 302);
  assert.equal(headers.location, SHOP);
  assert.equal(headers["cache-control"], "no-store, private");
  assert.equal(headers["referrer-policy"], "no-referrer");
  assert.equal(body.length, 0);
  const [event] = events("clicked").slice(before);
  assert.equal(event.campaign, "spring");
  assert.equal(event.class, "human");
  assert.equal(event.link, 0);
  assert.doesNotMatch(JSON.stringify(event), /anna|127\.0\.0\.1/, "no address, whoever's");
});

await test("the longest URL that a link may have comes out as it went in", async () => {
  const url = `https://shop.example/?q=${"x".repeat(8000 - 24)}`;
  const mail = await world.copy({ from: "spring@shop.example", to: "ada@long.example", subject: "Long", text: "Long", html: `<a href="${url}">long</a>` });
  const link = links(mail.html)[0];
  assert.match(link, /\/c\/[\w-]{10000,}$/);
  const headers = { ...BROWSER, accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "accept-language": "de-DE,de;q=0.9,en;q=0.8", "x-forwarded-for": "203.0.113.200" };
  assert.equal((await trackd.request(link, { headers })).headers.location, url);
});

await test("an open is a pixel that nobody caches", async () => {
  const copy = await copyFor("berta@open.example");
  const before = events("opened").length;
  const proxy = { "user-agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)" };
  for (const headers of [BROWSER, proxy, {}]) {
    const answer = await trackd.request(copy.open, { headers });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "image/gif");
    assert.equal(answer.headers["cache-control"], "no-store, private");
    assert.equal(answer.body.subarray(0, 6).toString(), "GIF89a");
  }
  assert.deepEqual(events("opened").slice(before).map((e) => e.class), ["human", "proxy", "machine"]);
});

await test("RFC 8058: one POST unsubscribes, in both encodings, without a redirect; a GET or HEAD never does", async () => {
  for (const [to, options] of [
    ["carla@one.example", ONE_CLICK],
    ["dora@one.example", {
      method: "POST",
      headers: { "content-type": 'multipart/form-data; boundary="xyz"' },
      body: '--xyz\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--xyz--\r\n',
    }],
  ]) {
    const copy = await copyFor(to);
    for (const method of ["GET", "HEAD"]) {
      const { status, headers } = await trackd.request(copy.unsubscribe, { method, headers: BROWSER });
      assert.equal(status, 200);
      assert.match(headers["content-security-policy"], /frame-ancestors 'none'/);
    }
    assert.ok(!suppressed(to, "promo"));
    assert.ok(await mailed(to, "spring@shop.example"), "a GET unsubscribed nobody");
    const { status, headers } = await trackd.request(copy.unsubscribe, options);
    assert.equal(status, 200);
    assert.equal(headers.location, undefined);
    assert.equal(headers["set-cookie"], undefined);
    assert.ok(suppressed(to, "promo"), "at once");
    assert.ok(!(await mailed(to, "spring@shop.example")), "no more of that kind");
    assert.ok(await mailed(to, "weekly@shop.example"), "but of others");
    // Once more is no error and no second event.
    const count = events("unsubscribed").length;
    const audited = () => world.mt("audit", "show", "--json").split("privacy.unsubscribe").length;
    const told = audited();
    assert.equal((await trackd.request(copy.unsubscribe, options)).status, 200);
    assert.equal(events("unsubscribed").length, count);
    assert.equal(audited(), told, "nor does it fill the audit log");
  }
});

await test("the page's button unsubscribes, from one kind or from all; another POST does not", async () => {
  const form = (body) => ({ method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", ...BROWSER }, body });
  const copy = await copyFor("emil@page.example");
  for (const body of ["", "x=y", "List-Unsubscribe=no", "List-Unsubscribe=One-Clicks"])
    assert.equal((await trackd.request(copy.unsubscribe, form(body))).status, 400, body);
  assert.equal((await trackd.request(copy.unsubscribe, { method: "POST", headers: { "content-type": "application/json" }, body: '{"confirm":1}' })).status, 400);
  assert.ok(!suppressed("emil@page.example", "promo"));
  const answer = await trackd.request(copy.unsubscribe, form("all=yes&confirm=yes"));
  assert.equal(answer.status, 200);
  assert.match(answer.body.toString(), /<h1>You are unsubscribed/);
  assert.ok(!(await mailed("emil@page.example", "weekly@shop.example")));
});

await test("preferences: what is ticked comes, what is not does not; tracking may be refused for mail already sent", async () => {
  const to = "fritz@pref.example";
  const copy = await copyFor(to);
  const save = (body) => trackd.request(copy.preferences, { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", ...BROWSER }, body });
  const page = (await trackd.request(copy.preferences, { headers: BROWSER })).body.toString();
  assert.match(page, /value="promo" checked/);
  assert.match(page, /value="news" checked/);
  assert.equal((await save("category=news&tracking=no&save=yes")).status, 200);
  assert.ok(!(await mailed(to, "spring@shop.example")));
  assert.ok(await mailed(to, "weekly@shop.example"));
  // Of what he does; what mailtailord moves into the log meanwhile is its own.
  const done = () => events("opened").length + events("clicked").length;
  const before = done();
  assert.equal((await trackd.request(copy.clicks[0], { headers: BROWSER })).headers.location, SHOP);
  assert.equal((await trackd.request(copy.open, { headers: BROWSER })).status, 200);
  assert.equal(done(), before, "nothing is recorded");
  const again = (await trackd.request(copy.preferences, { headers: BROWSER })).body.toString();
  assert.doesNotMatch(again, /value="promo" checked/);
  assert.match(again, /value="no" checked/);
  // Ticked again, mail comes again, also after an unsubscribe.
  assert.equal((await trackd.request(copy.unsubscribe, ONE_CLICK)).status, 200);
  assert.equal((await save("category=news&category=promo&save=yes")).status, 200);
  assert.ok(await mailed(to, "spring@shop.example"));
});

await test("preferences: of a kind of mail that the page did not show nothing was said", async () => {
  const to = "rosa@shown.example";
  const copy = await copyFor(to);
  const page = (await trackd.request(copy.preferences, { headers: BROWSER })).body.toString();
  assert.deepEqual(page.match(/name="shown" value="\w+"/g), ["promo", "news"].map((name) => `name="shown" value="${name}"`));
  const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", ...BROWSER }, body: "shown=promo&save=yes" };
  assert.equal((await trackd.request(copy.preferences, form)).status, 200);
  assert.deepEqual(held(to).consents.filter((c) => c.topic.startsWith("mail:")).map((c) => [c.topic, c.state]), [["mail:promo", "denied"]]);
});

await test("who has refused tracking goes to the shop without an id of his click", async () => {
  const copy = await copyFor("otto@refused.example", "shopping@shop.example");
  assert.match((await trackd.request(copy.clicks[0], { headers: BROWSER })).headers.location, /&mtid=/);
  const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", ...BROWSER }, body: "category=news&category=promo&tracking=no&save=yes" };
  assert.equal((await trackd.request(copy.preferences, form)).status, 200);
  assert.equal((await trackd.request(copy.clicks[0], { headers: BROWSER })).headers.location, SHOP);
});

await test("who was forgotten is not tracked again by links of mail already sent", async () => {
  const to = "paul@forgotten.example";
  const copy = await copyFor(to);
  world.mt("profile", "forget", to, "--yes");
  assert.equal((await trackd.request(copy.open, { headers: BROWSER })).status, 200);
  assert.equal((await trackd.request(copy.clicks[0], { headers: BROWSER })).headers.location, SHOP);
  assert.deepEqual(held(to).events, []);
});

await test("pages speak the reader's language, and say so", async () => {
  const copy = await copyFor("gerda@lang.example");
  const { headers, body } = await trackd.request(copy.unsubscribe, { headers: { ...BROWSER, "accept-language": "tlh, en;q=0.5" } });
  assert.equal(headers["content-language"], "en");
  assert.match(body.toString(), /<html lang="en">/);
  assert.doesNotMatch(body.toString(), /<script|\son\w+=|src=|https?:/i, "no scripts, nothing from elsewhere");
});

await test("every token that is none looks alike", async () => {
  const copy = await copyFor("hans@bad.example");
  const token = copy.clicks[0].split("/c/")[1];
  const flip = (at) => token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
  const bad = ["x", "A".repeat(100), "A".repeat(9000), token.slice(0, -1), token.slice(0, 20), flip(0), flip(5), flip(30), flip(token.length - 1),
    `${token}A`, `${token}=`, "%00", "..%2f..%2fetc", token.toLowerCase(), copy.open.split("/o/")[1]];
  const answers = await Promise.all(bad.map((t) => trackd.request(`/c/${t}`, { headers: BROWSER })));
  const seen = new Set(answers.map(({ status, headers, body }) => JSON.stringify([status, { ...headers, date: "" }, body.toString()])));
  assert.equal(seen.size, 1, [...seen].join("\n"));
  assert.equal(answers[0].status, 404);
  // And no path is a redirect to anywhere but what a token holds.
  for (const path of ["/c/https://evil.example/", "/c/?url=https://evil.example/", "//evil.example/", "/c//evil.example"])
    assert.equal((await trackd.request(path, { headers: BROWSER })).headers.location, undefined);
});

await test("a link that is too old says so", async () => {
  const copy = await copyFor("ida@old.example", "old@shop.example");
  await sleep(2100);
  const { status, headers, body } = await trackd.request(copy.clicks[0], { headers: BROWSER });
  assert.equal(status, 410);
  assert.equal(headers.location, undefined);
  assert.match(body.toString(), /too old/);
  // Who wants no more mail need not look at the date.
  assert.equal((await trackd.request(copy.unsubscribe, ONE_CLICK)).status, 200);
});

await test("a clock that was set back makes nobody a machine", async () => {
  const copy = await copyFor("jana@clock.example");
  const { recipient_key: recipient, copy: id } = world.token(copy.open);
  const file = join(world.dir, "delivered.ndjson");
  writeFileSync(file, JSON.stringify({ at: new Date(Date.now() + 3600000).toISOString(), type: "delivered", recipient, copy: id }));
  world.mt("events", "import", file);
  await trackd.request(copy.clicks[0], { headers: BROWSER });
  assert.equal(events("clicked").at(-1).class, "human");
});

await test("a scanner that follows every link at once is a machine, whatever it calls itself", async () => {
  const copy = await copyFor("kurt@burst.example");
  const before = events("clicked").length;
  for (const url of copy.clicks) assert.equal((await trackd.request(url, { headers: BROWSER })).status, 302);
  const seen = events("clicked").slice(before);
  assert.equal(seen.length, 4);
  assert.equal(seen.at(-1).class, "machine");
  assert.equal(seen.at(-1).reason, "burst");
  // Those before it are told again: they were its, too.
  assert.deepEqual(people(seen[0].copy), []);
});

await test("a link scanner that GETs and HEADs every URL of a copy unsubscribes nobody, and is a machine", async () => {
  for (const methods of [["GET", "HEAD"], ["HEAD", "GET"], ["GET", "GET"]]) {
    const to = `scan.${methods.join(".").toLowerCase()}@scanned.example`;
    const copy = await copyFor(to);
    const [before] = [JSON.stringify(held(to))];
    const urls = [copy.open, ...copy.clicks, copy.unsubscribe, copy.preferences];
    for (const url of urls) for (const method of methods) assert.ok((await trackd.request(url, { method, headers: BROWSER })).status < 400);
    const { hash } = JSON.parse(before);
    const mine = events().filter((e) => e.recipient?.startsWith(hash) && ["opened", "clicked"].includes(e.type));
    assert.equal(mine.length, 2 * (1 + copy.clicks.length), "nothing is thrown away");
    assert.deepEqual(people(mine[0].copy), [], methods.join());
    assert.deepEqual(held(to).suppressions, []);
    assert.deepEqual(held(to).consents, []);
    assert.ok(await mailed(to, "spring@shop.example"));
  }
  // A person who clicks two links stays one.
  const copy = await copyFor("lara@person.example");
  for (const url of [copy.open, ...copy.clicks.slice(0, 2)]) await trackd.request(url, { headers: { ...BROWSER, "x-forwarded-for": "203.0.113.50" } });
  assert.equal(people(events().at(-1).copy).length, 3);
});

await test("a honeypot: a link that a reader neither sees nor reaches; who follows it is a machine, with what he did before", async () => {
  const html = '<html><body><a href="https://shop.example/1">1</a></body></html>';
  const mail = await world.copy({ from: "trap@shop.example", to: "mia@trap.example", subject: "Trap", text: "Trap", html });
  const [anchor, trap] = /<a href="([^"]+)" rel="nofollow" tabindex="-1" aria-hidden="true"><\/a><img /.exec(mail.html);
  assert.ok(anchor && trap);
  assert.equal(links(mail.html).length, 2);
  const [seen, scanner] = [{ ...BROWSER, "x-forwarded-for": "203.0.113.61" }, { ...BROWSER, "x-forwarded-for": "203.0.113.62" }];
  const [link] = links(mail.html);
  for (const headers of [seen, scanner]) await trackd.request(link, { headers });
  const { status, headers } = await trackd.request(trap, { headers: scanner });
  assert.equal(status, 302);
  assert.equal(headers.location, "https://t.shop.example/robots.txt");
  const all = events().filter((e) => e.campaign === "trap" && ["clicked", "reclassified"].includes(e.type));
  assert.deepEqual(all.map((e) => [e.type, e.class, e.reason, e.link]), [
    ["clicked", "human", "known-agent", 0],
    ["clicked", "human", "known-agent", 0],
    ["clicked", "machine", "honeypot", null],
    ["reclassified", "machine", "scanner", 0],
  ]);
  assert.equal(people(all[0].copy).length, 1, "the reader's click stays one");
});

await test("the report counts people, and no scanner that looked like one at first", () => {
  for (const campaign of ["spring", "trap"]) {
    const { totals } = JSON.parse(world.mt("report", campaign, "--json"));
    const copies = new Set(events().filter((e) => e.campaign === campaign && e.copy).map((e) => e.copy));
    const human = [...copies].flatMap(people);
    for (const type of ["opened", "clicked"]) {
      const of = human.filter((e) => e.type === type);
      assert.equal(totals[`${type}_human`].events, of.length, `${campaign} ${type}`);
      if (campaign === "spring") assert.equal(totals[`${type}_human`].copies, new Set(of.map((e) => e.copy)).size, type);
    }
    assert.ok(totals.clicked_human.events > 0);
    assert.ok(totals.clicked_machine.events > 0);
  }
  assert.match(world.mt("events", "verify"), /all agrees/);
});

await test("a shop reports what came of a click, signed; sent again it counts once", async () => {
  const copy = await copyFor("paula@buy.example", "shopping@shop.example");
  const { headers } = await trackd.request(copy.clicks[0], { headers: BROWSER });
  const target = new URL(headers.location);
  assert.equal(target.origin + target.pathname, "https://shop.example/sale");
  assert.equal(target.searchParams.get("b"), "2");
  const click = target.searchParams.get("mtid");
  const secret = world.mt("key", "shop", "webshop").trim();
  const post = (body, { time = Math.floor(Date.now() / 1000), key = secret, shop = "webshop" } = {}) =>
    trackd.request("/v1/events", {
      method: "POST",
      headers: { "x-mailtailor-shop": shop, "x-mailtailor-time": time, "x-mailtailor-signature": createHmac("sha256", key).update(`${time}\n${body}`).digest("hex") },
      body,
    });
  const order = { id: "order-1", type: "purchased", click, value: 49.9, currency: "EUR", item: "sku-1" };
  const view = { id: "view-1", type: "viewed", email: "Paula@buy.example", items: ["sku-2", "sku-3"] };
  const bad = [
    [401, await post("[]", { key: "0".repeat(64) })],
    [401, await post("[]", { shop: "other" })],
    [401, await post("[]", { time: Math.floor(Date.now() / 1000) - 1000 })],
    [400, await post("[]")],
    [400, await post("no json")],
    [400, await post(JSON.stringify([order, { ...view, type: "stolen" }]))],
    [400, await post(JSON.stringify([{ ...order, click: "x" }]))],
    [400, await post(JSON.stringify([{ ...order, currency: "euro" }]))],
    [400, await post(JSON.stringify([{ ...order, email: "a@b.example" }]))],
    [400, await post(JSON.stringify([{ ...order, items: ["sku-1"] }]))],
    [400, await post(JSON.stringify([{ ...view, items: [] }]))],
    [400, await post(JSON.stringify([{ ...view, items: ["a", 1] }]))],
    [400, await post(JSON.stringify([{ ...view, items: Array(101).fill("a") }]))],
    [400, await post(JSON.stringify([{ ...view, items: Array(100).fill("\u0001".repeat(128)) }]))],
    [413, await post(`[${" ".repeat(1100000)}]`).catch(() => ({ status: 413 }))],
  ];
  for (const [status, answer] of bad) assert.equal(answer.status, status, String(answer.body));
  assert.equal(JSON.parse(bad[5][1].body).index, 1, "it says which");
  assert.equal(events("purchased").length, 0, "a batch is taken whole or not at all");
  for (let i = 0; i < 2; i++) {
    const { status, body } = await post(JSON.stringify({ events: [order, view] }));
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { accepted: 2 });
  }
  const [bought] = events("purchased");
  assert.equal(events("purchased").length, 1);
  assert.equal(events("viewed").length, 1);
  assert.equal(bought.campaign, "shopping");
  assert.equal(bought.source, "shop:webshop");
  assert.equal(bought.currency, "EUR");
  assert.doesNotMatch(JSON.stringify(events("viewed")), /paula/i);
  assert.match(JSON.stringify(events("viewed")), /sku-2.*sku-3/);
  // Who has refused tracking is not followed around the shop; what he buys is the shop's own record.
  world.mt("profile", "consent", "quiet@buy.example", "tracking", "denied");
  const quietly = [{ ...view, id: "view-2", email: "quiet@buy.example" }, { ...view, id: "order-2", type: "purchased", email: "quiet@buy.example" }];
  assert.deepEqual(JSON.parse((await post(JSON.stringify(quietly))).body), { accepted: 2 });
  assert.deepEqual(JSON.parse((await post(JSON.stringify(quietly.slice(0, 1)))).body), { accepted: 1 });
  assert.equal(events("viewed").length, 1);
  assert.equal(events("purchased").length, 2);
});

await test("methods, paths and sizes that are not for us", async () => {
  const copy = await copyFor("lena@method.example");
  const { status, headers } = await trackd.request(copy.clicks[0], { method: "POST", headers: { "content-length": 0 } });
  assert.equal(status, 405);
  assert.equal(headers.allow, "GET, HEAD");
  assert.equal((await trackd.request("/metrics")).status, 404, "not on the public side");
  assert.equal((await trackd.request("/", {})).status, 404);
  const huge = { ...ONE_CLICK, body: `x=${"y".repeat(50000)}&List-Unsubscribe=One-Click` };
  assert.equal((await trackd.request(copy.unsubscribe, huge)).status, 413);
  // Without saying beforehand how much it will be: it is cut off, or refused.
  const chunked = await trackd.request(copy.unsubscribe, { ...huge, headers: { ...huge.headers, "transfer-encoding": "chunked" } }).catch((error) => ({ status: error.code }));
  assert.ok([413, "ECONNRESET", "EPIPE"].includes(chunked.status), String(chunked.status));
  assert.ok(!suppressed("lena@method.example", "promo"));
});

const raw = (bytes, wait = 3000) =>
  new Promise((done) => {
    const socket = net.connect({ host: "127.0.0.1", port: trackd.listen });
    let answer = "";
    socket.on("connect", () => socket.write(bytes)).on("data", (part) => (answer += part));
    socket.on("error", () => done(answer)).on("close", () => done(answer));
    setTimeout(() => socket.destroy(), wait * slow).unref();
  });

await test("malformed requests end, and nothing else does", async () => {
  for (const bytes of ["\r\n\r\n", "GET\r\n\r\n", "\x00\x01\x02\r\n\r\n", "GET /c/x HTTP/9.9\r\n\r\n", "POST /u/x HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
    "POST /u/x HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", `GET /${"a".repeat(100000)} HTTP/1.1\r\nHost: t\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: t\r\n${"X-Y: z\r\n".repeat(10000)}\r\n`, "POST /u/x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"])
    assert.doesNotMatch(await raw(bytes, 700), /^HTTP\/1\.. 2/, bytes.slice(0, 40));
  assert.equal((await trackd.request("/robots.txt")).status, 200);
});

await test("many idle connections do not keep others out", async () => {
  const idle = [];
  for (let i = 0; i < 300; i++) idle.push(net.connect({ host: "127.0.0.1", port: trackd.listen }).on("error", () => {}));
  for (const [i, socket] of idle.entries()) socket.write(i % 2 ? "GET /c/" : "POST /u/x HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\nList");
  assert.equal((await trackd.request("/robots.txt")).status, 200);
  for (const socket of idle) socket.destroy();
});

await test("private: metrics, health, ready", async () => {
  const ask = (path) => trackd.request(path, { port: trackd.metrics });
  assert.equal((await ask("/healthz")).status, 200);
  assert.equal((await ask("/readyz")).status, 200);
  const text = (await ask("/metrics")).body.toString();
  assert.match(text, /^mailtailor_http_requests_total\{route="click",status="3xx"\} [1-9]/m);
  assert.match(text, /^mailtailor_events_total\{type="unsubscribed",class="human"\} [1-9]/m);
  assert.equal((await ask("/o/abc")).status, 404, "the public's pages are not here");
});

await test("however many ask at the same moment, they are answered", async () => {
  const before = world.track;
  await restartWith(`${before} threads = 1`);
  // As many as an event loop asks for at once, one less, one more, and twice as many.
  for (const n of [127, 128, 129, 256]) {
    const sockets = await Promise.all(Array.from({ length: n }, connected));
    await sleep(300 * slow); // accepted, and idle
    const answers = Promise.all(sockets.map((socket) => once(socket, "data")));
    trackd.child.kill("SIGSTOP");
    for (const socket of sockets) socket.write(get("/robots.txt"));
    await sleep(100);
    trackd.child.kill("SIGCONT");
    assert.notEqual(await Promise.race([answers, sleep(5000 * slow)]), undefined, `${n} requests wait`);
    for (const socket of sockets) socket.destroy();
  }
  await restartWith(before);
});

await test("when all connections were taken and end at the same moment, who comes next is let in", async () => {
  const before = world.track;
  await restartWith(`${before} threads = 2 connections = 16`);
  const asked = async (socket) => {
    socket.write(get("/robots.txt"));
    return String(await Promise.race([once(socket, "data"), sleep(5000 * slow)]));
  };
  const all = await Promise.all(Array.from({ length: 16 }, connected));
  for (const socket of all) assert.match(await asked(socket), /^HTTP\/1.1 200/);
  trackd.child.kill("SIGSTOP");
  for (const socket of all) socket.destroy();
  await sleep(100);
  trackd.child.kill("SIGCONT");
  await sleep(200 * slow);
  const next = await connected();
  assert.match(await asked(next), /^HTTP\/1.1 200/);
  next.destroy();
  await restartWith(before);
});

await test("whose click is in the log is answered, and nobody else, when it is stopped just then, too", async () => {
  const copy = await copyFor("olga@stop.example");
  const before = world.track;
  await restartWith(`${before} threads = 1`);
  for (let ms = 1; ms <= 8; ms++) {
    const clicked = events("clicked").length;
    let answer = "";
    const clicker = (await connected()).on("data", (data) => (answer += data));
    // While these are answered the event is written, and the end begins.
    const others = await Promise.all(Array.from({ length: 1500 }, connected));
    await sleep(100 * slow);
    trackd.child.kill("SIGSTOP");
    clicker.write(get(new URL(copy.clicks[0]).pathname));
    for (const socket of others) socket.write(get("/robots.txt"));
    await sleep(50);
    trackd.child.kill("SIGCONT");
    await sleep(ms);
    await trackd.stop();
    await sleep(50);
    for (const socket of [clicker, ...others]) socket.destroy();
    assert.equal(/^HTTP\/1.1 302/.test(answer), events("clicked").length > clicked);
    await trackd.start();
  }
  await restartWith(before);
});

await test("a start for which there are too few descriptors says so", async () => {
  await trackd.stop();
  const program = join(build, "bin/mailtailor-trackd");
  for (let n = 8; n <= 14; n++) {
    const { status, stderr } = spawnSync("bash", ["-c", `ulimit -n ${n}; exec "${program}" -c "${world.conf}"`], { encoding: "utf8", timeout: 2000 * slow });
    if (status === 0) break; // it served, until it was told to stop
    assert.match(stderr, /error: track: cannot [^\n]*: Too many open files\n/, `with ${n}`);
  }
  await trackd.start();
});

await test("a limit per client, told by the proxy; 429 says when to come again", async () => {
  const copy = await copyFor("mona@limit.example");
  const leaving = [];
  for (let i = 0; i < 5; i++) leaving.push(await copyFor(`leaver${i}@limit.example`));
  const before = world.track;
  await restartWith(before.replace("rate = 0", "rate = 60"));
  const as = (ip) => trackd.request(copy.clicks[0], { headers: { ...BROWSER, "x-forwarded-for": `198.51.100.9, ${ip}` } });
  const statuses = [];
  for (let i = 0; i < 20; i++) statuses.push((await as("203.0.113.1")).status);
  assert.equal(statuses[0], 302);
  assert.ok(statuses.includes(429));
  const limited = await as("203.0.113.1");
  if (limited.status === 429) assert.match(limited.headers["retry-after"], /^\d+$/);
  assert.equal((await as("203.0.113.2")).status, 302, "another client");
  // As a proxy writes it that listens for both kinds of addresses on one socket.
  for (let i = 0; i < 20; i++) await as("::ffff:203.0.113.7");
  assert.equal((await as("::ffff:203.0.113.8")).status, 302, "another client");
  // One-click comes from the servers of a mail provider, for all of its people; the tokens are authentic.
  const byProvider = (path) => trackd.request(path, { ...ONE_CLICK, headers: { ...ONE_CLICK.headers, "x-forwarded-for": "203.0.113.1" } });
  for (const [i, { unsubscribe }] of leaving.entries()) {
    assert.equal((await byProvider(unsubscribe)).status, 200);
    assert.ok(suppressed(`leaver${i}@limit.example`, "promo"));
  }
  // Neither may one be sent without end, nor what is none.
  const again = [];
  for (let i = 0; i < 20; i++) again.push((await byProvider(leaving[0].unsubscribe)).status);
  assert.ok(again.includes(429));
  assert.equal((await byProvider("/u/AAAA")).status, 429);
  world.track = before;
});

await test("consent that waited in the queue does not undo what was refused since; a refusal does", async () => {
  const to = "quinn@queue.example";
  const { recipient_key: recipient } = world.token((await copyFor(to)).open);
  const queued = (topic, state) => ({ topic, state, at: Date.now() - 60000, source: "preferences" });
  await trackd.stop();
  world.mt("profile", "consent", to, "tracking", "denied");
  world.mt("profile", "consent", to, "mail:promo", "granted");
  const change = { at: Date.now() - 60000, recipient, suppress: false, consents: [queued("tracking", 1), queued("mail:promo", 2)], lifted: [] };
  writeFileSync(join(world.dir, "trackd.queue"), `${JSON.stringify(change)}\n`);
  await trackd.start();
  await until("the queue", () => statSync(join(world.dir, "trackd.queue")).size === 0);
  assert.deepEqual(held(to).consents.map((c) => [c.topic, c.state]), [["mail:promo", "denied"], ["tracking", "denied"]]);
});

await test("keys alone are enough: without the database links work, and what they tell comes later", async () => {
  const copy = await copyFor("nora@gone.example");
  const shopping = await copyFor("nora@gone.example", "shopping@shop.example");
  const state = join(world.dir, "state");
  await trackd.stop();
  await world.daemon.stop();
  const count = events("clicked").length;
  renameSync(state, `${state}.away`);
  writeFileSync(state, ""); // no directory can be made there
  world.configure({ more: `campaign spring { category = promo match_sender = { "spring@shop.example" } }
campaign shopping { category = promo match_sender = { "shopping@shop.example" } click_id = mtid }` });
  await trackd.start();
  assert.equal((await trackd.request(copy.clicks[0], { headers: BROWSER })).headers.location, SHOP);
  assert.equal((await trackd.request(copy.unsubscribe, ONE_CLICK)).status, 200);
  assert.equal((await trackd.request("/readyz", { port: trackd.metrics })).status, 503);
  const queue = join(world.dir, "trackd.queue");
  assert.equal(readFileSync(queue, "utf8").trim().split("\n").length, 3, "a click, a change and its event");
  // Whether he has refused tracking nobody knows now.
  assert.equal((await trackd.request(shopping.clicks[0], { headers: BROWSER })).headers.location, SHOP);
  assert.equal(statSync(queue).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(queue, "utf8"), /gone\.example/);
  // Killed before the database is back, nothing is lost.
  await trackd.stop("SIGKILL");
  renameSync(state, `${state}.file`);
  renameSync(`${state}.away`, state);
  await trackd.start();
  await until("the queue to be empty", () => statSync(queue).size === 0);
  assert.equal(events("clicked").length, count + 2);
  assert.ok(suppressed("nora@gone.example", "promo"));
  await world.daemon.start();
});

await test("neither the database nor the queue: links work, an unsubscribe is not confirmed", async () => {
  const copy = await copyFor("otto@none.example");
  const state = join(world.dir, "state");
  await trackd.stop();
  await world.daemon.stop();
  renameSync(state, `${state}.away`);
  writeFileSync(state, "");
  const text = readFileSync(world.conf, "utf8").replace(/queue = "[^"]*"/, `queue = "${world.dir}/nowhere/queue"`);
  writeFileSync(world.conf, text);
  await trackd.start();
  assert.equal((await trackd.request(copy.clicks[0], { headers: BROWSER })).headers.location, SHOP);
  const { status, headers } = await trackd.request(copy.unsubscribe, ONE_CLICK);
  assert.equal(status, 503);
  assert.match(headers["retry-after"], /^\d+$/);
  await trackd.stop();
  renameSync(state, `${state}.file2`);
  renameSync(`${state}.away`, state);
});

await world.stop();
done();
