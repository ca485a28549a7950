// Runs the conformance suite against an instance of the daemon. The suite cannot send a token, so a proxy on the
// loopback interface adds it and is otherwise not there: it knows nothing of the protocol.
//   MINIMCP_INSTANCE_TOKEN=mmcp_inst_... node conformance/through.mjs URL
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { fileURLToPath } from 'node:url';

const target = new URL(process.argv[2]);
const token = process.env.MINIMCP_INSTANCE_TOKEN;
if (token === undefined) throw new Error('MINIMCP_INSTANCE_TOKEN is not set');

// The suite waits for 5 s in between, which is when the daemon closes a connection that nobody uses: a request on its
// way just then would be lost. So each has a connection of its own, and the suite's are closed by the suite.
const agent = new Agent({ keepAlive: false });
const proxy = createServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
  const headers = [...incoming.rawHeaders, 'Authorization', `Bearer ${token}`];
  // Who means the proxy means the daemon; who names somebody else is passed on, and is the daemon's to refuse.
  for (let at = 1; at < headers.length; at += 2) {
    if (headers[at] === own.host) headers[at] = target.host;
    if (headers[at] === own.origin) headers[at] = target.origin;
  }
  const { hostname, port, pathname } = target;
  const passed = request({ hostname, port, path: pathname, method: incoming.method, headers, setDefaultHeaders: false, agent });
  passed.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(outgoing);
    // A stream that breaks off breaks off for the suite too.
    answer.on('error', () => outgoing.destroy());
  });
  passed.on('error', () => outgoing.destroy());
  outgoing.on('close', () => passed.destroy());
  incoming.pipe(passed);
});
proxy.listen(0, '127.0.0.1');
await once(proxy, 'listening');
const own = new URL(`http://127.0.0.1:${proxy.address().port}${target.pathname}`);

const run = fileURLToPath(new URL('run.mjs', import.meta.url));
const suite = spawn(process.execPath, [run, own.href], { stdio: 'inherit' });
const [code] = await once(suite, 'exit');
proxy.closeAllConnections();
proxy.close();
process.exitCode = code ?? 1;
