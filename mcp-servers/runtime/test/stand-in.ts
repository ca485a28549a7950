import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** An HTTP server of the test's own; closed with the test. */
export async function listen(t: TestContext, handler: RequestListener): Promise<{ url: string; server: Server }> {
  const { url, server } = await open(handler, 0);
  t.after(() => close(server));
  return { url, server };
}

/**
 * Runs a stand-in as a program: on `PORT` of 127.0.0.1 or on one that the kernel chooses, which its only line of output
 * names; until SIGTERM or SIGINT.
 */
export async function run(handler: RequestListener): Promise<void> {
  const { url, server } = await open(handler, Number(process.env['PORT'] ?? 0));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => close(server));
  process.stdout.write(`listening on ${url}\n`);
}

async function open(handler: RequestListener, port: number): Promise<{ url: string; server: Server }> {
  const server = createServer(handler).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

function close(server: Server): void {
  server.closeAllConnections();
  server.close();
}
