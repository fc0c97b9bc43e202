// A worker on Node without a package: its one tool keeps a loop hot long enough for the just-in-time compiler.
import { createInterface } from "node:readline";

const sum = (limit) => {
  let total = 0;
  for (let i = 0; i < limit; i += 1) total = (total + i * i) % 1000003;
  return total;
};

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "systemd-node-worker", version: "1" },
  }),
  "tools/list": () => ({ tools: [{ name: "sum", inputSchema: { type: "object" } }] }),
  "tools/call": ({ arguments: { limit } }) => ({ content: [{ type: "text", text: String(sum(limit)) }] }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result = (answers[method] ?? (() => ({})))(params ?? {});
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
}
