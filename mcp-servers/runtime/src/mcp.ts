import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  isJsonContentType,
  isLegacyRequest,
  ProtocolErrorCode,
  type McpHttpHandler,
  type Server,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import { Answers } from './answers.ts';
import { readBody } from './body.ts';
import type { Log } from './log.ts';
import { rpcError } from './rpc-error.ts';
import { Sessions } from './sessions.ts';

/** The largest body that is read, in bytes. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** What this side learns of a request on its way, for the log and the shutdown. */
export interface Exchange {
  /** The JSON-RPC method, if there was one. */
  rpc?: string;
  /** Lasts until the client leaves, so a shutdown does not wait for it. */
  longLived: boolean;
}

/** How the endpoint serves. */
export interface McpOptions {
  /** Makes the protocol side of one request of the stateless era, or of one session of the older one. */
  newServer(notifier: ServerNotifier): Server;
  /** Whether calls in sessions may send something before their result, and so need a stream. */
  streams: boolean;
  log: Log;
}

/** The endpoint `/mcp`: both eras of the protocol over one kind of server. */
export class Mcp {
  readonly #sessions: Sessions;
  readonly #modern: McpHttpHandler;
  readonly #answers = new Answers();
  readonly #onerror = (error: Error) => this.options.log.warn('protocol error', { error });

  constructor(private readonly options: McpOptions) {
    const { streams, log } = options;
    const newServer = () => options.newServer(this.#modern.notify);
    this.#modern = createMcpHandler(newServer, { legacy: 'reject', onerror: this.#onerror });
    this.#sessions = new Sessions(newServer, streams, log);
  }

  /**
   * Answers a POST, GET or DELETE; bodies past MAX_BODY_BYTES get 413. Resolves when the answer has been written.
   * @throws when the client leaves in the middle of its body
   */
  async handle(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
    if (request.method !== 'POST') {
      exchange.longLived = request.method === 'GET';
      return this.#write(request, response, exchange, (webRequest) => this.#sessions.fetch(webRequest));
    }
    if (!isJsonContentType(request.headers['content-type'] ?? null)) {
      return rpcError(response, 415, -32000, 'Content-Type must be application/json');
    }
    const text = await readBody(request, MAX_BODY_BYTES);
    if (text === null) {
      response.setHeader('connection', 'close');
      return rpcError(response, 413, -32000, `The body is larger than ${MAX_BODY_BYTES} bytes`);
    }
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return rpcError(response, 400, ProtocolErrorCode.ParseError, 'Parse error: the body is not valid JSON');
    }
    await this.#answer(request, response, exchange, body);
  }

  /** Takes the way of a call once, so that no caller waits for what Node and the SDK load and compile on it. */
  async prime(): Promise<void> {
    const revision = '2026-07-28';
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': revision,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const ask = async (method: string, params: { name?: string }) => {
      const request = new IncomingMessage(new Socket());
      request.method = 'POST';
      request.headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': revision,
        'mcp-method': method,
        ...(params.name !== undefined && { 'mcp-name': params.name }),
      };
      request.push(JSON.stringify({ jsonrpc: '2.0', id: 0, method, params: { ...params, _meta } }));
      request.push(null);
      const response = new ServerResponse(request);
      // Nobody reads what is answered, but somebody has to take it, and never be full.
      const sink = new Writable({ highWaterMark: 2 ** 30, write: (_chunk, _encoding, taken) => taken() });
      response.assignSocket(sink as Socket);
      await this.handle(request, response, { longLived: false });
    };
    await ask('tools/list', {});
    await ask('tools/call', { name: 'none' });
  }

  /** Ends all sessions and streams, and aborts the calls that are still running. */
  async close(): Promise<void> {
    await Promise.all([this.#modern.close(), this.#sessions.close()]);
  }

  async #answer(request: IncomingMessage, response: ServerResponse, exchange: Exchange, body: unknown): Promise<void> {
    const { id, method } = (body ?? {}) as { id?: unknown; method?: unknown };
    if (typeof method === 'string') exchange.rpc = method;
    exchange.longLived = method === 'subscriptions/listen';
    const answers = this.#answersFor(request);
    const question = answers && Answers.question(request.headers, body);
    if (question && answers.replay(question, id, response)) return;
    await this.#write(
      request,
      response,
      exchange,
      async (webRequest) => {
        const legacy = await isLegacyRequest(webRequest, body);
        const answer = legacy
          ? await this.#sessions.fetch(webRequest, body)
          : await this.#modern.fetch(webRequest, { parsedBody: body });
        return question ? answers.remember(question, answer) : answer;
      },
      body,
    );
  }

  /** A session may have negotiated a revision with other answers, so each has its own. */
  #answersFor({ headers }: IncomingMessage): Answers | undefined {
    const session = headers['mcp-session-id'];
    return session === undefined ? this.#answers : this.#sessions.answers(String(session));
  }

  async #write(
    request: IncomingMessage,
    response: ServerResponse,
    exchange: Exchange,
    answer: (webRequest: Request) => Promise<Response>,
    body?: unknown,
  ): Promise<void> {
    const fetch = async (webRequest: Request) => {
      const webResponse = await answer(webRequest);
      // Node keeps headers back until the first byte of the body, which a quiet stream does not have for long.
      if (exchange.longLived) setImmediate(() => response.headersSent && response.flushHeaders());
      return webResponse;
    };
    await toNodeHandler({ fetch }, { onerror: this.#onerror })(request, response, body);
  }
}
