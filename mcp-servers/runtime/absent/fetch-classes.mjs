// Takes the place of Fetch's classes in the SDK and in the runtime, as far as those two use them. Node's own come with
// its whole HTTP client, which is 2 MB of each process and nearly half of what its first call costs.

/** Header fields by lower-case name; fields of one name are joined. */
export class Headers {
  #fields = new Map();

  constructor(init = {}) {
    for (const [name, value] of Symbol.iterator in init ? init : Object.entries(init)) this.append(name, value);
  }

  append(name, value) {
    const present = this.get(name);
    this.set(name, present === null ? value : `${present}, ${value}`);
  }

  delete(name) {
    this.#fields.delete(name.toLowerCase());
  }

  get(name) {
    return this.#fields.get(name.toLowerCase()) ?? null;
  }

  has(name) {
    return this.#fields.has(name.toLowerCase());
  }

  set(name, value) {
    this.#fields.set(name.toLowerCase(), String(value).trim());
  }

  entries() {
    return this.#fields.entries();
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

/** A body of text, of a stream, or none. */
class Message {
  #text;
  #stream;

  constructor(body, { headers } = {}) {
    this.headers = new Headers(headers);
    if (typeof body === 'string') this.#text = body;
    else this.#stream = body ?? null;
  }

  /** What can be iterated over for the bytes, or null. */
  get body() {
    return this.#text === undefined ? this.#stream : [Buffer.from(this.#text)];
  }

  async text() {
    if (this.#text !== undefined) return this.#text;
    const chunks = [];
    for await (const chunk of this.#stream ?? []) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }
}

export class Request extends Message {
  constructor(url, { method = 'GET', body, signal = new AbortController().signal, ...rest } = {}) {
    super(body, rest);
    Object.assign(this, { url, method, signal });
  }
}

export class Response extends Message {
  static json(value, { headers, ...rest } = {}) {
    const all = new Headers(headers);
    if (!all.has('content-type')) all.set('content-type', 'application/json');
    return new Response(JSON.stringify(value), { headers: all, ...rest });
  }

  constructor(body, { status = 200, ...rest } = {}) {
    super(body, rest);
    this.status = status;
  }
}
