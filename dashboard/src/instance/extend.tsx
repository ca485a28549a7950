import { useState } from 'preact/hooks';
import { post, Refused, wordsOf } from '../api/client.ts';
import type { Instance } from '../api/types.ts';
import { put } from '../live/fleet.ts';
import { Dialog } from '../ui/dialog.tsx';
import { told } from '../ui/feedback.tsx';
import { moment } from '../ui/format.ts';
import { bodyOf, LeaseField, type Lease } from '../ui/lease-field.tsx';
import { LeaseLeft } from '../ui/time.tsx';

export function ExtendDialog({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const [lease, setLease] = useState<Lease>({ minutes: '60', until: '' });
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const later = await post<Instance>(`/v1/instances/${instance.id}/extend`, bodyOf(lease));
      put(later);
      told(`The lease goes on until ${moment(later.expires_at)}.`);
      onClose();
    } catch (thrown) {
      setError(
        thrown instanceof Refused && thrown.places.size > 0 ? [...thrown.places.values()].join(' ') : wordsOf(thrown),
      );
      setBusy(false);
    }
  };
  return (
    <Dialog title="Extend the lease" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <p class="muted">
          It ends in <LeaseLeft at={instance.expires_at} ended={false} />, {moment(instance.expires_at)}.
        </p>
        <LeaseField lease={lease} onChange={setLease} label="New end" />
        {error !== null && (
          <p class="notice notice-bad" role="alert">
            {error}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {busy ? 'Working…' : 'Extend'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
