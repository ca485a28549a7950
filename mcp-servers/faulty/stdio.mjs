// A server on standard streams that does what it is asked to, right or wrong, for tests of the stdio lane.
// It has no dependencies. Its first argument says which eras of the protocol it speaks: modern, legacy, both, pins
// (both, but bound to the one it hears first) or silent (legacy, and says nothing to what it does not know).
import { createInterface } from 'node:readline';

const eras = process.argv[2] ?? 'both';
const VERSION = 'io.modelcontextprotocol/protocolVersion';
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
const seen = { discovered: 0, initialized: 0, cancelled: [], methods: [], answers: [] };
const listening = new Set();
const waiting = new Map();
let pinned;
let asked = 0;

const raw = (line) => process.stdout.write(`${line}\n`);
const say = (message) => raw(JSON.stringify({ jsonrpc: '2.0', ...message }));
const answer = (id, result) => say({ id, result });
const refuse = (id, code, message = 'refused') => say({ id, error: { code, message } });
const text = (value) => ({ resultType: 'complete', content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] });

const TOOLS = {
  echo: (id, _, line) => answer(id, text(line)),
  state: (id) => answer(id, text({ ...seen, pid: process.pid, mcpId: process.env.MCP_ID })),
  env: (id) => answer(id, text(Object.keys(process.env))),
  // What is printed is the argument with the id, and the token of the progress, put in.
  print: (id, { lines }, _, token) => lines.forEach((one) => raw(one.replaceAll('$ID', String(id)).replaceAll('$TOKEN', String(token)))),
  crash: () => process.exit(3),
  twice: (id) => [1, 2].forEach((n) => answer(id, text(String(n)))),
  never: () => {},
  progress: (id, { count, size = 0 }, _, token) => {
    for (let n = 1; n <= count; n += 1) say({ method: 'notifications/progress', params: { progressToken: token, progress: n, message: 'x'.repeat(size) } });
    answer(id, text('done'));
  },
  long: (id, { bytes }) => {
    raw('x'.repeat(bytes));
    answer(id, text('done'));
  },
  slow: (id, { count, every_ms: every }, _, token) => {
    const next = (n) => {
      if (n > count) return answer(id, text('done'));
      say({ method: 'notifications/progress', params: { progressToken: token, progress: n } });
      setTimeout(next, every, n + 1);
    };
    next(1);
  },
  // Piece by piece, so that other calls are answered in between.
  flood: (id, { lines: count, line }) => {
    const pour = (left) => {
      if (left <= 0) return answer(id, text('done'));
      process.stdout.write(`${line}\n`.repeat(Math.min(left, 500)));
      setImmediate(pour, left - 500);
    };
    pour(count);
  },
  bytes: (id) => {
    process.stdout.write(Buffer.from([0xff, 0xfe, 0x0a]));
    answer(id, text('done'));
  },
  deaf: (id) => {
    answer(id, text('done'));
    lines.pause();
    process.stdin.pause();
    // Without anything to wait for it would end.
    setInterval(() => {}, 2 ** 30);
  },
  mumble: () => process.stdout.write('{"jsonrpc":"2.0","id":'),
  poke: (id) => {
    for (const subscription of listening) say({ method: 'notifications/tools/list_changed', params: { _meta: { [SUBSCRIPTION]: subscription } } });
    answer(id, text('done'));
  },
  unlisten: (id) => {
    for (const requestId of listening) say({ method: 'notifications/cancelled', params: { requestId } });
    answer(id, text('done'));
  },
  update: (id, { uri }) => {
    say({ method: 'notifications/resources/updated', params: { uri } });
    say({ method: 'notifications/message', params: { level: 'info', data: `about ${uri}` } });
    answer(id, text('done'));
  },
  ask: (id, { method }) => {
    asked += 1;
    waiting.set(`ask-${asked}`, id);
    say({ id: `ask-${asked}`, method, params: { messages: [] } });
  },
  task: (id, { ttlMs }) => answer(id, { resultType: 'task', taskId: 'a-task', status: 'working', ttlMs }),
};

const METHODS = {
  'server/discover': (id) => {
    seen.discovered += 1;
    answer(id, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' });
  },
  initialize: (id, params) => {
    seen.initialized += 1;
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {}, resources: { subscribe: true } }, serverInfo: { name: 'scripted', version: String(process.pid) } });
  },
  ping: (id) => answer(id, {}),
  'tools/list': (id) => answer(id, { resultType: 'complete', tools: [{ name: 'echo', inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } } }], ttlMs: 0, cacheScope: 'private' }),
  'resources/subscribe': (id) => answer(id, {}),
  'resources/unsubscribe': (id) => answer(id, {}),
  'subscriptions/listen': (id) => {
    listening.add(id);
    say({ method: 'notifications/subscriptions/acknowledged', params: { notifications: {}, _meta: { [SUBSCRIPTION]: id } } });
  },
};

/** Whether a message of this era is answered here. */
function speaks(modern) {
  if (eras === 'pins') {
    pinned ??= modern;
    return pinned === modern;
  }
  return eras === 'both' || (eras === 'modern') === modern;
}

function receive(line) {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return;
  }
  const { id, method, params = {} } = message;
  if (method === undefined) {
    seen.answers.push(message);
    const call = waiting.get(id);
    if (call !== undefined) answer(call, text(message.result ?? message.error));
    return;
  }
  seen.methods.push(method);
  if (method === 'notifications/cancelled') {
    seen.cancelled.push(params.requestId);
    listening.delete(params.requestId);
  }
  if (id === undefined) return;
  const modern = params._meta?.[VERSION] !== undefined;
  const known = METHODS[method] ?? (method === 'tools/call' ? call : undefined);
  if (!speaks(modern)) {
    if (eras === 'silent') return;
    refuse(id, modern ? -32601 : -32022);
  } else if (known === undefined) refuse(id, -32601, 'no such method');
  else known(id, params, line);
}

function call(id, params, line) {
  const tool = TOOLS[params.name];
  if (tool === undefined) refuse(id, -32602, `no tool ${params.name}`);
  else tool(id, params.arguments ?? {}, line, params._meta?.progressToken);
}

process.stderr.write('listening\n');
const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on('line', receive);
