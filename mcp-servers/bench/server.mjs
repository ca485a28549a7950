import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Header fields and body of a request of the stateless era. */
export function message(method, params = {}) {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(params.name !== undefined && { 'mcp-name': params.name }),
  };
  return { headers, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: META } }) };
}

export const ECHO = message('tools/call', { name: 'echo', arguments: { text: 'hello' } });
export const LIST = message('tools/list');

/** A server that was started for a measurement. Its vendor refuses every connection. */
export class Server {
  /** Starts `args` with Node; `cpu` pins it. */
  static async start({ args, cpu }) {
    const port = await freePort();
    const logs = mkdtempSync(join(tmpdir(), 'minimcp-bench-'));
    const env = {
      PORT: String(port),
      LOG_DIR: logs,
      CREDENTIALS: '{"api_key":"bench-0123456789","personal_access_token":"bench-0123456789"}',
      VENDOR_URL: 'http://127.0.0.1:9',
      GITHUB_API_URL: 'http://127.0.0.1:9',
      NODE_ENV: 'production',
    };
    const pinned = cpu === undefined ? [process.execPath] : ['taskset', '-c', String(cpu), process.execPath];
    const [command, ...rest] = [...pinned, ...args];
    const startedAt = performance.now();
    const child = spawn(command, rest, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    return new Server(child, port, logs, startedAt);
  }

  #agent = new Agent({ keepAlive: true });

  constructor(child, port, logs, startedAt) {
    Object.assign(this, { child, port, logs, startedAt });
  }

  /** Milliseconds from the start to the first healthy answer, asked for each millisecond. */
  async healthy() {
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`the server ended with ${this.child.exitCode}`);
      try {
        await this.ask('GET', '/health');
        return performance.now() - this.startedAt;
      } catch (error) {
        if (error.code !== 'ECONNREFUSED') throw error;
        await sleep(1);
      }
    }
  }

  /** Milliseconds that a request took; anything but a 200 is an error. */
  async ask(method, path, { headers, body } = {}) {
    const askedAt = performance.now();
    const sent = request({ host: '127.0.0.1', port: this.port, method, path, headers, agent: this.#agent }).end(body);
    const [response] = await once(sent, 'response');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    if (response.statusCode !== 200 || text.includes('"isError":true')) throw new Error(`${response.statusCode} ${text}`);
    return performance.now() - askedAt;
  }

  /** The proportional set size in MB: what is shared counts in parts. */
  pss() {
    const [, kilobytes] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${this.child.pid}/smaps_rollup`, 'utf8'));
    return Number(kilobytes) / 1024;
  }

  /** Milliseconds that its threads have run; what else the machine does is not in it. */
  cpu() {
    const tasks = `/proc/${this.child.pid}/task`;
    const ran = readdirSync(tasks).map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]));
    return ran.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
  }

  async stop() {
    const ended = this.child.exitCode === null ? once(this.child, 'exit') : undefined;
    this.#agent.destroy();
    this.child.kill('SIGKILL');
    await ended;
    rmSync(this.logs, { recursive: true });
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
