import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  isJsonContentType,
  isLegacyRequest,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type Implementation,
  type McpHttpHandler,
} from '@modelcontextprotocol/server';
import type { Catalogue } from './catalogue.ts';
import { rpcError } from './rpc-error.ts';
import { Sessions } from './sessions.ts';

/** The largest body that is read, in bytes. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** The tools of a process never change, so a client need not list them again for a while. */
const TOOLS_LIST_TTL_MS = 5 * 60_000;

/** What this side learns of a request on its way, for the log and the shutdown. */
export interface Exchange {
  /** The JSON-RPC method, if there was one. */
  rpc?: string;
  /** Lasts until the client leaves, so a shutdown does not wait for it. */
  longLived: boolean;
}

/** The endpoint `/mcp`: both eras of the protocol over one catalogue of tools. */
export class Mcp {
  readonly #sessions: Sessions;
  readonly #modern: McpHttpHandler;

  constructor(
    private readonly info: Implementation,
    private readonly catalogue: Catalogue<never>,
    private readonly onerror: (error: Error) => void,
  ) {
    this.#modern = createMcpHandler(() => this.#server(), { legacy: 'reject', onerror });
    this.#sessions = new Sessions(() => this.#server(), onerror);
  }

  /** Answers a POST, GET or DELETE; bodies past MAX_BODY_BYTES get 413. Resolves when the answer has been written. */
  async handle(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
    const face = {
      fetch: async (webRequest: Request) => {
        const answer = await this.#fetch(webRequest, exchange);
        // Node keeps headers back until the first byte of the body, which a quiet stream does not have for long.
        if (exchange.longLived) setImmediate(() => response.headersSent && response.flushHeaders());
        return answer;
      },
    };
    await toNodeHandler(face, { onerror: this.onerror, maxRequestBodySize: MAX_BODY_BYTES })(request, response);
  }

  /** Ends all sessions and streams, and aborts the calls that are still running. */
  async close(): Promise<void> {
    await Promise.all([this.#modern.close(), this.#sessions.close()]);
  }

  async #fetch(request: Request, exchange: Exchange): Promise<Response> {
    if (request.method !== 'POST') {
      exchange.longLived = request.method === 'GET';
      return this.#sessions.fetch(request);
    }
    if (!isJsonContentType(request.headers.get('content-type'))) {
      return rpcError(415, -32000, 'Content-Type must be application/json');
    }
    let body: unknown;
    try {
      // Parsed here, once, instead of by each step behind.
      body = JSON.parse(await request.text());
    } catch {
      return rpcError(400, ProtocolErrorCode.ParseError, 'Parse error: the body is not valid JSON');
    }
    const method = (body as { method?: unknown } | null)?.method;
    if (typeof method === 'string') exchange.rpc = method;
    exchange.longLived = method === 'subscriptions/listen';
    if (await isLegacyRequest(request, body)) return this.#sessions.fetch(request, body);
    return this.#modern.fetch(request, { parsedBody: body });
  }

  /**
   * The SDK wants a new server for each request of the stateless era. The high-level one would convert every schema
   * of every tool each time; this one only refers to the catalogue.
   */
  #server(): Server {
    const server = new Server(this.info, {
      capabilities: { tools: {} },
      cacheHints: { 'tools/list': { ttlMs: TOOLS_LIST_TTL_MS, cacheScope: 'private' } },
    });
    server.setRequestHandler('tools/list', () => ({ tools: this.catalogue.listed }));
    server.setRequestHandler('tools/call', (request, context) => {
      const { name, arguments: args } = request.params;
      if (!this.catalogue.has(name)) {
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${name} not found`);
      }
      return this.catalogue.call(name, args, context.mcpReq.signal);
    });
    return server;
  }
}
