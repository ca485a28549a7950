// Tries what a hostile server would, as told in TRY, and says in one line what came of each. Then it lives on.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer as serve } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const wanted = JSON.parse(process.env.TRY ?? '{}');
const outcome = (attempt) => {
  try {
    attempt();
    return 'done';
  } catch (error) {
    return error.code ?? String(error);
  }
};
const settled = (emitter, event) =>
  new Promise((resolve) => {
    emitter.once(event, () => resolve('done'));
    emitter.once('error', (error) => resolve(error.code));
  });
const each = (names, attempt) => Object.fromEntries((names ?? []).map((name) => [name, outcome(() => attempt(name))]));
const calls = {};
for (const [name, args] of Object.entries(wanted.calls ?? {})) {
  const program = `use Errno; $! = 0; my $r = syscall(${args.join(', ')}); print $r == -1 ? (grep { $!{$_} } qw(EPERM ENOSYS EACCES EINVAL EFAULT ESRCH))[0] // $!+0 : 'done'`;
  calls[name] = spawnSync('/usr/bin/perl', ['-MErrno', '-e', program]).stdout.toString();
}
const ports = {};
for (const port of wanted.ports ?? []) {
  const server = createServer();
  const listening = settled(server, 'listening');
  server.listen(port, '127.0.0.1');
  ports[port] = await listening;
  server.close();
}
const sockets = {};
// Node pads their names, so that it reaches none that others made.
for (const name of wanted.sockets ?? []) {
  const program = `use Socket; use Errno; socket(my $s, PF_UNIX, SOCK_STREAM, 0); print connect($s, pack('S a*', AF_UNIX, "\\0" . $ARGV[0])) ? 'done' : $!{EPERM} ? 'EPERM' : $!`;
  sockets[name] = spawnSync('/usr/bin/perl', ['-e', program, name]).stdout.toString();
}
console.log(
  JSON.stringify({
    read: each(wanted.read, (path) => readFileSync(path)),
    list: each(wanted.list, (path) => readdirSync(path)),
    write: each(wanted.write, (path) => writeFileSync(path, 'x')),
    rename: each(wanted.rename, (path) => renameSync(path, `${path}.moved`)),
    truncate: each(wanted.truncate, (path) => truncateSync(path)),
    kill: each(wanted.kill, (pid) => process.kill(Number(pid), 0)),
    become: each(wanted.become, (uid) => process.setuid(Number(uid))),
    ports,
    sockets,
    calls,
    processes: outcome(() => readdirSync('/proc')) === 'done' ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : null,
    temporary: outcome(() => readdirSync('/tmp')) === 'done' ? readdirSync('/tmp') : null,
    directory: outcome(() => writeFileSync(join(tmpdir(), 'mine.tmp'), 'x')),
    descriptors: Object.fromEntries(
      readdirSync('/proc/self/fd').map((fd) => {
        try {
          return [fd, readlinkSync(`/proc/self/fd/${fd}`)];
        } catch {
          return [fd, ''];
        }
      }),
    ),
    memory: outcome(() => process.memoryUsage()),
  }),
);
if (process.env.PORT) serve((_, response) => response.end('{}')).listen(Number(process.env.PORT), '127.0.0.1');
setInterval(() => {}, 1e6);
