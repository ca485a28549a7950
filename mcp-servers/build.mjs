// Bundles every server to one file in dist/; with --tests also the tests, one file each, in dist/tests/.
import { readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const SERVERS = ['github'];

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
  // Dependencies in CommonJS call require, which an ES module does not have.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
};

rmSync('dist', { recursive: true, force: true });
await build({
  ...shared,
  entryPoints: SERVERS.map((name) => ({ in: `${name}/src/index.ts`, out: name })),
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
});

if (process.argv.includes('--tests')) {
  const tests = ['runtime', ...SERVERS].flatMap((folder) =>
    readdirSync(`${folder}/test`)
      .filter((file) => file.endsWith('.test.ts') || file === 'fixture.ts')
      .map((file) => ({ in: `${folder}/test/${file}`, out: file === 'fixture.ts' ? 'fixture' : `${folder}-${file.slice(0, -3)}` })),
  );
  await build({ ...shared, entryPoints: tests, outdir: 'dist/tests', outExtension: { '.js': '.mjs' } });
}
