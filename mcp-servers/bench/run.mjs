// Prints the tables of "Node servers" in BENCHMARKS.md.
//   node bench/run.mjs [--rounds 21] [--running 20] [--seconds 60]     (0 seconds leave out the load)
import { parseArgs } from 'node:util';
import { measureLoad } from './load.mjs';
import { measureMemory } from './memory.mjs';
import { ECHO, LIST } from './server.mjs';
import { measureStarts } from './start.mjs';
import { VARIANTS } from './variants.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '21' },
    running: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '60' },
  },
});
const [rounds, running, seconds] = [values.rounds, values.running, values.seconds].map(Number);

const starts = await measureStarts(VARIANTS, rounds);
const memory = [];
for (const variant of VARIANTS) memory.push(await measureMemory(variant, running));
table(
  ['server', 'healthy, ms', 'of bare', 'CPU, ms', 'of bare', 'first call at once, ms', 'second', 'first call after 1 s, ms', 'second', `PSS of ${running}, MB each`],
  VARIANTS.map(({ name }, index) => {
    const { healthy, cpu, atOnce, settled } = starts[index];
    const ofBare = [healthy / starts[0].healthy, cpu / starts[0].cpu].map((ratio) => ratio.toFixed(2));
    const times = [...atOnce, ...settled].map((value) => value?.toFixed(1) ?? '-');
    return [name, healthy.toFixed(1), ofBare[0], cpu.toFixed(1), ofBare[1], ...times, memory[index].toFixed(1)];
  }),
);

const loads = VARIANTS.filter(({ load }) => load && seconds > 0).flatMap((variant) => [
  { variant, what: 'tools/list', question: LIST },
  ...(variant.tool ? [{ variant, what: 'a tool call', question: ECHO }] : []),
]);
const rows = [];
for (const { variant, what, question } of loads) {
  const { perSecond, perCpuSecond, p50, p99, largest } = await measureLoad(variant, question, seconds);
  rows.push([variant.name, what, perSecond.toFixed(0), perCpuSecond.toFixed(0), p50, p99, largest.toFixed(1)]);
}
if (seconds > 0) table(['server', 'asked for', 'requests/s', 'requests per CPU s', 'p50 ms', 'p99 ms', 'largest PSS, MB'], rows);

function table(head, lines) {
  const rule = head.map(() => '---');
  process.stdout.write(`${[head, rule, ...lines].map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n`);
}
