import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const preload = fileURLToPath(new URL('code-cache.cjs', import.meta.url));

/**
 * Runs a server once and asks it for its tools in both eras, so that its code cache holds what a start and the first
 * calls compile. Its vendor is not asked.
 * @param program the starter in dist/
 * @param cache the file to write
 * @param credentials whatever the server takes as such
 * @throws when it does not start, refuses to list its tools, or does not end
 */
export async function rehearse(program, cache, credentials) {
  const env = { PORT: '0', CREDENTIALS: JSON.stringify(credentials) };
  const server = fork(program, { env, execArgv: ['--require', preload], silent: true });
  const ended = once(server, 'exit');
  server.stderr.pipe(process.stderr);
  const [line] = await Promise.race([once(server.stdout.setEncoding('utf8'), 'data'), ended]);
  const address = /listening on (\S+)/.exec(line)?.[1];
  if (address === undefined) throw new Error(`${program} did not start; see "rehearsal" in its package.json`);
  try {
    await calls(`http://${address}`);
    server.send(cache);
    const [code] = await ended;
    if (code !== 0) throw new Error(`${program} ended with ${code}`);
  } finally {
    server.kill('SIGKILL');
  }
}

async function calls(url) {
  await (await fetch(`${url}/metrics`)).text();
  const clientInfo = { name: 'rehearsal', version: '1' };
  const opened = await post(url, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
  await post(url, 'tools/list', {}, { 'mcp-session-id': opened.headers.get('mcp-session-id') });
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' };
  // Twice: the second answer is a remembered one.
  for (let time = 0; time < 2; time += 1) await post(url, 'tools/list', { _meta }, headers);
}

async function post(url, method, params, headers = {}) {
  const accept = 'application/json, text/event-stream';
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const all = { 'content-type': 'application/json', accept, ...headers };
  const response = await fetch(`${url}/mcp`, { method: 'POST', headers: all, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} was answered with ${response.status}: ${text}`);
  return response;
}
