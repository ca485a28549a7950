// Follows "Add a server" of the README to the letter, in a copy of the workspace.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, ERAS, listen, start, text } from './support.ts';

const workspace = fileURLToPath(new URL('../..', import.meta.url));

/** A copy of the workspace that shares the installed packages, but not those of the workspace itself. */
async function copied(t: TestContext): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'minimcp-test-'));
  t.after(() => rm(copy, { recursive: true }));
  const left = [join(workspace, 'node_modules'), join(workspace, 'dist')];
  await cp(workspace, copy, { recursive: true, filter: (path) => !left.includes(path) });
  const installed = join(workspace, 'node_modules');
  await mkdir(join(copy, 'node_modules', '@minimcp'), { recursive: true });
  for (const name of await readdir(installed)) {
    if (name !== '@minimcp') await symlink(join(installed, name), join(copy, 'node_modules', name));
  }
  for (const name of await readdir(join(installed, '@minimcp'))) {
    await symlink(join('..', '..', name), join(copy, 'node_modules', '@minimcp', name));
  }
  return copy;
}

/** The code blocks of a section: files with the path that was named last before them, and commands. */
function blocks(section: string) {
  const files = new Map<string, string>();
  const commands: string[] = [];
  for (const [, before, language, code] of section.matchAll(/([^]*?)```(\w+)\n([^]*?)```/g)) {
    if (language === 'sh') commands.push(...code!.trim().split('\n'));
    else files.set(/^`([\w./-]+)`/m.exec(before!)![1]!, code!);
  }
  return { files, commands };
}

test('a server that is added as the README says is built, checked and answers', async (t) => {
  const readme = await readFile(join(workspace, 'README.md'), 'utf8');
  const { files, commands } = blocks(/\n## Add a server\n([^]*?)(?=\n## |$)/.exec(readme)![1]!);
  assert.deepEqual([...files.keys()], ['weather/package.json', 'weather/src/index.ts', 'weather/weather.toml']);
  assert.ok(files.get('weather/src/index.ts')!.trim().split('\n').length < 40, 'the template has grown');
  const copy = await copied(t);
  for (const [path, content] of files) {
    await mkdir(dirname(join(copy, path)), { recursive: true });
    await writeFile(join(copy, path), content);
  }
  assert.equal(commands.length, 3);
  const env = { ...process.env, npm_config_offline: 'true' };
  for (const command of commands) {
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', command], { cwd: copy, env, encoding: 'utf8' });
    assert.equal(status, 0, `${command}: ${stdout}${stderr}`);
  }

  const vendor = await listen(t, (request, response) => {
    if (request.headers.authorization !== 'Bearer sunshine') return response.writeHead(401).end();
    response.end(request.url === '/now?city=Malm%C3%B6' ? '{"celsius":-2,"sky":"clear"}' : '{}');
  });
  const program = join(copy, 'dist', 'weather.cjs');
  const server = await start(t, program, { CREDENTIALS: '{"api_key":"sunshine"}', WEATHER_API_URL: vendor.url });
  for (const era of ERAS) {
    const client = await connect(t, server.url, era);
    const { structuredContent } = await client.callTool({ name: 'weather_now', arguments: { city: 'Malmö' } });
    assert.deepEqual(structuredContent, { celsius: -2, sky: 'clear' });
  }
  const refused = await start(t, program, { CREDENTIALS: '{"api_key":"rain"}', WEATHER_API_URL: vendor.url });
  const client = await connect(t, refused.url, 'modern');
  const answer = await client.callTool({ name: 'weather_now', arguments: { city: 'Malmö' } });
  assert.equal(text(answer), 'The weather service does not accept the API key');
  assert.equal((await fetch(`${refused.url}/health`)).status, 503);
});
