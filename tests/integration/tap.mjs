// TAP: one line for each test, "ok", "not ok" or "ok … # SKIP why"; what went wrong follows as comments.

let count = 0;
let failed = 0;
const onFailure = [];

/** Runs body; a string that it returns is why it was skipped. */
export async function test(name, body) {
  count++;
  try {
    const skip = await body();
    console.log(`ok ${count} - ${name}${typeof skip === "string" ? ` # SKIP ${skip}` : ""}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${count} - ${name}`);
    comment(error?.stack ?? String(error));
    for (const tell of onFailure) tell();
  }
}

export function comment(text) {
  for (const line of String(text).trimEnd().split("\n").slice(0, 60)) console.log(`# ${line.slice(0, 400)}`);
}

/** What else helps to understand a failure, such as the end of a log. */
export function explainFailures(tell) {
  onFailure.push(tell);
}

export const failures = () => failed;

/** After the last test. */
export function done() {
  console.log(`1..${count}`);
  process.exitCode = failed > 0 || count === 0 ? 1 : 0;
}

/** Ends a run that cannot go on. */
export function bail(why) {
  console.log(`not ok ${++count} - ${why}`);
  process.exit(1);
}
