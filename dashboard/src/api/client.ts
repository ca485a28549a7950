// How the dashboard asks the daemon. The token goes into a header and nowhere else.

import type { Page } from './types.ts';
import { expire, token } from '../session.ts';

/** What the daemon refused, in its own words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    /** What is wrong place by place: JSON pointer to words. */
    readonly places: ReadonlyMap<string, string>,
  ) {
    super(detail);
  }
}

/** The daemon could not be reached. */
export class Unreachable extends Error {
  constructor() {
    super('The daemon cannot be reached. It may be restarting, or the network is down.');
  }
}

interface Options {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Another token than that of the session: to see whether it holds. */
  as?: string;
}

/** Sends a request and gives its answer, or throws `Refused` or `Unreachable`. */
export async function send(path: string, options: Options = {}): Promise<Response> {
  const shown = options.as ?? token.peek();
  const headers = new Headers(options.headers);
  if (shown !== null) headers.set('authorization', `Bearer ${shown}`);
  const init: RequestInit = { method: options.method ?? 'GET', headers, credentials: 'omit', redirect: 'error' };
  if (options.signal !== undefined) init.signal = options.signal;
  if (options.body !== undefined) {
    headers.set('content-type', 'application/json');
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable();
  }
  if (response.ok) return response;
  const refused = await problemOf(response);
  // An answer to an earlier session says nothing of this one.
  if (response.status === 401 && shown === token.peek()) expire();
  throw refused;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send(path, { signal })).json() as Promise<T>;
}

export async function post<T>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  return (await send(path, { method: 'POST', body, headers })).json() as Promise<T>;
}

/** Makes something. The same key twice makes it once, so a person may press again after a lost answer. */
export function create<T>(path: string, body: unknown, key: string): Promise<T> {
  return post<T>(path, body, { 'idempotency-key': key });
}

export async function put<T>(path: string, body: unknown): Promise<T> {
  return (await send(path, { method: 'PUT', body })).json() as Promise<T>;
}

export async function patch<T>(path: string, body: unknown): Promise<T> {
  return (await send(path, { method: 'PATCH', body })).json() as Promise<T>;
}

export async function remove(path: string): Promise<void> {
  await send(path, { method: 'DELETE' });
}

/** Every page of a list. */
export async function all<T>(path: string, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const query: string = `${path.includes('?') ? '&' : '?'}limit=500${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
    const page: Page<T> = await get<Page<T>>(path + query, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return items;
}

/** A key for one wish. `randomUUID` is for secure contexts only, and a daemon on a private network has none. */
export function freshKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What went wrong, for a person. */
export function wordsOf(error: unknown): string {
  if (error instanceof Refused || error instanceof Unreachable) return sentence(error.message);
  return `The dashboard itself went wrong: ${error instanceof Error ? error.message : String(error)}`;
}

export function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

async function problemOf(response: Response): Promise<Refused> {
  const unknown = `the daemon answered ${response.status}`;
  try {
    const problem = (await response.json()) as {
      code?: unknown;
      detail?: unknown;
      errors?: { pointer: string; detail: string }[];
    };
    const places = new Map((problem.errors ?? []).map(({ pointer, detail }) => [pointer, detail]));
    const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value : otherwise);
    return new Refused(response.status, text(problem.code, 'unknown'), text(problem.detail, unknown), places);
  } catch {
    return new Refused(response.status, 'unknown', unknown, new Map());
  }
}
