import { randomUUID } from 'node:crypto';
import { isInitializeRequest, WebStandardStreamableHTTPServerTransport, type Server } from '@modelcontextprotocol/server';
import { Answers } from './answers.ts';
import type { Log } from './log.ts';

/** A client that forgets to end its sessions costs memory; past this many the least recently used one ends. */
const MAX_SESSIONS = 128;

/** Clients may be quiet for hours and do not all start again after a 404. */
const MAX_IDLE_MS = 12 * 60 * 60_000;

interface Session {
  transport: WebStandardStreamableHTTPServerTransport;
  answers: Answers;
  lastUsed: number;
}

/** The sessions of clients that speak a protocol revision before 2026-07-28. */
export class Sessions {
  /** In order of last use, oldest first. */
  readonly #sessions = new Map<string, Session>();

  /**
   * @param newServer makes the protocol side of one session
   * @param streams whether calls may send something before their result; a stream would only cost otherwise
   */
  constructor(
    private readonly newServer: () => Server,
    private readonly streams: boolean,
    private readonly log: Log,
  ) {}

  /** The answers remembered for a session, which counts as used by this; undefined if there is no such session. */
  answers(id: string): Answers | undefined {
    return this.#use(id)?.answers;
  }

  /**
   * Answers one request.
   * @param body the parsed body of a POST, undefined for GET and DELETE
   */
  async fetch(request: Request, body?: unknown): Promise<Response> {
    const id = request.headers.get('mcp-session-id');
    if (id === null) {
      const opens = Array.isArray(body) ? body.some(isInitializeRequest) : isInitializeRequest(body);
      return opens ? this.#open(request, body) : refusal(400, -32000, 'Mcp-Session-Id is missing');
    }
    const session = this.#use(id);
    if (session === undefined) return refusal(404, -32001, 'Session not found');
    return session.transport.handleRequest(request, { parsedBody: body });
  }

  /** Ends all sessions and the streams that are open in them. */
  async close(): Promise<void> {
    const ending = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(ending.map(({ transport }) => transport.close()));
  }

  #use(id: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    this.#sessions.delete(id);
    session.lastUsed = Date.now();
    this.#sessions.set(id, session);
    return session;
  }

  async #open(request: Request, body: unknown): Promise<Response> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: !this.streams,
      onsessioninitialized: (id) => {
        this.#makeRoom();
        this.#sessions.set(id, { transport, answers: new Answers(), lastUsed: Date.now() });
        this.log.debug('session opened', { sessions: this.#sessions.size });
      },
      onsessionclosed: (id) => {
        this.#sessions.delete(id);
        this.log.debug('session closed', { sessions: this.#sessions.size });
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
      this.log.debug('session dropped', { idleMs: now - lastUsed });
      transport.close().catch((error: unknown) => this.log.warn('protocol error', { error }));
    }
  }
}

function refusal(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });
}
