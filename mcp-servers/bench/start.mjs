import { setTimeout as sleep } from 'node:timers/promises';
import { ECHO, Server } from './server.mjs';

/** How long a process is left alone before it counts as settled, in milliseconds. */
const SETTLED_MS = 1_000;

/**
 * Starts every variant `rounds` times, in turn, so that what else the machine does meets all alike.
 * @returns for each variant the median milliseconds to the first healthy answer, of CPU time until then, of the first
 *   and second call at once after it, and of the first and second call of a process that was left alone for a second
 */
export async function measureStarts(variants, rounds) {
  const seen = variants.map(() => ({ healthy: [], cpu: [], atOnce: [[], []], settled: [[], []] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, variant] of variants.entries()) {
      const into = seen[index];
      const { healthy, cpu } = await oneStart(variant, 0, into.atOnce);
      into.healthy.push(healthy);
      into.cpu.push(cpu);
      if (variant.tool) await oneStart(variant, SETTLED_MS, into.settled);
    }
  }
  return seen.map(({ healthy, cpu, atOnce, settled }) => ({
    healthy: median(healthy),
    cpu: median(cpu),
    atOnce: atOnce.map(median),
    settled: settled.map(median),
  }));
}

async function oneStart(variant, waitMs, calls) {
  const server = await Server.start(variant);
  try {
    const healthy = await server.healthy();
    const cpu = server.cpu();
    if (waitMs > 0) await sleep(waitMs);
    if (variant.tool) for (const into of calls) into.push(await server.ask('POST', '/mcp', ECHO));
    return { healthy, cpu };
  } finally {
    await server.stop();
  }
}

/** Undefined for nothing. */
export function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
