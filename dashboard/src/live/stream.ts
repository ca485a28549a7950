// Server-sent events by fetch: EventSource cannot send a token in a header.

import { Refused, send } from '../api/client.ts';

export interface Message {
  event: string;
  id: string | null;
  data: string;
}

/** The daemon gives a sign of life every 15 seconds; who is silent for longer than this is gone. */
const SILENCE_MS = 40_000;

/** Reads one stream to its end. Ends with an error if it breaks, is refused or falls silent. */
export async function readStream(
  path: string,
  {
    headers = {},
    signal,
    opened,
    message,
  }: {
    headers?: Record<string, string>;
    signal: AbortSignal;
    opened?: () => void;
    message: (message: Message) => void;
  },
): Promise<void> {
  const guard = new AbortController();
  const stop = () => guard.abort();
  signal.addEventListener('abort', stop, { once: true });
  let watch = setTimeout(stop, SILENCE_MS);
  try {
    const response = await send(path, { headers: { accept: 'text/event-stream', ...headers }, signal: guard.signal });
    opened?.();
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser(message);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(stop, SILENCE_MS);
      parse(value);
    }
  } finally {
    clearTimeout(watch);
    signal.removeEventListener('abort', stop);
    guard.abort();
  }
}

/** Takes text as it comes and tells of each whole event (WHATWG HTML, section 9.2). */
export function parser(tell: (message: Message) => void): (text: string) => void {
  let rest = '';
  let event = '';
  let id: string | null = null;
  let data: string[] = [];
  const line = (text: string) => {
    if (text === '') {
      if (data.length > 0) tell({ event: event === '' ? 'message' : event, id, data: data.join('\n') });
      event = '';
      id = null;
      data = [];
      return;
    }
    const at = text.indexOf(':');
    if (at === 0) return;
    const name = at < 0 ? text : text.slice(0, at);
    const value = at < 0 ? '' : text.slice(at + 1).replace(/^ /, '');
    if (name === 'event') event = value;
    else if (name === 'id') id = value;
    else if (name === 'data') data.push(value);
  };
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const each of lines) line(each);
  };
}

/** Reads a stream again and again until told to stop, later and later while it cannot be had. */
export async function follow(
  path: string,
  {
    signal,
    resume,
    opened,
    message,
    broken,
  }: {
    signal: AbortSignal;
    /** Goes on behind the last event that was seen. */
    resume: boolean;
    opened: () => void;
    message: (message: Message) => void;
    /** Tells when the next try is. */
    broken: (retryAt: number) => void;
  },
): Promise<void> {
  let last: string | null = null;
  let failures = 0;
  while (!signal.aborted) {
    await seen(signal);
    const watched = whileSeen(signal);
    try {
      await readStream(path, {
        headers: resume && last !== null ? { 'last-event-id': last } : {},
        signal: watched.signal,
        opened: () => {
          failures = 0;
          opened();
        },
        message: (each) => {
          if (each.id !== null) last = each.id;
          message(each);
        },
      });
    } catch (error) {
      if (signal.aborted || (error instanceof Refused && error.status < 500 && error.status !== 429)) {
        if (!(error instanceof Refused && error.code === 'invalid_header')) return;
        last = null;
      }
    } finally {
      watched.end();
    }
    if (signal.aborted) return;
    if (watched.signal.aborted) continue;
    failures += 1;
    const wait = Math.min(30_000, 500 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2);
    broken(Date.now() + wait);
    await pause(wait, signal);
  }
}

/**
 * A browser has six connections for all tabs of one daemon, and each stream is one: a tab that nobody sees gives its
 * own back after this long, and goes on where it was when it is seen again.
 */
const UNSEEN_MS = 20_000;

function whileSeen(signal: AbortSignal): { signal: AbortSignal; end: () => void } {
  const watched = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => watched.abort(), UNSEEN_MS);
  };
  const stop = () => watched.abort();
  signal.addEventListener('abort', stop);
  document.addEventListener('visibilitychange', look);
  look();
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    document.removeEventListener('visibilitychange', look);
  };
  return { signal: watched.signal, end };
}

/** Waits until somebody looks. */
function seen(signal: AbortSignal): Promise<void> {
  if (!document.hidden || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener('visibilitychange', look);
      signal.removeEventListener('abort', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look);
  });
}

/** Waits, but no longer than until the network is back or somebody looks again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      document.removeEventListener('visibilitychange', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    document.addEventListener('visibilitychange', done);
    signal.addEventListener('abort', done);
  });
}
