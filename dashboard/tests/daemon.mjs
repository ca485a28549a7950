// A real daemon in a directory of its own, and what the tests ask of it beside the browser.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const root = resolve(import.meta.dirname, '../..');
const program = resolve(root, process.env['MINIMCP'] ?? 'target/debug/minimcp');
/** Beyond the ports of the Rust tests. */
const PORTS = '29000-29199';

/** Waits until this holds; the last thing it threw or gave is in the error. */
export async function eventually(what, holds, seconds = 20) {
  const end = Date.now() + seconds * 1_000;
  let last;
  for (;;) {
    try {
      last = await holds();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what} did not come true within ${seconds} s; last seen: ${last}`);
    await pause(50);
  }
}

export class Daemon {
  dir = mkdtempSync(join(tmpdir(), 'minimcp-dashboard-'));
  url = '';
  admin = '';
  #process;

  /** Starts it, again on the same port if it ran before. */
  async start() {
    if (!existsSync(program)) throw new Error(`there is no ${program}: build it, or name it in MINIMCP`);
    const listen = this.url === '' ? '127.0.0.1:0' : new URL(this.url).host;
    const settings = [
      `ports=${PORTS}`,
      'sample-interval=500ms',
      'grace=500ms',
      'http.max-failures=1000',
      'http.max-creations=600',
    ];
    const given = settings.flatMap((setting) => ['--set', setting]);
    const env = {
      PATH: process.env['PATH'],
      HOME: this.dir,
      MINIMCP_SERVERS_DIR: process.env['MINIMCP_SERVERS_DIR'] ?? join(root, 'mcp-servers'),
    };
    this.#process = spawn(program, ['serve', '--data-dir', join(this.dir, 'data'), '--listen', listen, ...given], {
      cwd: this.dir,
      env,
    });
    let said = '';
    this.#process.stderr.on('data', (text) => {
      said += text;
    });
    this.#process.stdout.on('data', (text) => {
      said += text;
    });
    this.url = await eventually('the daemon listens', () => {
      if (this.#process.exitCode !== null) throw new Error(said);
      return /listening.*url: (http:\S+)/.exec(said)?.[1];
    });
    this.admin = readFileSync(join(this.dir, 'data/admin.token'), 'utf8').trim();
    return this;
  }

  /** Ends it, as a crash does or as it should be. */
  async end(signal = 'SIGTERM') {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill(signal);
    await ended;
  }

  async close() {
    await this.end();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async ask(method, path, body, token = this.admin) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  /** A type whose servers misbehave as told. */
  faulty(name, args, more = {}) {
    return this.ask('POST', '/v1/types', {
      name,
      display_name: `Faulty: ${args.join(' ')}`,
      description: 'Misbehaves on request.',
      server_script: 'faulty/index.mjs',
      args,
      health_check: { kind: 'http', endpoint: '/health', interval_seconds: 1, timeout_seconds: 1 },
      ...more,
    });
  }

  create(mcp_type, more = {}, token = this.admin, wait = '') {
    return this.ask('POST', `/v1/instances${wait}`, { mcp_type, expiration_minutes: 60, ...more }, token);
  }

  running(mcp_type, more = {}, token = this.admin) {
    return this.create(mcp_type, more, token, '?wait=running');
  }

  reaches(id, status, token = this.admin) {
    return this.ask('GET', `/v1/instances/${id}/wait?status=${status}&timeout_seconds=30`, undefined, token);
  }

  /** A new user with a token. */
  async user(name, role) {
    const user = await this.ask('POST', '/v1/users', { name, role });
    const { token } = await this.ask('POST', `/v1/users/${user.id}/tokens`, { name: 'tests' });
    return { ...user, token };
  }
}
