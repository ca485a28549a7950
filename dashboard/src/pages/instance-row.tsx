import type { Instance } from '../api/types.ts';
import { nameOf } from '../live/alerts.ts';
import { personOf } from '../live/people.ts';
import { bytes, percent, shortId } from '../ui/format.ts';
import { Meter } from '../ui/meter.tsx';
import { isUp, StatusBadge } from '../ui/status.tsx';
import { LeaseLeft } from '../ui/time.tsx';
import type { Column } from './instance-order.ts';

export const COLUMNS: readonly { key: Column; label: string; numeric: boolean }[] = [
  { key: 'name', label: 'Name', numeric: false },
  { key: 'status', label: 'Status', numeric: false },
  { key: 'type', label: 'Type', numeric: false },
  { key: 'user', label: 'User', numeric: false },
  { key: 'cpu', label: 'CPU', numeric: true },
  { key: 'memory', label: 'Memory', numeric: true },
  { key: 'restarts', label: 'Restarts', numeric: true },
  { key: 'lease', label: 'Lease left', numeric: true },
];

export function InstanceRow({ instance, withUser }: { instance: Instance; withUser: boolean }) {
  const { id, status, stats, limits, restarts } = instance;
  const { max_cpu_percent: cpuLimit, max_memory_mb: memoryLimit } = limits.declared;
  const ended = !isUp(status) && status !== 'hibernated' && status !== 'disconnected';
  return (
    <tr data-instance={id}>
      <th scope="row" class="cell-name">
        <a href={`#/instances/${id}`}>{nameOf(instance)}</a>
        <span class="id" title={id}>
          …{shortId(id)}
        </span>
      </th>
      <td class="cell-status">
        <StatusBadge status={status} />
      </td>
      <td data-label="Type">{instance.mcp_type}</td>
      {withUser && <td data-label="User">{personOf(instance.user_id)}</td>}
      <td class="numeric" data-label="CPU">
        {stats.cpu_percent === null ? (
          <Nothing />
        ) : (
          <Meter text={percent(stats.cpu_percent)} part={share(stats.cpu_percent, cpuLimit)} of="CPU" />
        )}
      </td>
      <td class="numeric" data-label="Memory">
        {stats.memory_bytes === null ? (
          <Nothing />
        ) : (
          <Meter
            text={bytes(stats.memory_bytes)}
            part={share(stats.memory_bytes, memoryLimit === null ? null : memoryLimit * 1_048_576)}
            of="memory"
          />
        )}
      </td>
      <td class="numeric" data-label="Restarts">
        <span class={restarts.in_window > 0 ? 'figure soon' : 'figure'}>{restarts.total}</span>
      </td>
      <td class="numeric" data-label="Lease left">
        <LeaseLeft at={instance.expires_at} ended={ended} />
      </td>
    </tr>
  );
}

function share(value: number, limit: number | null): number | null {
  return limit === null || limit === 0 ? null : value / limit;
}

function Nothing() {
  return (
    <span class="muted" aria-label="none">
      –
    </span>
  );
}
