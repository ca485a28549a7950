// An HTTP server that misbehaves in the way its first argument names, for tests of the supervisor and the gateway.
// It has no dependencies and loads no module a mode does not need, so that a test waits for the fault and not for the start.
import { createServer } from 'node:http';

const USAGE = `usage: PORT=<port> node index.mjs <mode> [argument]

Listens on 127.0.0.1:PORT (0: the kernel chooses; the start line names the port).
GET /health echoes MCP_ID, MCP_TYPE, USER_ID and MCP_NONCE. /mcp answers POST, GET and DELETE with what arrived:
{method, url, headers, rawHeaders, body, bodyBase64, pid}; ?status=N and ?header=Name:value shape that answer.

modes
  ok                    behaves
  exit [CODE]           prints a line to stderr and exits with CODE (3) at once
  abort                 dies by SIGABRT at once
  mute                  lives, never listens
  late MS               listens after MS
  crash-after MS        exits 3 when it has listened for MS
  stubborn              ignores SIGTERM and SIGINT
  drain MS              on SIGTERM stops listening and exits 0 after MS
  slow MS               answers after MS
  unhealthy-after MS    /health answers 503 when it has listened for MS
  frozen                accepts connections, never answers
  reset                 accepts connections and resets them
  garbage               answers every request with bytes that are not HTTP
  endless               answers every request with a body that never ends
  truncated             promises more bytes than it sends, then closes
  chatty N              writes N numbered lines of 100 bytes to stdout, then listens
  noisy N               the same on stderr
  escape                starts two children in its own process group, prints {"sleeping": pid, "stubborn": pid}
  detach                starts a child in a session of its own, prints {"detached": pid}
  hog MB                after listening allocates and touches MB megabytes within about a second
  spin                  after its first healthy answer keeps one CPU busy, still answers
  blocked               after its first healthy answer never returns to its event loop
  wrong-identity        /health answers 200 with a nonce that is not its own
  env                   /env answers {env, cwd, uid, gid, umask, pid, ppid, pgid, sid, argv, execArgv}
  sse                   /mcp answers an event every 50 ms until the client leaves; /sse-state: {open, opened, disconnected}
`;

const [mode, argument] = process.argv.slice(2);
const startedAt = Date.now();
let unhealthy = false;
let onHealthy = () => {};

function fail(code, line) {
  process.stderr.write(`${line}\n`, () => process.exit(code));
}

function amount() {
  const value = Number(argument);
  if (argument === undefined || !Number.isInteger(value) || value < 0) {
    process.stderr.write(`faulty: mode ${mode} needs a whole number\n`);
    process.exit(64);
  }
  return value;
}

function json(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function health(response) {
  const seconds = Math.floor((Date.now() - startedAt) / 1000);
  const body = {
    status: unhealthy ? 'unhealthy' : 'healthy',
    mcpId: process.env.MCP_ID,
    mcpType: process.env.MCP_TYPE,
    userId: process.env.USER_ID,
    nonce: mode === 'wrong-identity' ? 'a-nonce-of-another-run' : process.env.MCP_NONCE,
    pid: process.pid,
    uptime: { seconds, hours: Math.floor(seconds / 3600) },
    timestamp: new Date().toISOString(),
  };
  if (unhealthy) body.reason = 'unhealthy by request';
  json(response, unhealthy ? 503 : 200, body);
  response.once('finish', () => onHealthy());
}

async function echo(request, response, url) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  for (const header of url.searchParams.getAll('header')) {
    const colon = header.indexOf(':');
    response.appendHeader(header.slice(0, colon), header.slice(colon + 1).trim());
  }
  json(response, Number(url.searchParams.get('status') ?? 200), {
    method: request.method,
    url: request.url,
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    body: bytes.toString('utf8'),
    bodyBase64: bytes.toString('base64'),
    pid: process.pid,
  });
}

const streams = { open: 0, opened: 0, disconnected: 0 };

function sse(response) {
  let sequence = 0;
  streams.open += 1;
  streams.opened += 1;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const send = () => response.write(`data: ${JSON.stringify({ seq: ++sequence })}\n\n`);
  send();
  const timer = setInterval(send, 50);
  // The stream never ends by itself, so its close is the client's.
  response.once('close', () => {
    clearInterval(timer);
    streams.open -= 1;
    streams.disconnected += 1;
  });
}

async function surroundings(response) {
  const { readFileSync } = await import('node:fs');
  // The command name may hold spaces and brackets; the numbers start after the last bracket.
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  json(response, 200, {
    env: process.env,
    cwd: process.cwd(),
    uid: process.getuid(),
    gid: process.getgid(),
    umask: process.umask(),
    pid: process.pid,
    ppid: process.ppid,
    pgid: Number(fields[2]),
    sid: Number(fields[3]),
    argv: process.argv,
    execArgv: process.execArgv,
  });
}

function misbehave(request, response) {
  const socket = request.socket;
  if (mode === 'frozen') return true;
  if (mode === 'reset') return socket.resetAndDestroy(), true;
  if (mode === 'garbage') return socket.end('\u0000\u0001 this is not HTTP \u0002\r\n\r\n'), true;
  if (mode === 'endless') {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(16384)));
    };
    response.on('drain', more);
    more();
    return true;
  }
  if (mode === 'truncated') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 });
    response.write('{"status":"heal', () => socket.destroySoon());
    return true;
  }
  return false;
}

function answer(request, response) {
  if (misbehave(request, response)) return;
  const url = new URL(request.url, 'http://127.0.0.1');
  if (url.pathname === '/health') return health(response);
  if (url.pathname === '/mcp' && mode === 'sse' && request.method !== 'DELETE') return sse(response);
  if (url.pathname === '/mcp') return echo(request, response, url).catch(() => response.destroy());
  if (url.pathname === '/sse-state') return json(response, 200, streams);
  if (url.pathname === '/env' && mode === 'env') return surroundings(response);
  json(response, 404, { error: 'not found' });
}

function listen() {
  const port = Number(process.env.PORT);
  if (!process.env.PORT || !Number.isInteger(port) || port < 0 || port > 65535) {
    return fail(78, 'faulty: PORT is missing or is not a port number');
  }
  const delay = mode === 'slow' ? amount() : 0;
  const server = createServer((request, response) => {
    if (delay > 0) setTimeout(answer, delay, request, response);
    else answer(request, response);
  });
  server.once('error', (error) => fail(1, `faulty: ${error.message}`));
  server.listen(port, '127.0.0.1', () => {
    process.stdout.write(`faulty ${mode} listening on 127.0.0.1:${server.address().port}\n`);
    afterListening();
  });
  const stop = () => {
    if (mode === 'stubborn') return;
    if (mode !== 'drain') process.exit(0);
    server.close();
    setTimeout(() => process.exit(0), amount());
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function afterListening() {
  if (mode === 'crash-after') setTimeout(() => fail(3, 'faulty: crashed as asked'), amount());
  if (mode === 'unhealthy-after') setTimeout(() => (unhealthy = true), amount());
  if (mode === 'hog') hog(amount());
  if (mode === 'spin') onHealthy = spin;
  if (mode === 'blocked') {
    onHealthy = () => {
      for (;;);
    };
  }
}

function hog(megabytes) {
  const steps = 20;
  const held = (globalThis.held = []);
  const timer = setInterval(() => {
    // A non-zero fill touches every page, so the memory is resident and not only reserved.
    held.push(Buffer.alloc(Math.ceil((megabytes * 1024 * 1024) / steps), 1));
    if (held.length === steps) clearInterval(timer);
  }, 1000 / steps);
}

function spin() {
  onHealthy = () => {};
  const turn = () => {
    const until = performance.now() + 20;
    while (performance.now() < until);
    setImmediate(turn);
  };
  turn();
}

async function chatter(stream, lines) {
  const perWrite = 500;
  for (let first = 1; first <= lines; first += perWrite) {
    let text = '';
    for (let line = first; line < Math.min(first + perWrite, lines + 1); line += 1) {
      text += `line ${String(line).padStart(9, '0')} `.padEnd(99, '.') + '\n';
    }
    if (!stream.write(text)) await new Promise((resolve) => stream.once('drain', resolve));
  }
}

// A descendant says "up" when its signal handlers are in place, and leaves by itself after ten minutes
// so that a failed test does not leave it behind for ever.
async function descend(code, options) {
  const { spawn } = await import('node:child_process');
  const program = `${code}setTimeout(() => {}, 600000);process.stdout.write('up');`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'ignore'], ...options });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdout.destroy();
  child.unref();
  return child.pid;
}

const beforeListening = {
  late: () => new Promise((resolve) => setTimeout(resolve, amount())),
  chatty: () => chatter(process.stdout, amount()),
  noisy: () => chatter(process.stderr, amount()),
  escape: async () => {
    const [sleeping, stubborn] = await Promise.all([descend(''), descend("process.on('SIGTERM', () => {});")]);
    process.stdout.write(`${JSON.stringify({ sleeping, stubborn })}\n`);
  },
  detach: async () => {
    const detached = await descend("process.on('SIGTERM', () => {});", { detached: true });
    process.stdout.write(`${JSON.stringify({ detached })}\n`);
  },
};

const MODES = new Set(USAGE.slice(USAGE.indexOf('modes\n') + 6).match(/^ {2}[a-z-]+/gm).map((name) => name.trim()));

// Whoever reads the output may leave first; that is no reason to die.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

if (mode === '--help' || mode === '-h') {
  process.stdout.write(USAGE);
} else if (!MODES.has(mode)) {
  fail(64, `faulty: ${mode === undefined ? 'a mode is needed' : `unknown mode ${mode}`}; --help lists the modes`);
} else if (mode === 'exit') {
  fail(argument === undefined ? 3 : amount(), 'faulty: exits as asked');
} else if (mode === 'abort') {
  process.abort();
} else if (mode === 'mute') {
  setInterval(() => {}, 1 << 30);
} else {
  await beforeListening[mode]?.();
  listen();
}
