import { ProtocolError, ProtocolErrorCode, Server, type Implementation } from '@modelcontextprotocol/server';
import type { Catalogue } from './catalogue.ts';

/** The tools of a process never change, so a client need not list them again for a while. */
const TOOLS_LIST_TTL_MS = 5 * 60_000;

/**
 * Makes the protocol side of one request of the stateless era, or of one session of the older one. The SDK's high-level
 * server would convert every schema of every tool each time; this one only refers to the catalogue.
 */
export function protocolServer(info: Implementation, catalogue: Catalogue<never>): Server {
  const server = new Server(info, {
    capabilities: { tools: {} },
    cacheHints: { 'tools/list': { ttlMs: TOOLS_LIST_TTL_MS, cacheScope: 'private' } },
  });
  server.setRequestHandler('tools/list', () => ({ tools: catalogue.listed }));
  server.setRequestHandler('tools/call', (request, context) => {
    const { name, arguments: args } = request.params;
    if (!catalogue.has(name)) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${name} not found`);
    return catalogue.call(name, args, context.mcpReq.signal);
  });
  return server;
}
