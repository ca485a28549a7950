// What can be done with a server: as far as its state and the caller's role allow it.

import { useState } from 'preact/hooks';
import { post, remove, wordsOf } from '../api/client.ts';
import type { AccessToken, Credential, Instance } from '../api/types.ts';
import { nameOf } from '../live/alerts.ts';
import { now } from '../live/clock.ts';
import { credentials, drop, fleet, put, refreshCredentials } from '../live/fleet.ts';
import { go } from '../router.ts';
import { isOwn, mayChangeOf } from '../session.ts';
import { Confirm } from '../ui/dialog.tsx';
import { failed, told } from '../ui/feedback.tsx';
import { isUp } from '../ui/status.tsx';
import { ExtendDialog } from './extend.tsx';
import { keepToken } from './fresh-token.ts';

type Open = 'extend' | 'stop' | 'token' | 'delete' | null;

export function Actions({ instance }: { instance: Instance }) {
  const [open, setOpen] = useState<Open>(null);
  const [busy, setBusy] = useState(false);
  if (!mayChangeOf(instance.user_id)) return null;
  const { id, status } = instance;
  const leased = status !== 'expired' && Date.parse(instance.expires_at) > now.value;
  const close = () => setOpen(null);
  const order = async (what: 'restart' | 'restore', done: string) => {
    setBusy(true);
    try {
      put(await post<Instance>(`/v1/instances/${id}/${what}`));
      told(done);
    } catch (error) {
      failed(wordsOf(error));
    }
    setBusy(false);
  };
  return (
    <>
      {status === 'disconnected' && leased && (
        <button
          type="button"
          class="primary"
          disabled={busy}
          onClick={() => void order('restore', 'It is being restored.')}
        >
          Restore
        </button>
      )}
      {status !== 'disconnected' && status !== 'stopping' && leased && (
        <button type="button" disabled={busy} onClick={() => void order('restart', 'A new run begins.')}>
          {isUp(status) ? 'Restart' : 'Start'}
        </button>
      )}
      {(isUp(status) || status === 'hibernated' || status === 'disconnected') && (
        <button type="button" disabled={busy} onClick={() => setOpen('stop')}>
          Stop
        </button>
      )}
      {leased && (
        <button type="button" onClick={() => setOpen('extend')}>
          Extend lease
        </button>
      )}
      {isOwn(instance.user_id) && leased && (
        <button type="button" onClick={() => setOpen('token')}>
          New token
        </button>
      )}
      <button type="button" class="danger-quiet" onClick={() => setOpen('delete')}>
        Delete
      </button>
      {open === 'extend' && <ExtendDialog instance={instance} onClose={close} />}
      {open === 'stop' && <StopDialog instance={instance} onClose={close} />}
      {open === 'token' && <TokenDialog instance={instance} onClose={close} />}
      {open === 'delete' && <DeleteDialog instance={instance} onClose={close} />}
    </>
  );
}

interface Part {
  instance: Instance;
  onClose: () => void;
}

function StopDialog({ instance, onClose }: Part) {
  const stop = async () => {
    put(await post<Instance>(`/v1/instances/${instance.id}/stop`));
    told(`${nameOf(instance)} is being stopped.`);
  };
  return (
    <Confirm title={`Stop ${nameOf(instance)}?`} action="Stop" onConfirm={stop} onClose={onClose}>
      <p>
        Its process ends, and calls under way are given a moment. Its address, token and logs stay, so it can be started
        again.
      </p>
    </Confirm>
  );
}

function TokenDialog({ instance, onClose }: Part) {
  const make = async () => {
    const { access_token } = await post<AccessToken>(`/v1/instances/${instance.id}/token`, {});
    keepToken(instance.id, access_token);
    told('The new access token is shown below, this once.');
  };
  return (
    <Confirm title="Make a new access token?" action="Make it" onConfirm={make} onClose={onClose}>
      <p>The present token stops working at once. Clients that use it have to be given the new one.</p>
    </Confirm>
  );
}

function DeleteDialog({ instance, onClose }: Part) {
  const [also, setAlso] = useState(false);
  const set = soleUse(instance, [...fleet.value.values()], credentials.value);
  const erase = async () => {
    await remove(`/v1/instances/${instance.id}${also ? '?delete_credential=true' : ''}`);
    told(`${nameOf(instance)} is deleted.`);
    go('/');
    drop(instance.id);
    if (also) void refreshCredentials();
  };
  return (
    <Confirm title={`Delete ${nameOf(instance)}?`} action="Delete" onConfirm={erase} onClose={onClose}>
      <p>Its process is ended; its record, its tokens and its logs are deleted. This cannot be undone.</p>
      {set !== null && (
        <label class="choice">
          <input type="checkbox" checked={also} onChange={(event) => setAlso(event.currentTarget.checked)} />
          <span>
            Delete its credentials <strong>{set.name}</strong>, too. No other server uses them.
          </span>
        </label>
      )}
    </Confirm>
  );
}

/** The credential set that this instance and no other uses. */
function soleUse(instance: Instance, all: readonly Instance[], sets: readonly Credential[]): Credential | null {
  const { id, credential_id } = instance;
  if (credential_id === null || all.some((each) => each.id !== id && each.credential_id === credential_id)) return null;
  return sets.find((set) => set.id === credential_id && isOwn(set.user_id)) ?? null;
}
