import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect as connectSocket } from 'node:net';
import test from 'node:test';
import { connect, logLines, post, start, type Running } from './support.ts';

const CREDENTIALS = '{"api_key":"canary-0123456789"}';

async function status(url: string, path: string, options: { method?: string; headers?: Record<string, string> } = {}) {
  const sent = request(`${url}${path}`, { agent: false, ...options }).end();
  const [response] = await once(sent, 'response');
  response.resume();
  return { status: response.statusCode as number, allow: response.headers['allow'] as string | undefined };
}

async function raw({ url }: Running, bytes: string): Promise<string> {
  const socket = connectSocket(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.end(bytes);
  await once(socket, 'close');
  return answer;
}

test('only loopback names are hosts and origins', async (t) => {
  const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
  for (const path of ['/health', '/mcp', '/metrics', '/metrics.json']) {
    assert.equal((await status(url, path, { headers: { host: 'evil.example' } })).status, 403);
    assert.equal((await status(url, path, { headers: { origin: 'http://evil.example' } })).status, 403);
    assert.equal((await status(url, path, { headers: { origin: 'null' } })).status, 403);
  }
  for (const host of ['localhost:1', '127.0.0.1', '[::1]:80']) {
    assert.equal((await status(url, '/health', { headers: { host } })).status, 200);
  }
  assert.equal((await status(url, '/health', { headers: { origin: 'http://localhost:5173' } })).status, 200);
});

test('paths and methods that are not there', async (t) => {
  const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
  const missing = await fetch(`${url}/nothing?token=x`);
  assert.equal(missing.status, 404);
  assert.deepEqual(await missing.json(), { error: 'not found' });
  assert.deepEqual(await status(url, '/health', { method: 'POST' }), { status: 405, allow: 'GET, HEAD' });
  assert.deepEqual(await status(url, '/metrics', { method: 'DELETE' }), { status: 405, allow: 'GET, HEAD' });
  assert.deepEqual(await status(url, '/mcp', { method: 'PUT' }), { status: 405, allow: 'POST, GET, DELETE' });
  assert.equal((await status(url, '/health', { method: 'HEAD' })).status, 200);
});

test('bodies that are no JSON-RPC are refused, and the process goes on', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  const { url } = server;
  const refused = async (body: string | Uint8Array, headers?: Record<string, string>) => {
    const response = await post(url, body, headers);
    const { error } = (await response.json()) as { error: { code: number } };
    return [response.status, error.code];
  };
  assert.deepEqual(await refused('{"jsonrpc":'), [400, -32700]);
  assert.deepEqual(await refused(''), [400, -32700]);
  assert.deepEqual(await refused(new Uint8Array([0xff, 0xfe, 0x00])), [400, -32700]);
  assert.deepEqual(await refused('{}', { 'content-type': 'text/plain' }), [415, -32000]);
  for (const odd of ['null', '1', '"text"', '[]', '{}', '[null]', '{"jsonrpc":"2.0","method":7}']) {
    const [code] = await refused(odd);
    assert.equal(code, 400, odd);
  }
  assert.match(await raw(server, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(await raw(server, `GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  assert.match(await raw(server, 'GET http://[ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'), /^HTTP\/1\.1 404 /);
  const client = await connect(t, url, 'modern');
  assert.equal((await client.callTool({ name: 'echo', arguments: { text: 'still here' } })).isError, undefined);
});

test('a client that leaves in the middle of its body is logged as such, and is no fault', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  const socket = connectSocket(Number(new URL(server.url).port), '127.0.0.1');
  socket.write('POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{');
  const client = await connect(t, server.url, 'modern');
  await client.listTools();
  socket.destroy();
  await server.stop();
  const lines = await logLines(server.logDir, 'app.log');
  assert.ok(lines.some((line) => line['path'] === '/mcp' && line['aborted'] === true));
  assert.deepEqual(lines.filter((line) => line['level'] !== 'info'), []);
});

test('every refusal counts as a request and an error', async (t) => {
  const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
  const counts = async () => (await (await fetch(`${url}/metrics`)).json()) as { requests: number; errors: number };
  const before = await counts();
  await (await fetch(`${url}/nothing`)).text();
  await status(url, '/health', { headers: { host: 'evil.example' } });
  await (await post(url, '{"jsonrpc":')).text();
  await (await post(url, '{}', { 'content-type': 'text/plain' })).text();
  const after = await counts();
  assert.deepEqual([after.requests - before.requests, after.errors - before.errors], [5, 4]);
});

test('a body of more than 4 MB gets 413, with and without a declared length', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  const declared = 'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4194305\r\n\r\n';
  assert.match(await raw(server, declared), /^HTTP\/1\.1 413 /);
  const chunk = `100000\r\n${' '.repeat(0x100000)}\r\n`;
  const chunked = 'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
  assert.match(await raw(server, chunked + chunk.repeat(4) + '1\r\n \r\n0\r\n\r\n'), /^HTTP\/1\.1 413 /);
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});
