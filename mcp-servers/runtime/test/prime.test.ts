import assert from 'node:assert/strict';
import test from 'node:test';
import { Server } from '@modelcontextprotocol/server';
import { Mcp } from '../src/mcp.ts';

const silent = { error() {}, warn() {}, info() {}, debug() {} };

test('the way of a call is taken to its end, however many tools there are', async () => {
  const inputSchema = { type: 'object' as const };
  const tools = Array.from({ length: 1_000 }, (_, n) => ({ name: `tool-${n}`, description: 'x'.repeat(100), inputSchema }));
  const asked: string[] = [];
  const newServer = () => {
    const server = new Server({ name: 'many', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler('tools/list', () => (asked.push('tools/list'), { tools }));
    server.setRequestHandler('tools/call', () => (asked.push('tools/call'), { content: [] }));
    return server;
  };
  await new Mcp({ newServer, streams: false, log: silent }).prime();
  assert.deepEqual(asked, ['tools/list', 'tools/call']);
});
