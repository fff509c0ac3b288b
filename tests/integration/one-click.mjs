// RFC 8058 through nginx with TLS, as a mailbox provider asks: one POST to the URL of List-Unsubscribe, in both encodings, over
// HTTP/1.1 and HTTP/2, and what the proxy must not do on the way.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { World } from "./harness.mjs";
import { field, links, pixels } from "./mail.mjs";
import { Nginx } from "./nginx.mjs";
import { done, test } from "./tap.mjs";

const BROWSER = ["--user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"];
const world = await World.start({
  conf: `campaign spring { category = promo match_sender = { "spring@shop.example" } }
shop webshop { }`,
  signer: true,
  track: "rate = 600",
});
const nginx = new Nginx(world.dir);
await nginx.start(world.trackd.listen);

async function copyFor(to) {
  const mail = await world.copy({ from: "spring@shop.example", to, subject: "Sale", text: "Sale", html: '<a href="https://shop.example/sale">sale</a>' });
  return {
    raw: world.sink.of(to).at(-1).raw,
    fields: { url: field(mail, "list-unsubscribe"), post: field(mail, "list-unsubscribe-post") },
    click: links(mail.html)[0],
    open: pixels(mail.html, "https://t.shop.example")[0],
    unsubscribe: /<(https:[^>]+)>/.exec(field(mail, "list-unsubscribe"))[1],
  };
}
const suppressed = (address) => world.mt("suppress", "list", address, "--json").includes('"promo"');
const events = () => world.mt("events", "export").split("\n").filter(Boolean).map((line) => JSON.parse(line));

const ENCODINGS = { urlencoded: ["--data", "List-Unsubscribe=One-Click"], multipart: ["--form", "List-Unsubscribe=One-Click"] };
for (const [version, flag] of [["1.1", "--http1.1"], ["2", "--http2"]])
  for (const [encoding, args] of Object.entries(ENCODINGS))
    await test(`one-click, ${encoding}, over TLS and HTTP/${version}: 200, no redirect, no cookie, and it holds at once`, async () => {
      const to = `${encoding}.${version.replace(".", "-")}@one.example`;
      const copy = await copyFor(to);
      const answer = await nginx.curl(copy.unsubscribe, flag, ...args);
      assert.equal(answer.version, version);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.location, undefined);
      assert.equal(answer.headers["set-cookie"], undefined);
      assert.equal(answer.headers["cache-control"], "no-store, private");
      assert.ok(suppressed(to));
      const { hash } = JSON.parse(world.mt("profile", "export", to));
      const mine = events().filter((e) => e.type === "unsubscribed" && e.recipient.startsWith(hash));
      assert.deepEqual(mine.map((e) => e.reason), ["one-click"]);
    });

await test("what the one click needs is in the copy, and DKIM covers it", async () => {
  const { raw, fields } = await copyFor("dkim@one.example");
  assert.match(fields.url, /^<https:\/\/t\.shop\.example\/u\/[\w-]+>/);
  assert.equal(fields.post, "List-Unsubscribe=One-Click");
  const { result, headers } = await world.signer.verify(raw);
  assert.equal(result, "pass");
  for (const name of ["list-unsubscribe", "list-unsubscribe-post"]) assert.ok(headers.includes(name), `${name} is not signed`);
});

await test("a GET or HEAD by way of the proxy unsubscribes nobody; a foreign POST neither", async () => {
  const to = "looker@one.example";
  const copy = await copyFor(to);
  for (const args of [[], ["--head"], ["--http1.1", "--head"]]) assert.equal((await nginx.curl(copy.unsubscribe, ...args)).status, 200);
  assert.equal((await nginx.curl(copy.unsubscribe, "--data", "x=y")).status, 400);
  assert.ok(!suppressed(to));
});

await test("pixel and redirect come through as they are, once each, and the client's address is the proxy's word", async () => {
  const copy = await copyFor("through@one.example");
  const followed = () => events().filter((e) => e.type === "opened" || e.type === "clicked");
  const before = followed().length;
  const open = await nginx.curl(copy.open, ...BROWSER);
  assert.equal(open.status, 200);
  assert.equal(open.headers["content-type"], "image/gif");
  assert.equal(open.body.subarray(0, 6).toString(), "GIF89a");
  const click = await nginx.curl(copy.click, ...BROWSER, "--header", "X-Forwarded-For: 203.0.113.77");
  assert.equal(click.status, 302);
  assert.equal(click.headers.location, "https://shop.example/sale");
  const fresh = followed().slice(before);
  assert.deepEqual(fresh.map((e) => e.type).sort(), ["clicked", "opened"]);
  // What the client says of itself would make another client of it.
  const [a, b] = fresh.map((e) => (typeof e.details === "string" ? JSON.parse(e.details) : e.details).client);
  assert.equal(a, b);
});

await test("plain http leads to https, a POST with its method and body", async () => {
  const to = "plain@one.example";
  const copy = await copyFor(to);
  const http = copy.unsubscribe.replace("https:", "http:");
  const answer = await nginx.curl(http, ...ENCODINGS.urlencoded);
  assert.equal(answer.status, 308);
  assert.equal(answer.headers.location, copy.unsubscribe);
  assert.ok(!suppressed(to));
});

const large = join(world.dir, "large");
writeFileSync(large, "x".repeat(1100000));
await test("the longest token comes through; what is too large does not; the private pages are not there", async () => {
  assert.equal((await nginx.curl(`https://t.shop.example/c/${"A".repeat(11000)}`)).status, 404);
  assert.equal((await nginx.curl("https://t.shop.example/v1/events", "--data-binary", `@${large}`)).status, 413);
  for (const path of ["metrics", "healthz", "readyz"]) assert.equal((await nginx.curl(`https://t.shop.example/${path}`)).status, 404, path);
});

await test("no token is in a log of the proxy's", () => {
  assert.equal(nginx.accessLog(), "");
});

await nginx.stop();
await world.stop();
done();
