import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { listen } from '../../runtime/test/stand-in.ts';
import { usual } from './answers.ts';
import { OPERATIONS, type Operation } from './contract.ts';

/** A request that the published API would have taken. */
export interface Asked {
  id: string;
  /** Decoded parts of the path. */
  path: Record<string, string>;
  query: Record<string, string>;
  body: Record<string, unknown>;
  format: string;
  /** The token, or `app` when the app itself asked. */
  by: string;
}

/** Answers a request itself and says true, or leaves it to the usual answer. */
export type Fault = (asked: Asked, response: ServerResponse) => boolean | void;

/** api.github.com. A request outside the published description is refused, and so the test that made it fails. */
export interface GitHub {
  asked: Asked[];
  fault: Fault;
  receive(request: IncomingMessage, response: ServerResponse): void;
}

/** @param appKey the private key of the app whose signatures are accepted, in PEM */
export function gitHub(tokens: string[], appKey?: string): GitHub {
  const api: GitHub = {
    asked: [],
    fault: () => false,
    receive: (request, response) => {
      answer(request, response).catch((error: unknown) => {
        // No test expects this text.
        reply(response, 422, { message: `outside the API: ${String(error)}` });
      });
    },
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const by = identity(request, tokens, appKey);
    if (by === null) return reply(response, 401, { message: 'Bad credentials', status: '401' });
    const asked = await checked(request, by);
    api.asked.push(asked);
    if (api.fault(asked, response) === true) return;
    const { status = 200, body, headers } = usual(asked, `http://${request.headers.host}`);
    if (typeof body !== 'string') return reply(response, status, body, headers);
    response.writeHead(status, { 'content-type': 'application/vnd.github.v3.diff; charset=utf-8' }).end(body);
  }
  return api;
}

/** The same on loopback; closed with the test. */
export async function standIn(t: TestContext, tokens: string[], appKey?: string): Promise<GitHub & { url: string }> {
  const api = gitHub(tokens, appKey);
  const { url } = await listen(t, api.receive);
  return Object.assign(api, { url });
}

/** Sends JSON as GitHub does. */
export function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body));
}

function identity(request: IncomingMessage, tokens: string[], appKey: string | undefined): string | null {
  const [scheme, value] = (request.headers.authorization ?? '').split(' ');
  if (value === undefined || !/^(token|bearer)$/i.test(scheme!)) return null;
  if (tokens.includes(value)) return value;
  if (appKey === undefined) return null;
  const [header, payload, signature] = value.split('.');
  if (signature === undefined) return null;
  const key = createPublicKey(appKey);
  if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))) return null;
  const { exp, iss } = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as { exp: number; iss: unknown };
  const now = Date.now() / 1000;
  return exp > now && exp <= now + 600 && String(iss) === '4242' ? 'app' : null;
}

async function checked(request: IncomingMessage, by: string): Promise<Asked> {
  const url = new URL(request.url!, 'http://api');
  const operation = OPERATIONS.find(({ method, path }) => method === request.method && path.test(url.pathname));
  assert.ok(operation, `no operation for ${request.method} ${url.pathname}`);
  assert.equal(by === 'app', operation.as === 'app', `${operation.id} asked by ${by === 'app' ? 'the app' : 'a token'}`);
  const format = headers(request, operation);
  const query = Object.fromEntries(url.searchParams);
  check(operation.id, query, operation.query, []);
  const body = await json(request);
  if (operation.body) check(operation.id, body, operation.body.properties, operation.body.required);
  else assert.deepEqual(body, {}, `${operation.id} takes no body`);
  const parts = operation.path.exec(url.pathname)!.groups ?? {};
  const path = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, decodeURIComponent(part ?? '')]));
  return { id: operation.id, path, query, body, format, by };
}

function headers({ headers, method }: IncomingMessage, { formats = [] }: Operation): string {
  assert.ok(headers['user-agent'], 'GitHub refuses requests without a user agent');
  assert.equal(headers['x-github-api-version'], '2022-11-28');
  const accept = /^application\/vnd\.github(?:\.v3)?(?:\.(\w+)|\+json)$/.exec(headers.accept ?? '');
  assert.ok(accept, `accept: ${headers.accept}`);
  const format = accept[1] ?? 'json';
  assert.ok(format === 'json' || formats.includes(format), `format ${format}`);
  if (method !== 'GET' && headers['content-length'] !== '0' && headers['content-length'] !== undefined) {
    assert.match(headers['content-type'] ?? '', /^application\/json/);
  }
  return format;
}

function check(
  id: string,
  given: Record<string, unknown>,
  known: Record<string, (value: unknown) => boolean>,
  required: string[],
): void {
  for (const name of required) assert.ok(name in given, `${id} needs ${name}`);
  for (const [name, value] of Object.entries(given)) {
    assert.ok(known[name], `${id} does not know ${name}`);
    assert.ok(known[name](value), `${id} does not take ${JSON.stringify(value)} as ${name}`);
  }
}

async function json(request: IncomingMessage): Promise<Record<string, unknown>> {
  let content = '';
  for await (const chunk of request) content += chunk;
  return content === '' ? {} : (JSON.parse(content) as Record<string, unknown>);
}
