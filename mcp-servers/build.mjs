// Bundles every server to one file in dist/; with --tests also the tests, one file each, in dist/tests/, and the
// stand-ins of the vendors as programs in dist/stand-ins/.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const SERVERS = ['figma', 'github', 'gmail', 'slack'];

const shared = { bundle: true, platform: 'node', target: 'node20', logLevel: 'warning' };

const bundle = {
  ...shared,
  // CommonJS without white space starts soonest; names stay, so that a stack in a log can be read.
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  alias: {
    '@hono/node-server': './runtime/absent/request-listener.mjs',
    '@modelcontextprotocol/server/_shims': './runtime/absent/json-schema-validator.mjs',
  },
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
};

const testing = process.argv.includes('--tests');
const entries = SERVERS.map((name) => ({ in: `${name}/src/index.ts`, out: name }));
// The server that the tests of the runtime start is built like any other.
if (testing) entries.push({ in: 'runtime/test/fixture.ts', out: 'tests/fixture' });

rmSync('dist', { recursive: true, force: true });
await build({ ...bundle, entryPoints: entries });

if (testing) {
  const tests = ['runtime', ...SERVERS].flatMap((folder) =>
    readdirSync(`${folder}/test`)
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => ({ in: `${folder}/test/${file}`, out: `tests/${folder}-${file.slice(0, -3)}` })),
  );
  const standIns = SERVERS.map((name) => ({ in: `${name}/test/stand-in.main.ts`, out: `stand-ins/${name}` })).filter(
    (entry) => existsSync(entry.in),
  );
  await build({
    ...shared,
    format: 'esm',
    // Dependencies in CommonJS call require, which an ES module does not have.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    entryPoints: [...tests, ...standIns],
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
  });
}
