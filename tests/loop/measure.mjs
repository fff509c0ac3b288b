// What the events say of control and learned copies, wave by wave. Customers get many copies, so what one does with them hangs
// together: errors are computed over customers, not over copies (a ratio of sums; Cochran, Sampling Techniques, 6.4).

const FACTS = ["opened", "clicked", "converted", "unsubscribed"];

/** events: of one campaign in their order, as `events export` prints them → Map of copies. */
export function copies(events) {
  const map = new Map();
  for (const e of events) {
    if (!e.copy) continue;
    if (e.type === "injected" && !map.has(e.copy)) map.set(e.copy, { who: e.recipient, arm: e.arm, at: Date.parse(e.at ?? e.time), opened: 0, clicked: 0, converted: 0, unsubscribed: 0, value: 0 });
    const copy = map.get(e.copy);
    if (!copy) continue;
    if (e.type === "reclassified") {
      const details = typeof e.details === "string" ? JSON.parse(e.details) : e.details;
      copy[details.type]--;
    } else if (FACTS.includes(e.type) && (e.class === "human" || e.class === "unknown" || (e.type === "opened" && e.class === "proxy"))) {
      copy[e.type]++;
    }
  }
  return [...map.values()];
}

/** The rate of a fact among copies with its standard error, customers being what was drawn. */
export function rate(list, fact) {
  const people = new Map();
  for (const copy of list) {
    const sum = people.get(copy.who) ?? { n: 0, y: 0 };
    sum.n++;
    sum.y += copy[fact] > 0 ? 1 : 0;
    people.set(copy.who, sum);
  }
  const n = list.length, k = people.size;
  const y = [...people.values()].reduce((a, s) => a + s.y, 0);
  const value = n > 0 ? y / n : 0;
  const squares = [...people.values()].reduce((a, s) => a + (s.y - value * s.n) ** 2, 0);
  return { value, n, y, people: k, se: k > 1 ? Math.sqrt((k / (k - 1)) * squares) / n : NaN };
}

/** learned less control, with its 95% interval */
export function difference(learned, control) {
  const value = learned.value - control.value;
  const se = Math.hypot(learned.se, control.se);
  return { value, se, low: value - 1.96 * se, high: value + 1.96 * se };
}
