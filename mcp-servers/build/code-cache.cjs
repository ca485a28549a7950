// Preloaded into a server that is being rehearsed: hands out the code cache of what has been compiled by then.
'use strict';
const { writeFileSync } = require('node:fs');
const { Script } = require('node:vm');

const run = Script.prototype.runInThisContext;
Script.prototype.runInThisContext = function (...options) {
  process.once('message', (file) => {
    writeFileSync(file, this.createCachedData());
    process.kill(process.pid, 'SIGTERM');
  });
  return run.apply(this, options);
};
