import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { listen } from '../../runtime/test/stand-in.ts';
import { METHODS } from './contract.ts';
import { failure, Workspace } from './workspace.ts';

/** A request that Slack would have taken. */
export interface Asked {
  /** A method such as `chat.postMessage`, or `upload` or `download`. */
  method: string;
  form: Record<string, string>;
  /** The token; empty for an upload, which needs none. */
  by: string;
}

/** Answers a request itself and says true, or leaves it to the usual answer. */
export type Fault = (asked: Asked, response: ServerResponse) => boolean | void;

/** slack.com: its Web API under /api and the places of files. A request that Slack would refuse is refused. */
export interface Slack {
  asked: Asked[];
  fault: Fault;
  receive(request: IncomingMessage, response: ServerResponse): void;
}

export interface Tokens {
  bot_token: string;
  user_token?: string;
}

export function slack(tokens: Tokens): Slack {
  const workspace = new Workspace();
  const api: Slack = {
    asked: [],
    fault: () => false,
    receive: (request, response) => {
      answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const origin = `http://${request.headers.host}`;
    const [, place, ...rest] = new URL(request.url!, origin).pathname.split('/');
    const by = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const bytes = await body(request);
    if (place === 'api') {
      const method = rest.join('/');
      const asked = { method, form: Object.fromEntries(new URLSearchParams(bytes.toString())), by };
      const refused = refusal(request, asked, tokens);
      if (refused) return reply(response, refused);
      api.asked.push(asked);
      if (api.fault(asked, response) !== true) reply(response, workspace.answer(method, asked, origin));
    } else if (place === 'upload' && request.method === 'POST' && by === '') {
      const asked = { method: 'upload', form: { id: rest[1]! }, by };
      api.asked.push(asked);
      if (api.fault(asked, response) === true) return;
      const taken = workspace.receive(rest[1]!, bytes);
      response.writeHead(taken ? 200 : 400).end(taken ? `OK - ${bytes.length}` : 'wrong length');
    } else if (place === 'files-pri' && request.method === 'GET') {
      const asked = { method: 'download', form: { id: rest[0]!.split('-')[1]! }, by };
      api.asked.push(asked);
      if (api.fault(asked, response) === true) return;
      const content = by === tokens.bot_token ? workspace.content(asked.form.id) : undefined;
      if (by !== tokens.bot_token) response.writeHead(302, { location: `${origin}/?redir=files` }).end();
      else response.writeHead(content ? 200 : 404).end(content);
    } else {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html>');
    }
  }
  return api;
}

/** The same on loopback; closed with the test. */
export async function standIn(t: TestContext, tokens: Tokens): Promise<Slack & { url: string }> {
  const api = slack(tokens);
  const { url } = await listen(t, api.receive);
  return Object.assign(api, { url });
}

/** Sends JSON as Slack does: with 200, whatever it says. */
export function reply(response: ServerResponse, answer: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(answer));
}

/** What Slack says to a request that it does not take, in the order in which it looks. */
function refusal({ method: verb, headers }: IncomingMessage, { method, form, by }: Asked, tokens: Tokens): object | null {
  const known = METHODS[method];
  if (known === undefined || verb !== 'POST') return failure('unknown_method', { req_method: method });
  if (by === '') return failure('not_authed');
  if (by !== tokens.bot_token && by !== tokens.user_token) return failure('invalid_auth');
  if (known.as === 'user' && by !== tokens.user_token) return failure('not_allowed_token_type');
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return failure('invalid_post_type');
  const missing = known.required.filter((name) => !(name in form)).map((name) => `missing required field: ${name}`);
  const wrong = Object.entries(form)
    .filter(([name, value]) => !known.parameters[name]?.(value))
    .map(([name, value]) => `${known.parameters[name] ? 'must not be' : 'outside the API:'} ${value} [json-pointer:/${name}]`);
  const messages = [...missing, ...wrong].map((message) => `[ERROR] ${message}`);
  return messages.length === 0 ? null : failure('invalid_arguments', { response_metadata: { messages } });
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
