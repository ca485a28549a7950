// What each status is called and how it looks. The shape of the mark says it, too, for whom colours do not.

import type { Status } from '../api/types.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'idle';

interface Look {
  label: string;
  tone: Tone;
  /** What it means, in one sentence. */
  meaning: string;
}

export const LOOKS: Record<Status, Look> = {
  pending: { label: 'Pending', tone: 'busy', meaning: 'Recorded, and waits for its first start.' },
  starting: { label: 'Starting', tone: 'busy', meaning: 'The process is there and is not ready yet.' },
  running: { label: 'Running', tone: 'good', meaning: 'Ready and healthy.' },
  unhealthy: { label: 'Unhealthy', tone: 'warn', meaning: 'It missed its last health checks.' },
  restarting: { label: 'Restarting', tone: 'warn', meaning: 'Between two runs.' },
  stopping: { label: 'Stopping', tone: 'busy', meaning: 'It was told to end.' },
  hibernated: { label: 'Asleep', tone: 'idle', meaning: 'Asleep; the next request wakes it.' },
  disconnected: { label: 'Disconnected', tone: 'bad', meaning: 'It has no healthy process. You can restore it.' },
  stopped: { label: 'Stopped', tone: 'idle', meaning: 'Ended by command.' },
  expired: { label: 'Expired', tone: 'idle', meaning: 'Its lease has ended.' },
  failed: { label: 'Failed', tone: 'bad', meaning: 'It could not be started.' },
};

/** The statuses that a list is parted by. */
export const GROUPS: { key: string; label: string; statuses: readonly Status[] }[] = [
  { key: 'up', label: 'Running', statuses: ['running'] },
  { key: 'moving', label: 'In motion', statuses: ['pending', 'starting', 'restarting', 'stopping'] },
  { key: 'trouble', label: 'In trouble', statuses: ['unhealthy', 'disconnected', 'failed'] },
  { key: 'asleep', label: 'Asleep', statuses: ['hibernated'] },
  { key: 'ended', label: 'Ended', statuses: ['stopped', 'expired'] },
];

/** Whether an instance in this status has a process, or is about to. */
export function isUp(status: Status): boolean {
  return ['pending', 'starting', 'running', 'unhealthy', 'restarting'].includes(status);
}

export function Mark({ tone }: { tone: Tone }) {
  return (
    <svg class={`mark mark-${tone}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {tone === 'good' && <circle cx="6" cy="6" r="4.5" fill="currentColor" />}
      {tone === 'busy' && (
        <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="16 9" />
      )}
      {tone === 'warn' && <path d="M6 1 11.5 11H.5z" fill="currentColor" />}
      {tone === 'bad' && (
        <path d="m2 2 8 8m0-8-8 8" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" />
      )}
      {tone === 'idle' && <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2" />}
    </svg>
  );
}

export function StatusBadge({ status }: { status: Status }) {
  const { label, tone, meaning } = LOOKS[status];
  return (
    <span class={`badge badge-${tone}`} title={meaning}>
      <Mark tone={tone} />
      {label}
    </span>
  );
}
