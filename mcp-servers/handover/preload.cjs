'use strict';
// Runs before a server's own code: `node --require` of this file. Credentials arrive in a sealed memory file on
// descriptor 3. They become variables of this process that are read as any other, but are not listed, so no program
// that it starts inherits them, and that /proc never shows, because they were never in the environment it began with.

const { closeSync, fstatSync, readFileSync } = require('node:fs');
const { getEnvironmentData, isMainThread, setEnvironmentData } = require('node:worker_threads');

const DESCRIPTOR = 3;
const BEGINNING = 'minimcp-handover-1\n';
const THREADS = 'minimcp.handover';

const secrets = isMainThread ? take() : getEnvironmentData(THREADS);
if (secrets !== undefined) {
  process.env = beside(process.env, new Map(Object.entries(secrets)));
  // Threads inherit no proxy; each runs this file and takes them from here.
  if (isMainThread) setEnvironmentData(THREADS, secrets);
}
forget(process.execArgv);

/** The secrets of the file on the descriptor, which is closed; undefined if something else or nothing is there. */
function take() {
  let bytes;
  try {
    // A program that this one forks has a socket there, and one that was started by hand whatever its shell left.
    const file = fstatSync(DESCRIPTOR);
    if (!file.isFile() || file.nlink !== 0) return undefined;
    bytes = readFileSync(DESCRIPTOR);
  } catch {
    return undefined;
  }
  if (bytes.toString('latin1', 0, BEGINNING.length) !== BEGINNING) return undefined;
  closeSync(DESCRIPTOR);
  const text = bytes.toString('utf8', BEGINNING.length);
  bytes.fill(0);
  return JSON.parse(text);
}

/** The environment with the secrets beside it: there for whoever asks by name, and for nobody who asks for all. */
function beside(environment, held) {
  return new Proxy(environment, {
    has: (target, name) => held.has(name) || name in target,
    get: (target, name) => (held.has(name) ? held.get(name) : target[name]),
    set(target, name, value) {
      if (held.has(name)) held.set(name, String(value));
      else target[name] = value;
      return true;
    },
    deleteProperty: (target, name) => held.delete(name) || delete target[name],
    ownKeys: (target) => [...Reflect.ownKeys(target), ...held.keys()],
    getOwnPropertyDescriptor: (target, name) =>
      held.has(name)
        ? { value: held.get(name), writable: true, enumerable: false, configurable: true }
        : Reflect.getOwnPropertyDescriptor(target, name),
  });
}

/** Takes this file out of the arguments that forked processes inherit. */
function forget(args) {
  const at = args.indexOf(__filename);
  if (at > 0 && args[at - 1] === '--require') args.splice(at - 1, 2);
}
