import { useState } from 'preact/hooks';
import { post, wordsOf } from '../api/client.ts';
import type { Instance, Readiness } from '../api/types.ts';
import { ExtendDialog } from '../instance/extend.tsx';
import { alerts, type Alert } from '../live/alerts.ts';
import { loaded, loadError, put, refresh } from '../live/fleet.ts';
import { personOf } from '../live/people.ts';
import { isOwn, mayChangeOf } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { failed, told } from '../ui/feedback.tsx';
import { count, spoken } from '../ui/format.ts';
import { Empty, Skeleton, Trouble, useLoad } from '../ui/load.tsx';
import { Mark } from '../ui/status.tsx';

export function AlertsPage() {
  const found = alerts.value;
  return (
    <>
      <PageHead
        title="Alerts"
        note={
          loaded.value
            ? found.length === 0
              ? 'Nothing needs you.'
              : `${count(found.length, 'thing')} to look at`
            : ' '
        }
      />
      <DaemonState />
      {loadError.value !== null && <Trouble text={loadError.value} retry={() => void refresh()} />}
      {!loaded.value && loadError.value === null && <Skeleton rows={3} />}
      {loaded.value && found.length === 0 && (
        <Empty title="All is well">
          <p>
            Servers that are disconnected or keep ending, leases that run out and credentials that expire are shown
            here.
          </p>
        </Empty>
      )}
      <ul class="alerts">
        {found.map((alert) => (
          <AlertRow key={alert.key} alert={alert} />
        ))}
      </ul>
    </>
  );
}

function AlertRow({ alert }: { alert: Alert }) {
  const { subject, tone, title, detail } = alert;
  const owner = subject.kind === 'instance' ? subject.instance.user_id : subject.credential.user_id;
  const place = subject.kind === 'instance' ? `#/instances/${subject.instance.id}` : '#/credentials';
  return (
    <li class={`alert alert-${tone}`}>
      <Mark tone={tone} />
      <div class="alert-words">
        <h2>
          <a href={place}>{title}</a>
        </h2>
        <p>
          {detail}
          {!isOwn(owner) && <span class="muted"> Of {personOf(owner)}.</span>}
        </p>
      </div>
      {subject.kind === 'instance' && mayChangeOf(owner) && alert.remedy === 'restore' && (
        <RestoreButton instance={subject.instance} />
      )}
      {subject.kind === 'instance' && mayChangeOf(owner) && alert.remedy === 'extend' && (
        <ExtendButton instance={subject.instance} />
      )}
    </li>
  );
}

function RestoreButton({ instance }: { instance: Instance }) {
  const [busy, setBusy] = useState(false);
  const restore = async () => {
    setBusy(true);
    try {
      put(await post<Instance>(`/v1/instances/${instance.id}/restore`));
      told('It is being restored.');
    } catch (error) {
      failed(wordsOf(error));
      setBusy(false);
    }
  };
  return (
    <button type="button" disabled={busy} onClick={() => void restore()}>
      Restore
    </button>
  );
}

function ExtendButton({ instance }: { instance: Instance }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Extend
      </button>
      {open && <ExtendDialog instance={instance} onClose={() => setOpen(false)} />}
    </>
  );
}

/** What the daemon itself waits for. It answers 503 then, and says the same. */
function DaemonState() {
  const state = useLoad(
    'readyz',
    async (signal) => {
      const response = await fetch('/readyz', { signal, credentials: 'omit' });
      return (await response.json()) as Readiness;
    },
    10_000,
  );
  const waiting = (state.data?.parts ?? []).filter(({ ready }) => !ready);
  if (waiting.length === 0) return null;
  return (
    <div class="notice notice-bad" role="alert">
      <p>
        The daemon cannot do everything at present.{' '}
        {waiting.map(({ name, detail }) => `${spoken(name)}: ${detail ?? 'not ready'}.`).join(' ')}
      </p>
    </div>
  );
}
