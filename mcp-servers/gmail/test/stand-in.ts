import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { listen } from '../../runtime/test/stand-in.ts';
import { OPERATIONS, type Operation } from './contract.ts';
import { Mailbox } from './mailbox.ts';

/** A request that the API would have taken. */
export interface Asked {
  id: string;
  /** Decoded parts of the path. */
  path: Record<string, string>;
  query: Record<string, string[]>;
  body: unknown;
  /** The access token. */
  by: string;
}

/** Answers a request itself and says true, or leaves it to the usual answer. */
export type Fault = (asked: Asked, response: ServerResponse) => boolean | void;

/** What the user granted to an OAuth client. */
export interface Grant {
  client_id: string;
  client_secret: string;
  refresh_token: string;
}

/** gmail.googleapis.com, and oauth2.googleapis.com under `/token`. What the API would refuse, it refuses. */
export interface Gmail {
  asked: Asked[];
  /** How many access tokens were issued. */
  issued: number;
  fault: Fault;
  /** The same for requests of tokens. */
  tokenFault: (form: URLSearchParams, response: ServerResponse) => boolean | void;
  /** The access tokens that are good, with what they may do. */
  tokens: Map<string, string[]>;
  receive(request: IncomingMessage, response: ServerResponse): void;
}

const ALL = ['gmail.modify'];

/** @param scopes what the tokens may do that are issued */
export function gmail(grant: Grant, scopes: string[] = ALL): Gmail {
  const mailbox = new Mailbox();
  const api: Gmail = {
    asked: [],
    issued: 0,
    fault: () => false,
    tokenFault: () => false,
    tokens: new Map(),
    receive: (request, response) => {
      answer(request, response).catch((error: unknown) => {
        // No test expects this text, so a request outside the description fails the test that made it.
        reply(response, 400, refusal(400, `outside the API: ${String(error)}`));
      });
    },
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://api');
    if (url.pathname === '/token') return token(request, await content(request), response);
    const by = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
    const granted = by === undefined ? undefined : api.tokens.get(by);
    const { operation, asked } = check(request, url, await content(request), by ?? '');
    if (granted === undefined) return reply(response, 401, refusal(401, 'Request had invalid authentication credentials.', 'authError'));
    if (!operation.scopes.some((scope) => granted.includes(scope))) {
      return reply(response, 403, refusal(403, 'Request had insufficient authentication scopes.', 'insufficientPermissions'));
    }
    api.asked.push(asked);
    if (api.fault(asked, response) === true) return;
    const { status = 200, body } = mailbox.answer(asked);
    if (body === undefined) return void response.writeHead(status).end();
    reply(response, status, body);
  }
  function token(request: IncomingMessage, body: string, response: ServerResponse): void {
    assert.equal(request.method, 'POST');
    assert.match(request.headers['content-type'] ?? '', /^application\/x-www-form-urlencoded\b/);
    const form = new URLSearchParams(body);
    assert.deepEqual([...form.keys()].sort(), ['client_id', 'client_secret', 'grant_type', 'refresh_token']);
    assert.equal(form.get('grant_type'), 'refresh_token');
    if (api.tokenFault(form, response) === true) return;
    if (form.get('client_id') !== grant.client_id || form.get('client_secret') !== grant.client_secret) {
      return reply(response, 401, { error: 'invalid_client', error_description: 'The OAuth client was not found.' });
    }
    if (form.get('refresh_token') !== grant.refresh_token) {
      return reply(response, 400, { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' });
    }
    const access_token = `ya29.issued-canary-${++api.issued}`;
    api.tokens.set(access_token, scopes);
    reply(response, 200, { access_token, expires_in: 3599, scope: scopes.join(' '), token_type: 'Bearer' });
  }
  return api;
}

/** The same on loopback; closed with the test. */
export async function standIn(t: TestContext, grant: Grant, scopes?: string[]): Promise<Gmail & { url: string }> {
  const api = gmail(grant, scopes);
  const { url } = await listen(t, api.receive);
  return Object.assign(api, { url });
}

/** Sends JSON as Google does. */
export function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers }).end(JSON.stringify(body));
}

/** An error in the shape of Google's. */
export function refusal(code: number, message: string, reason = 'badRequest') {
  return { error: { code, message, errors: [{ message, domain: 'global', reason }], status: 'FAILED' } };
}

function check(request: IncomingMessage, url: URL, body: string, by: string): { operation: Operation; asked: Asked } {
  const below = /^\/gmail\/v1\/users\/me(\/.*)$/.exec(url.pathname)?.[1] ?? '';
  const operation = OPERATIONS.find(({ method, path }) => method === request.method && path.test(below));
  assert.ok(operation, `no operation for ${request.method} ${url.pathname}`);
  const { id } = operation;
  const query: Record<string, string[]> = {};
  for (const [name, value] of url.searchParams) {
    assert.ok(operation.query[name], `${id} does not know ${name}`);
    assert.ok(operation.query[name](value), `${id} does not take ${JSON.stringify(value)} as ${name}`);
    (query[name] ??= []).push(value);
  }
  for (const [name, values] of Object.entries(query)) {
    assert.ok(values.length === 1 || ['labelIds', 'metadataHeaders'].includes(name), `${id} is given ${name} twice`);
  }
  const json = bodyOf(request, operation, body);
  const parts = operation.path.exec(below)!.groups ?? {};
  const path = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, decodeURIComponent(part)]));
  return { operation, asked: { id, path, query, body: json, by } };
}

function bodyOf(request: IncomingMessage, { id, body }: Operation, text: string): Record<string, unknown> {
  if (body === undefined) {
    assert.equal(text, '', `${id} takes no body`);
    return {};
  }
  assert.match(request.headers['content-type'] ?? '', /^application\/json/);
  const json = JSON.parse(text) as Record<string, unknown>;
  for (const name of body.required) assert.ok(name in json, `${id} needs ${name}`);
  for (const [name, value] of Object.entries(json)) {
    assert.ok(body.properties[name], `${id} does not know ${name}`);
    assert.ok(body.properties[name](value), `${id} does not take this as ${name}`);
  }
  return json;
}

async function content(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}
