import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';

/** A server that runs against a stand-in. */
interface Opened {
  server: { url: string };
  api: { fault: (asked: never, response: ServerResponse) => boolean | void };
  /** Makes a call that is expected to fail, and answers the text of the error. */
  failing(name: string, args: Record<string, unknown>): Promise<string>;
}

/** A server as these tests see it. */
export interface RestServer {
  /** The vendor's name in messages. */
  vendor: string;
  /** The one that is asked first, where that is another one. */
  askedFirst?: string;
  /** A call of each tool that reads what the vendor answers. */
  calls: [tool: string, args: Record<string, unknown>][];
  /** @param vendorUrl another address than the stand-in's for everything of the vendor's */
  open(t: TestContext, config?: object, vendorUrl?: string): Promise<Opened>;
}

/** Tests what every tool of a server that is built on `rest.ts` makes of a vendor in trouble. */
export function testVendorInTrouble({ vendor, askedFirst = vendor, calls, open }: RestServer): void {
  test('an answer that is not in the API is called that', async (t) => {
    const { api, failing } = await open(t);
    for (const [name, args] of calls) {
      const answered = (status: number, body: string, headers = {}) => {
        api.fault = (_asked, response) => (response.writeHead(status, headers).end(body), true);
        return failing(name, args);
      };
      for (const body of ['<html>login</html>', '{"truncated":', 'null', '[]', '']) {
        const words = new RegExp(`^${vendor} answered something that is not in its API \\(at `);
        assert.match(await answered(200, body), words, `${name}: ${body}`);
      }
      assert.equal(await answered(302, '', { location: 'https://example.com' }), `${vendor} did not accept this (302): no explanation`);
      assert.equal(await answered(502, '<html>', { 'content-type': 'text/html' }), `${vendor} failed (502): no explanation`);
    }
  });

  test('an answer that breaks off is no answer', async (t) => {
    const { api, failing } = await open(t);
    api.fault = (_asked, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{', () => response.destroy());
      return true;
    };
    for (const [name, args] of calls) assert.match(await failing(name, args), new RegExp(`^${vendor} cannot be reached: `), name);
  });

  test('a vendor that does not answer is given up after the configured time', async (t) => {
    const { api, failing, server } = await open(t, { timeout_ms: 1000 });
    api.fault = () => true;
    for (const said of await Promise.all(calls.map(([name, args]) => failing(name, args)))) {
      assert.equal(said, `${vendor} did not answer within 1 seconds`);
    }
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });

  test("a vendor that is down is unavailable, not the credentials' fault", async (t) => {
    const { failing, server } = await open(t, {}, await nobody());
    for (const [name, args] of calls) assert.equal(await failing(name, args), `${askedFirst} cannot be reached: ECONNREFUSED`);
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });
}

/** An address where nobody listens. */
async function nobody(): Promise<string> {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  await once(gone, 'close');
  return `http://127.0.0.1:${port}`;
}
