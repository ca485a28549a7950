import { setTimeout as sleep } from 'node:timers/promises';
import { LIST, Server } from './server.mjs';

/** @returns the mean proportional set size in MB of `count` processes at once, each asked for its health and its tools */
export async function measureMemory(variant, count) {
  const servers = [];
  try {
    for (let one = 0; one < count; one += 1) {
      const server = await Server.start(variant);
      servers.push(server);
      await server.healthy();
      if (variant.mcp) await server.ask('POST', '/mcp', LIST);
    }
    await sleep(2_000);
    return servers.reduce((sum, server) => sum + server.pss(), 0) / count;
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
