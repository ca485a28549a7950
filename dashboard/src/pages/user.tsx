// One user: for administrators what they may do; for everybody, of themselves, their tokens.

import { useState } from 'preact/hooks';
import { get, patch, remove, wordsOf } from '../api/client.ts';
import type { Me, Role, User } from '../api/types.ts';
import { refresh } from '../live/fleet.ts';
import { refreshPeople } from '../live/people.ts';
import { go } from '../router.ts';
import { isAdmin, isOwn } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { told } from '../ui/feedback.tsx';
import { Icon } from '../ui/icons.tsx';
import { Loaded, useLoad } from '../ui/load.tsx';
import { Panel } from '../ui/panel.tsx';
import { Tokens } from './tokens.tsx';
import { ROLES } from './users.tsx';

export function UserPage({ id }: { id: string }) {
  return isOwn(id) ? <Own id={id} /> : <Other id={id} />;
}

function Own({ id }: { id: string }) {
  const who = useLoad('me', (signal) => get<Me>('/v1/me', signal));
  return (
    <>
      <PageHead title="Your account" />
      <Loaded of={who} rows={3}>
        {({ name, role, limits, usage }) => (
          <Panel title={name}>
            <dl class="facts">
              <dt>Role</dt>
              <dd>{role}</dd>
              <dt>Servers</dt>
              <dd>{used(usage.instances, limits.max_instances)}</dd>
              <dt>Running</dt>
              <dd>{used(usage.running, limits.max_running)}</dd>
              <dt>Credential sets</dt>
              <dd>{used(usage.credentials, limits.max_credentials)}</dd>
            </dl>
          </Panel>
        )}
      </Loaded>
      <Tokens user={id} />
    </>
  );
}

function used(value: number, limit: number | null): string {
  return limit === null ? String(value) : `${value} of ${limit}`;
}

function Other({ id }: { id: string }) {
  const [deleting, setDeleting] = useState(false);
  const user = useLoad(`user ${id}`, (signal) => get<User>(`/v1/users/${encodeURIComponent(id)}`, signal));
  return (
    <>
      <p class="crumbs">
        <a href="#/users">
          <Icon name="back" size={16} />
          Users
        </a>
      </p>
      <PageHead title={user.data?.name ?? 'User'}>
        {user.data !== null && (
          <button type="button" class="danger-quiet" onClick={() => setDeleting(true)}>
            Delete user
          </button>
        )}
      </PageHead>
      <Loaded of={user} rows={4}>
        {(found) => (
          <>
            {isAdmin.value && <ChangeForm key={found.id} user={found} onDone={user.reload} />}
            <Tokens user={found.id} />
            {deleting && <DeleteDialog user={found} onClose={() => setDeleting(false)} />}
          </>
        )}
      </Loaded>
    </>
  );
}

function ChangeForm({ user, onDone }: { user: User; onDone: () => void }) {
  const [role, setRole] = useState<Role>(user.role);
  const [limits, setLimits] = useState(() => ({
    max_instances: text(user.limits.max_instances),
    max_running: text(user.limits.max_running),
    max_credentials: text(user.limits.max_credentials),
  }));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const wanted = Object.fromEntries(
      Object.entries(limits).map(([key, value]) => [key, value === '' ? null : Number(value)]),
    );
    try {
      await patch<User>(`/v1/users/${user.id}`, { role, limits: wanted });
      told(`${user.name} is changed.`);
      onDone();
      void refreshPeople();
    } catch (thrown) {
      setError(wordsOf(thrown));
    }
    setBusy(false);
  };
  const effective = user.effective_limits;
  const field = (key: keyof typeof limits, label: string) => (
    <TextField
      label={label}
      type="number"
      min={0}
      value={limits[key]}
      optional
      onInput={(value) => setLimits({ ...limits, [key]: value })}
      hint={
        limits[key] === ''
          ? `As the daemon has it${effective[key] !== null && user.limits[key] === null ? `: ${effective[key]}` : ''}.`
          : undefined
      }
    />
  );
  return (
    <Panel title="Role and limits">
      <form onSubmit={(event) => void submit(event)}>
        <SelectField label="Role" value={role} options={ROLES} onChange={setRole} />
        <div class="pair">
          {field('max_instances', 'Servers')}
          {field('max_running', 'Running at once')}
          {field('max_credentials', 'Credential sets')}
        </div>
        {error !== null && (
          <p class="notice notice-bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit" disabled={busy}>
          {busy ? 'Saving…' : 'Save'}
        </button>
      </form>
    </Panel>
  );
}

function text(limit: number | null): string {
  return limit === null ? '' : String(limit);
}

function DeleteDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const erase = async () => {
    await remove(`/v1/users/${user.id}?delete_instances=true`);
    told(`${user.name} is deleted.`);
    go('/users');
    void refreshPeople();
    void refresh();
  };
  return (
    <Confirm title={`Delete ${user.name}?`} action="Delete user" onConfirm={erase} onClose={onClose}>
      <p>All their servers are ended and deleted, with their tokens, credentials and keys. This cannot be undone.</p>
    </Confirm>
  );
}
