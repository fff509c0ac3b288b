// mailtailor report: text, JSON, CSV and HTML of few events with hostile names; of 100,000 events every figure against a
// recount of the exported log that knows nothing of counters.
//
//	UPDATE=1 tests/integration/report.test    writes the golden files anew: read the diff

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "parse5";
import { PHONE, context, faint, launch } from "./browser.mjs";
import { done, test } from "./tap.mjs";

const root = join(import.meta.dirname, "../..");
const build = process.env.MT_BUILD ?? join(root, "build");
const golden = join(root, "tests/golden/figures");
const dir = mkdtempSync(join(tmpdir(), "mailtailor-report-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

function tool(args, input) {
  const r = spawnSync(join(build, "bin/mailtailor"), args, {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 30,
    env: { ...process.env, MAILTAILOR_CONF: join(dir, "conf"), TZ: "Pacific/Apia" },
  });
  if (r.error) throw r.error;
  return { code: r.status, out: r.stdout, err: r.stderr };
}
function ok(args, input) {
  const r = tool(args, input);
  assert.equal(r.code, 0, `mailtailor ${args.join(" ")}: exit ${r.code}: ${r.err}`);
  return r.out;
}

function state(name, map = "256M") {
  writeFileSync(
    join(dir, "conf"),
    `state { directory = "${dir}/${name}" map_size = "${map}" events_keep = "20y" }
keys { file = "${dir}/keys" }
track { host = "https://t.shop.example" }
campaign "spring" { category = "promo" }
campaign "winter" { category = "promo" }
`,
  );
}
state("small");
ok(["key", "generate", "--file", join(dir, "keys")]);

// ---- few events, all that can be in a name ----

const HOSTILE = {
  campaign: `=<script>alert(1)</script>&amp;"'`,
  arm: `"><img src=x onerror=alert(1)>`,
  formula: `=cmd|' /C calc'!A0`,
  domain: `@a,b"c.example`,
  segment: `+1 & </table><h1>x`,
  reason: `-1</td><svg onload=alert(1)>`,
  url: `https://shop.example/"onmouseover="alert(1)`,
};
const HOUR = Date.UTC(2026, 2, 2, 10);
let copies = 0;
function copy(campaign, arm, more = {}) {
  const id = ++copies;
  return (type, minutes, fields = {}) =>
    JSON.stringify({
      at_ms: HOUR + minutes * 60000,
      type,
      recipient: id.toString(16).padStart(32, "0"),
      copy: id.toString(16).padStart(16, "0"),
      campaign,
      arm,
      domain: id % 2 ? "one.example" : "two.example",
      segment: "loyal",
      source: "test",
      ...more,
      ...fields,
    });
}
function spring() {
  const lines = [];
  const eur = (value) => ({ value, currency: "EUR" });
  // 40 copies an arm; of b twice as many click.
  for (const [arm, clicks] of [["control", 8], ["b", 16]])
    for (let i = 0; i < 40; i++) {
      const e = copy("spring", arm);
      if (i % 10 === 0) lines.push(e("held", -30, { reason: "quiet_hours" }));
      lines.push(e("injected", i));
      if (i === 39) {
        lines.push(e("bounced", i + 1, { reason: "soft" }), e("bounced", i + 60, { reason: "hard" }));
        continue;
      }
      lines.push(e("delivered", i + 1));
      if (i < 20) lines.push(e("opened", i + 5, { class: "human" }), e("opened", i + 200, { class: "human" }));
      if (i === 3) lines.push(e("opened", i + 6, { class: "proxy", reason: "image-proxy" }));
      if (i === 20) lines.push(e("opened", i + 6)); // by nobody could tell whom
      if (i < clicks) {
        lines.push(e("clicked", i + 10, { class: "human", link: 1, url: "https://shop.example/a?b=c" }));
        lines.push(e("clicked", i + 11, { class: "human", link: 1, url: "https://shop.example/a?b=c" }));
        if (i % 2) lines.push(e("clicked", i + 12, { class: "human", link: 2, url: `https://shop.example/${i}` }));
      }
      if (i === 30) lines.push(e("clicked", i + 1, { class: "machine", reason: "burst", link: 1 }));
      if (i < 2) lines.push(e("converted", 300, eur(19.9)), e("converted", 301, { value: 5, currency: "CHF" }));
      if (i === 2) lines.push(e("purchased", 302, eur(7.25)));
      if (i === 5) lines.push(e("unsubscribed", 303, { class: "human" }));
      if (i === 6) lines.push(e("complained", 304));
    }
  lines.push(copy("spring", "b")("suppressed", 0, { reason: "cap" }));
  lines.push(copy("spring", "b")("suppressed", 0, { reason: "cap" }));
  lines.push(copy("spring", "control")("suppressed", 0, { reason: "consent" }));
  return lines;
}
function hostile() {
  const lines = [];
  for (let i = 0; i < 60; i++) {
    const arm = i < 50 ? HOSTILE.arm : HOSTILE.formula;
    const e = copy(HOSTILE.campaign, arm, { domain: HOSTILE.domain, segment: HOSTILE.segment });
    lines.push(e("injected", i));
    lines.push(e("clicked", i + 1, { class: "human", link: 1, url: HOSTILE.url }));
    lines.push(copy(HOSTILE.campaign, arm)("suppressed", 3, { reason: HOSTILE.reason }));
  }
  return lines;
}

await test("no database: says so", () => {
  const r = tool(["report", "spring"]);
  assert.equal(r.code, 66);
  assert.match(r.err, /no (database|such directory)/);
});

await test("a campaign without events: says so, and that is no failure", () => {
  ok(["profile", "import", "--format", "ndjson", "-"], '{"email":"a@b.example"}\n');
  assert.match(ok(["report", "spring"]), /^Campaign spring: no events yet\n$/);
  assert.match(ok(["report", "spring", "--since", "7d"]), /^Campaign spring: no events since 20/);
  assert.match(ok(["report"]), /^All campaigns: no events yet\n$/);
  const r = JSON.parse(ok(["report", "spring", "--json"]));
  assert.equal(r.first_hour, null);
  assert.equal(r.totals.sent.copies, 0);
  assert.equal(r.totals.rates.opened, null);
  assert.match(ok(["report", "spring", "--html", "-"]), /Nothing has happened yet/);
  assert.equal(ok(["report", "spring", "--csv", "--by", "domain"]).split("\r\n").length, 2);
});

await test("a campaign that nobody knows: an error that helps", () => {
  const r = tool(["report", "sprign"]);
  assert.equal(r.code, 64);
  assert.match(r.err, /no campaign "sprign" is configured.*did you mean "spring"/);
});

await test("command lines that make no sense", () => {
  for (const [args, says] of [
    [["--by", "domian"], /did you mean domain/],
    [["--by", "link"], /needs a campaign/],
    [["spring", "winter"], /one campaign/],
    [["--json", "--csv"], /one of/],
    [["--html", "x", "--by", "arm"], /shows everything/],
    [["--since", "yesterday"], /a time like/],
    [["--shares", "a=0"], /above 0/],
    [["--shares", "a"], /above 0/],
    [["--shares", "a=nan"], /above 0/],
  ]) {
    const r = tool(["report", ...args]);
    assert.equal(r.code, 64, args.join(" "));
    assert.match(r.err, says);
  }
});

ok(["events", "import", "-"], [...spring(), ...hostile()].join("\n"));

// What is not the same each time: when it was made.
const steady = (text) => text.replace(/("generated": )"[^"]*"/, '$1"2026-01-01T00:00:00Z"');
async function same(name, text) {
  const path = join(golden, name);
  if (process.env.UPDATE) writeFileSync(path, text);
  assert.equal(text, readFileSync(path, "utf8"));
}
await test("text: where no log was read, nought delivered is no finding", () => {
  const untold = /What was delivered is not known: .*mailtailor-maillog/;
  assert.match(ok(["report", HOSTILE.campaign]), untold);
  assert.doesNotMatch(ok(["report", "spring"]), untold);
});
await test("text, as it was", () => same("spring.txt", ok(["report", "spring"])));
await test("text by hour, as it was", () => same("spring-hour.txt", ok(["report", "spring", "--by", "hour"])));
await test("JSON, as it was", () => same("spring.json", steady(ok(["report", "spring", "--json"]))));
await test("CSV by arm, as it was", () => same("spring-arm.csv", ok(["report", "spring", "--csv", "--by", "arm"])));

await test("the figures are those of the events", () => {
  const t = JSON.parse(ok(["report", "spring", "--json", "--by", "link"]));
  const n = (figure) => [t.totals[figure].copies, t.totals[figure].events];
  assert.deepEqual(n("sent"), [80, 80]);
  assert.deepEqual(n("held"), [8, 8]);
  assert.deepEqual(n("suppressed"), [3, 3]);
  assert.deepEqual(n("bounced"), [2, 4]);
  assert.deepEqual(n("bounced_soft"), [2, 2]); // by the first
  assert.deepEqual(n("opened_human"), [40, 80]);
  assert.deepEqual(n("opened_unknown"), [2, 2]);
  assert.deepEqual(n("clicked_human"), [24, 60]);
  assert.equal(t.totals.rates.opened.rate, 42 / 80);
  assert.deepEqual(t.totals.revenue, [
    { currency: "CHF", converted: 20, purchased: 0 },
    { currency: "EUR", converted: 79.6, purchased: 14.5 },
  ]);
  assert.deepEqual(t.by.link.map((l) => [l.link, l.url, l.urls, l.clicked_human.copies, l.clicked_human.events]), [
    [1, "https://shop.example/a", 1, 24, 48],
    [2, "https://shop.example/13", 8, // the first by hash
      12, 12],
  ]);
  const b = t.comparison.arms[1];
  assert.equal(t.comparison.control, "control");
  assert.equal(b.arm, "b");
  assert.equal(b.clicked.test, "z");
  assert.ok(Math.abs(b.clicked.difference - 0.2) < 1e-9);
  assert.ok(Math.abs(b.clicked.p - 0.05091) < 1e-4); // z = 1.9518
  assert.equal(b.unsubscribed.test, "fisher");
  assert.equal(b.clicked.holm, b.clicked.p); // one comparison
  assert.ok(b.clicked.superior > 0.97 && b.clicked.superior < 0.98);
  assert.equal(t.comparison.sample_ratio.mismatch, false);
});

await test("another control, and shares", () => {
  const t = JSON.parse(ok(["report", "spring", "--json", "--control", "b"]));
  assert.equal(t.comparison.control, "b");
  assert.ok(Math.abs(t.comparison.arms[1].clicked.difference + 0.2) < 1e-9);
  const r = tool(["report", "spring", "--json", "--shares", "control=3,b=1"]);
  assert.equal(JSON.parse(r.out).comparison.sample_ratio.mismatch, true);
  assert.match(r.err, /warning: the arms are not as large/);
  assert.match(ok(["report", "spring", "--shares", "control=3,b=1"]), /WARNING: the arms are not as large/);
  assert.match(ok(["report", "spring", "--shares", "control=3,b=1", "--html", "-"]), /Do not trust the comparison/);
  assert.equal(tool(["report", "spring", "--control", "x"]).code, 65);
  assert.equal(tool(["report", "spring", "--shares", "control=1"]).code, 65);
  assert.equal(tool(["report", "spring", "--shares", "control=1,b=1,c=1"]).code, 65);
});

await test("--since is taken back to its hour; a rate of more than were sent is none", () => {
  const t = JSON.parse(ok(["report", "spring", "--json", "--since", "2026-03-02T13:10:00Z"]));
  assert.equal(t.since, "2026-03-02T13:00:00Z");
  assert.equal(t.totals.sent.copies, 0);
  assert.equal(t.totals.rates.converted, null);
  assert.equal(t.totals.purchased.copies, 2);
  assert.equal(JSON.parse(ok(["report", "spring", "--json", "--since", "2026-03-03"])).first_hour, null);
});

// ---- hostile names ----

function csv(text) {
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') cell += text[++i];
      else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"') quoted = true;
    else if (c === ",") { row.push(cell); cell = ""; }
    else if (c === "\n") { row.push(cell); rows.push(row); row = []; cell = ""; }
    else if (c !== "\r") cell += c;
  }
  assert.equal(cell, "");
  return rows;
}

await test("CSV: quoted, and no cell begins a formula", () => {
  for (const by of ["arm", "domain", "segment", "link", "campaign"]) {
    const rows = csv(ok(["report", HOSTILE.campaign, "--csv", "--by", by]));
    for (const row of rows) {
      assert.equal(row.length, rows[0].length);
      for (const cell of row) assert.doesNotMatch(cell, /^[=+@\t\r]|^-(?![0-9.]+$)/);
    }
  }
  const first = (by) => csv(ok(["report", HOSTILE.campaign, "--csv", "--by", by])).slice(1).map((row) => row[0]);
  assert.deepEqual(first("arm").sort(), [HOSTILE.arm, `'${HOSTILE.formula}`].sort());
  assert.ok(first("domain").includes(`'${HOSTILE.domain}`));
  assert.ok(first("segment").includes(`'${HOSTILE.segment}`));
  assert.deepEqual(csv(ok(["report", HOSTILE.campaign, "--csv"]))[1][0], `'${HOSTILE.campaign}`);
});

function elements(node, found = []) {
  for (const child of node.childNodes ?? []) {
    if (child.tagName) found.push(child);
    elements(child, found);
  }
  return found;
}
const textOf = (node) => (node.value ?? "") + (node.childNodes ?? []).map(textOf).join("");

const KNOWN = new Set(
  `html head meta title style body header h1 small p main div ul li section h2 h3 table caption thead tbody tr th td svg rect
  line circle path text tspan strong span bdi details summary dl dt dd footer br`.split(/\s+/),
);
const ATTRIBUTES = new Set(
  `lang charset http-equiv content name class id aria-label aria-labelledby aria-hidden role scope colspan tabindex width height
  x y x1 x2 y1 y2 cx cy r rx d viewBox text-anchor`.split(/\s+/),
);
await test("HTML: one page without errors, scripts or anything from elsewhere; names are text", () => {
  for (const args of [["spring"], [HOSTILE.campaign], []]) {
    const file = join(dir, "page.html");
    ok(["report", ...args, "--html", file]);
    assert.equal(statSync(file).mode & 0o777, 0o666 & ~process.umask());
    const page = readFileSync(file, "utf8");
    const errors = [];
    const tree = parse(page, { onParseError: (e) => errors.push(e), sourceCodeLocationInfo: true });
    assert.deepEqual(errors.map((e) => `${e.code} in line ${e.startLine}`), []);
    const found = elements(tree);
    const ids = found.flatMap((e) => e.attrs.filter((a) => a.name === "id").map((a) => a.value));
    assert.equal(new Set(ids).size, ids.length);
    for (const e of found) {
      assert.ok(KNOWN.has(e.tagName), e.tagName);
      for (const a of e.attrs) {
        assert.ok(ATTRIBUTES.has(a.name), `${e.tagName} ${a.name}`);
        if (a.name === "aria-labelledby") assert.ok(ids.includes(a.value), a.value);
        assert.doesNotMatch(a.value, /https?:|javascript:|url\(/);
      }
    }
    assert.doesNotMatch(textOf(found.find((e) => e.tagName === "style")), /https?:|url\(|@import/);
    assert.doesNotMatch(page, /\b(nan|inf)\b/i);
    if (args[0] !== HOSTILE.campaign) continue;
    const names = found.filter((e) => e.tagName === "bdi").map(textOf);
    for (const name of Object.values(HOSTILE)) assert.ok(names.includes(name), name);
    assert.equal(textOf(found.find((e) => e.tagName === "title")), `${HOSTILE.campaign} – campaign report`);
  }
});

async function inBrowser(look) {
  const browser = await launch();
  try {
    await look(browser);
  } finally {
    await browser.close();
  }
}
await test("the page in a browser: on a telephone it scrolls down only, words stay whole, light and dark can be read", async () => {
  await inBrowser(async (browser) => {
    for (const [args, options] of [
      [["spring"], { ...PHONE, colorScheme: "light" }],
      [["spring", "--shares", "control=3,b=1"], { viewport: { width: 1200, height: 800 }, colorScheme: "dark" }],
      [[HOSTILE.campaign], { ...PHONE, colorScheme: "dark" }],
      [[], { viewport: { width: 1200, height: 800 }, colorScheme: "light" }],
    ]) {
      const file = join(dir, "shown.html");
      assert.equal(tool(["report", ...args, "--html", file]).code, 0);
      const page = await (await context(browser, options)).newPage();
      const complaints = [];
      page.on("console", (m) => complaints.push(m.text()));
      page.on("requestfailed", (r) => complaints.push(r.url()));
      await page.goto(`file://${file}`);
      assert.deepEqual(complaints, [], args.join(" "));
      const seen = await page.evaluate(() => ({
        sideways: document.documentElement.scrollWidth - innerWidth,
        // Wide tables scroll in a box of their own, which the keyboard reaches.
        boxes: [...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth && e.tabIndex !== 0).length,
        charts: [...document.querySelectorAll("svg")].filter((e) => e.closest("details") === null && e.getBoundingClientRect().width < 30).length,
        torn: [...document.querySelectorAll("tbody th[scope=row]")]
          .filter((e) => e.querySelector("bdi") === null && e.getClientRects().length && e.getBoundingClientRect().height > 110)
          .map((e) => e.textContent),
      }));
      assert.deepEqual(seen, { sideways: 0, boxes: 0, charts: 0, torn: [] }, args.join(" "));
      const contrast = await faint(page);
      assert.ok(contrast.seen > 50);
      assert.deepEqual(contrast.bad, []);
      await page.close();
    }
  });
});

await test("JSON and text hold such names, too", () => {
  const t = JSON.parse(ok(["report", HOSTILE.campaign, "--json"]));
  assert.equal(t.campaign, HOSTILE.campaign);
  assert.deepEqual(t.by.arm.map((a) => a.arm), [HOSTILE.arm, HOSTILE.formula]);
  assert.equal(t.reasons.find((r) => r.type === "suppressed").reason, HOSTILE.reason);
  assert.equal(t.comparison.sample_ratio.mismatch, true); // 50 beside 10
  assert.match(ok(["report", HOSTILE.campaign]), /alert/);
});

await test("a file that cannot be written: an error, and nothing left behind", () => {
  const r = tool(["report", "spring", "--html", join(dir, "none/page.html")]);
  assert.equal(r.code, 73);
  assert.match(r.err, /none\/page\.html/);
});

// ---- many events, counted twice ----

const FIGURES = {
  injected: "sent", held: "held", suppressed: "suppressed", failed: "failed", delivered: "delivered",
  deferred: "deferred", bounced: "bounced", converted: "converted", purchased: "purchased", viewed: "viewed",
  unsubscribed: "unsubscribed", complained: "complained", "auto-reply": "auto_replied",
};
// What is the copy's first, and its first of that link; and what takes a first back, which came no more than a minute
// before. In the order of the log.
function judge(events) {
  const copies = new Map(); // copy, type, class → link → when
  for (const e of events) {
    const back = e.type === "reclassified";
    const type = !back ? e.type : e.link === null ? "opened" : "clicked";
    const key = `${e.copy} ${type} ${back ? "human" : e.class}`;
    const at = Math.floor(Date.parse(e.at) / 1000);
    if (!copies.has(key)) copies.set(key, new Map());
    const firsts = copies.get(key);
    if (back) {
      e.firstOfLink = firsts.has(e.link) && Math.abs(at - firsts.get(e.link)) <= 60;
      if (e.firstOfLink) firsts.delete(e.link);
      e.first = e.firstOfLink && firsts.size === 0;
    } else {
      e.first = firsts.size === 0;
      e.firstOfLink = !firsts.has(e.link);
      if (e.firstOfLink) firsts.set(e.link, at);
    }
  }
}
class Group {
  figures = {};
  money = {};
  count(name, copies, events) {
    const f = (this.figures[name] ??= { copies: 0, events: 0 });
    f.copies += copies;
    f.events += events;
  }
  add(e, link) {
    const first = Number(link ? e.firstOfLink : e.first);
    if (e.type === "reclassified") {
      const type = e.link === null ? "opened" : "clicked";
      this.count(`${type}_human`, -first, -1);
      this.count(`${type}_machine`, 0, 1);
      return;
    }
    const names = e.type === "opened" || e.type === "clicked" ? [`${e.type}_${e.class}`] : [FIGURES[e.type]];
    if (e.type === "bounced") names.push(`bounced_${e.reason}`);
    for (const name of names) this.count(name, first, 1);
    if (e.currency) this.money[e.currency] = (this.money[e.currency] ?? 0n) + BigInt(Math.round(e.value * 1e6));
  }
  figure(name) {
    const { copies, events } = this.figures[name] ?? { copies: 0, events: 0 };
    return { copies: Math.max(0, copies), events: Math.max(0, events) };
  }
}
function compare(reported, counted, what) {
  for (const [name, f] of Object.entries(reported)) {
    if (f === null || f.copies === undefined) continue;
    assert.deepEqual(f, counted.figure(name), `${what}: ${name}`);
  }
  for (const name of Object.keys(counted.figures)) assert.ok(reported[name], name);
  const money = Object.fromEntries(reported.revenue.map((m) => [m.currency, BigInt(Math.round(m.converted * 1e6))]));
  assert.deepEqual(money, counted.money, `${what}: revenue`);
}

const KEYS = {
  arm: (e) => e.arm,
  domain: (e) => e.domain,
  segment: (e) => e.segment,
  campaign: (e) => e.campaign,
  hour: (e) => `${e.at.slice(0, 13)}:00:00Z`,
  link: (e) => (e.link === null ? undefined : e.link),
};

state("large", "1G");
await test("100,000 events: every figure of every table is what the log says", () => {
  const lines = spawnSync(join(build, "tests/event-lines"), ["100000", "7", "4"], { maxBuffer: 1 << 28 });
  assert.equal(lines.status, 0);
  assert.match(ok(["events", "import", "-", "--format", "csv"], lines.stdout), /^100000 events imported/);
  assert.match(ok(["events", "verify"]), /all agrees/);
  // Uniqueness is counted anew, too: by copies that were seen, in the order of the log.
  const events = ok(["events", "export"]).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(events.length, 100000);
  judge(events);
  assert.ok(events.filter((e) => e.type === "reclassified" && e.first).length > 100);
  let compared = 0;
  for (const campaign of ["campaign-01", null]) {
    const mine = campaign ? events.filter((e) => e.campaign === campaign) : events;
    assert.ok(mine.length > 20000);
    const total = new Group();
    for (const e of mine) total.add(e);
    for (const [by, key] of Object.entries(KEYS)) {
      if (by === "link" && !campaign) continue;
      const r = JSON.parse(ok(["report", ...(campaign ? [campaign] : []), "--json", "--by", by]));
      compare(r.totals, total, "totals");
      const groups = new Map();
      for (const e of mine) {
        const k = key(e);
        if (k === undefined) continue;
        if (!groups.has(k)) groups.set(k, new Group());
        groups.get(k).add(e, by === "link");
      }
      assert.equal(r.by[by].length, groups.size, by);
      for (const g of r.by[by]) {
        compare(g, groups.get(g[by]), `${by} ${g[by]}`);
        compared++;
      }
    }
    const reasons = new Map();
    for (const e of mine.filter((x) => x.reason)) {
      const k = `${e.type} ${e.class} ${e.reason}`;
      reasons.set(k, (reasons.get(k) ?? 0) + 1);
    }
    const r = JSON.parse(ok(["report", ...(campaign ? [campaign] : []), "--json"]));
    assert.equal(r.reasons.length, reasons.size);
    for (const x of r.reasons) assert.equal(x.events, reasons.get(`${x.type} ${x.class} ${x.reason}`));
  }
  assert.ok(compared > 5000, `${compared} groups compared`);
});

done();
