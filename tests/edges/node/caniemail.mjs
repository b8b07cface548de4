// What HTML files use that mail programs do not know, by caniemail.com: `node caniemail.mjs FILE...` prints JSON, for each
// feature the programs that do not know it at all.
import { readFileSync } from "node:fs";
import { caniemail } from "caniemail";

const clients = ["gmail.*", "outlook.*", "windows-mail.*", "apple-mail.*", "yahoo.*", "samsung-email.*"];
const unknown = {};
for (const file of process.argv.slice(2)) {
  const { issues } = caniemail({ clients, html: readFileSync(file, "utf8") });
  for (const [client, found] of issues.errors) {
    for (const { title } of found) (unknown[title] ??= new Set()).add(client);
  }
}
console.log(JSON.stringify(unknown, (_, value) => (value instanceof Set ? [...value].sort() : value)));
