// Who is signed in. The token is kept for this tab only and goes with it.

import { batch, computed, signal } from '@preact/signals';
import type { Me } from './api/types.ts';

const KEY = 'minimcp.token';

export const token = signal<string | null>(sessionStorage.getItem(KEY));
export const me = signal<Me | null>(null);
/** Why somebody who was signed in is not any more. */
export const farewell = signal<string | null>(null);

export const isAdmin = computed(() => me.value?.role === 'admin');
/** Operators and administrators see everybody's. */
export const seesAll = computed(() => me.value !== null && me.value.role !== 'user');
/** Operators read and change nothing. */
export const mayChange = computed(() => me.value !== null && me.value.role !== 'operator');

export function signIn(shown: string, who: Me): void {
  sessionStorage.setItem(KEY, shown);
  batch(() => {
    farewell.value = null;
    me.value = who;
    token.value = shown;
  });
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  batch(() => {
    token.value = null;
    me.value = null;
  });
}

/** The daemon does not know the token any more. */
export function expire(): void {
  if (token.peek() === null) return;
  farewell.value = 'Your token does not hold any more: it was revoked, or it expired. Sign in with another one.';
  signOut();
}

/** Whether what belongs to this user may be changed by who is signed in. */
export function mayChangeOf(owner: string): boolean {
  return isAdmin.value || (mayChange.value && me.value?.id === owner);
}

export function isOwn(owner: string): boolean {
  return me.value?.id === owner;
}
