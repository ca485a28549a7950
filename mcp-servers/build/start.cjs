// Runs the bundle of the same name in code/. The build copies this file to dist/ for each server. V8's code cache
// spares a part of the start; without one that fits, V8 compiles as always.
'use strict';
const { readFileSync } = require('node:fs');
const { basename, dirname, join } = require('node:path');
const { Script } = require('node:vm');

// V8 takes a cache only under the flags it was made with, and counts the limits of the heap among them. The heap has
// its limits by now and keeps them, so the flags may say what they said when the cache was made.
const FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=384'];
if (!FLAGS.every((flag) => process.execArgv.includes(flag))) {
  // Loaded only here: it costs a tenth of the start.
  const { setFlagsFromString } = require('node:v8');
  for (const flag of FLAGS) setFlagsFromString(flag);
}

const filename = join(__dirname, 'code', basename(__filename));
// The bundle is ASCII.
const source = readFileSync(filename, 'latin1');
const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
const bundle = { exports: {} };
new Script(wrapped, { filename, cachedData: cache() }).runInThisContext()(
  bundle.exports,
  require,
  bundle,
  filename,
  dirname(filename),
);

function cache() {
  try {
    return readFileSync(`${filename}.cache`);
  } catch {
    return undefined;
  }
}
