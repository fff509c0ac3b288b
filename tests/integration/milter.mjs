import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { World, slow } from "./harness.mjs";
import { done, test } from "./tap.mjs";

const world = await World.start({
  postfix: false,
  milter: "max_message = 100K",
  conf: `
cap two { limit = 2 window = 1d category = { capped } }
campaign plain {
	match_sender = { "plain@shop.example" }
	track_opens = no track_clicks = no list_unsubscribe = no rewrite_to = no
	defaults { first_name = "Ann" }
}
campaign listener { match_listener = { "submission" } track_opens = no track_clicks = no list_unsubscribe = no defaults { first_name = "Lis" } }
campaign capped { category = capped match_sender = { "capped@shop.example" } list_unsubscribe = no }
`,
});

await test("the script of miltertest runs to its end; its tests are those below", () => {
  const script = join(dirname(fileURLToPath(import.meta.url)), "milter.lua");
  const ran = spawnSync("miltertest", ["-D", `socket=unix:${world.socket}`, "-D", `timeout=${20 * slow}`, "-s", script], { encoding: "utf8" });
  process.stdout.write(ran.stdout);
  if (ran.status !== 0 || !ran.stdout.includes("# end of script")) throw new Error(`miltertest: ${ran.status} ${ran.stderr}`);
});

await test("mailtailord ends well", () => world.stop());
done();
