import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

export { listen } from './stand-in.ts';

/** A server that runs as a process of its own, as it does under the supervisor. */
export interface Running {
  url: string;
  pid: number;
  logDir: string;
  child: ChildProcess;
  /** Everything it wrote so far. */
  output: { stdout: string; stderr: string };
  /** Sends a signal and waits for the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

const children = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** How a child is started beside its environment. */
export interface Launch {
  /** Options of Node. */
  flags?: string[];
  /** Descriptor 3, a socket of ours or /dev/null, given by systemd's protocol: it names the one process it is for. */
  handed?: number | 'ignore';
}

/** Starts a program of `dist/`, named as seen from the tests, and gathers what it writes. */
export function launch(bundle: string, env: Record<string, string>, { flags = [], handed }: Launch = {}) {
  const program = [process.execPath, ...flags, children(bundle)];
  const forItself = ['/bin/sh', '-c', 'LISTEN_PID=${LISTEN_PID:-$$} exec "$@"', 'sh'];
  const [command, ...args] = handed === undefined ? program : [...forItself, ...program];
  const more = handed === undefined ? [] : [handed];
  const child = spawn(command!, args, { env, stdio: ['ignore', 'pipe', 'pipe', ...more] }) as ChildProcessByStdio<null, Readable, Readable>;
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  return { child, output };
}

/** Starts the bundle beside the tests and waits for its start line; it ends with the test. */
export async function start(
  t: TestContext,
  bundle: string,
  env: Record<string, string>,
  options?: Launch,
): Promise<Running> {
  const logDir = await mkdtemp(join(tmpdir(), 'minimcp-test-'));
  const { child, output } = launch(bundle, { PORT: '0', LOG_DIR: logDir, ...env }, options);
  const exited = once(child, 'exit') as Promise<[number | null]>;
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(logDir, { recursive: true, force: true });
  });
  await Promise.race([
    once(child.stdout!, 'data'),
    exited.then(([code]) => Promise.reject(new Error(`exited with ${code}: ${output.stderr}`))),
  ]);
  const port = /127\.0\.0\.1:(\d+)/.exec(output.stdout)![1];
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    logDir,
    child,
    output,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return (await exited)[0];
    },
  };
}

/** Runs a bundle that is expected to end by itself. */
export async function ended(bundle: string, env: Record<string, string>, options?: Launch): Promise<Ended> {
  const { child, output } = launch(bundle, env, options);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

/** The two eras of the protocol, as a client asks for them. */
export const ERAS = ['legacy', 'modern'] as const;
export type Era = (typeof ERAS)[number];

/** Connects the SDK's client in one era; closed with the test. */
export async function connect(t: TestContext, url: string, era: Era): Promise<Client> {
  const mode = era === 'legacy' ? 'legacy' : { pin: '2026-07-28' };
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', url)));
  t.after(() => client.close());
  return client;
}

/** The text of a tool's result. */
export function text(result: unknown): string {
  const { content } = result as { content: { type: string; text: string }[] };
  return content.map((part) => part.text).join('\n');
}

/** The lines of a log file. */
export async function logLines(dir: string, name: string): Promise<Record<string, unknown>[]> {
  const content = await readFile(join(dir, name), 'utf8');
  return content.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A raw JSON-RPC POST. */
export function post(url: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Response> {
  const accept = 'application/json, text/event-stream';
  return fetch(`${url}/mcp`, { method: 'POST', body, headers: { 'content-type': 'application/json', accept, ...headers } });
}
