import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { listen } from '../../runtime/test/stand-in.ts';
import { answers } from './answers.ts';
import { couldAnswer, described, type Described } from './description.ts';

/** Answers a request itself and says true, or leaves it to the usual answer. */
export type Fault = (asked: Described, response: ServerResponse) => boolean | void;

/** api.figma.com. A request outside the published description is refused, and so the test that made it fails. */
export interface Figma {
  asked: Described[];
  fault: Fault;
  receive(request: IncomingMessage, response: ServerResponse): void;
}

export function figma(token: string): Figma {
  const api: Figma = {
    asked: [],
    fault: () => false,
    receive: (request, response) => {
      answer(request, response).catch((error: unknown) => {
        // No test expects this text.
        reply(response, 400, { status: 400, err: `outside the API: ${String(error)}` });
      });
    },
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    assert.ok(body === '' || request.headers['content-type'] === 'application/json', 'the body is not said to be JSON');
    const asked = described(request.method!, new URL(request.url!, 'http://api'), body);
    if (request.headers['x-figma-token'] !== token) return reply(response, 403, { status: 403, err: 'Invalid token' });
    api.asked.push(asked);
    if (api.fault(asked, response) === true) return;
    const usual = answers[asked.id];
    assert.ok(usual, `${asked.id} is not played here`);
    const { status = 200, body: said } = usual(asked);
    couldAnswer(asked.id, status, withoutNullNodes(said));
    reply(response, status, said);
  }
  return api;
}

/** The same on loopback; closed with the test. */
export async function standIn(t: TestContext, token: string): Promise<Figma & { url: string }> {
  const api = figma(token);
  const { url } = await listen(t, api.receive);
  return Object.assign(api, { url });
}

/** Sends JSON as Figma does. */
export function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body));
}

/** A node that does not exist is null, says the description in its text; its schema forgot. */
function withoutNullNodes(body: unknown): unknown {
  const { nodes } = body as { nodes?: Record<string, unknown> };
  if (!nodes) return body;
  return { ...(body as object), nodes: Object.fromEntries(Object.entries(nodes).filter(([, node]) => node !== null)) };
}
