// People, proxies and scanners behind a mail server. A program of its own: it sees only the mail that arrives at its SMTP port,
// and answers over HTTP like they do; its shop reports what they buy. Environment: LOOP_SEED; LOOP_TASTES=alike: everybody likes
// everything the same; LOOP_TRACKD: port of the endpoint; LOOP_SHOP: name and secret of the shop. Prints its port, then after
// each change what it has done so far, as lines of JSON; ends with its standard input.
import { createHmac } from "node:crypto";
import http from "node:http";
import { Sink } from "../integration/sink.mjs";
import { CATEGORIES, draw, numberOf, taste } from "./customers.mjs";

const { LOOP_SEED: seed, LOOP_TASTES: tastes, LOOP_TRACKD: trackd, LOOP_SHOP: shop } = process.env;
const [shopName, secret] = shop.split(" ");
const BROWSERS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
];
const PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const SCANNER = "Mozilla/5.0 (compatible; MailScanner/1.0; +https://scanner.example/bot)";
const AT_ONCE = 16;

const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
const done = { received: 0, answered: 0, opened: 0, clicked: 0, bought: 0, unsubscribed: 0, scanned: 0, again: 0, failed: 0 };
const waiting = [];
const had = new Map(); // who → how many mails he has had: what he does next hangs on that, not on names that a run draws anew
let busy = 0;

function request(url, { method = "GET", headers = {}, body } = {}) {
  const { pathname, search } = new URL(url, "https://t.shop.example");
  const ask = () =>
    new Promise((resolve, reject) => {
      const asked = http.request({ host: "127.0.0.1", port: trackd, agent, method, path: pathname + search, headers, timeout: 60_000 }, (answer) => {
        answer.resume().on("end", () => resolve({ status: answer.statusCode, location: answer.headers.location })).on("error", reject);
      });
      asked.on("timeout", () => asked.destroy(new Error(`${url}: no answer`)));
      asked.on("error", (error) => reject(Object.assign(error, { kept: asked.reusedSocket }))).end(body);
    });
  // A kept connection may be closed for idleness just as it is used again; browsers then ask once more (RFC 9112, section 9.3.1),
  // and so may all that is asked here: of nothing a copy counts twice.
  return ask().catch((error) => {
    if (!error.kept || !["ECONNRESET", "EPIPE"].includes(error.code)) throw error;
    done.again++;
    return ask();
  });
}

/** What a reader sees of a mail: its subject, its text, its links with the words on them, its pixel, the one-click link. */
function see(raw) {
  const end = raw.indexOf("\r\n\r\n");
  const head = raw.subarray(0, end).toString("latin1").replace(/\r\n[ \t]+/g, " ");
  let body = raw.subarray(end + 4).toString("latin1");
  if (/^Content-Transfer-Encoding:\s*quoted-printable/im.test(head))
    body = body.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const value = (name) => new RegExp(`^${name}: *(.*)$`, "im").exec(head)?.[1].trim();
  const links = [...body.matchAll(/<a [^>]*href="([^"]*)"[^>]*>([^<]*)<\/a>/g)].map(([, url, words]) => ({ url: url.replaceAll("&amp;", "&"), words }));
  return {
    subject: value("Subject"),
    offers: links.filter(({ url }) => url.includes("/c/")),
    pixel: /<img [^>]*src="([^"]*\/o\/[^"]*)"/.exec(body)?.[1].replaceAll("&amp;", "&"),
    oneClick: /<(https:[^>]*)>/.exec(value("List-Unsubscribe") ?? "")?.[1],
  };
}

/** How much a reader with these likes is drawn by words: by what category they are about, and by all a little if about none. */
function appeal(likes, words) {
  if (tastes === "alike") return 0.3;
  const about = CATEGORIES.filter((c) => words.toLowerCase().includes(c));
  return about.length > 0 ? Math.max(...about.map((c) => likes[c])) : 0.25;
}

async function click(link, headers) {
  const { status, location } = await request(link.url, { headers });
  if (status !== 302) throw new Error(`a click was answered ${status}`);
  done.clicked++;
  return new URL(location).searchParams.get("mtid");
}

async function buy(clickId, id, value) {
  const body = JSON.stringify([{ id, type: "purchased", click: clickId, value, currency: "EUR" }, { id: `${id}-c`, type: "converted", click: clickId, value, currency: "EUR" }]);
  const now = String(Math.floor(Date.now() / 1000));
  const signature = createHmac("sha256", secret).update(`${now}\n${body}`).digest("hex");
  const headers = { "x-mailtailor-shop": shopName, "x-mailtailor-time": now, "x-mailtailor-signature": signature, "content-type": "application/json" };
  const { status } = await request("/v1/events", { method: "POST", headers, body });
  if (status !== 200 && status !== 202) throw new Error(`a purchase was answered ${status}`);
  done.bought++;
}

async function scan(mail) {
  for (const url of [...mail.offers.map((o) => o.url), mail.oneClick].filter(Boolean))
    for (const method of ["HEAD", "GET"]) await request(url, { method, headers: { "user-agent": SCANNER } });
  done.scanned++;
}

async function read({ to, raw }) {
  const who = numberOf(to[0]);
  const mail = see(raw);
  const { likes, buys, patience, proxy, scanner } = taste(seed, who);
  const nth = (had.get(who) ?? 0) + 1;
  had.set(who, nth);
  const u = draw(seed, "reads", who, nth);
  if (scanner) await scan(mail);
  const [opens, follows, spends, leaves] = [u(), u(), u(), u()];
  const drawn = appeal(likes, mail.subject);
  const headers = { "user-agent": BROWSERS[who % BROWSERS.length] };
  // The worse it suits him, the sooner he has had enough of it.
  const leaving = leaves < 0.0015 + 0.01 * (1 - drawn) * (1 - patience);
  if (opens >= 0.25 + 0.4 * drawn && !leaving) return;
  if (mail.pixel) await request(mail.pixel, { headers: proxy ? { "user-agent": PROXY } : headers });
  done.opened++;
  const best = mail.offers.toSorted((a, b) => appeal(likes, b.words) - appeal(likes, a.words))[0];
  if (best && follows < 0.04 + 0.4 * appeal(likes, best.words)) {
    const id = await click(best, headers);
    if (id && spends < buys) await buy(id, `order-${who}-${nth}`, 10 + Math.round(8000 * u()) / 100);
  }
  if (leaving && mail.oneClick) {
    await request(mail.oneClick, { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: "List-Unsubscribe=One-Click" });
    done.unsubscribed++;
  }
}

async function work() {
  if (busy >= AT_ONCE || waiting.length === 0) return;
  busy++;
  const mail = waiting.shift();
  try {
    await read(mail);
  } catch (error) {
    done.failed++;
    process.stderr.write(`simulator: ${mail.to[0]}: ${error.message}\n`);
  }
  done.answered++;
  busy--;
  work();
}

class Door extends Sink {
  keep(mail) {
    done.received++;
    waiting.push(mail);
    work();
  }
}

const door = new Door();
await door.start();
const tell = () => process.stdout.write(`${JSON.stringify({ port: door.port, ...done })}\n`);
tell();
setInterval(tell, 100);
process.stdin.on("end", () => process.exit(0)).resume();
