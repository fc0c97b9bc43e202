// OpenFeature clients written elsewhere, against a daemon: node --experimental-eventsource openfeature.mjs URL TOKEN
//
// Prints one JSON object a line: what the server provider evaluates, what the web provider has, and what it has after
// each change it heard of by its stream; ends when its stdin does.

import { OpenFeature as Server } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature as Web, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const [url, token] = process.argv.slice(2);
const options = { baseUrl: url, headers: [["Authorization", `Bearer ${token}`]] };
const say = (kind, told) => process.stdout.write(JSON.stringify({ kind, ...told }) + "\n");
const shown = ({ value, variant, reason, errorCode }) => ({ value, variant, reason, errorCode });

await Server.setProviderAndWait(new OFREPProvider(options));
const server = Server.getClient();
const context = { targetingKey: "mission-42" };
say("server", {
  mode: shown(await server.getStringDetails("MODE", "none", context)),
  open: shown(await server.getBooleanDetails("tool-access", true, context)),
  limit: shown(await server.getNumberDetails("limit", -1, context)),
  rate: shown(await server.getNumberDetails("rate", -1, context)),
  theme: shown(await server.getObjectDetails("theme", {}, context)),
  missing: shown(await server.getBooleanDetails("missing", true, context)),
  nobody: shown(await server.getStringDetails("MODE", "none", {})),
});

// A change between the first answer and the opening of the stream would be heard of by nobody: say nothing before.
const opened = new Promise((resolve) => {
  globalThis.EventSource = class extends globalThis.EventSource {
    constructor(...parts) {
      super(...parts);
      this.addEventListener("open", resolve, { once: true });
    }
  };
});

await Web.setContext(context);
const provider = new OFREPWebProvider({ ...options, cacheMode: "disabled", pollInterval: 0 });
await Web.setProviderAndWait(provider);
await opened;
const web = Web.getClient();
const values = () => ({ mode: web.getStringValue("MODE", "none"), limit: web.getNumberValue("limit", -1) });
say("web", values());
web.addHandler(ProviderEvents.ConfigurationChanged, (event) => say("changed", { flags: event?.flagsChanged, ...values() }));

process.stdin.resume();
process.stdin.on("end", async () => {
  await Web.close();
  await Server.close();
  process.exit(0);
});
