// Builds the dashboard to dist/: the page, and beside it in assets/ what it names, each under a name made from its
// content and compressed, too. The binary embeds the folder as it is.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const keeper = '.gitignore';
for (const name of readdirSync('dist')) {
  if (name !== keeper) rmSync(`dist/${name}`, { recursive: true });
}
mkdirSync('dist/assets');

function put(name, bytes) {
  writeFileSync(`dist/${name}`, bytes);
  writeFileSync(`dist/${name}.gz`, gzipSync(bytes, { level: 9 }));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`dist/${name}.br`, brotliCompressSync(bytes, { params }));
}

function hashed(stem, extension, bytes) {
  const name = `assets/${stem}-${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}.${extension}`;
  put(name, bytes);
  return `/${name}`;
}

const { outputFiles } = await build({
  entryPoints: { app: 'src/main.tsx' },
  outdir: 'dist',
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  target: ['es2022', 'chrome123', 'firefox121', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
});
const output = (extension) => outputFiles.find(({ path }) => path.endsWith(extension)).contents;

const places = {
  script: hashed('app', 'js', output('.js')),
  style: hashed('app', 'css', output('.css')),
  icon: hashed('icon', 'svg', readFileSync('src/icon.svg')),
};
const page = readFileSync('src/index.html', 'utf8').replace(/\{\{(\w+)\}\}/g, (_, place) => places[place]);
put('index.html', Buffer.from(page));

// Cargo knows the files that were there when it built last, and this one always is.
const now = new Date();
utimesSync(`dist/${keeper}`, now, now);
