import assert from 'node:assert/strict';
import test from 'node:test';
import { ERAS, post, start, type Era } from './support.ts';

const CREDENTIALS = '{"api_key":"canary-0123456789"}';
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };

/** Changes to a plain request that the protocol does not allow, or that it does. */
const variations: { headers?: Record<string, string>; message?: Record<string, unknown> }[] = [
  { headers: { 'mcp-protocol-version': '1999-01-01' } },
  { headers: { 'mcp-protocol-version': '' } },
  { headers: { 'mcp-method': 'tools/call' } },
  { headers: { 'mcp-session-id': 'unknown' } },
  { headers: { accept: 'text/html' } },
  { headers: { 'content-type': 'text/plain' } },
  { message: { jsonrpc: '1.0' } },
  { message: { id: null } },
  { message: { id: 1.5 } },
  { message: { id: {} } },
  { message: { id: undefined } },
  { message: { params: [] } },
  { message: { params: { _meta: {} } } },
  { message: { params: { _meta: META, cursor: 7 } } },
  { message: { extra: true } },
];

/** Lists tools by hand, in a session of its own where the era has them. */
async function lister(url: string, era: Era) {
  let own: Record<string, string> = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' };
  if (era === 'legacy') {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const opened = await post(url, JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }));
    await opened.text();
    own = { 'mcp-session-id': opened.headers.get('mcp-session-id')! };
  }
  const params = era === 'modern' ? { _meta: META } : {};
  return async ({ headers, message }: (typeof variations)[number] = {}) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params, ...message });
    const response = await post(url, body, { ...own, ...headers });
    const { status } = response;
    const text = await response.text();
    return { status, type: response.headers.get('content-type'), body: text && (JSON.parse(text) as any) };
  };
}

for (const era of ERAS) {
  test(`${era}: an answer that is remembered carries the id of its own request`, async (t) => {
    const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
    const list = await lister(url, era);
    const first = await list();
    assert.equal(first.status, 200);
    assert.ok(first.body.result.tools.length > 3);
    for (const id of ['"quoted"', 7, -1, '']) {
      assert.deepEqual(await list({ message: { id } }), { ...first, body: { ...first.body, id } });
    }
  });

  test(`${era}: whatever was remembered, any other request is answered as if nothing were`, async (t) => {
    const [warm, cold] = await Promise.all([1, 2].map(async () => {
      const { url } = await start(t, './fixture.cjs', { CREDENTIALS });
      return lister(url, era);
    }));
    await warm!();
    await warm!();
    const refused = [];
    for (const variation of variations) {
      const expected = await cold!(variation);
      assert.deepEqual(await warm!(variation), expected, JSON.stringify(variation));
      if (expected.status !== 200) refused.push(variation);
    }
    assert.ok(refused.length > 5);
  });
}
