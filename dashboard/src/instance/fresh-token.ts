// Access tokens that were just made. They are shown until put away, and live in this page's memory only.

import { effect, signal } from '@preact/signals';
import { token } from '../session.ts';

export const freshTokens = signal<ReadonlyMap<string, string>>(new Map());

export function keepToken(instance: string, text: string): void {
  freshTokens.value = new Map(freshTokens.value).set(instance, text);
}

export function forgetToken(instance: string): void {
  const next = new Map(freshTokens.value);
  next.delete(instance);
  freshTokens.value = next;
}

effect(() => {
  if (token.value === null) freshTokens.value = new Map();
});
