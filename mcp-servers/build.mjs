// Bundles every server to one file in dist/; with --tests also the tests, one file each, in dist/tests/.
import { readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const SERVERS = ['github'];

const shared = { bundle: true, platform: 'node', target: 'node20', logLevel: 'warning' };

rmSync('dist', { recursive: true, force: true });
await build({
  ...shared,
  // CommonJS without white space starts soonest; names stay, so that a stack in a log can be read.
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  alias: {
    '@hono/node-server': './runtime/absent/request-listener.mjs',
    '@modelcontextprotocol/server/_shims': './runtime/absent/json-schema-validator.mjs',
  },
  entryPoints: SERVERS.map((name) => ({ in: `${name}/src/index.ts`, out: name })),
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
});

if (process.argv.includes('--tests')) {
  const tests = ['runtime', ...SERVERS].flatMap((folder) =>
    readdirSync(`${folder}/test`)
      .filter((file) => file.endsWith('.test.ts') || file === 'fixture.ts')
      .map((file) => ({ in: `${folder}/test/${file}`, out: file === 'fixture.ts' ? 'fixture' : `${folder}-${file.slice(0, -3)}` })),
  );
  await build({
    ...shared,
    format: 'esm',
    // Dependencies in CommonJS call require, which an ES module does not have.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    entryPoints: tests,
    outdir: 'dist/tests',
    outExtension: { '.js': '.mjs' },
  });
}
