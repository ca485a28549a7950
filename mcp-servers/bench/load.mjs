import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Server } from './server.mjs';

const autocannon = fileURLToPath(import.meta.resolve('autocannon'));

/**
 * Asks a server on the first core from 16 connections that a client on the second core keeps busy.
 * @returns requests per second, requests per second of CPU time of the server, the median and 99th percentile in ms, and the largest proportional set size in MB, seen
 *   each second; any answer but a 200 is an error
 */
export async function measureLoad(variant, { headers, body }, seconds) {
  const server = await Server.start({ ...variant, cpu: 0 });
  let largest = 0;
  const watch = setInterval(() => (largest = Math.max(largest, server.pss())), 1_000);
  try {
    await server.healthy();
    const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const options = ['-j', '-c', '16', '-d', String(seconds), '-m', 'POST', ...fields, '-b', body];
    const client = ['-c', '1', process.execPath, autocannon, ...options, `http://127.0.0.1:${server.port}/mcp`];
    const cpuBefore = server.cpu();
    const { stdout } = await promisify(execFile)('taskset', client);
    const { requests, latency, non2xx, errors } = JSON.parse(stdout);
    if (non2xx + errors > 0) throw new Error(`${non2xx} refusals and ${errors} errors under load`);
    const perCpuSecond = (requests.total / (server.cpu() - cpuBefore)) * 1_000;
    return { perSecond: requests.average, perCpuSecond, p50: latency.p50, p99: latency.p99, largest };
  } finally {
    clearInterval(watch);
    await server.stop();
  }
}
