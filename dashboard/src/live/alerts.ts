// What needs somebody: worked out from how everything stands. Pure but for what it is computed from.

import { computed } from '@preact/signals';
import type { Credential, Instance } from '../api/types.ts';
import { duration } from '../ui/format.ts';
import { isUp } from '../ui/status.tsx';
import { SOON_MS } from '../ui/time.tsx';
import { now } from './clock.ts';
import { credentials, instances } from './fleet.ts';

export interface Alert {
  key: string;
  tone: 'bad' | 'warn';
  title: string;
  /** Why, and what to do. */
  detail: string;
  /** What helps at once, where something does. */
  remedy?: 'restore' | 'extend';
  subject: { kind: 'instance'; instance: Instance } | { kind: 'credential'; credential: Credential };
}

/** Restarts within the budget's period that make a crash loop. */
const LOOP = 3;
const DAY_MS = 86_400_000;
/** Credentials that expire within this many days are told of. */
const NOTICE_DAYS = 7;

export function nameOf(instance: Instance): string {
  return instance.name ?? `${instance.mcp_type} ${instance.id.slice(-6)}`;
}

export function instanceAlert(instance: Instance, at: number): Omit<Alert, 'subject'> | null {
  const { id, status, restarts, status_reason } = instance;
  const name = nameOf(instance);
  const reason = status_reason === null ? '' : `${ended(status_reason)} `;
  const left = Date.parse(instance.expires_at) - at;
  const key = `${id}:${status}`;
  if (status === 'disconnected' && left > 0) {
    return {
      key,
      tone: 'bad',
      remedy: 'restore',
      title: `${name} is disconnected`,
      detail: `${reason}Restore it, or delete it if it is not needed.`,
    };
  }
  if (status === 'failed') {
    return {
      key,
      tone: 'bad',
      title: `${name} could not be started`,
      detail: `${reason}Its page says what was tried and what to mend.`,
    };
  }
  if (restarts.in_window >= LOOP && isUp(status)) {
    const waits = restarts.next_at === null ? '' : ' It waits before its next start.';
    return {
      key: `${id}:loop`,
      tone: 'bad',
      title: `${name} keeps ending`,
      detail: `It came back ${restarts.in_window} times in a short while.${waits} The end of its last run says why.`,
    };
  }
  if (status === 'unhealthy') {
    return {
      key,
      tone: 'warn',
      title: `${name} misses its health checks`,
      detail: `${reason}It is replaced if it goes on.`,
    };
  }
  if (isUp(status) && left > 0 && left < SOON_MS) {
    return {
      key: `${id}:lease`,
      tone: 'warn',
      remedy: 'extend',
      title: `The lease of ${name} ends soon`,
      detail: `It is ended in ${duration(left)} unless the lease is extended.`,
    };
  }
  return null;
}

export function credentialAlert(credential: Credential, at: number): Omit<Alert, 'subject'> | null {
  const { id, name, mcp_type, unreadable, expires_at, on_expiry } = credential;
  if (unreadable !== null) {
    return {
      key: `${id}:unreadable`,
      tone: 'bad',
      title: `The credentials ${name} (${mcp_type}) cannot be used`,
      detail: ended(unreadable),
    };
  }
  if (expires_at === null) return null;
  const left = Date.parse(expires_at) - at;
  const then = {
    warn: 'Servers that use them go on, but the vendor refuses their calls.',
    block_new: 'No server is started with them any more.',
    stop: 'Servers that use them are stopped.',
  }[on_expiry];
  if (left <= 0) {
    return {
      key: `${id}:expired`,
      tone: 'bad',
      title: `The credentials ${name} (${mcp_type}) have expired`,
      detail: `${then} Replace them.`,
    };
  }
  if (left > NOTICE_DAYS * DAY_MS) return null;
  return {
    key: `${id}:expiring`,
    tone: 'warn',
    title: `The credentials ${name} (${mcp_type}) expire in ${duration(left)}`,
    detail: `${then} Replace them in time.`,
  };
}

function ended(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** The worst first. Worked out anew with the clock, since leases run out by themselves. */
export const alerts = computed<readonly Alert[]>(() => {
  const at = now.value;
  const found: Alert[] = [];
  for (const instance of instances.value) {
    const alert = instanceAlert(instance, at);
    if (alert !== null) found.push({ ...alert, subject: { kind: 'instance', instance } });
  }
  for (const credential of credentials.value) {
    const alert = credentialAlert(credential, at);
    if (alert !== null) found.push({ ...alert, subject: { kind: 'credential', credential } });
  }
  return found.sort((a, b) => (a.tone === b.tone ? a.title.localeCompare(b.title) : a.tone === 'bad' ? -1 : 1));
});
