import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { PHONE, context, faint, focused, launch, smallTargets, unlabelled, width } from "./browser.mjs";
import { World, build, root, timeLimit } from "./harness.mjs";
import { done, test } from "./tap.mjs";

timeLimit(400);
const LANGUAGES = readdirSync(join(root, "conf/pages/text")).map((file) => file.replace(/\.json$/, ""));
const LONG = "a-kind-of-mail-with-a-name-that-is-as-long-as-names-may-ever-be";
const world = await World.start({
  postfix: false,
  conf: `campaign spring { category = promo }
campaign weekly { category = news }
campaign long { category = ${LONG} }`,
  track: "rate = 0",
});
const { trackd } = world;
const base = `http://127.0.0.1:${trackd.listen}`;
const browser = await launch();

let number = 0;
/** The pages of a recipient of his own: { address, unsubscribe, preferences } */
function somebody(category = "promo") {
  const out = execFileSync(join(build, "tests/mint"), [join(world.dir, "keys"), "spring", category, "pages.example", String(++number), "1"], { encoding: "utf8" });
  const [, , , , unsubscribe, preferences] = out.trim().split(" ");
  return { address: `${number}@pages.example`, unsubscribe: base + unsubscribe, preferences: base + preferences };
}
const held = ({ address }) => JSON.parse(world.mt("profile", "export", address));
const consent = (who, topic) => held(who).consents.find((c) => c.topic === topic)?.state;
const suppressed = (who) => held(who).suppressions.map((s) => s.category);

/** Runs body with a page, in a network of its own; more: of its context. */
let visits = 0;
async function visit(more, body) {
  const own = await context(browser, { extraHTTPHeaders: { "x-forwarded-for": `198.51.${++visits}.1` }, ...more });
  try {
    return await body(await own.newPage());
  } finally {
    await own.close();
  }
}

// ---- by keyboard alone ----

/** Presses Tab until the focus is on name (and value); each stop on the way is seen. Returns the stops. */
async function tabTo(page, name, value) {
  const stops = [];
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    if (at.is === undefined) continue;
    assert.deepEqual(at.hidden, [], `one does not see the focus on ${at.is}`);
    stops.push(at.is);
    if (at.is === name && (value === undefined || at.value === value)) return stops;
  }
  assert.fail(`Tab does not reach ${name}: ${stops.join(", ")}`);
}

for (const colorScheme of ["light", "dark"])
  await test(`by keyboard alone, ${colorScheme}: unsubscribe, from one kind and from all`, async () => {
    for (const all of [false, true])
      await visit({ colorScheme }, async (page) => {
        const who = somebody();
        await page.goto(who.unsubscribe);
        assert.deepEqual(suppressed(who), [], "looking changes nothing");
        assert.deepEqual(await tabTo(page, "all"), ["all"], "the first stop is the first question");
        if (all) await page.keyboard.press("ArrowDown");
        assert.deepEqual(await tabTo(page, "confirm"), ["confirm"], "the button comes next");
        await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
        assert.equal(await page.textContent("h1"), "You are unsubscribed");
        assert.deepEqual(suppressed(who), [all ? "" : "promo"]);
      });
  });

await test("by keyboard alone: preferences are chosen, saved, and there when one comes again", async () => {
  await visit({}, async (page) => {
    const who = somebody();
    await page.goto(who.preferences);
    await tabTo(page, "category", "promo");
    await page.keyboard.press("Space"); // off
    await tabTo(page, "often");
    await page.keyboard.press("ArrowDown"); // a week
    await tabTo(page, "tracking");
    await page.keyboard.press("Space");
    await page.keyboard.press("ArrowDown"); // no
    await tabTo(page, "save");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.equal(await page.textContent("h1"), "Saved");
    assert.deepEqual([consent(who, "mail:promo"), consent(who, "mail:news"), consent(who, "at-most:week"), consent(who, "tracking")], ["denied", "granted", "granted", "denied"]);
    await page.goto(who.preferences);
    const checked = await page.evaluate(() => [...document.querySelectorAll("input:checked")].map((e) => `${e.name}=${e.value}`));
    assert.deepEqual(checked, ["category=news", `category=${LONG}`, "often=week", "tracking=no"]);
  });
});

await test("by keyboard alone: the data are downloaded by Enter in the field, and erased by the other button", async () => {
  await visit({ acceptDownloads: true }, async (page) => {
    const who = somebody();
    world.profiles({ [who.address]: { first_name: "Ada" } });
    await page.goto(who.preferences);
    await tabTo(page, "address");
    await page.keyboard.type(who.address);
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    assert.equal(download.suggestedFilename(), "my-data.json");
    assert.equal(JSON.parse(readFileSync(await download.path(), "utf8")).profile.first_name, "Ada");
    await tabTo(page, "erase");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.equal(await page.textContent("h1"), "Your data is deleted");
    assert.equal(held(who).profile, null);
  });
});

await test("a wrong address: the page says so, and one link leads back into the field", async () => {
  await visit({}, async (page) => {
    const who = somebody();
    await page.goto(who.preferences);
    await page.fill("#address", "somebody@else.example");
    await Promise.all([page.waitForNavigation(), page.click("button[name=erase]")]);
    assert.equal(await page.textContent("h1"), "Nothing was done");
    await page.keyboard.press("Tab");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.match(page.url(), /\/p\/[\w-]+\?again#address$/);
    assert.equal(await page.textContent("h1"), "Your e-mail settings");
  });
});

await test("an empty address is asked for by the browser, not sent", async () => {
  await visit({}, async (page) => {
    const who = somebody();
    const posts = [];
    page.on("request", (request) => request.method() === "POST" && posts.push(request.url()));
    await page.goto(who.preferences);
    await page.click("button[name=erase]");
    assert.equal(await page.evaluate(() => document.activeElement.id), "address");
    assert.deepEqual(posts, []);
  });
});

// ---- on a telephone, in every language ----

const ENGLISH = JSON.parse(readFileSync(join(root, "conf/pages/text/en.json"), "utf8"));

/** What holds of every page. */
async function look(page, language, texts, heading) {
  assert.equal(await page.getAttribute("html", "lang"), language);
  assert.equal(await page.title(), texts.title);
  assert.equal(await page.textContent("h1"), texts[heading]);
  const words = await page.textContent("body");
  assert.doesNotMatch(words, /\{\{|undefined|null/);
  assert.equal(await page.locator("h1").count(), 1);
  assert.equal(await page.locator("main").count(), 1);
  assert.deepEqual(await width(page), { scrolls: 0, wide: [] }, "nothing sticks out");
  assert.deepEqual(await smallTargets(page), [], "a thumb hits everything");
  assert.deepEqual(await unlabelled(page), []);
  const { seen, bad } = await faint(page);
  assert.ok(seen > 1);
  assert.deepEqual(bad, [], "contrast");
}

for (const language of LANGUAGES)
  await test(`${language}: every page on a telephone, light and dark: language, labels, contrast, targets, no sideways scrolling; taps do what they say`, async () => {
    const texts = JSON.parse(readFileSync(join(root, "conf/pages/text", `${language}.json`), "utf8"));
    assert.deepEqual(Object.keys(texts).sort(), Object.keys(ENGLISH).sort(), "every text is there");
    if (language !== "en") for (const [key, text] of Object.entries(texts)) assert.ok(text !== ENGLISH[key] || text.length < 4, `${key} is English`);
    for (const colorScheme of ["light", "dark"])
      await visit({ ...PHONE, colorScheme, locale: language }, async (page) => {
        const who = somebody(LONG);
        const failed = [];
        page.on("requestfailed", (request) => failed.push(request.url()));
        page.on("request", (request) => assert.ok(request.url().startsWith(base), "nothing is loaded from elsewhere"));
        const tap = (selector) => Promise.all([page.waitForNavigation(), page.tap(selector)]);
        await page.goto(who.unsubscribe);
        await look(page, language, texts, "unsubscribe_heading");
        await tap(".links a");
        await look(page, language, texts, "preferences_heading");
        await page.tap("input[value=month]");
        await tap("button[name=save]");
        await look(page, language, texts, "saved_heading");
        assert.equal(consent(who, "at-most:month"), "granted");
        await page.goto(who.preferences);
        await page.fill("#address", "not@mine.example");
        await tap("button[name=export]");
        await look(page, language, texts, "wrong_address_heading");
        await page.goto(who.unsubscribe);
        await page.tap("label:nth-of-type(2)");
        await tap("button[name=confirm]");
        await look(page, language, texts, "unsubscribed_heading");
        assert.deepEqual(suppressed(who), [""]);
        await page.goto(who.preferences);
        await page.fill("#address", who.address);
        await tap("button[name=erase]");
        await look(page, language, texts, "erased_heading");
        for (let i = 0; i < 6; i++) {
          await page.goto(who.preferences);
          await page.fill("#address", "not@mine.example");
          await tap("button[name=export]");
        }
        await look(page, language, texts, "tries_heading");
        await page.goto(`${base}/u/none`);
        await look(page, language, texts, "not_found_heading");
      });
  });

await test("at 200 % and with the reader's larger text nothing sticks out either", async () => {
  await visit({ viewport: { width: 320, height: 600 } }, async (page) => {
    const who = somebody(LONG);
    for (const url of [who.unsubscribe, who.preferences]) {
      await page.goto(url);
      await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
      assert.deepEqual(await width(page), { scrolls: 0, wide: [] });
    }
  });
});

await browser.close();
await world.stop();
done();
