// Bundles every server to one file in dist/; with --tests also the tests, one file each, in dist/tests/, and the
// stand-ins of the vendors as programs in dist/stand-ins/. A server is a folder with src/index.ts whose package depends on
// the runtime.
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { rehearse } from './build/rehearse.mjs';

const shared = { bundle: true, platform: 'node', target: 'node20', logLevel: 'warning' };

/** Gives the SDK and the runtime small stand-ins for Fetch's classes; a server's own code and libraries keep Node's. */
const fetchClasses = {
  name: 'fetch-classes',
  setup({ onLoad }) {
    const line = `import { Headers, Request, Response } from ${JSON.stringify(resolve('runtime/absent/fetch-classes.mjs'))};`;
    const filter = /(@modelcontextprotocol\/(server|node)\/dist|runtime\/src)\/[^/]+\.(mjs|ts)$/;
    onLoad({ filter }, ({ path }) => ({
      contents: `${line}${readFileSync(path, 'utf8')}`,
      loader: path.endsWith('.ts') ? 'ts' : 'js',
    }));
  },
};

const bundle = {
  ...shared,
  // CommonJS without white space starts soonest; names stay, so that a stack in a log can be read.
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  charset: 'ascii',
  plugins: [fetchClasses],
  alias: {
    '@hono/node-server': './runtime/absent/request-listener.mjs',
    '@modelcontextprotocol/server/_shims': './runtime/absent/json-schema-validator.mjs',
  },
  outExtension: { '.js': '.cjs' },
};

/**
 * Bundles the server at `source` to `dir`: a starter, and beside it in code/ the bundle and its code cache.
 * @param credentials what it gets when it is started once to make the cache; undefined makes none
 */
async function server(source, dir, name, credentials) {
  await build({ ...bundle, entryPoints: [{ in: source, out: name }], outdir: `${dir}/code` });
  copyFileSync('build/start.cjs', `${dir}/${name}.cjs`);
  if (credentials === undefined) {
    console.warn(`${name} starts slowly: its package.json names no "rehearsal", so it has no code cache`);
  } else {
    await rehearse(`${dir}/${name}.cjs`, `${dir}/code/${name}.cjs.cache`, credentials);
  }
}

const manifests = readdirSync('.')
  .filter((folder) => existsSync(`${folder}/package.json`))
  .map((folder) => [folder, JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))]);

const servers = manifests.filter(
  ([folder, { dependencies = {} }]) => '@minimcp/runtime' in dependencies && existsSync(`${folder}/src/index.ts`),
);

const testing = process.argv.includes('--tests');

rmSync('dist', { recursive: true, force: true });
await Promise.all(servers.map(([name, { rehearsal }]) => server(`${name}/src/index.ts`, 'dist', name, rehearsal)));

if (testing) {
  // The server that the tests of the runtime start is built like any other.
  await server('runtime/test/fixture.ts', 'dist/tests', 'fixture', { api_key: 'rehearsal' });
  // It asks users, whose answers the SDK checks by JSON Schema.
  await build({
    ...bundle,
    alias: { '@hono/node-server': bundle.alias['@hono/node-server'] },
    entryPoints: [{ in: 'conformance/src/fixture.ts', out: 'conformance-fixture' }],
    outdir: 'dist',
  });
  const tests = manifests
    .filter(([folder]) => existsSync(`${folder}/test`))
    .flatMap(([folder]) =>
      readdirSync(`${folder}/test`)
        .filter((file) => file.endsWith('.test.ts'))
        .map((file) => ({ in: `${folder}/test/${file}`, out: `tests/${folder}-${file.slice(0, -3)}` })),
    );
  const standIns = servers
    .map(([name]) => ({ in: `${name}/test/stand-in.main.ts`, out: `stand-ins/${name}` }))
    .filter((entry) => existsSync(entry.in));
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
