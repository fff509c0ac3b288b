import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { World, build } from "./harness.mjs";
import { done, test } from "./tap.mjs";

const campaign = `features shown { columns = { "profile.age | div 100", "profile.visits | log1p", "profile.city | one-hot Rome Oslo" } }
campaign spring { category = promo match_sender = { "spring@shop.example" } scorers = { buy } features = "shown" }`;
const plugin = `plugin buy { path = "${build}/plugins/logistic.so" options { file = "use.safetensors" } }`;
const world = await World.start({ conf: "campaign none { category = promo }" });
const at = (name) => join(world.dir, name);

/** The admin tool: { code, out, err }. */
function m(...args) {
  const ran = spawnSync(join(build, "bin/mailtailor"), args, { encoding: "utf8", cwd: world.dir, maxBuffer: 1 << 26 });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}
function good(...args) {
  const { code, out, err } = m(...args);
  assert.equal(code, 0, `${args.join(" ")}: ${err}`);
  return { out, err };
}
function refused(pattern, ...args) {
  const { code, err } = m(...args);
  assert.notEqual(code, 0, args.join(" "));
  assert.match(err, pattern);
  return code;
}

// The same numbers in 0..1 every time (mulberry32).
let state = 20260329;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

/** A shop's customers: who is younger and comes more often buys more; half of Oslo's age is unknown. */
function customer() {
  const age = 18 + Math.floor(random() * 60);
  const visits = Math.floor(random() ** 2 * 40);
  const city = ["Rome", "Oslo", "Bonn"][Math.floor(random() * 3)];
  const z = -1.5 - 3 * (age / 100) + 1.2 * Math.log1p(visits) - (city === "Bonn" ? 1 : 0);
  return { age: city === "Oslo" && random() < 0.5 ? "" : age, visits, city, bought: random() < 1 / (1 + Math.exp(-z)) };
}

writeFileSync(at("table.csv"), ["age,visits,city,bought", ...Array.from({ length: 6000 }, customer).map((c) => `${c.age},${c.visits},${c.city},${c.bought ? "yes" : "no"}`)].join("\n"));
const spec = (columns, more = {}) => JSON.stringify({ score: "buy", label: 'bought == "yes"', columns, split: { by: "hash", test: [0, 1], valid: [2] }, model: { kind: "logistic", l2: 1 }, ...more });
writeFileSync(at("poor.json"), spec(["profile.age | div 100"]));
writeFileSync(at("good.json"), spec(["profile.age | div 100", "profile.visits | log1p", "profile.city | one-hot Rome Oslo"]));
writeFileSync(at("other-split.json"), spec(["profile.visits | log1p"], { split: { by: "hash", test: [5] } }));
const rows = ["--csv", "table.csv", "--spec"];
let poor;

await test("train: a model from a table, its figures on held-out rows, and a page with charts", () => {
  const { out } = good("model", "train", ...rows, "good.json", "--out", "good.safetensors", "--json", "--html", "good.html");
  const j = JSON.parse(out);
  assert.equal(j.part, "test rows");
  assert.ok(j.model.auc > 0.7 && j.model.auc < 0.9, String(j.model.auc));
  assert.ok(j.model.logloss < j.constant.logloss);
  assert.equal(j.against.find((d) => d.metric === "log-loss").verdict, "ahead");
  assert.equal(j.calibration.length, 10);
  assert.ok(Math.abs(j.lift[9].captured - 1) < 1e-9);
  const page = readFileSync(at("good.html"), "utf8");
  assert.match(page, /<svg[^>]*aria-label="Calibration/);
  assert.match(page, /<svg[^>]*aria-label="Lift/);
  assert.match(page, /<svg[^>]*aria-label="Loss/);
  assert.doesNotMatch(page, /<script|NaN|inf/);
  good("model", "train", ...rows, "poor.json", "--out", "poor.safetensors");
  poor = readFileSync(at("poor.safetensors"));
});

await test("train: figures stand in columns, however long the model's path is", () => {
  const file = "a-model-whose-name-is-long.safetensors";
  const lines = good("model", "train", ...rows, "poor.json", "--out", file).out.split("\n");
  const [heading, own, constant] = [/ AUC .* ECE$/, new RegExp(`^  ${file} `), /^  constant /].map((line) => lines.find((l) => line.test(l)).length);
  assert.deepEqual([own, constant], [heading, heading]);
});

await test("train: the same again is the same file, to the last bit", () => {
  good("model", "train", ...rows, "good.json", "--out", "again.safetensors");
  const show = (f) => ({ ...JSON.parse(good("model", "show", f, "--json").out), file: "", training: "" });
  assert.deepEqual(show("again.safetensors"), show("good.safetensors"));
  const first = readFileSync(at("again.safetensors"));
  good("model", "train", ...rows, "good.json", "--out", "again.safetensors");
  assert.deepEqual(readFileSync(at("again.safetensors")), first);
});

await test("train: what makes no sense is refused, and says what", () => {
  refused(/needs --csv TABLE, a CSV file with a header; or --events/, "model", "train", "--out", "x");
  refused(/--outcome goes with --events/, "model", "train", ...rows, "good.json", "--out", "x", "--outcome", "clicked");
  refused(/kind "svm" cannot be trained; there are: logistic/, "model", "train", ...rows, "good.json", "--out", "x", "--kind", "svm");
  refused(/kind logistic has no option "depth"; there are: l2$/m, "model", "train", ...rows, "good.json", "--out", "x", "--set", "depth=3");
  refused(/did you mean "promote"/, "model", "promot");
  refused(/model promote needs --to FILE, the model in use: the file that the plugin's configuration names/, "model", "promote", "poor.safetensors", ...rows, "good.json");
  writeFileSync(at("bad.json"), spec(["profile.age | lgo"]));
  refused(/bad\.json: .*lgo/, "model", "train", ...rows, "bad.json", "--out", "x");
  writeFileSync(at("sensitive.conf"), `${readFileSync(world.conf, "utf8")}\nprivacy { sensitive = { "city" } }\n`);
  refused(/column "profile\.city \| is "Rome"" reads "city", which privacy marks as sensitive/, "model", "train", ...rows, "good.json", "--out", "x", "-c", "sensitive.conf");
  assert.ok(!existsSync(at("x")));
});

await test("train: too few rows, or of one label, are refused and said to be; what a column says nothing about is named", () => {
  const table = (n, label) => writeFileSync(at("few.csv"), ["city,visits,bought", ...Array.from({ length: n }, (_, i) => `Rome,${i},${label(i)}`)].join("\n"));
  const few = (split, more = {}) => writeFileSync(at("few.json"), spec(["profile.visits", "profile.city | one-hot Rome Olso"], { split: { by: "rule", ...split }, ...more }));
  const out = ["--csv", "few.csv", "--spec", "few.json", "--out", "few.safetensors"];
  few({ test: "visits >= 30" });
  table(4, (i) => (i % 2 ? "yes" : "no"));
  assert.equal(refused(/^mailtailor: nothing can be learned: 4 training rows are too few: 10 or more are needed; take more rows/, "model", "train", ...out), 65);
  table(40, (i) => (i < 30 ? "no" : "yes"));
  refused(/^mailtailor: nothing can be learned: all 30 training rows have the label 0, and both are needed/, "model", "train", ...out);
  table(40, (i) => (i < 30 && i % 2 ? "no" : "yes"));
  refused(/nothing could be said of how good it is: all 10 test rows have the label 1, and both are needed; hold out others/, "model", "train", ...out);
  table(32, (i) => (i % 2 ? "yes" : "no"));
  refused(/nothing could be said of how good it is: 2 test rows are too few: 10 or more are needed; hold out others/, "model", "train", ...out);
  assert.ok(!existsSync(at("few.safetensors")));
  table(50, (i) => (i % 2 ? "yes" : "no"));
  const { err } = good("model", "train", ...out);
  assert.match(err, /warning: column "profile.city \| is "Rome"" is 1 in all 30 training rows\n/);
  assert.match(err, /warning: column "profile.city \| is "Olso"" is 0 in all 30 training rows: that value never occurs\n/);
  table(34, (i) => (i % 2 ? "yes" : "no"));
  assert.equal(refused(/nothing can be said of how good it is: 4 test rows are too few/, "model", "evaluate", "few.safetensors", "--csv", "few.csv", "--spec", "few.json"), 65);
  table(25, (i) => (i < 12 ? "yes" : "no"));
  few({ test: [] }, { split: { by: "random", test: 0, seed: 1 }, model: { kind: "logistic", l2: 0 } });
  refused(/25 rows are too few for logistic regression on 3 columns \(it did not converge in \d+ steps\); give 40 or more, or raise l2/, "model", "train", ...out);
});

await test("a kind that cannot be trained is refused before anything is read, with the one that is meant", () => {
  refused(/^mailtailor: kind "gbtd" cannot be trained \(did you mean "gbdt"\?\); there are: logistic, mlp, gbdt$/m, "model", "train", "--csv", "nowhere.csv", "--spec", "good.json", "--out", "x", "--kind", "gbtd");
  assert.equal(refused(/^mailtailor: --kind: kind "nope" cannot be trained; there are: logistic, mlp, gbdt, and mean$/m, "policy", "evaluate", "--kind", "nope", "none"), 64);
});

await test("calibration: Platt's and isotonic, fit on validation rows, keep the log-loss at least near", () => {
  const loss = (f) => JSON.parse(good("model", "evaluate", f, ...rows, "good.json", "--json").out).model.logloss;
  for (const calibrate of ["platt", "isotonic"]) {
    writeFileSync(at("calibrated.json"), spec(["profile.age | div 100", "profile.visits | log1p", "profile.city | one-hot Rome Oslo"], { calibrate }));
    good("model", "train", ...rows, "calibrated.json", "--out", `${calibrate}.safetensors`);
    assert.equal(JSON.parse(good("model", "show", `${calibrate}.safetensors`, "--json").out).calibration, calibrate);
    assert.ok(Math.abs(loss(`${calibrate}.safetensors`) - loss("good.safetensors")) < 0.02);
  }
});

await test("show: columns with their weights, training figures", () => {
  const j = JSON.parse(good("model", "show", "good.safetensors", "--json").out);
  assert.deepEqual(j.columns.map((c) => c.column), ["profile.age | div 100", "profile.visits | log1p", 'profile.city | is "Rome"', 'profile.city | is "Oslo"']);
  assert.ok(j.columns[0].importance < -1 && j.columns[1].importance > 0.8);
  assert.equal(j.training.train_rows + j.training.valid_rows + j.training.test_rows, 6000);
  assert.equal(j.checksum, true);
  assert.match(good("model", "show", "good.safetensors").out, /profile\.visits \| log1p +1\.\d/);
});

await test("promote: the first one must beat the mean; a better one takes its place, one that is no better does not", () => {
  assert.match(good("model", "promote", "poor.safetensors", "--to", "use.safetensors", ...rows, "good.json").err, /promoted: its log-loss is better than that of the mean label.*SIGUSR1/);
  assert.equal(refused(/not promoted: use.safetensors stays in use: poor.safetensors has a log-loss that is (better|worse) by 0\.\d+, no more than two standard errors/, "model", "promote", "poor.safetensors", "--to", "use.safetensors", ...rows, "good.json"), 1);
  assert.match(good("model", "promote", "good.safetensors", "--to", "use.safetensors", ...rows, "good.json", "--html", "promote.html").err, /promoted: .*than that of the model in use/);
  assert.equal(refused(/not promoted: use.safetensors stays in use: poor.safetensors has a log-loss that is worse by 0\.\d+ \(SE/, "model", "promote", "poor.safetensors", "--to", "use.safetensors", ...rows, "good.json"), 1);
  assert.deepEqual(readdirSync(at("use.safetensors.history")), ["000001.safetensors"]);
  assert.deepEqual(readFileSync(at("use.safetensors.history/000001.safetensors")), poor);
});

await test("promote: another score, another split, and rows that it may know are refused", () => {
  good("model", "train", ...rows, "other-split.json", "--out", "other.safetensors");
  refused(/trained with another "split"/, "model", "promote", "other.safetensors", "--to", "use.safetensors", ...rows, "good.json");
  writeFileSync(at("named.json"), spec(["profile.visits | log1p"], { score: "purchase" }));
  good("model", "train", ...rows, "named.json", "--out", "named.safetensors");
  refused(/gives the score "purchase", the one in use "buy"/, "model", "promote", "named.safetensors", "--to", "use.safetensors", ...rows, "good.json");
});

await test("a damaged, truncated or foreign file is refused, and the one in use stays", () => {
  const bytes = readFileSync(at("good.safetensors"));
  const use = readFileSync(at("use.safetensors"));
  const flipped = Buffer.from(bytes);
  flipped[bytes.length - 3] ^= 1;
  const header = '{"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const files = {
    damaged: [flipped, /damaged/],
    truncated: [bytes.subarray(0, bytes.length - 9), /cut off/],
    empty: [Buffer.alloc(0), /too short/],
    text: [Buffer.from("a text, and no model at all"), /no safetensors file/],
    foreign: [Buffer.concat([length, Buffer.from(header), Buffer.alloc(4)]), /no model of mailtailor/],
  };
  for (const [name, [content, pattern]] of Object.entries(files)) {
    writeFileSync(at(name), content);
    for (const args of [["show", name], ["evaluate", name, ...rows, "good.json"], ["export", name, "--format", "json", "--out", "x"], ["promote", name, "--to", "use.safetensors", ...rows, "good.json"]])
      assert.equal(refused(pattern, "model", ...args), 65);
    assert.deepEqual(readFileSync(at("use.safetensors")), use);
  }
});

const subject = async (to) => Number((await world.copy({ from: "spring@shop.example", to, subject: "{{scores.buy}}", text: "x" })).subject);
let promoted;

await test("uplift: rows that were not as likely to be treated are refused", () => {
  const table = (propensity) => `arm,p,x,bought\n${Array.from({ length: 400 }, (_, i) => `${i % 2 ? "mail" : "none"},${propensity(i)},${i % 7},${i % 3 ? 0 : 1}`).join("\n")}\n`;
  writeFileSync(at("uplift.json"), JSON.stringify({ score: "gain", label: "bought == 1", columns: ["profile.x"], arm: { field: "arm", arms: ["none", "mail"] }, propensity: "p", model: { kind: "logistic", l2: 1 } }));
  writeFileSync(at("even.csv"), table((i) => (i % 2 ? 0.7 : 0.3)));
  writeFileSync(at("uneven.csv"), table((i) => (i === 301 ? 0.6 : 0.5)));
  good("uplift", "evaluate", "--draws", "20", "--csv", "even.csv", "--spec", "uplift.json");
  refused(/uneven\.csv: arm "mail" had propensity 0\.5 in one row and 0\.6 in another.*fixed split/, "uplift", "evaluate", "--draws", "20", "--csv", "uneven.csv", "--spec", "uplift.json");
});

await test("mailtailord: the promoted model gives the score; a damaged one is refused at reload and the old one stays", async () => {
  world.configure({ more: `${plugin}\n${campaign}` });
  assert.match(await world.daemon.reload(), /is in use/);
  promoted = await subject("first@customers.example");
  assert.ok(promoted > 0 && promoted < 1);
  const use = readFileSync(at("use.safetensors"));
  for (const name of ["damaged", "truncated", "foreign"]) {
    writeFileSync(at("use.safetensors"), readFileSync(at(name)));
    assert.match(await world.daemon.reload(), /has mistakes/);
    assert.equal(await subject(`${name}@customers.example`), promoted);
  }
  writeFileSync(at("use.safetensors"), use);
  assert.match(await world.daemon.reload(), /is in use/);
});

await test("rollback: the one before takes its place, in the file and in mailtailord after a reload; then there is none", async () => {
  assert.match(good("model", "rollback", "use.safetensors").err, /is the model of .*000001\.safetensors again.*SIGUSR1/);
  assert.deepEqual(readFileSync(at("use.safetensors")), poor);
  assert.match(await world.daemon.reload(), /is in use/);
  assert.notEqual(await subject("back@customers.example"), promoted);
  assert.deepEqual(readdirSync(at("use.safetensors.history")), ["000002-withdrawn.safetensors"]);
  refused(/no model before this one is kept/, "model", "rollback", "use.safetensors");
  assert.deepEqual(readFileSync(at("use.safetensors")), poor);
});

await test("export: weights for the plugin give the same score", async () => {
  good("model", "export", "platt.safetensors", "--format", "json", "--out", "weights.json");
  const weights = JSON.parse(readFileSync(at("weights.json"), "utf8"));
  assert.equal(weights.features.length, 4);
  refused(/isotonic calibration/, "model", "export", "isotonic.safetensors", "--format", "json", "--out", "x");
  const score = async (file, to) => {
    world.configure({ more: `${plugin.replace("use.safetensors", file)}\n${campaign}` });
    assert.match(await world.daemon.reload(), /is in use/);
    return subject(to);
  };
  const a = await score("platt.safetensors", "model@customers.example");
  const b = await score("weights.json", "weights@customers.example");
  assert.ok(Math.abs(a - b) < 1e-12, `${a} and ${b}`);
});

// ---- the event log ----

/** The name under which a features section's rows are kept: FNV-1a of its columns, each with its NUL. */
function columnsHash(columns) {
  let h = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(columns.map((c) => `${c}\0`).join("")))
    h = BigInt.asUintN(64, (h ^ BigInt(byte)) * 0x100000001b3n);
  return h.toString(16).padStart(16, "0");
}

await test("events: trained on what was kept with decisions, judged on the latest, promoted, refused for columns that were not kept", () => {
  const columns = ["profile.age | div 100", "profile.visits | log1p", 'profile.city | is "Rome"', 'profile.city | is "Oslo"'];
  const hash = columnsHash(columns);
  const start = Date.now() - 60 * 86400e3;
  const hex = (n, digits) => n.toString(16).padStart(digits, "0");
  const lines = ["at_ms,type,recipient,copy,campaign,arm,details"];
  for (let i = 0; i < 3000; i++) {
    const c = customer();
    const row = [c.age === "" ? null : c.age / 100, Math.log1p(c.visits), Number(c.city === "Rome"), Number(c.city === "Oslo")];
    const details = JSON.stringify({ propensity: 1, features: { [hash]: row } }).replaceAll('"', '""');
    const ids = `${hex(i + 1, 32)},${hex(i + 1, 16)},spring`;
    lines.push(`${start + i * 600e3},injected,${ids},a,"${details}"`);
    if (c.bought) lines.push(`${start + i * 600e3 + 3600e3},clicked,${ids},a,`);
  }
  writeFileSync(at("events.csv"), lines.join("\n"));
  const conf = ["-c", world.conf ?? at("mailtailor.conf")];
  good("events", "import", "events.csv", ...conf);
  const log = ["--events", "--campaign", "spring", "--outcome", "clicked", "--window", "1d", ...conf];
  const j = JSON.parse(good("model", "train", ...log, "--out", "clicks.safetensors", "--json").out);
  assert.equal(j.score, "clicked");
  assert.ok(Math.abs(j.rows - 600) <= 5, String(j.rows));
  assert.ok(j.model.auc > 0.68, String(j.model.auc));
  assert.equal(j.against[2].verdict, "ahead");
  assert.match(good("model", "promote", "clicks.safetensors", "--to", "clicks-use.safetensors", ...log).err, /promoted/);
  assert.match(good("audit", "show", ...conf).out, /model\.promote/);
  // Some of the kept columns are enough; one that was not kept is not there.
  const few = JSON.parse(good("model", "evaluate", "poor.safetensors", ...log, "--against", "clicks.safetensors", "--json").out);
  assert.equal(few.rows, j.rows);
  assert.equal(few.against.find((d) => d.metric === "log-loss").verdict, "behind");
  writeFileSync(at("more.json"), spec(["profile.age | div 50"]));
  good("model", "train", ...rows, "more.json", "--out", "more.safetensors");
  refused(/reads the column "profile\.age \| div 50", which is not kept/, "model", "evaluate", "more.safetensors", ...log);
  refused(/--outcome clickd: .*did you mean clicked/, "model", "train", "--events", "--outcome", "clickd", "--out", "x", ...conf);
});

await world.stop();
done();
