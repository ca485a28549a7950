import type { ComponentChildren } from 'preact';
import type { Instance } from '../api/types.ts';
import { credentials } from '../live/fleet.ts';
import { moment } from '../ui/format.ts';
import { Panel } from '../ui/panel.tsx';
import { isUp } from '../ui/status.tsx';
import { Ago, LeaseLeft } from '../ui/time.tsx';

export function Facts({ instance }: { instance: Instance }) {
  const { limits, restarts } = instance;
  const { max_cpu_percent: cpu, max_memory_mb: memory } = limits.declared;
  const bounds = [cpu !== null && `${cpu} % CPU`, memory !== null && `${memory} MiB`].filter(Boolean).join(', ');
  const set = credentials.value.find(({ id }) => id === instance.credential_id);
  const config = Object.entries(instance.config);
  return (
    <Panel title="Details">
      <dl class="facts">
        <Fact name="Lease ends">
          <time dateTime={instance.expires_at}>{moment(instance.expires_at)}</time>
          {(isUp(instance.status) || instance.status === 'hibernated') && (
            <span class="muted">
              , in <LeaseLeft at={instance.expires_at} ended={false} />
            </span>
          )}
        </Fact>
        <Fact name="Run">
          {instance.generation === 0 ? 'none yet' : `${instance.generation}`}
          {instance.started_at !== null && (
            <span class="muted">
              , begun <Ago at={instance.started_at} />
            </span>
          )}
        </Fact>
        <Fact name="Restarts">
          {restarts.total}
          <span class="muted">, {restarts.in_window} count at present</span>
        </Fact>
        {instance.process_id !== null && (
          <Fact name="Process">
            {instance.process_id}
            <span class="muted">
              {instance.stats.processes !== null && instance.stats.processes > 1
                ? `, ${instance.stats.processes} in its tree`
                : ''}
              {instance.assigned_port !== null ? `, port ${instance.assigned_port}` : ''}
            </span>
          </Fact>
        )}
        <Fact name="Limits">
          {bounds === '' ? 'none' : bounds}
          {limits.enforced_by.length > 0 && <span class="muted">, seen to by {limits.enforced_by.join(' and ')}</span>}
        </Fact>
        {instance.credential_id !== null && (
          <Fact name="Credentials">
            <a href="#/credentials">{set?.name ?? 'a set'}</a>
            {instance.credentials_exposure !== null && (
              <span class="muted">, {EXPOSURE[instance.credentials_exposure]}</span>
            )}
          </Fact>
        )}
        {instance.last_accessed_at !== null && (
          <Fact name="Last call">
            <Ago at={instance.last_accessed_at} />
          </Fact>
        )}
        {instance.last_checked_at !== null && (
          <Fact name="Last health check">
            <Ago at={instance.last_checked_at} />
          </Fact>
        )}
        {instance.restored_at !== null && (
          <Fact name="Brought back">
            <Ago at={instance.restored_at} />
          </Fact>
        )}
        {instance.stopped_at !== null && (
          <Fact name="Ended">
            <Ago at={instance.stopped_at} />
          </Fact>
        )}
        {instance.debug && <Fact name="Debug output">on</Fact>}
        <Fact name="Id">
          <code class="wrap">{instance.id}</code>
        </Fact>
      </dl>
      {config.length > 0 && (
        <details>
          <summary>Configuration</summary>
          <dl class="facts">
            {config.map(([key, value]) => (
              <Fact key={key} name={key}>
                <code class="wrap">{JSON.stringify(value)}</code>
              </Fact>
            ))}
          </dl>
        </details>
      )}
    </Panel>
  );
}

const EXPOSURE = { sealed: 'sealed in its memory', environment: 'readable in its environment' };

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
