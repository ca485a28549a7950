const MASK = '[redacted]';

/** Shorter values are not secrets anyone could keep, and masking them would eat ordinary words. */
const SHORTEST_SECRET = 4;

/** A private key is one value in many lines, and a quoted line gives as much away as the whole. */
const SHORTEST_LINE = 16;

/** Credentials of an HTTP header, whoever's they are. */
const AUTHORIZATION = /\b(bearer|basic|token)\s+(?=\S*\d)[\w.~+/=:-]{16,}/gi;

/** Tokens that are issued at run time live for an hour or so; this many of the latest are remembered. */
const MAX_ISSUED = 8;

/** Replaces secrets in texts, in the forms in which they travel: plain, JSON, URL-escaped and base64. */
export class Redactor {
  readonly #issued: string[] = [];
  #pattern: RegExp | undefined;

  constructor(private readonly secrets: readonly string[] = []) {
    this.#compile();
  }

  /** Treats `secret` as one from now on; for tokens that are issued while the process runs. */
  issued(secret: string): void {
    if (this.#issued.includes(secret)) return;
    this.#issued.push(secret);
    if (this.#issued.length > MAX_ISSUED) this.#issued.shift();
    this.#compile();
  }

  #compile(): void {
    const all = new Set([...this.secrets, ...this.#issued].flatMap((secret) => [...forms(secret)]));
    if (all.size === 0) return;
    // Longest first: a form may be the beginning of another one.
    const longestFirst = [...all].sort((a, b) => b.length - a.length);
    this.#pattern = new RegExp(longestFirst.map(escaped).join('|'), 'g');
  }

  /** `text` with every known secret and every authorization value masked. */
  text(text: string): string {
    const known = this.#pattern ? text.replace(this.#pattern, MASK) : text;
    return known.replace(AUTHORIZATION, `$1 ${MASK}`);
  }

  /** A copy of `value` with `text` applied to all strings and keys in it; errors become their stacks. */
  value(value: unknown, depth = 0): unknown {
    if (typeof value === 'string') return this.text(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth > 8) return '[too deep]';
    if (value instanceof Error) return this.text(value.stack ?? String(value));
    if (Array.isArray(value)) return value.map((item) => this.value(item, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.text(key), this.value(item, depth + 1)]),
    );
  }
}

function* forms(secret: string): Generator<string> {
  const lines = secret.split(/\r?\n/).filter((line) => line.length >= SHORTEST_LINE && !line.startsWith('-----'));
  for (const value of new Set([secret, secret.trim(), ...(lines.length > 1 ? lines : [])])) {
    if (value.length < SHORTEST_SECRET) continue;
    yield value;
    yield JSON.stringify(value).slice(1, -1);
    yield encodeURIComponent(value);
    yield* base64Forms(value);
  }
}

/**
 * What a secret looks like inside base64 of a longer text depends on where it starts, modulo three bytes;
 * the digits it shares with its neighbours are left out.
 */
function* base64Forms(secret: string): Generator<string> {
  const bytes = Buffer.from(secret);
  for (const before of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor((padded.length * 8) / 6);
    const whole = last - first >= 8;
    for (const alphabet of ['base64', 'base64url'] as const) {
      if (whole) yield padded.toString(alphabet).slice(first, last);
    }
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
