import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const fixture = fileURLToPath(new URL('../conformance-fixture.cjs', import.meta.url));

for (const [era, mode] of [
  ['2025-11-25', 'legacy'],
  ['2026-07-28', { pin: '2026-07-28' }],
] as const) {
  test(`${era}: the fixture serves tools, resources and prompts over stdio`, async (t) => {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(new StdioClientTransport({ command: process.execPath, args: [fixture, '--stdio'] }));
    t.after(() => client.close());
    assert.equal(client.getNegotiatedProtocolVersion(), era);
    const { content } = await client.callTool({ name: 'test_simple_text', arguments: {} });
    assert.deepEqual(content, [{ type: 'text', text: 'This is a simple text response for testing.' }]);
    const { contents } = await client.readResource({ uri: 'test://template/7/data' });
    assert.match(JSON.stringify(contents), /Data for ID: 7/);
    const { prompts } = await client.listPrompts();
    assert.equal(prompts.length, 5);
  });
}
