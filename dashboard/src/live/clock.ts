// One clock for everything that shows how long ago or how long until. It stands still while nobody looks.

import { signal } from '@preact/signals';

export const now = signal(Date.now());

let timer: ReturnType<typeof setInterval> | undefined;

function run(): void {
  clearInterval(timer);
  if (document.hidden) return;
  now.value = Date.now();
  timer = setInterval(() => {
    now.value = Date.now();
  }, 1_000);
}

document.addEventListener('visibilitychange', run);
run();
