// Every instance that the caller may see, as it stands. The list is loaded once, then follows the daemon's events;
// what events do not tell (CPU, memory) is asked again now and then.

import { batch, computed, effect, signal } from '@preact/signals';
import { all, get, Refused, wordsOf } from '../api/client.ts';
import type { Credential, Instance, Transition } from '../api/types.ts';
import { me, token } from '../session.ts';
import { follow } from './stream.ts';

export const fleet = signal<ReadonlyMap<string, Instance>>(new Map());
/** Whether the list was there once. */
export const loaded = signal(false);
export const loadError = signal<string | null>(null);
export const credentials = signal<readonly Credential[]>([]);

export type Link = { kind: 'connecting' } | { kind: 'live' } | { kind: 'away'; retryAt: number };
export const link = signal<Link>({ kind: 'connecting' });

/** The newest change of status, for whoever shows a history. */
export const latest = signal<Transition | null>(null);

export const instances = computed(() => [...fleet.value.values()]);

/** More than this many changed ones are asked for as a list. */
const ONE_BY_ONE = 8;
/** Events within this time are one look. */
const GATHER_MS = 120;
/** The list is asked again after this many times as long as it took, and no sooner than this. */
const SHARE = 20;
const REFRESH_MS = 5_000;

const changed = new Set<string>();
let gathering: ReturnType<typeof setTimeout> | undefined;
let session = new AbortController();

effect(() => {
  const shown = token.value;
  const known = me.value !== null;
  session.abort();
  session = new AbortController();
  changed.clear();
  if (shown !== null && known) begin(session.signal);
  else
    batch(() => {
      fleet.value = new Map();
      credentials.value = [];
      loaded.value = false;
      latest.value = null;
      link.value = { kind: 'connecting' };
    });
});

function begin(until: AbortSignal): void {
  void follow('/v1/events', {
    signal: until,
    resume: true,
    opened: () => {
      link.value = { kind: 'live' };
      // Asked behind the stream, so that nothing falls in between.
      void refresh(until);
      void refreshCredentials(until);
    },
    message: ({ event, data }) => {
      if (event === 'transition') note(JSON.parse(data) as Transition, until);
      else if (event.startsWith('credential.')) void refreshCredentials(until);
    },
    broken: (retryAt) => {
      link.value = { kind: 'away', retryAt };
    },
  });
  void keepFresh(until);
}

function note(transition: Transition, until: AbortSignal): void {
  latest.value = transition;
  changed.add(transition.instance_id);
  const old = fleet.peek().get(transition.instance_id);
  if (old !== undefined) put({ ...old, status: transition.to, status_reason: transition.reason });
  clearTimeout(gathering);
  gathering = setTimeout(() => void catchUp(until), GATHER_MS);
}

async function catchUp(until: AbortSignal): Promise<void> {
  const ids = [...changed];
  changed.clear();
  if (ids.length > ONE_BY_ONE) return refresh(until);
  await Promise.all(ids.map((id) => look(id, until)));
}

/** Asks how one instance stands. */
export async function look(id: string, until: AbortSignal = session.signal): Promise<void> {
  try {
    put(await get<Instance>(`/v1/instances/${id}`, until));
  } catch (error) {
    if (error instanceof Refused && error.status === 404) drop(id);
  }
}

export function put(instance: Instance): void {
  const next = new Map(fleet.peek());
  next.set(instance.id, instance);
  fleet.value = next;
}

export function drop(id: string): void {
  const next = new Map(fleet.peek());
  if (next.delete(id)) fleet.value = next;
}

/** Asks for the whole list. */
export async function refresh(until: AbortSignal = session.signal): Promise<void> {
  try {
    const list = await all<Instance>('/v1/instances', until);
    batch(() => {
      fleet.value = new Map(list.map((instance) => [instance.id, instance]));
      loaded.value = true;
      loadError.value = null;
    });
  } catch (error) {
    if (!until.aborted) loadError.value = wordsOf(error);
  }
}

export async function refreshCredentials(until: AbortSignal = session.signal): Promise<void> {
  try {
    credentials.value = await all<Credential>('/v1/credentials', until);
  } catch {
    // The page of credentials loads them itself and tells why it cannot.
  }
}

async function keepFresh(until: AbortSignal): Promise<void> {
  let took = 0;
  while (!until.aborted) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(REFRESH_MS, took * SHARE)));
    if (until.aborted || document.hidden || link.peek().kind !== 'live') continue;
    const begun = performance.now();
    await refresh(until);
    took = performance.now() - begun;
  }
}
