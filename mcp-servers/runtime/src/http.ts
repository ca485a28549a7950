import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { hostHeaderValidation, originValidation } from '@modelcontextprotocol/node';
import type { Listen } from './environment.ts';
import type { Log } from './log.ts';
import type { Exchange, Mcp } from './mcp.ts';
import type { Metrics } from './metrics.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Longer than a gateway keeps idle connections, so that it is never the server that closes one in use. */
const KEEP_ALIVE_MS = 75_000;

/** An answer that needs no protocol: its status and its JSON body, and what is to be done once it has been sent. */
export interface Answer {
  status: number;
  body: unknown;
  afterwards?: () => void;
}

/** What the paths beside `/mcp` answer. */
export interface Pages {
  health: () => Answer;
  metrics: () => Answer;
}

/** The HTTP side of a server: loopback names only, few paths, every request counted and logged. */
export class Http {
  readonly #server: Server;
  readonly #open = new Set<Exchange>();
  readonly #hostAllowed = hostHeaderValidation(LOOPBACK);
  readonly #originAllowed = originValidation(LOOPBACK);
  #drained: (() => void) | undefined;
  #answered = () => {};
  /** Resolves when the first request has been answered. */
  readonly firstAnswer = new Promise<void>((resolve) => (this.#answered = resolve));

  constructor(
    private readonly mcp: Mcp,
    private readonly pages: Pages,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) =>
      this.#receive(request, response),
    );
    this.#server.on('clientError', refuse);
  }

  /**
   * Listens on a port of 127.0.0.1, or on a socket that was handed over.
   * @returns the address, such as `127.0.0.1:4000` or the path of a Unix socket
   * @throws the error of the socket, such as EADDRINUSE
   */
  listen(on: Listen): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen('fd' in on ? on : { ...on, host: '127.0.0.1' }, () => {
        this.#server.off('error', reject);
        resolve(shown(this.#server.address()));
      });
    });
  }

  /**
   * Stops accepting, and waits for the requests that will end by themselves.
   * @returns false if some had not after `ms` milliseconds
   */
  async drain(ms: number): Promise<boolean> {
    this.#server.close();
    const drained = new Promise<true>((resolve) => {
      this.#drained = () => resolve(true);
    });
    this.#settle();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const inTime = await Promise.race([drained, late]);
    clearTimeout(timer);
    return inTime;
  }

  /** Cuts every connection that is left. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const startedAt = performance.now();
    const exchange: Exchange = { longLived: false };
    const path = (request.url ?? '/').split('?', 1)[0]!;
    // The socket is gone by the time the request is logged, if it was cut.
    const ip = request.socket.remoteAddress;
    this.#open.add(exchange);
    this.metrics.received();
    response.once('close', () => {
      this.#open.delete(exchange);
      this.#settle();
      this.#answered();
      if (response.statusCode >= 400) this.metrics.failed();
      this.log.info('request', {
        method: request.method,
        path,
        ip,
        userAgent: request.headers['user-agent'],
        status: response.statusCode,
        durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
        ...(exchange.rpc !== undefined && { rpc: exchange.rpc }),
        ...(!response.writableFinished && { aborted: true }),
      });
    });
    // A client that leaves while it is being answered is an event, not a fault.
    response.on('error', () => {});
    if (!this.#server.listening) response.setHeader('connection', 'close');
    if (!this.#hostAllowed(request, response) || !this.#originAllowed(request, response)) return;
    this.#route(path, request, response, exchange);
  }

  #route(path: string, request: IncomingMessage, response: ServerResponse, exchange: Exchange): void {
    const { method } = request;
    if (path === '/mcp') {
      if (method !== 'POST' && method !== 'GET' && method !== 'DELETE') return notAllowed(response, 'POST, GET, DELETE');
      this.mcp.handle(request, response, exchange).catch((error: unknown) => {
        // Nobody is left to be told; the line about the request says so.
        if (response.destroyed) return;
        this.log.error('request broke', { error });
        if (!response.headersSent) json(response, { status: 500, body: { error: 'internal error' } });
        else response.destroy();
      });
      return;
    }
    const page = this.#page(path);
    if (page === undefined) return json(response, { status: 404, body: { error: 'not found' } });
    if (method !== 'GET' && method !== 'HEAD') return notAllowed(response, 'GET, HEAD');
    json(response, page());
  }

  #page(path: string): (() => Answer) | undefined {
    if (path === '/health') return this.pages.health;
    if (path === '/metrics' || path === '/metrics.json') return this.pages.metrics;
    return undefined;
  }

  #settle(): void {
    if (this.#drained && ![...this.#open].some((exchange) => !exchange.longLived)) this.#drained();
  }
}

function shown(address: AddressInfo | string | null): string {
  return typeof address === 'object' && address !== null ? `${address.address}:${address.port}` : String(address);
}

function json(response: ServerResponse, { status, body, afterwards }: Answer): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.end(bytes, afterwards);
}

function notAllowed(response: ServerResponse, allow: string): void {
  response.setHeader('allow', allow);
  json(response, { status: 405, body: { error: 'method not allowed' } });
}

/** Answers bytes that are not a request. There is no exchange yet, so the socket is written to directly. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
