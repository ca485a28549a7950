// Where in the dashboard somebody is: the part of the address behind `#`. It never holds a secret.

import { computed, signal } from '@preact/signals';

function read(): string {
  return location.hash.startsWith('#/') ? location.hash.slice(1) : '/';
}

export const address = signal(read());
addEventListener('hashchange', () => {
  address.value = read();
});

/** The address in parts: `/instances/x?tab=logs` is `['instances', 'x']`. */
export const segments = computed(() =>
  (address.value.split('?')[0] ?? '')
    .split('/')
    .filter((part) => part !== '')
    .map(decoded),
);

export const query = computed(() => new URLSearchParams(address.value.split('?')[1] ?? ''));

export function go(to: string): void {
  location.hash = to;
}

/** Goes there without a step in the history: for filters. */
export function replace(to: string): void {
  history.replaceState(null, '', `#${to}`);
  address.value = read();
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
