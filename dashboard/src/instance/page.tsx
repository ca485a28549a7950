import { useEffect } from 'preact/hooks';
import { get } from '../api/client.ts';
import type { Instance } from '../api/types.ts';
import { nameOf } from '../live/alerts.ts';
import { fleet, latest, loaded, put } from '../live/fleet.ts';
import { personOf } from '../live/people.ts';
import { seesAll } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { announce } from '../ui/feedback.tsx';
import { Icon } from '../ui/icons.tsx';
import { Loaded, Skeleton, useLoad } from '../ui/load.tsx';
import { LOOKS, StatusBadge } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';
import { Actions } from './actions.tsx';
import { Charts } from './charts.tsx';
import { Connect } from './connect.tsx';
import { Diagnose } from './diagnose.tsx';
import { Facts } from './facts.tsx';
import { History } from './history.tsx';
import { LastExitPart } from './last-exit.tsx';
import { Logs } from './logs.tsx';

export function InstancePage({ id }: { id: string }) {
  const instance = fleet.value.get(id);
  if (instance !== undefined) return <Found instance={instance} />;
  return loaded.value ? (
    <Sought id={id} />
  ) : (
    <>
      <PageHead title="Server" />
      <Skeleton rows={6} />
    </>
  );
}

/** It is in no list: it was deleted, belongs to somebody else, or is newer than the list. */
function Sought({ id }: { id: string }) {
  const found = useLoad(id, async (signal) => {
    const instance = await get<Instance>(`/v1/instances/${encodeURIComponent(id)}`, signal);
    put(instance);
    return instance;
  });
  return (
    <>
      <PageHead title="Server" />
      <Loaded of={found} rows={6}>
        {() => null}
      </Loaded>
      <p>
        <a href="#/">All servers</a>
      </p>
    </>
  );
}

function Found({ instance }: { instance: Instance }) {
  const { id, status, status_reason, restarts } = instance;
  const look = LOOKS[status];
  const troubled = look.tone === 'bad' || look.tone === 'warn';
  const change = latest.value?.instance_id === id ? latest.value : null;
  useEffect(() => {
    if (change !== null) announce(`${nameOf(instance)}: ${LOOKS[change.to].label}. ${change.reason}`);
  }, [change?.id]);
  return (
    <>
      <p class="crumbs">
        <a href="#/">
          <Icon name="back" size={16} />
          Servers
        </a>
      </p>
      <PageHead
        title={nameOf(instance)}
        note={
          <>
            {instance.mcp_type}
            {seesAll.value && <> of {personOf(instance.user_id)}</>}, made <Ago at={instance.created_at} />
          </>
        }
      >
        <Actions instance={instance} />
      </PageHead>
      <section class={`standing standing-${look.tone}`} aria-label="Status">
        <StatusBadge status={status} />
        <p class="standing-reason">
          {troubled && status_reason !== null ? status_reason : look.meaning}
          {!troubled && status_reason !== null && (
            <span class="muted"> Last change: {status_reason.charAt(0).toLowerCase() + status_reason.slice(1)}.</span>
          )}
        </p>
        {restarts.next_at !== null && (
          <p class="muted">
            Next start <Ago at={restarts.next_at} />.
          </p>
        )}
      </section>
      <div class="columns">
        <div class="column-wide">
          <Charts instance={instance} />
          <Diagnose instance={instance} />
          <LastExitPart instance={instance} />
          <Logs id={id} />
        </div>
        <div class="column-side">
          <Connect instance={instance} />
          <Facts instance={instance} />
          <History id={id} />
        </div>
      </div>
    </>
  );
}
