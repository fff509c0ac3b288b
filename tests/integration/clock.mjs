import assert from "node:assert/strict";
import { World, sleep, slow, until } from "./harness.mjs";
import { read } from "./mail.mjs";
import { Scripted } from "./scripted.mjs";
import { done, test } from "./tap.mjs";

const ZONES = { tokyo: "Asia/Tokyo", berlin: "Europe/Berlin", newyork: "America/New_York" };
const DAY = 86400_000;
const port = new Scripted();
await port.open();
const CONF = `
campaign marker { category = transactional }
campaign timed { category = promo time_zone = "Europe/London" }
campaign agreed { category = club time_zone = "Europe/London" require_consent = yes }
campaign quiet { category = promo quiet_hours = "22:00-08:00" }
campaign night { category = promo quiet_hours = "23:30-07:00" }
campaign desk { category = promo send_window = { "mon-fri 09:00-17:00" } }
campaign opening { category = promo start = "2026-11-10T09:00" }
campaign launch { category = promo start = "2026-11-10T09:00:00+01:00" }
cap daily { category = { capped } limit = 1 window = 1d action = defer }
campaign capped { category = capped max_delay = 36h }
campaign brief { category = promo quiet_hours = "22:00-08:00" max_delay = 12h }
campaign own { category = promo time_zone = "Europe/London" send_hour = learned }
`;
/** Arms of which one has an hour, in a campaign that waits for each recipient's own, too. */
const rivals = (soon, dawn) => `
campaign rivals { category = promo time_zone = "Europe/London" send_hour = learned
	policy { kind = thompson explore = 0 }
	arm soon { subject = "{{first_name}} soon" weight = ${soon} }
	arm dawn { subject = "{{first_name}} dawn" weight = ${dawn} send_hour = 5 }
}
`;
const world = await World.start({ clock: "2026-10-30T20:00:00Z", injectTo: port.port, inject: "connections = 2", conf: CONF + rivals(1, 1) });
const { clock } = world;

/** ["tokyo-1", …] → addresses; the first word of a name is the recipient's zone, if it is one of ZONES. */
function people(...names) {
  const all = names.map((name) => `${name}@customers.example`);
  const zoned = names.flatMap((name, i) => (ZONES[name.split("-")[0]] ? [[all[i], { time_zone: ZONES[name.split("-")[0]], first_name: name }]] : []));
  if (zoned.length > 0) world.profiles(Object.fromEntries(zoned));
  return all;
}

let serial = 0;
/** Submits a message to several; returns its log line's "now=… later=… dropped=…". */
async function submit(campaign, to, headers = {}) {
  const before = world.daemon.log().length;
  const answer = await world.submit({
    envelope: { from: "news@shop.example", to },
    to: "All <all@shop.example>",
    subject: "Hello {{default first_name \"you\"}}",
    text: "Dear {{default first_name \"you\"}}\n",
    messageId: `<c${++serial}@shop.example>`,
    headers: { "X-Mailtailor-Campaign": campaign, ...headers },
  });
  assert.match(answer.response, /^250 /, answer.response);
  return /spooled recipients=\d+ (now=\d+ later=\d+ dropped=\d+) again=0/.exec(world.daemon.log().slice(before))?.[1];
}

const at = (time) => ({ "X-Mailtailor-Send-At": time });
const queue = (...args) => JSON.parse(world.mt("queue", "list", "--json", "--addresses", ...args));
const waiting = () => queue("--state", "queued");
const ids = new Map(); // address → its job, as long as it waits

/** Jobs wait for these times: { address: "reason time" }; whoever else waits is not asked. */
function assertWaiting(expected) {
  const jobs = new Map(waiting().map((job) => [job.address, job]));
  const got = Object.fromEntries(Object.keys(expected).map((to) => [to, `${jobs.get(to)?.reason} ${jobs.get(to)?.due}`]));
  assert.deepEqual(got, expected);
  for (const to of Object.keys(expected)) ids.set(to, jobs.get(to).id);
}

/** How a job ended that assertWaiting has seen. */
const ended = (to) => until(`the end of ${to}'s job`, () => queue().find((job) => job.id === ids.get(to) && job.ended) ?? false);

let told = 0; // attempts so far
const attempts = () => port.attempts.map((attempt) => attempt.to).filter((to) => !to.endsWith("@markers.example"));

/** Whoever was tried since the last call. */
async function left(expected) {
  await until(`${expected.length} copies`, () => attempts().length >= told + expected.length);
  const got = attempts().slice(told);
  told += got.length;
  assert.deepEqual(got.sort(), [...expected].sort());
}

/** Two copies that are due at once pass through: the injector has looked at what is due at this time. */
async function looked() {
  const to = [0, 1].map((i) => `m${++serial}-${i}@markers.example`);
  await submit("marker", to);
  for (const one of to) await port.take(one, 1, 30 * slow);
  await sleep(100);
}

/** Copies leave at these times, all of them, and not a second before: [[time, address, …], …]. */
async function leave(...steps) {
  for (const [time, ...to] of steps) {
    clock.set(Date.parse(time) - 1000);
    await looked();
    await left([]);
    const queued = waiting().filter((job) => to.includes(job.address));
    assert.deepEqual(queued.map((job) => job.due), to.map(() => time), "still queued, for that time");
    clock.set(time);
    await left(to);
  }
}

await test("09:00 of each recipient's own time, in Tokyo, Berlin, London and New York", async () => {
  const [tokyo, berlin, newyork, unknown] = people("tokyo-a", "berlin-a", "newyork-a", "nobody-a");
  assert.equal(await submit("timed", [tokyo, berlin, newyork, unknown], at("2026-10-31T09:00")), "now=0 later=4 dropped=0");
  const [east, middle, west, here] = ["2026-10-31T00:00:00Z", "2026-10-31T08:00:00Z", "2026-10-31T13:00:00Z", "2026-10-31T09:00:00Z"];
  assertWaiting({ [tokyo]: `send-at ${east}`, [berlin]: `send-at ${middle}`, [newyork]: `send-at ${west}`, [unknown]: `send-at ${here}` });
  await leave([east, tokyo], [middle, berlin], [here, unknown], [west, newyork]);
  const copy = await read(port.of(tokyo)[0]);
  assert.equal(copy.subject, "Hello tokyo-a");
  assert.doesNotMatch(copy.raw.toString(), /Send-At/i);
  assert.equal((await ended(tokyo)).state, "sent");
});

await test("an instant is the same for all", async () => {
  const to = people("tokyo-b", "newyork-b");
  await submit("timed", to, at("2026-10-31T15:00:00+01:00"));
  await leave(["2026-10-31T14:00:00Z", ...to]);
});

await test("New York, 1 November, 02:00 is 01:00 again: 01:30 is the first, 09:00 is 09:00, quiet hours end at 08:00", async () => {
  clock.set("2026-11-01T02:30:00Z");
  const [first, nine, quiet] = people("newyork-c", "newyork-d", "newyork-e");
  await submit("timed", [first], at("2026-11-01T01:30"));
  await submit("timed", [nine], at("2026-11-01T09:00"));
  await submit("quiet", [quiet]);
  assertWaiting({ [first]: "send-at 2026-11-01T05:30:00Z", [nine]: "send-at 2026-11-01T14:00:00Z", [quiet]: "quiet-hours 2026-11-01T13:00:00Z" });
  await leave(["2026-11-01T05:30:00Z", first], ["2026-11-01T13:00:00Z", quiet], ["2026-11-01T14:00:00Z", nine]);
});

await test("quiet hours over midnight: before, at, and behind their edges", async () => {
  clock.set("2026-11-02T22:29:59Z");
  const [berlin, tokyo, newyork] = people("berlin-f", "tokyo-f", "newyork-f");
  assert.equal(await submit("night", [berlin, tokyo, newyork]), "now=3 later=0 dropped=0", "23:29:59 in Berlin, 07:29:59 in Tokyo");
  await left([berlin, tokyo, newyork]);
  clock.set("2026-11-02T22:30:00Z");
  const [late, other] = people("berlin-g", "newyork-g");
  assert.equal(await submit("night", [late, other]), "now=1 later=1 dropped=0", "23:30 in Berlin");
  await left([other]);
  assertWaiting({ [late]: "quiet-hours 2026-11-03T06:00:00Z" });
  clock.set("2026-11-03T04:00:00Z");
  const [early, asleep] = people("berlin-h", "newyork-h");
  assert.equal(await submit("night", [early, asleep]), "now=1 later=1 dropped=0", "05:00 in Berlin, 23:00 in New York");
  await left([asleep]);
  await leave(["2026-11-03T06:00:00Z", late, early]);
});

await test("a send window on weekdays: what comes on Friday evening leaves on Monday morning", async () => {
  clock.set("2026-11-06T17:00:00Z");
  const [berlin, tokyo, newyork] = people("berlin-i", "tokyo-i", "newyork-i");
  assert.equal(await submit("desk", [berlin, tokyo, newyork]), "now=1 later=2 dropped=0", "18:00 in Berlin, Saturday in Tokyo, noon in New York");
  await left([newyork]);
  assertWaiting({ [berlin]: "send-window 2026-11-09T08:00:00Z", [tokyo]: "send-window 2026-11-09T00:00:00Z" });
  await leave(["2026-11-09T00:00:00Z", tokyo], ["2026-11-09T08:00:00Z", berlin]);
});

await test("a campaign's start: a local time, and an instant", async () => {
  const [tokyo, berlin, both] = people("tokyo-j", "berlin-j", "tokyo-k");
  await submit("opening", [tokyo, berlin]);
  await submit("launch", [both]);
  assertWaiting({ [tokyo]: "start 2026-11-10T00:00:00Z", [berlin]: "start 2026-11-10T08:00:00Z", [both]: "start 2026-11-10T08:00:00Z" });
  await leave(["2026-11-10T00:00:00Z", tokyo], ["2026-11-10T08:00:00Z", berlin, both]);
});

await test("what changed in between counts: profile, consent, suppression of an address and of a domain", async () => {
  clock.set("2026-11-10T12:00:00Z");
  const due = "2026-11-11T09:00:00Z";
  const [plain, married, withdrawn, suppressed, cleared] = people("plain", "married", "withdrawn", "suppressed", "cleared");
  const domain = "someone@closed.example";
  const [member, leaver] = people("member", "leaver");
  world.profiles({ [married]: { first_name: "Ann Smith" } });
  for (const to of [member, leaver]) world.mt("profile", "consent", to, "mail:club", "granted");
  await submit("timed", [plain, married, withdrawn, suppressed, cleared, domain], at("2026-11-11T09:00"));
  assert.equal(await submit("agreed", [member, leaver, plain], at("2026-11-11T09:00")), "now=0 later=2 dropped=1");
  assertWaiting(Object.fromEntries([plain, married, withdrawn, suppressed, cleared, domain, member, leaver].map((to) => [to, `send-at ${due}`])));
  clock.set("2026-11-11T03:00:00Z");
  world.profiles({ [married]: { first_name: "Ann Jones" } });
  world.mt("profile", "consent", withdrawn, "mail", "denied");
  world.mt("profile", "consent", leaver, "mail:club", "denied");
  world.mt("suppress", "add", suppressed, "--reason", "complaint");
  world.mt("suppress", "add", "@closed.example", "--reason", "manual");
  world.mt("suppress", "add", cleared, "--reason", "manual");
  world.mt("suppress", "remove", cleared);
  clock.set(due);
  await left([plain, married, cleared, member]);
  await looked();
  await left([]);
  assert.equal((await read(port.of(married)[0])).subject, "Hello Ann Jones");
  for (const [to, state, reason, note] of [[plain, "sent", "sent", /250 2.0.0 ok$/], [withdrawn, "dropped", "consent", /denied/], [leaver, "dropped", "consent", /denied/],
    [suppressed, "dropped", "suppressed", /complaint/], [domain, "dropped", "suppressed", /manual/]]) {
    const job = await ended(to);
    assert.deepEqual([job.state, job.reason, job.ended], [state, reason, due], to);
    assert.match(job.note, note, to);
  }
  const log = world.daemon.log();
  assert.match(log, /campaign=timed recipient=[0-9a-f]+ dropped reason=suppressed complaint/);
  assert.match(log, /campaign=agreed recipient=[0-9a-f]+ dropped reason=consent/);
});

await test("who moved: asked again when the time of the old zone has come, and waits for the new one's if that is later", async () => {
  clock.set("2026-11-12T20:00:00Z");
  const [east, west] = people("tokyo-l", "newyork-l");
  await submit("timed", [east, west], at("2026-11-13T09:00"));
  assertWaiting({ [east]: "send-at 2026-11-13T00:00:00Z", [west]: "send-at 2026-11-13T14:00:00Z" });
  world.profiles({ [east]: { time_zone: ZONES.newyork }, [west]: { time_zone: ZONES.tokyo } });
  clock.set("2026-11-13T00:00:00Z");
  await until("the new time", () => waiting().find((job) => job.address === east)?.due === "2026-11-13T14:00:00Z");
  await looked();
  await left([]);
  assertWaiting({ [east]: "send-at 2026-11-13T14:00:00Z" });
  await leave(["2026-11-13T14:00:00Z", east, west]);
});

await test("a cap that defers: one leaves when the window has room, the other is dropped, since it would be too late", async () => {
  clock.set("2026-11-16T10:00:00Z");
  const [full, other] = people("full", "other");
  await submit("capped", [full, other]);
  await left([full, other]);
  clock.set("2026-11-16T11:00:00Z");
  for (let i = 0; i < 2; i++) assert.equal(await submit("capped", [full]), "now=0 later=1 dropped=0");
  const two = waiting().filter((job) => job.address === full);
  assert.deepEqual(two.map((job) => `${job.reason} ${job.due}`), Array(2).fill("cap 2026-11-17T10:00:00Z"));
  clock.set("2026-11-17T09:59:59Z");
  await looked();
  await left([]);
  clock.set("2026-11-17T10:00:00Z");
  await left([full]);
  const jobs = await until("the end of both", () => {
    const found = queue().filter((job) => two.some(({ id }) => id === job.id));
    return found.every((job) => job.ended) && found;
  });
  const dropped = jobs.find((job) => job.state === "dropped");
  assert.deepEqual(jobs.map((job) => job.state).sort(), ["dropped", "sent"]);
  assert.equal(dropped.reason, "cap");
  assert.match(dropped.note, /cap "daily" is full: 1 of 1 in 1d.*2026-11-18T10:00:00Z.*36h/);
  assert.match(world.daemon.log(), /campaign=capped recipient=[0-9a-f]+ dropped reason=cap /);
});

await test("mailtailord was down when they were due: what is within max_delay leaves at once, the rest is dropped as too late", async () => {
  clock.set("2026-11-18T23:00:00Z");
  const [patient, hasty] = people("berlin-m", "berlin-n");
  await submit("quiet", [patient]);
  await submit("brief", [hasty]);
  assertWaiting({ [patient]: "quiet-hours 2026-11-19T07:00:00Z", [hasty]: "quiet-hours 2026-11-19T07:00:00Z" });
  assert.equal((await world.daemon.stop()).code, 0);
  clock.set("2026-11-19T11:00:01Z");
  await world.daemon.start();
  await left([patient]);
  assert.equal((await ended(patient)).state, "sent");
  const job = await ended(hasty);
  assert.deepEqual([job.state, job.reason], ["dropped", "too-late"]);
  assert.match(job.note, /2026-11-19T11:00:01Z.*12h.*2026-11-18T23:00:00Z/);
});

await test("the clock is set back an hour while the port is down: copies that are due leave when it works again", async () => {
  clock.set("2026-11-20T12:00:00Z");
  await port.close();
  const before = world.daemon.log().length;
  const [one, two] = people("plain-o", "plain-p");
  await submit("timed", [one, two]);
  await until("the failure", () => /trying again/.test(world.daemon.log().slice(before)));
  clock.set("2026-11-20T11:00:00Z");
  await port.open();
  await looked();
  await left([]);
  clock.set("2026-11-20T12:00:00Z");
  await left([one, two]);
});

await test("kill -9 of the injector and a clock that is set back: another is started all the same", async () => {
  process.kill(world.daemon.injector(), "SIGKILL");
  await until("the end", () => /ended by signal 9/.test(world.daemon.log()));
  clock.set("2026-11-20T10:00:00Z");
  await looked();
});

await test("send_hour = learned: each at his own hour in his own zone, who has none at once; what is said and changed meanwhile holds", async () => {
  clock.set("2026-11-24T12:00:00Z");
  const to = people("tokyo-t", "berlin-t", "newyork-t", "berlin-u", "berlin-v", "berlin-w", "berlin-x");
  const [tokyo, berlin, newyork, withdrawn, suppressed, renamed, moved] = to;
  const hour = (zone, h) => ({ time_zone: ZONES[zone], first_name: "Ann Smith", learned: { send_hour: h } });
  world.profiles({ [tokyo]: hour("tokyo", 7), [berlin]: hour("berlin", 20), [newyork]: hour("newyork", 20), [moved]: hour("berlin", 20),
    ...Object.fromEntries([withdrawn, suppressed, renamed].map((one) => [one, hour("berlin", 20)])) });
  const [plain] = people("plain-t");
  assert.equal(await submit("own", [...to, plain]), "now=1 later=7 dropped=0");
  await left([plain]);
  const [morning, evening, west] = ["2026-11-24T22:00:00Z", "2026-11-24T19:00:00Z", "2026-11-25T01:00:00Z"].map((time) => `send-hour ${time}`);
  assertWaiting({ [tokyo]: morning, [berlin]: evening, [newyork]: west, [withdrawn]: evening, [suppressed]: evening, [renamed]: evening, [moved]: evening });
  world.mt("profile", "consent", withdrawn, "mail", "denied");
  world.mt("suppress", "add", suppressed, "--reason", "complaint");
  world.profiles({ [renamed]: { first_name: "Ann Jones" }, [moved]: { learned: { send_hour: 22 } } });
  await leave(["2026-11-24T19:00:00Z", berlin, renamed]);
  assert.equal((await read((await port.take(renamed, 1, 30 * slow))[0])).subject, "Hello Ann Jones");
  assert.deepEqual([(await ended(withdrawn)).reason, (await ended(suppressed)).reason], ["consent", "suppressed"]);
  assertWaiting({ [moved]: "send-hour 2026-11-24T21:00:00Z", [tokyo]: morning, [newyork]: west });
  await leave(["2026-11-24T21:00:00Z", moved], ["2026-11-24T22:00:00Z", tokyo], ["2026-11-25T01:00:00Z", newyork]);
});

await test("arms with hours: the arm's comes before the learned one; what was drawn first stays, with its hour, whatever comes between", async () => {
  clock.set("2026-11-26T12:00:00Z");
  const to = people(...Array.from({ length: 24 }, (_, i) => `berlin-y${i}`));
  world.profiles(Object.fromEntries(to.map((one, i) => [one, { time_zone: ZONES.berlin, first_name: `n${i}`, learned: { send_hour: 20 } }])));
  await submit("rivals", to);
  const jobs = () => waiting().filter((job) => to.includes(job.address));
  await until("all drawn", () => jobs().every((job) => / 0\.5: due /.test(job.note)), 30);
  const drawn = new Map(jobs().map((job) => [job.address, /^arm (soon|dawn) /.exec(job.note)[1]]));
  ids.clear();
  for (const job of jobs()) ids.set(job.address, job.id);
  const of = (arm) => to.filter((one) => drawn.get(one) === arm);
  assert.ok(of("soon").length > 2 && of("dawn").length > 2, `${of("soon").length} of ${to.length}`);
  assertWaiting({ [of("soon")[0]]: "send-hour 2026-11-26T19:00:00Z", [of("dawn")[0]]: "send-hour 2026-11-27T04:00:00Z" });
  // Its campaign is gone when they are due, and there again with weights by which nearly all would be drawn otherwise.
  world.configure({ more: CONF });
  await world.daemon.reload();
  clock.set("2026-11-26T19:00:00Z");
  const gone = () => queue("--state", "held").filter((job) => job.reason === "no-campaign" && to.includes(job.address));
  await until("no campaign", () => gone().length === of("soon").length, 30);
  for (const job of gone()) assert.match(job.note, /^arm soon 0\.5: campaign "rivals" is not configured/);
  // They are not looked for again, but by who has another configuration.
  clock.set("2026-11-26T19:10:00Z");
  await looked();
  assert.equal(world.daemon.log().match(/campaign=rivals .* held reason=no-campaign/g).length, of("soon").length);
  assert.match(world.mt("queue"), new RegExp(`^campaign "rivals" is not configured: its ${to.length} jobs wait`, "m"));
  const [denied, renamed, ...rest] = of("soon");
  world.mt("profile", "consent", denied, "mail", "denied");
  world.profiles({ [renamed]: { first_name: "renamed" } });
  world.configure({ more: CONF + rivals(0.001, 1000) });
  await world.daemon.reload();
  await left([renamed, ...rest]);
  assert.match(world.daemon.log(), new RegExp(`campaign rivals is configured again: ${of("soon").length} jobs`));
  assert.equal((await read((await port.take(renamed, 1, 30 * slow))[0])).subject, "renamed soon");
  assert.equal((await ended(denied)).reason, "consent");
  world.configure({ more: CONF + rivals(1000, 0.001) });
  await world.daemon.reload();
  await leave(["2026-11-27T04:00:00Z", ...of("dawn")]);
  const events = await until("the events", () => {
    const all = world.mt("events", "export").split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const sent = all.filter((e) => e.type === "injected" && e.campaign === "rivals");
    return sent.length >= to.length - 1 && sent;
  });
  for (const one of to.filter((one) => one !== denied && one !== renamed)) {
    const arm = drawn.get(one);
    assert.match((await read((await port.take(one, 1, 30 * slow))[0])).subject, new RegExp(` ${arm}$`));
  }
  assert.equal(events.filter((e) => e.arm === "dawn").length, of("dawn").length);
  for (const e of events) {
    const { propensity } = typeof e.details === "string" ? JSON.parse(e.details) : e.details;
    assert.equal(propensity, 0.5, "as it was drawn");
  }
});

await test("quiet hours that are changed reach copies that wait when the time comes that they have, or by queue retry", async () => {
  clock.set("2026-12-01T23:00:00Z");
  const [retried, patient] = people("berlin-hurried", "berlin-patient");
  await submit("quiet", [retried, patient]);
  assertWaiting({ [retried]: "quiet-hours 2026-12-02T07:00:00Z", [patient]: "quiet-hours 2026-12-02T07:00:00Z" });
  const hours = (until) => ({ more: CONF.replace('quiet { category = promo quiet_hours = "22:00-08:00"', `quiet { category = promo quiet_hours = "22:00-${until}"`) });
  world.configure(hours("06:00"));
  await world.daemon.reload();
  clock.set("2026-12-02T06:00:00Z");
  await looked();
  await left([]);
  world.mt("queue", "retry", ids.get(retried));
  await left([retried]);
  world.configure(hours("10:00"));
  await world.daemon.reload();
  clock.set("2026-12-02T07:00:00Z");
  await until("to wait on", () => waiting().find((job) => job.address === patient)?.due === "2026-12-02T09:00:00Z");
  await leave(["2026-12-02T09:00:00Z", patient]);
  world.configure({ more: CONF });
  await world.daemon.reload();
});

await test("New York, 14 March, 02:00 is 03:00: 02:30 is 03:00, 09:00 is 09:00, quiet hours end at 08:00", async () => {
  clock.set("2027-03-12T12:00:00Z");
  const [skipped, nine, quiet] = people("newyork-q", "newyork-r", "newyork-s");
  await submit("timed", [skipped], at("2027-03-14T02:30"));
  await submit("timed", [nine], at("2027-03-14T09:00"));
  clock.set("2027-03-14T03:30:00Z");
  await submit("quiet", [quiet]);
  assertWaiting({ [skipped]: "send-at 2027-03-14T07:00:00Z", [nine]: "send-at 2027-03-14T13:00:00Z", [quiet]: "quiet-hours 2027-03-14T12:00:00Z" });
  await leave(["2027-03-14T07:00:00Z", skipped], ["2027-03-14T12:00:00Z", quiet], ["2027-03-14T13:00:00Z", nine]);
});

await test("mailtailord ends well, and its injector", async () => {
  assert.equal(JSON.parse(world.mt("queue", "--json")).injector, true);
  await world.stop();
  await port.close();
});
done();
