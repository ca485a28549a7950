import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { connect, launch, start, text } from './support.ts';

/** A call that succeeds against a server's stand-in as it is at its start, and a part of what it answers. */
export interface ExpectedCall {
  tool: string;
  arguments: Record<string, unknown>;
  expect: string;
}

/**
 * Tests that every tool of a server has a call, and that the calls, made in their order by a client of the protocol,
 * succeed against the stand-in as a program of its own.
 * @param variables those that move the server's vendor to the stand-in
 */
export function testEveryTool(server: string, variables: string[], credentials: object, calls: ExpectedCall[]): void {
  test(`every tool of ${server} answers`, async (t) => {
    const { child, output } = launch(`../stand-ins/${server}.mjs`, {});
    const exited = once(child, 'exit');
    t.after(() => child.kill('SIGKILL'));
    await Promise.race([once(child.stdout!, 'data'), exited]);
    const url = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(output.stdout)?.[1];
    assert.ok(url, output.stdout + output.stderr);
    const moved = Object.fromEntries(variables.map((name) => [name, url]));
    const running = await start(t, `../${server}.cjs`, { CREDENTIALS: JSON.stringify(credentials), ...moved });
    const client = await connect(t, running.url, 'modern');

    const { tools } = await client.listTools();
    assert.deepEqual(new Set(calls.map(({ tool }) => tool)), new Set(tools.map(({ name }) => name)));
    for (const call of calls) {
      const result = await client.callTool({ name: call.tool, arguments: call.arguments });
      assert.ok(!result.isError && text(result).includes(call.expect), `${call.tool}: ${text(result)}`);
    }

    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });
}
