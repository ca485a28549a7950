// Runs the bundle of the same name in code/. The build copies this file to dist/ for each server. V8's code cache
// spares half of the start; without one that fits, V8 compiles as always.
'use strict';
const { readFileSync } = require('node:fs');
const { basename, dirname, join } = require('node:path');
const v8 = require('node:v8');
const { Script } = require('node:vm');

const filename = join(__dirname, 'code', basename(__filename));
// The bundle is ASCII.
const source = readFileSync(filename, 'latin1');

function cache() {
  try {
    return readFileSync(`${filename}.cache`);
  } catch {
    return undefined;
  }
}

// V8 takes a cache only under the flags it was made with, and counts the limits of the heap among them. The heap has
// its limits by now and keeps them; only the comparison sees these values.
v8.setFlagsFromString('--max-semi-space-size=0');
v8.setFlagsFromString('--max-old-space-size=0');

const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
const bundle = { exports: {} };
new Script(wrapped, { filename, cachedData: cache() }).runInThisContext()(
  bundle.exports,
  require,
  bundle,
  filename,
  dirname(filename),
);
