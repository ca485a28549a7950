import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Flags the daemon gives to a server that may use 512 MB. */
const FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=384'];

/**
 * What is measured, the yardstick first. `mcp` says that tools can be listed, `tool` that there is an `echo` to call,
 * `load` that it is put under load; how a process was started makes no difference there.
 */
export const VARIANTS = [
  { name: 'bare `node:http`', args: [...FLAGS, at('bare.mjs')] },
  { name: 'express, winston, SDK, not bundled', args: [...FLAGS, at('naive.mjs')], mcp: true, tool: true, load: true },
  { name: 'ours, bundled, no code cache', args: [...FLAGS, at('../dist/tests/code/fixture.cjs')], mcp: true, tool: true },
  { name: 'ours as shipped', args: [...FLAGS, at('../dist/tests/fixture.cjs')], mcp: true, tool: true, load: true },
  {
    name: 'ours as the daemon starts it',
    args: [...FLAGS, '--require', at('../handover/preload.cjs'), at('../dist/tests/fixture.cjs')],
    mcp: true,
    tool: true,
  },
  { name: 'github as shipped', args: [...FLAGS, at('../dist/github.cjs')], mcp: true, load: true },
];
