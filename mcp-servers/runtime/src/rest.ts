import { request as overHttp, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as overHttps } from 'node:https';
import { createGunzip } from 'node:zlib';
import type * as z from 'zod';
import { Failure } from './failure.ts';
import type { Call } from './tool.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/** A vendor that is asked over HTTP and answers JSON. */
export interface RestVendor {
  /** As a person calls it; begins every message about it. */
  name: string;
  userAgent: string;
  /** The largest answer that is read, in bytes after decompression. */
  maxBytes: number;
  /** How a caller asks for less; ends the message about an answer that is larger. */
  narrower: string;
}

/** One request. Without `json`, `form` or `bytes` it has no body. */
export interface RestRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Without a query; see `path` for its end. */
  url: string;
  /** A list is sent as a parameter that is repeated; what is undefined is left out. */
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  headers?: Readonly<Record<string, string>>;
  json?: unknown;
  form?: Readonly<Record<string, string>>;
  bytes?: Uint8Array;
}

/** An answer of any status. Redirects are not followed. */
export interface RestAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  /** The bytes as UTF-8. */
  readonly text: string;
}

/** What of a call a request needs. */
export type RestCall = Pick<Call<unknown>, 'config' | 'signal'>;

/** A template for the path of a URL: every value in it is escaped, so that it stays one segment. */
export function path(segments: TemplateStringsArray, ...values: string[]): string {
  if (values.some((value) => /^\.{0,2}$/.test(value))) throw new Failure('invalid', 'An id is empty or consists of dots');
  return String.raw({ raw: segments }, ...values.map(encodeURIComponent));
}

/**
 * Sends a request and reads the answer, for at most `timeout_ms` of CONFIG (100 to 300000, default 30000).
 * @throws Failure when there is no answer, or one that is too large
 */
export async function send(vendor: RestVendor, request: RestRequest, call: RestCall): Promise<RestAnswer> {
  const timeoutMs = timeout(call);
  const late = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([call.signal, late]);
  try {
    return await exchange(vendor, request, signal);
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (call.signal.aborted) throw new Failure('unavailable', 'The call was cancelled');
    if (late.aborted) throw new Failure('unavailable', `${vendor.name} did not answer within ${timeoutMs / 1000} seconds`);
    const reason = (error as NodeJS.ErrnoException).code ?? 'the connection broke';
    throw new Failure('unavailable', `${vendor.name} cannot be reached: ${reason}`, undefined, { cause: error });
  }
}

/**
 * The JSON of an answer in the shape that was asked for; fields the schema does not name are dropped.
 * @throws Failure of kind `malformed`
 */
export function read<T>(vendor: Pick<RestVendor, 'name'>, { text }: Pick<RestAnswer, 'text'>, schema: z.ZodType<T>): T {
  return shaped(vendor, json(text), schema);
}

/**
 * The same for an answer that has been parsed.
 * @throws Failure of kind `malformed`
 */
export function shaped<T>(vendor: Pick<RestVendor, 'name'>, answer: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') || 'the whole';
  throw new Failure('malformed', `${vendor.name} answered something that is not in its API (at ${where})`);
}

/** The value of a JSON text, or undefined if it is not JSON. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a Retry-After header asks for, in seconds from now; undefined without a header that can be read. */
export function retryAfter(headers: IncomingHttpHeaders): number | undefined {
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(1, Math.ceil(seconds));
}

async function exchange(vendor: RestVendor, request: RestRequest, signal: AbortSignal): Promise<RestAnswer> {
  const sent = open(vendor, request, signal);
  let response;
  try {
    response = await answered(sent);
  } catch (error) {
    // The vendor closed an idle connection at the moment it was used again.
    const idle = sent.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
    if (!idle || (request.method ?? 'GET') !== 'GET') throw error;
    response = await answered(open(vendor, request, signal));
  }
  const bytes = await body(vendor, response);
  const { statusCode, headers } = response;
  return {
    status: statusCode!,
    headers,
    bytes,
    get text() {
      return bytes.toString('utf8');
    },
  };
}

function open(vendor: RestVendor, request: RestRequest, signal: AbortSignal): ClientRequest {
  const { method = 'GET', headers } = request;
  const { type, content } = payload(request);
  const url = new URL(request.url);
  for (const [name, value] of Object.entries(request.query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) url.searchParams.append(name, String(one));
    }
  }
  const options = {
    method,
    signal,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'gzip',
      'user-agent': vendor.userAgent,
      ...(type && { 'content-type': type }),
      ...(method !== 'GET' && { 'content-length': Buffer.byteLength(content) }),
      ...headers,
    },
  };
  return (url.protocol === 'https:' ? overHttps : overHttp)(url, options).end(content);
}

function payload({ json, form, bytes }: RestRequest): { type?: string; content: string | Uint8Array } {
  if (bytes) return { type: 'application/octet-stream', content: bytes };
  if (form) return { type: 'application/x-www-form-urlencoded', content: String(new URLSearchParams(form)) };
  return json === undefined ? { content: '' } : { type: 'application/json', content: JSON.stringify(json) };
}

function answered(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => request.once('response', resolve).on('error', reject));
}

async function body(vendor: RestVendor, response: IncomingMessage): Promise<Buffer> {
  const zipped = response.headers['content-encoding'] === 'gzip';
  const stream = zipped ? response.pipe(createGunzip()) : response;
  // A pipe does not hand on that its source broke.
  if (stream !== response) response.once('error', (error) => stream.destroy(error));
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > vendor.maxBytes) {
      response.destroy();
      const megabytes = Math.floor(vendor.maxBytes / 1024 / 1024);
      throw new Failure('invalid', `${vendor.name}'s answer is larger than ${megabytes} MiB: ${vendor.narrower}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function timeout({ config }: RestCall): number {
  const wanted = config['timeout_ms'];
  return typeof wanted === 'number' && wanted >= 100 && wanted <= 300_000 ? wanted : DEFAULT_TIMEOUT_MS;
}
