import assert from 'node:assert/strict';
import test from 'node:test';
import { connect, ERAS, listen, post, start, text } from './support.ts';

const CREDENTIALS = '{"api_key":"canary-0123456789"}';

for (const era of ERAS) {
  test(`${era}: tools are listed with schemas and annotations`, async (t) => {
    const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
    const client = await connect(t, url, era);
    assert.equal(client.getNegotiatedProtocolVersion(), era === 'legacy' ? '2025-11-25' : '2026-07-28');
    const { tools } = await client.listTools();
    const echo = tools.find((tool) => tool.name === 'echo')!;
    assert.equal(echo.title, 'Echo');
    assert.equal(echo.annotations?.readOnlyHint, true);
    assert.equal(echo.annotations?.destructiveHint, false);
    assert.equal(echo.annotations?.idempotentHint, true);
    assert.deepEqual(echo.inputSchema.required, ['text']);
    assert.deepEqual(echo.outputSchema?.['required'], ['text']);
  });

  test(`${era}: a tool answers structured content and the same as text`, async (t) => {
    const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
    const client = await connect(t, url, era);
    const result = await client.callTool({ name: 'echo', arguments: { text: 'ä\u2028b' } });
    assert.deepEqual(result.structuredContent, { text: 'ä\u2028b' });
    assert.deepEqual(JSON.parse(text(result)), { text: 'ä\u2028b' });
  });

  test(`${era}: what goes wrong in a tool is a result an agent can read`, async (t) => {
    let status = 429;
    const vendor = await listen(t, (_request, response) => response.writeHead(status).end());
    const { url } = await start(t, './fixture.cjs', { CREDENTIALS, VENDOR_URL: vendor.url });
    const client = await connect(t, url, era);
    const failing = async (name: string, args: Record<string, unknown>) => {
      const result = await client.callTool({ name, arguments: args });
      assert.equal(result.isError, true);
      return text(result);
    };
    assert.match(await failing('echo', { text: 1 }), /Invalid arguments for echo: text: .*string/);
    assert.match(await failing('ask', {}), /too many requests\. Try again in 7 seconds\./);
    status = 401;
    assert.equal(await failing('ask', {}), 'the vendor refused [redacted]');
    assert.match(await failing('misfit', {}), /does not fit its schema: text: /);
    assert.equal(await failing('spill', {}), 'spill failed inside the server; its log says why');
    await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), /nothing/);
  });

  test(`${era}: a caller that cancels stops the call to the vendor`, async (t) => {
    let asked = () => {};
    let left = () => {};
    const reached = new Promise<void>((resolve) => (asked = resolve));
    const closed = new Promise<void>((resolve) => (left = resolve));
    const vendor = await listen(t, (request, response) => {
      if (request.url !== '/ask') return response.end();
      response.once('close', left);
      asked();
    });
    const { url } = await start(t, './fixture.cjs', { CREDENTIALS, VENDOR_URL: vendor.url });
    const client = await connect(t, url, era);
    const controller = new AbortController();
    const call = client.callTool({ name: 'ask', arguments: {} }, { signal: controller.signal });
    await reached;
    controller.abort();
    await assert.rejects(call);
    await closed;
  });
}

test('a session that ended is unknown, and a request without one is told so', async (t) => {
  const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
  const initialize = (id: number) => ({
    jsonrpc: '2.0',
    id,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  });
  const opened = await post(url, JSON.stringify(initialize(1)));
  assert.equal(opened.status, 200);
  await opened.text();
  const session = { 'mcp-session-id': opened.headers.get('mcp-session-id')! };
  const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
  assert.equal((await post(url, list, session)).status, 200);
  assert.equal((await post(url, list)).status, 400);
  assert.equal((await fetch(`${url}/mcp`, { method: 'DELETE', headers: session })).status, 200);
  assert.equal((await post(url, list, session)).status, 404);
});

test('sessions that are never ended do not pile up', async (t) => {
  const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
  const open = async () => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const response = await post(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }));
    await response.text();
    return { 'mcp-session-id': response.headers.get('mcp-session-id')! };
  };
  const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
  const first = await open();
  const second = await open();
  assert.equal((await post(url, list, first)).status, 200);
  for (let i = 0; i < 127; i += 1) await open();
  assert.equal((await post(url, list, second)).status, 404);
  assert.equal((await post(url, list, first)).status, 200);
});
