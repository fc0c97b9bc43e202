// The official TypeScript client, driven by a test: `node client.mjs http URL` or `node client.mjs stdio COMMAND...`.
// It uses every kind of thing a server offers, says so on stdout as one JSON line, waits for a line on stdin, and does
// it all again in the same session; what it hears unasked is told with the second line.
import { createInterface } from "node:readline/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

const [kind, ...where] = process.argv.slice(2);
const transport =
  kind === "http"
    ? new StreamableHTTPClientTransport(new URL(where[0]))
    : new StdioClientTransport({ command: where[0], args: where.slice(1), env: process.env });
const client = new Client({ name: "typescript", version: "1" }, { capabilities: {} });
let listChanged = 0;
client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
  listChanged += 1;
});
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function everything() {
  const tools = (await client.listTools()).tools.map((tool) => tool.name).sort();
  const echo = await client.callTool({ name: "echo", arguments: { message: "ü \u2028 😀" } });
  const progress = [];
  const operation = { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 2 } };
  await client.callTool(operation, undefined, { onprogress: (step) => progress.push(step.progress) });
  const resources = (await client.listResources()).resources;
  const read = await client.readResource({ uri: resources[0].uri });
  const templates = (await client.listResourceTemplates()).resourceTemplates.length;
  const prompt = await client.getPrompt({ name: "args-prompt", arguments: { city: "Lyon" } });
  const argument = { name: "department", value: "Eng" };
  const completed = await client.complete({ ref: { type: "ref/prompt", name: "completable-prompt" }, argument });
  const refused = await client.readResource({ uri: "demo://resource/nowhere" }).catch((error) => error.code);
  await client.ping();
  return {
    server: client.getServerVersion().name,
    tools,
    echo: echo.content[0].text,
    progress: progress[0], // the client drops the last one when the answer comes in the same moment
    read: read.contents[0].uri === resources[0].uri,
    templates,
    prompt: prompt.messages[0].content.text,
    completed: completed.completion.values,
    refused,
    listChanged,
  };
}

await client.connect(transport);
for (;;) {
  console.log(JSON.stringify(await everything()));
  if ((await lines.next()).done) break;
}
await client.close();
process.exit(0);
