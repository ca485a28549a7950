import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

/** Methods whose answer is the same for the whole life of the process. */
const CONSTANT = new Set(['tools/list', 'server/discover']);

/** Clients ask in few ways; one that varies its questions pushes out the oldest. */
const MAX_ANSWERS = 8;

/** Plain questions are short; longer ones, in characters, are not worth their memory. */
const MAX_QUESTION = 4_096;

/** What the bodies of requests and answers have to be for this to look at them. */
interface Message {
  id?: unknown;
  method?: unknown;
  result?: unknown;
}

interface Remembered {
  headers: Record<string, string>;
  /** The result as JSON. */
  result: string;
}

/**
 * Answers of the SDK to questions whose answer never changes, so that it validates and builds each only once. A question
 * is the body without its id and every header the protocol knows: what the SDK would refuse was never answered, so it
 * is never found here.
 */
export class Answers {
  readonly #remembered = new Map<string, Remembered>();

  /** The key of a question that may be remembered, or null. */
  static question(headers: IncomingHttpHeaders, body: unknown): string | null {
    const { id, method, ...rest } = (body ?? {}) as Message & Record<string, unknown>;
    if (typeof id !== 'string' && !Number.isSafeInteger(id)) return null;
    if (typeof method !== 'string' || !CONSTANT.has(method)) return null;
    const known = Object.entries(headers).filter(
      ([name]) => name.startsWith('mcp-') || name === 'accept' || name === 'content-type',
    );
    const question = JSON.stringify([method, known, rest]);
    return question.length <= MAX_QUESTION ? question : null;
  }

  /** Writes the remembered answer to `question`; false if there is none. */
  replay(question: string, id: unknown, response: ServerResponse): boolean {
    const found = this.#remembered.get(question);
    if (found === undefined) return false;
    const body = Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${found.result}}`);
    response.writeHead(200, { ...found.headers, 'content-length': body.length });
    response.end(body);
    return true;
  }

  /** Keeps `answer` if it is a plain result, and returns one that can still be read. */
  async remember(question: string, answer: Response): Promise<Response> {
    if (answer.status !== 200 || answer.headers.get('content-type') !== 'application/json') return answer;
    const headers = Object.fromEntries(answer.headers);
    const text = await answer.text();
    const { result } = JSON.parse(text) as Message;
    if (result !== undefined) {
      this.#remembered.set(question, { headers, result: JSON.stringify(result) });
      if (this.#remembered.size > MAX_ANSWERS) this.#remembered.delete(this.#remembered.keys().next().value!);
    }
    return new Response(text, { status: answer.status, headers });
  }
}
