import { Failure, type JsonObject } from '@minimcp/runtime';
import { send, type RestRequest, type RestVendor } from '@minimcp/runtime/rest';

export const GITHUB: RestVendor = {
  name: 'GitHub',
  userAgent: 'minimcp-github/0.1.0',
  maxBytes: 16 * 1024 * 1024,
  narrower: 'ask for less at once',
};

/** What GitHub answers for a repository that was renamed. */
const REDIRECTS = [301, 302, 307, 308];
/** More than a few in a row lead nowhere. */
const MAX_REDIRECTS = 3;

interface Init {
  method: RestRequest['method'];
  headers: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

/** What GitHub's client reads of an answer. */
interface Answer {
  status: number;
  url: string;
  headers: Map<string, string>;
  text(): Promise<string>;
  arrayBuffer(): Promise<ArrayBufferLike>;
}

/** Stands in for `fetch` in GitHub's client, which costs an instance 20 MB of memory. It throws Failures. */
export function transport(config: JsonObject): (url: string, init: Init) => Promise<Answer> {
  return async (url, { method, headers, body, signal = new AbortController().signal }) => {
    const bytes = body === undefined ? undefined : Buffer.from(body);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const answer = await send(GITHUB, { method, url, headers, bytes }, { config, signal });
      if (!REDIRECTS.includes(answer.status)) {
        return {
          status: answer.status,
          url,
          headers: new Map(Object.entries(answer.headers).map(([name, value]) => [name, String(value)])),
          text: async () => answer.text,
          arrayBuffer: async () => new Uint8Array(answer.bytes).buffer,
        };
      }
      const repeatable = method === 'GET' || answer.status >= 307;
      url = followed(url, answer.headers.location, repeatable);
    }
    throw new Failure('unavailable', 'GitHub sends this request in circles');
  };
}

/** Where a redirect leads. The credentials go along, so it has to be the same GitHub. */
function followed(from: string, location: string | undefined, repeatable: boolean): string {
  const to = location !== undefined && URL.canParse(location, from) ? new URL(location, from) : null;
  if (repeatable && to?.origin === new URL(from).origin) return to.href;
  throw new Failure('invalid', `GitHub has moved this to ${to?.href ?? 'an unknown place'}; ask there`);
}
