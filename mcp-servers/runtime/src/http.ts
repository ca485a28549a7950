import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { hostHeaderValidation, originValidation } from '@modelcontextprotocol/node';
import type { Log } from './log.ts';
import type { Exchange, Mcp } from './mcp.ts';
import type { Metrics } from './metrics.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Longer than a gateway keeps idle connections, so that it is never the server that closes one in use. */
const KEEP_ALIVE_MS = 75_000;

/** An answer that needs no protocol: its status and its JSON body. */
export interface Answer {
  status: number;
  body: unknown;
}

/** What the paths beside `/mcp` answer. */
export interface Pages {
  health(): Answer;
  metrics(): Answer;
}

/** The HTTP side of a server: loopback only, three paths, every request counted and logged. */
export class Http {
  readonly #server: Server;
  readonly #open = new Set<Exchange>();
  readonly #hostAllowed = hostHeaderValidation(LOOPBACK);
  readonly #originAllowed = originValidation(LOOPBACK);
  #drained: (() => void) | undefined;

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
   * Listens on 127.0.0.1.
   * @returns the port, which the kernel chose if `port` is 0
   * @throws the error of the socket, such as EADDRINUSE
   */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve((this.#server.address() as AddressInfo).port);
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
        this.log.error('request broke', { error });
        if (!response.headersSent) json(response, { status: 500, body: { error: 'internal error' } });
        else response.destroy();
      });
    } else if (path === '/health' || path === '/metrics') {
      if (method !== 'GET' && method !== 'HEAD') return notAllowed(response, 'GET, HEAD');
      json(response, path === '/health' ? this.pages.health() : this.pages.metrics());
    } else {
      json(response, { status: 404, body: { error: 'not found' } });
    }
  }

  #settle(): void {
    if (this.#drained && ![...this.#open].some((exchange) => !exchange.longLived)) this.#drained();
  }
}

function json(response: ServerResponse, { status, body }: Answer): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.end(bytes);
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
