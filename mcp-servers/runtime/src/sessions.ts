import { randomUUID } from 'node:crypto';
import { isInitializeRequest, WebStandardStreamableHTTPServerTransport, type Server } from '@modelcontextprotocol/server';
import { rpcError } from './rpc-error.ts';

/** A client that forgets to end its sessions costs memory; past this many the least recently used one ends. */
const MAX_SESSIONS = 128;

/** Clients may be quiet for hours and do not all start again after a 404. */
const MAX_IDLE_MS = 12 * 60 * 60_000;

interface Session {
  transport: WebStandardStreamableHTTPServerTransport;
  lastUsed: number;
}

/** The sessions of clients that speak a protocol revision before 2026-07-28. */
export class Sessions {
  /** In order of last use, oldest first. */
  readonly #sessions = new Map<string, Session>();

  /** @param newServer makes the protocol side of one session */
  constructor(
    private readonly newServer: () => Server,
    private readonly onerror: (error: Error) => void,
  ) {}

  /**
   * Answers one request.
   * @param body the parsed body of a POST, undefined for GET and DELETE
   */
  async fetch(request: Request, body?: unknown): Promise<Response> {
    const id = request.headers.get('mcp-session-id');
    if (id === null) {
      const opens = Array.isArray(body) ? body.some(isInitializeRequest) : isInitializeRequest(body);
      return opens ? this.#open(request, body) : rpcError(400, -32000, 'Mcp-Session-Id is missing');
    }
    const session = this.#sessions.get(id);
    if (session === undefined) return rpcError(404, -32001, 'Session not found');
    this.#sessions.delete(id);
    session.lastUsed = Date.now();
    this.#sessions.set(id, session);
    return session.transport.handleRequest(request, { parsedBody: body });
  }

  /** Ends all sessions and the streams that are open in them. */
  async close(): Promise<void> {
    const ending = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(ending.map(({ transport }) => transport.close()));
  }

  async #open(request: Request, body: unknown): Promise<Response> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      // No tool sends anything before its result, so a stream would only cost.
      enableJsonResponse: true,
      onsessioninitialized: (id) => {
        this.#makeRoom();
        this.#sessions.set(id, { transport, lastUsed: Date.now() });
      },
      onsessionclosed: (id) => {
        this.#sessions.delete(id);
      },
    });
    await this.newServer().connect(transport);
    const response = await transport.handleRequest(request, { parsedBody: body });
    if (transport.sessionId === undefined) await transport.close();
    return response;
  }

  #makeRoom(): void {
    const now = Date.now();
    for (const [id, { transport, lastUsed }] of this.#sessions) {
      if (this.#sessions.size < MAX_SESSIONS && now - lastUsed < MAX_IDLE_MS) return;
      this.#sessions.delete(id);
      transport.close().catch(this.onerror);
    }
  }
}
