// The tools of runtime/test/fixture.ts the way guides show it: express, winston, and the SDK's server made anew for each
// request, from the packages as they are installed.
import { join } from 'node:path';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import express from 'express';
import winston from 'winston';
import * as z from 'zod';

const log = winston.createLogger({
  format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
  transports: [
    new winston.transports.File({ filename: join(process.env.LOG_DIR, 'app.log') }),
    new winston.transports.File({ filename: join(process.env.LOG_DIR, 'error.log'), level: 'error' }),
  ],
});

function newServer() {
  const server = new McpServer({ name: 'naive', version: '1.0.0' });
  const annotations = { readOnlyHint: true, destructiveHint: false, idempotentHint: true };
  const outputSchema = z.object({ text: z.string() });
  for (const name of ['echo', 'ask', 'heap', 'builtins', 'misfit', 'spill', 'crash']) {
    const inputSchema = name === 'echo' ? z.object({ text: z.string() }) : z.object({});
    server.registerTool(name, { title: name, description: name, inputSchema, outputSchema, annotations }, ({ text = '' }) => ({
      content: [{ type: 'text', text: JSON.stringify({ text }) }],
      structuredContent: { text },
    }));
  }
  return server;
}

const app = express();
app.use((request, _response, next) => {
  const { method, path, ip } = request;
  log.info('request', { method, path, ip, userAgent: request.get('user-agent') });
  next();
});
app.get('/health', (_request, response) => response.json({ status: 'healthy' }));
app.all('/mcp', toNodeHandler(createMcpHandler(newServer)));
app.listen(Number(process.env.PORT), '127.0.0.1');
