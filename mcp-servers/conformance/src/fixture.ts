// The server that the protocol's conformance suite is run against: over HTTP on the shared runtime, or with --stdio.
import { serve } from '@minimcp/runtime';
import { Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';
import { extend } from './surface.ts';

const info = { name: 'conformance-fixture', version: '0.1.0' };

if (process.argv.includes('--stdio')) {
  serveStdio(() => {
    const server = new Server(info, { capabilities: {} });
    extend(server, {
      toolsChanged: () => void server.sendToolListChanged(),
      promptsChanged: () => void server.sendPromptListChanged(),
    });
    return server;
  });
} else {
  serve({
    ...info,
    credentials: z.object({}),
    vendor: { variable: 'VENDOR_URL', url: 'https://vendor.invalid' },
    tools: [],
    extend,
  });
}
