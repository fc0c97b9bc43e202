// A worker that can be upgraded, on the official TypeScript SDK and without any kit: it keeps notes.
//
//     npm install && switchover serve -- node server.ts
//
// All that it knows of Switchover are three environment variables and one member of `_meta`; it runs without, too.
// The steps are those of docs/adopt.md.
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

// Step 2: what this process was started for.
const dryRun = process.env.SWITCHOVER_DRY_RUN === "1";
const generation = Number(process.env.SWITCHOVER_GENERATION ?? 0);
const stateDir = resolve(process.env.SWITCHOVER_WORKER_STATE ?? "notes");
if (dryRun && !process.env.SWITCHOVER_WORKER_STATE) {
  console.error("SWITCHOVER_DRY_RUN is 1 but SWITCHOVER_WORKER_STATE is not set; name a private directory");
  process.exit(1);
}

await mkdir(stateDir, { recursive: true });
const store = join(stateDir, "notes.jsonl");
const server = new McpServer({ name: "notes", version: "1" });

async function kept(): Promise<string[]> {
  const text = await readFile(store, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.split("\n").slice(0, -1); // what follows the last line end is not written yet
  return lines.map((line) => JSON.parse(line));
}

// Step 5: what is known of the answer's cost; tokens, cost and quality where you know them.
function answer(structuredContent: Record<string, unknown>) {
  const text = JSON.stringify(structuredContent);
  const metrics = { answer_bytes: Buffer.byteLength(text) };
  return { content: [{ type: "text" as const, text }], structuredContent, _meta: { "io.switchover/metrics": metrics } };
}

function refusal(text: string) {
  return { content: [{ type: "text" as const, text }], isError: true };
}

// Step 6: calls finish before the process ends.  The SDK itself does not end with its stdin.
let underWay = 0;
let ending = false;

function counted<Arguments, Result>(work: (given: Arguments) => Promise<Result>) {
  return async (given: Arguments) => {
    underWay += 1;
    try {
      return await work(given);
    } finally {
      underWay -= 1;
      endIfIdle();
    }
  };
}

function endIfIdle() {
  // The SDK writes the answer after this turn; the empty write comes after it.
  if (ending && underWay === 0) setImmediate(() => process.stdout.write("", () => process.exit(0)));
}

function end() {
  ending = true;
  endIfIdle();
}
process.stdin.on("end", end);
process.on("SIGTERM", end);

server.registerTool(
  "note_add",
  {
    description: "Keep a note.",
    inputSchema: { text: z.string().min(1).max(1000) },
    outputSchema: { number: z.number().int() },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  },
  counted(async ({ text }: { text: string }) => {
    // One short append: another generation may have the same file open.
    await appendFile(store, `${JSON.stringify(text)}\n`);
    return answer({ number: (await kept()).length });
  }),
);

server.registerTool(
  "notes",
  {
    description: "Show the newest notes.",
    inputSchema: { limit: z.number().int().min(1).max(100).default(10) },
    outputSchema: { notes: z.array(z.string()), generation: z.number().int() },
    annotations: { readOnlyHint: true }, // step 1: it may be asked twice, and compared
  },
  counted(async ({ limit }: { limit: number }) => {
    return answer({ notes: (await kept()).reverse().slice(0, limit), generation });
  }),
);

server.registerTool(
  "notes_export",
  {
    description: "Write all notes into a file, one a line.",
    inputSchema: { path: z.string().describe("An absolute path.") },
    outputSchema: { path: z.string(), count: z.number().int() },
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  },
  counted(async ({ path }: { path: string }) => {
    const outside = relative(stateDir, resolve(path));
    if (dryRun && (outside.startsWith("..") || isAbsolute(outside))) {
      // Step 3: a dry run has no effect outside its own state.
      return refusal(`notes_export is refused: this process is a dry run and ${path} is outside ${stateDir}`);
    }
    if (!isAbsolute(path)) return refusal(`notes_export cannot write '${path}'; give an absolute path`);
    const notes = await kept();
    await writeFile(path, notes.map((note) => `${note}\n`).join(""));
    return answer({ path, count: notes.length });
  }),
);

await server.connect(new StdioServerTransport());
