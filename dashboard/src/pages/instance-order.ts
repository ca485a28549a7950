// Which servers a list shows, and in which order. Pure.

import type { Instance } from '../api/types.ts';
import { nameOf } from '../live/alerts.ts';
import { GROUPS } from '../ui/status.tsx';

export type Column = 'name' | 'status' | 'type' | 'user' | 'cpu' | 'memory' | 'restarts' | 'lease';

export interface Choice {
  text: string;
  /** The key of a group of statuses, or nothing for all. */
  group: string;
  type: string;
  own: boolean;
  sort: Column;
  down: boolean;
}

const KNOWN: readonly string[] = ['name', 'status', 'type', 'user', 'cpu', 'memory', 'restarts', 'lease'];

/** What the address asks for. */
export function chosen(query: URLSearchParams): Choice {
  const sort = query.get('sort') ?? 'status';
  const column = sort.replace('-', '');
  const group = query.get('status') ?? '';
  return {
    text: query.get('q') ?? '',
    group: GROUPS.some(({ key }) => key === group) ? group : '',
    type: query.get('type') ?? '',
    own: query.get('own') === '1',
    sort: KNOWN.includes(column) ? (column as Column) : 'status',
    down: sort.endsWith('-'),
  };
}

/** What needs attention comes first, what has ended last. */
const URGENCY = [
  'failed',
  'disconnected',
  'unhealthy',
  'restarting',
  'starting',
  'pending',
  'stopping',
  'running',
  'hibernated',
  'stopped',
  'expired',
];

export function shownOf(list: readonly Instance[], choice: Choice, people: ReadonlyMap<string, string>): Instance[] {
  const words = choice.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const group = GROUPS.find(({ key }) => key === choice.group);
  const user = (instance: Instance) => people.get(instance.user_id) ?? instance.user_id;
  const fits = (instance: Instance) => {
    if (group !== undefined && !group.statuses.includes(instance.status)) return false;
    if (choice.type !== '' && instance.mcp_type !== choice.type) return false;
    const text = [
      nameOf(instance),
      instance.mcp_type,
      instance.id,
      instance.status,
      instance.status_reason,
      user(instance),
    ]
      .join(' ')
      .toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const value: Record<Column, (instance: Instance) => number | string> = {
    name: nameOf,
    status: ({ status }) => URGENCY.indexOf(status),
    type: ({ mcp_type }) => mcp_type,
    user,
    cpu: ({ stats }) => stats.cpu_percent ?? -1,
    memory: ({ stats }) => stats.memory_bytes ?? -1,
    restarts: ({ restarts }) => restarts.total,
    lease: ({ expires_at }) => Date.parse(expires_at),
  };
  const of = value[choice.sort];
  const compare = (a: Instance, b: Instance) => {
    const [x, y] = [of(a), of(b)];
    const by = typeof x === 'string' ? x.localeCompare(String(y), 'en', { numeric: true }) : x - Number(y);
    // Ids grow with time, so that rows of equal rank keep their places.
    return (
      (choice.down ? -by : by) || nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true }) || (a.id < b.id ? -1 : 1)
    );
  };
  return list.filter(fits).sort(compare);
}
