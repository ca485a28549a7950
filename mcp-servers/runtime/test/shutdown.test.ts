import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { connect, ERAS, listen, logLines, start, text } from './support.ts';

const CREDENTIALS = '{"api_key":"canary-0123456789"}';

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} ends with code 0 and leaves the last metrics`, async (t) => {
    const server = await start(t, './fixture.cjs', { CREDENTIALS });
    await (await fetch(`${server.url}/nothing`)).text();
    assert.equal(await server.stop(signal), 0);
    const last = JSON.parse(await readFile(join(server.logDir, 'shutdown-metrics.json'), 'utf8'));
    assert.equal(last.requests, 1);
    assert.equal(last.errors, 1);
    assert.ok(last.totalUptime > 0 && Date.parse(last.shutdownTime) > 0);
    const lines = await logLines(server.logDir, 'app.log');
    assert.equal(lines.at(-1)!['message'], 'stopped');
  });
}

for (const era of ERAS) {
  test(`${era}: a call that is running is finished, and new connections are refused`, async (t) => {
    let asked = (_response: ServerResponse) => {};
    const reached = new Promise<ServerResponse>((resolve) => (asked = resolve));
    const vendor = await listen(t, (request, response) => void (request.url === '/ask' ? asked(response) : response.end()));
    const server = await start(t, './fixture.cjs', { CREDENTIALS, VENDOR_URL: vendor.url });
    const client = await connect(t, server.url, era);
    const call = client.callTool({ name: 'ask', arguments: {} });
    const answer = await reached;
    const code = server.stop();
    // The refusal of a connection is the sign that the signal has arrived.
    while (await fetch(`${server.url}/health`).then((response) => response.text(), () => null));
    answer.end('late but whole');
    assert.equal(JSON.parse(text(await call)).text, 'late but whole');
    assert.equal(await code, 0);
  });
}

test('a stream that never ends does not delay the stop', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  const client = await connect(t, server.url, 'legacy');
  const openedAt = performance.now();
  const opened = await fetch(`${server.url}/mcp`, {
    headers: { accept: 'text/event-stream', 'mcp-session-id': await session(server.url) },
  });
  assert.equal(opened.status, 200);
  // Before the first keep-alive, which would hide headers that are held back.
  assert.ok(performance.now() - openedAt < 10_000);
  const startedAt = performance.now();
  assert.equal(await server.stop(), 0);
  assert.ok(performance.now() - startedAt < 5_000);
  await opened.body!.cancel().catch(() => {});
  await client.close();
});

test('a fault that nobody caught ends the process with code 1, logged and without the secret', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  const client = await connect(t, server.url, 'modern');
  const exited = new Promise((resolve) => server.child.once('close', resolve));
  await client.callTool({ name: 'crash', arguments: {} }).catch(() => {});
  assert.equal(await exited, 1);
  assert.match(server.output.stderr, /^fixture: Error: nobody caught \[redacted\]\n$/);
  const lines = await logLines(server.logDir, 'error.log');
  assert.match(String(lines.at(-1)!['error']), /nobody caught \[redacted\]/);
});

async function session(url: string): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  });
  await response.text();
  return response.headers.get('mcp-session-id')!;
}
