// Takes the picture of the dashboard that the README shows, from a daemon with servers of every kind of fate:
//   make picture
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { launch, open } from './tests/browser.mjs';
import { Daemon, eventually } from './tests/daemon.mjs';

const file = resolve(import.meta.dirname, '../docs/dashboard.png');
/** Small enough for a page that people read on the way. */
const MOST = 200_000;

const daemon = await new Daemon().start();
const browser = await launch();
try {
  await daemon.faulty('notes', ['ok'], { display_name: 'Notes', resource_limits: { max_memory_mb: 256, max_cpu_percent: 50 } });
  await daemon.faulty('crawler', ['crash-after', '150'], { display_name: 'Crawler' });
  const una = await daemon.user('una', 'user');
  await daemon.running('everything', { name: 'reference' });
  await daemon.running('everything', { name: 'playground', expiration_minutes: 8 }, una.token);
  await daemon.running('notes', { name: 'mail archive' }, una.token);
  const { id: ended } = await daemon.running('notes', { name: 'minutes' });
  await daemon.ask('POST', `/v1/instances/${ended}/stop`);
  const { id: crashing } = await daemon.create('crawler', { name: 'crawler', restart: { intensity: 1 } });
  await daemon.reaches(crashing, 'disconnected');
  const measured = async () => {
    const { items } = await daemon.ask('GET', '/v1/instances?status=running');
    return items.length === 3 && items.every(({ stats }) => stats.memory_bytes > 0);
  };
  await eventually('every server is measured', measured);
  const viewport = { width: 1280, height: 600 };
  const { page, close } = await open(browser, daemon, { viewport });
  await page.getByText('mail archive').first().waitFor();
  await page.getByText('MiB').first().waitFor();
  await page.screenshot({ path: file });
  await close();
  const { size } = statSync(file);
  if (size > MOST) throw new Error(`${join('docs', 'dashboard.png')} has ${size} bytes, more than ${MOST}`);
} finally {
  await browser.close();
  await daemon.close();
}
