// What users are called, for administrators; everybody else knows themselves only.

import { computed, effect, signal } from '@preact/signals';
import { all } from '../api/client.ts';
import type { User } from '../api/types.ts';
import { isAdmin, me } from '../session.ts';
import { shortId } from '../ui/format.ts';

const listed = signal<readonly User[]>([]);

export const people = computed<ReadonlyMap<string, string>>(() => {
  const names = new Map(listed.value.map(({ id, name }) => [id, name]));
  if (me.value !== null) names.set(me.value.id, me.value.name);
  return names;
});

export function personOf(id: string): string {
  return people.value.get(id) ?? `…${shortId(id)}`;
}

/** Asks for the names again. */
export async function refreshPeople(): Promise<void> {
  try {
    listed.value = await all<User>('/v1/users');
  } catch {
    // The end of an id stands for a name that cannot be had.
  }
}

effect(() => {
  if (isAdmin.value) void refreshPeople();
  else listed.value = [];
});
