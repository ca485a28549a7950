// Runs the protocol's conformance suite: every scenario that a revision requires, in both eras, with no expected
// failures. Without an address it starts the fixture; an address tests a server that runs already.
//   node conformance/run.mjs [URL]
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REVISIONS = ['2025-11-25', '2026-07-28'];

const local = (path) => fileURLToPath(new URL(path, import.meta.url));

// The suite needs a newer Node than the servers do; a package carries one for each processor.
const node = local(`../node_modules/node-linux-${process.arch}/bin/node`);
const suite = local('../node_modules/@modelcontextprotocol/conformance/dist/index.js');

if (!existsSync(node)) throw new Error(`No Node for the suite is at ${node}; npm ci installs it on Linux, x64 or arm64`);

const results = mkdtempSync(join(tmpdir(), 'minimcp-conformance-'));
const fixture = process.argv[2] === undefined ? await start() : undefined;
const url = process.argv[2] ?? fixture.url;

try {
  const runs = [];
  for (const revision of REVISIONS) runs.push(await run(revision));
  process.stdout.write(table(runs));
  const failing = runs.flatMap(({ revision, scenarios }) =>
    scenarios.filter((one) => !one.passed).map(({ name, problems }) => `${revision} ${name}: ${problems.join('; ')}`),
  );
  for (const line of failing) process.stderr.write(`${line}\n`);
  process.exitCode = failing.length === 0 ? 0 : 1;
} finally {
  fixture?.child.kill();
  rmSync(results, { recursive: true });
}

async function start() {
  const child = spawn(process.execPath, [local('../dist/conformance-fixture.cjs')], {
    env: { PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the fixture ended with ${code}`)));
  ended.catch(() => {});
  const [line] = await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), ended]);
  return { child, url: `http://${/listening on (\S+)/.exec(line)[1]}/mcp` };
}

/** Runs what `revision` requires; a scenario without a result counts as failed. */
async function run(revision) {
  const required = /Server scenarios.*?\n((?: {2}- \S+.*\n)+)/.exec(await ask('list', '--server', '--requirements', revision));
  if (required === null) throw new Error(`the suite lists no scenario for ${revision}`);
  const names = required[1].match(/(?<=- )\S+/g);
  const dir = join(results, revision);
  await ask('server', '--url', url, '--requirements', revision, '-o', dir);
  return { revision, scenarios: names.map((name) => judge(name, dir)) };
}

/** A scenario passed if all that was checked succeeded, and something was. */
function judge(name, dir) {
  const own = new RegExp(`^server-${name}-\\d{4}-\\d{2}-\\d{2}T`);
  const found = readdirSync(dir).find((folder) => own.test(folder));
  if (found === undefined) return { name, passed: false, count: 0, problems: ['did not run'] };
  const checks = JSON.parse(readFileSync(join(dir, found, 'checks.json'), 'utf8')).filter(({ status }) => status !== 'INFO');
  const bad = checks.filter(({ status }) => status !== 'SUCCESS');
  const problems = bad.map(({ id, status, errorMessage }) => `${id} ${status} ${errorMessage ?? ''}`);
  if (checks.length === 0) problems.push('checked nothing');
  return { name, passed: problems.length === 0, count: checks.length, problems };
}

/** What the suite prints; its exit code says no more than its results do. */
async function ask(...args) {
  return new Promise((resolve, reject) => {
    execFile(node, [suite, ...args], { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else if (stdout === '') reject(new Error(`the suite said nothing: ${stderr}`));
      else resolve(stdout);
    });
  });
}

function table(runs) {
  const names = [...new Set(runs.flatMap(({ scenarios }) => scenarios.map(({ name }) => name)))];
  const cell = ({ scenarios }, name) => {
    const one = scenarios.find((scenario) => scenario.name === name);
    return one === undefined ? '' : one.passed ? `${one.count} passed` : 'FAILED';
  };
  const total = ({ scenarios }) => `${scenarios.filter(({ passed }) => passed).length} of ${scenarios.length}`;
  const rows = [
    ['scenario', ...runs.map(({ revision }) => revision)],
    ['---', ...runs.map(() => '---')],
    ...names.map((name) => [name, ...runs.map((one) => cell(one, name))]),
    ['scenarios passed', ...runs.map(total)],
  ];
  return rows.map((row) => `| ${row.join(' | ')} |\n`).join('');
}
