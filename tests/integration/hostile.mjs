import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { TRACK, World, build, corpus, slow } from "./harness.mjs";
import { assertTailored, elements, field, fields, links, read, split, textOf } from "./mail.mjs";
import { done, test } from "./tap.mjs";

const PROBE = join(build, "tests/plugins/probe.so");
const INJECTIONS = {
  crlf: "Eve\r\nBcc: victim@evil.example\r\n\r\nbody of mine",
  lf: "Eve\nBcc: victim@evil.example\n\nbody of mine",
  cr: "Eve\rBcc: victim@evil.example",
  separators: "Eve\u2028Bcc: v\u2029Bcc: w\u0085Bcc: x\u000bBcc: y\u000cBcc: z",
  word: "=?utf-8?Q?Eve=0D=0ABcc:_victim@evil.example?=",
  fold: "Eve\r\n Bcc: victim@evil.example\r\n\t",
  quotes: 'Eve" <eve@evil.example>, "x',
  angle: "Eve <eve@evil.example>",
  comment: "Eve (((( \\",
  long: `${"Eve ".repeat(2000)}end`,
  unbroken: "E".repeat(5000),
  script: "<script>alert(1)</script>",
  markup: `"><img src=x onerror=alert(1)>' onmouseover='alert(1)`,
  entity: "&lt;script&gt;&#60;b&#62;&amp;",
  tags: "{{unsubscribe_url}}{{#each x}}{{/if}}",
};
const URLS = {
  plain: "javascript:alert(1)",
  mixed: "  JaVaScRiPt:alert(1)",
  broken: "java\tscr\nipt:alert(1)",
  control: "\u0001javascript:alert(1)",
  entity: "&#106;avascript&colon;alert(1)",
  percent: "javascript%3Aalert(1)",
  data: "data:text/html,<script>alert(1)</script>",
  vb: "vbscript:msgbox(1)",
  quote: `https://shop.example/"onmouseover="alert(1)`,
  space: "https://shop.example/ onmouseover=alert(1)",
  markup: "https://shop.example/><script>alert(1)</script>",
};
const profiles = {};
for (const [name, value] of Object.entries(INJECTIONS)) profiles[`i-${name}@customers.example`] = { first_name: value, name: value };
for (const [name, value] of Object.entries(URLS)) profiles[`u-${name}@customers.example`] = { link: value };
profiles["block@customers.example"] = { block: '<b>bold</b> <a href="javascript:alert(1)">x</a> <a href="https://shop.example/b">y</a>' };

const world = await World.start({
  profiles,
  conf: `
plugin sleepy { path = "${PROBE}" deadline = ${50 * slow}ms options { mode = "sleep" ms = "2500" name = "mood" } }
plugin broken { path = "${PROBE}" deadline = 5s options { mode = "fail" name = "mood" } }
plugin greedy { path = "${PROBE}" deadline = 5s options { mode = "big" } }
plugin evil { path = "${PROBE}" deadline = 5s options { mode = "ok" name = "mood" value = "<script>evil</script>" } }
campaign spring { category = promo unsubscribe_mailto = "u@shop.example" }
campaign late { category = promo personalizers = { sleepy } defaults { mood = "calm" } }
campaign fails { category = promo personalizers = { broken, greedy } defaults { mood = "calm" } }
campaign script { category = promo personalizers = { evil } }
`,
});
const headers = { "X-Mailtailor-Campaign": "spring" };
const HTML = `<html><head><title>{{first_name}}</title></head><body><p id=one title="{{first_name}}" class='{{first_name}}'>Hi {{first_name}}!</p>
<p id=two>{{first_name}}<a href="https://shop.example/?n={{first_name}}">x</a></p></body></html>`;

await test("a name with line ends, quotes, markup or tags stays a name: header, text and HTML keep their shape", async () => {
  const usual = await world.copy({ to: "usual@customers.example", from: '"Shop of {{first_name}}" <news@shop.example>', replyTo: "{{first_name}} <re@shop.example>",
    envelope: { from: "news@shop.example", to: "usual@customers.example" }, subject: "Hi {{first_name}}", text: "Hi {{first_name}}.", html: HTML,
    headers: { ...headers, "X-Of": "{{first_name}}", "X-Mailtailor-Data": '{"first_name": "Usual"}' } });
  const shape = (copy) => copy.headerLines.map((line) => line.key).sort().join(" ");
  const dom = (copy) => [...elements(copy.html)].map((e) => `${e.name} ${Object.keys(e.attrs).sort()}`).join("\n");
  for (const [name, value] of Object.entries(INJECTIONS)) {
    const to = `i-${name}@customers.example`;
    const copy = await world.copy({ to, from: '"Shop of {{first_name}}" <news@shop.example>', replyTo: "{{first_name}} <re@shop.example>",
      envelope: { from: "news@shop.example", to }, subject: "Hi {{first_name}}", text: "Hi {{first_name}}.", html: HTML,
      headers: { ...headers, "X-Of": "{{first_name}}" } });
    assert.equal(shape(copy), shape(usual), `${name}: header fields`);
    assert.equal(dom(copy), dom(usual), `${name}: elements and attributes`);
    for (const [field_, address] of [["from", "news@shop.example"], ["replyTo", "re@shop.example"], ["to", to]])
      assert.deepEqual(copy[field_].value.map((v) => v.address), [address], `${name}: ${field_}`);
    assert.deepEqual(world.sink.of(to)[0].to, [to]);
    for (const line of split(copy.raw).head.split("\r\n")) assert.ok(line.length <= 998 && !/[\r\n\0]/.test(line), `${name}: header line`);
    assert.ok(copy.subject.startsWith("Hi ") && !/[\r\n]/.test(copy.subject), name);
    const byId = Object.fromEntries([...elements(copy.html)].filter((e) => e.attrs.id).map((e) => [e.attrs.id, e]));
    const squeezed = (s) => s.replace(/[\s\u0085\u2028\u2029]+/g, " ").replace(" !", "!"); // no gap before a sign
    assert.equal(squeezed(textOf(byId.one.node)), squeezed(`Hi ${value}!`), `${name}: text of HTML`);
    if (!/[\r\n]/.test(value)) assert.equal(squeezed(byId.one.attrs.title), squeezed(value), `${name}: attribute`);
    const link = links(copy.html)[0]; // too long for a token: left as it is
    assert.match(link.startsWith(`${TRACK}/`) ? world.token(link).url : link, /^https:\/\/shop\.example\/\?n=[^\s<>"]*$/, `${name}: URL`);
  }
});

await test("subjects that need no folding survive exactly, encoded words of the attacker are shown, not decoded", async () => {
  for (const name of ["word", "quotes", "script", "tags", "comment", "entity"]) {
    const copy = await read(world.sink.of(`i-${name}@customers.example`)[0]);
    assert.equal(copy.subject, `Hi ${INJECTIONS[name]}`, name);
  }
});

await test("a link from a profile never becomes a script, in quotes of either kind or none", async () => {
  const html = `<html><body><a id=a href="{{link}}">a</a><a id=b href='{{link}}'>b</a><a id=c href={{link}}>c</a><img id=d src="{{link}}" alt=x>
<form id=e action="{{link}}"></form><a id=f href="{{{link}}}">f</a><a id=g href="https://shop.example/?u={{link}}">g</a></body></html>`;
  for (const name of Object.keys(URLS)) {
    const copy = await world.copy({ to: `u-${name}@customers.example`, subject: "s", html, headers });
    const all = [...elements(copy.html)];
    assert.equal(all.filter((e) => e.name === "script").length, 0, `${name}: no script`);
    assert.ok(!all.some((e) => Object.keys(e.attrs).some((attr) => attr.startsWith("on"))), `${name}: no event handler`);
    for (const e of all.filter((el) => /^[a-g]$/.test(el.attrs.id ?? ""))) {
      const url = e.attrs.href ?? e.attrs.src ?? e.attrs.action ?? "";
      // What a browser would make of it.
      assert.equal(new URL(url, "https://reader.example/").protocol, "https:", `${name}, ${e.attrs.id}: ${url}`);
      if (url.startsWith("https://t.")) assert.match(world.token(url).url, /^https?:\/\//, `${name}, ${e.attrs.id}`);
    }
  }
});

await test("markup that a template prints raw: its links are wrapped, its script links go nowhere", async () => {
  const copy = await world.copy({ to: "block@customers.example", subject: "s", html: "<html><body>{{{block}}}</body></html>", headers });
  const [bad, good] = links(copy.html);
  assert.equal(bad, "#");
  assert.equal(world.token(good).url, "https://shop.example/b");
});

await test("a plugin that is late or fails costs its own variables: fallback content, the mail in time, a line in the log", async () => {
  const started = Date.now();
  const before = world.daemon.log().length;
  const late = await world.copy({ to: "late@customers.example", subject: "s {{mood}}", text: "x", headers: { "X-Mailtailor-Campaign": "late" } });
  assert.ok(Date.now() - started < 2000 * slow, `${Date.now() - started} ms`);
  assert.equal(late.subject, "s calm");
  const failed = await world.copy({ to: "fails@customers.example", subject: "s {{mood}} {{fine}}", text: "x", headers: { "X-Mailtailor-Campaign": "fails" } });
  assert.equal(failed.subject.trim(), "s calm");
  const log = world.daemon.log().slice(before);
  assert.match(log, /campaign=late plugin=sleepy: /);
  assert.match(log, /campaign=fails plugin=broken: .*the parrot is dead/);
  assert.match(log, /campaign=fails plugin=greedy: /);
  const script = await world.copy({ to: "script@customers.example", subject: "{{mood}}", html: "<html><body>{{mood}}</body></html>", headers: { "X-Mailtailor-Campaign": "script" } });
  assert.ok(![...elements(script.html)].some((e) => e.name === "script"));
});

/** Messages no mailer would send. */
function* nasty() {
  const head = "From: a@shop.example\r\nTo: b@friends.example\r\nSubject: s\r\nMessage-ID: <n@x>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";
  const deep = (n) => Array.from({ length: n }, (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`).join("");
  yield ["multipart 2000 deep", `${head}${deep(2000)}Content-Type: text/plain\r\n\r\n{{x}}\r\n`];
  yield ["message/rfc822 3000 deep", head + "Content-Type: message/rfc822\r\n\r\n".repeat(3000) + "\r\n{{x}}\r\n"];
  yield ["20000 parts", `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${"--b\r\n\r\n{{x}}\r\n".repeat(20000)}--b--\r\n`];
  yield ["a boundary of one quote", `${head}Content-Type: multipart/mixed; boundary="\\""\r\n\r\n--"\r\n\r\n{{x}}\r\n--"--\r\n`];
  yield ["comments", `${head}Content-Type: ${"(".repeat(900)}\r\n ${"(".repeat(900)}text/html${")".repeat(900)}\r\n\r\n<a href="{{x}}">\r\n`];
  // Postfix itself cuts a field somewhere behind 60 KB, not always at the same place.
  yield ["a header of 50 KB", `${head}X-Long: ${"abc {{x}}\r\n ".repeat(4500)}end\r\n\r\n{{x}}\r\n`];
  yield ["4000 fields", `${head}${"X: y\r\n".repeat(4000)}\r\n{{x}}\r\n`];
  yield ["no header at all", "\r\n{{x}}\r\n"];
  yield ["a header and no body", `${head}`];
  yield ["base64 that is none", `${head}Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!{{x}}====\r\n\x80\xff=\r\n`];
  yield ["quoted-printable that is none", `${head}Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=\r\n==={{x}}=7B=7Bx=7D=7D=\r\n`];
  yield ["an unknown charset", `${head}Content-Type: text/plain; charset=klingon\r\n\r\n{{x}} \xe9\r\n`];
  yield ["wrong UTF-8", `${head}Content-Type: text/html; charset=utf-8\r\n\r\n<p>\xc3\x28 \xf8\x88 {{x}}</p><a href="https://shop.example/\xff">\r\n`];
  yield ["NUL bytes", `${head}Content-Type: text/html\r\n\r\n<p>\0{{x}}\0<a href="https://shop.example/\0">\r\n`];
  yield ["10000 unclosed tags", `${head}Content-Type: text/html\r\n\r\n${"<a href='".repeat(10000)}\r\n`];
}

async function hostileMail() {
  const all = [...nasty()].map(([name, text]) => [name, Buffer.from(text, "latin1")]);
  const folder = join(corpus, "mime-hostile");
  if (existsSync(folder)) for (const file of readdirSync(folder).sort()) all.push([file, readFileSync(join(folder, file))]);
  return all;
}

async function inBatches(items, size, work) {
  const queue = [...items.entries()];
  await Promise.all(Array.from({ length: size }, async () => {
    for (let next; (next = queue.shift()); ) await work(next[1], next[0]);
  }));
}

await test("hostile MIME as ordinary mail: what arrives is what arrives without mailtailor", async () => {
  const mails = await hostileMail();
  await inBatches(mails, 4, async ([name, raw], i) => {
    const answers = [];
    for (const port of ["campaign", "plain"]) {
      const answer = await world.submit({ port, to: `${port}-${i}@friends.example`, raw });
      answers.push(answer.code ?? 250);
    }
    assert.equal(answers[0], answers[1], name);
    if (answers[0] !== 250) return;
    const a = split((await world.sink.take(`campaign-${i}@friends.example`))[0].raw);
    const b = split((await world.sink.take(`plain-${i}@friends.example`))[0].raw);
    assert.equal(a.head, b.head, name);
    assert.ok(a.body.equals(b.body), name);
  });
  if (!existsSync(join(corpus, "mime-hostile"))) return "in part: CORPUS has no mime-hostile";
});

await test("hostile MIME as campaign mail: a copy or a refusal, never a crash, and never long", async () => {
  const mails = await hostileMail();
  const answers = {};
  await inBatches(mails, 4, async ([name, raw], i) => {
    const started = Date.now();
    const answer = await world.submit({ to: `hostile-${i}@customers.example`, raw: Buffer.concat([Buffer.from("X-Mailtailor-Campaign: spring\r\n"), raw]) });
    const code = answer.code ?? 250;
    answers[code] = (answers[code] ?? 0) + 1;
    assert.ok(code === 250 || (code >= 550 && code <= 554), `${name}: ${answer.response}`);
    assert.ok(Date.now() - started < 5000 * slow, `${name}: ${Date.now() - started} ms`);
    if (code !== 250) return;
    const copy = await read((await world.sink.take(`hostile-${i}@customers.example`))[0]);
    assert.equal(field(copy, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click", name);
    assert.equal(fields(copy, "X-Mailtailor-Campaign").length, 0, name);
  });
  assert.equal(world.daemon.child.exitCode, null);
  assertTailored(await world.copy({ to: "after@customers.example", subject: "Hi {{x}}", text: "x", headers }));
  console.log(`# answers: ${JSON.stringify(answers)}`);
  if (!existsSync(join(corpus, "mime-hostile"))) return "in part: CORPUS has no mime-hostile";
});

await test("mailtailord ends well", () => world.stop());
done();
