import { useMemo, useState } from 'preact/hooks';
import { all, create, freshKey, Refused, wordsOf } from '../api/client.ts';
import type { Role, User } from '../api/types.ts';
import { instances } from '../live/fleet.ts';
import { refreshPeople } from '../live/people.ts';
import { isOwn } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { told } from '../ui/feedback.tsx';
import { count } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Loaded, useLoad } from '../ui/load.tsx';
import { Ago } from '../ui/time.tsx';

export const ROLES: { value: Role; label: string }[] = [
  { value: 'user', label: 'User: has servers of their own' },
  { value: 'operator', label: 'Operator: reads everything, changes nothing' },
  { value: 'admin', label: 'Administrator: may do everything' },
];

export function UsersPage() {
  const [adding, setAdding] = useState(false);
  const users = useLoad('users', (signal) => all<User>('/v1/users', signal));
  const again = () => {
    users.reload();
    void refreshPeople();
  };
  return (
    <>
      <PageHead title="Users" note="Who may do what, and how much.">
        <button type="button" class="primary" onClick={() => setAdding(true)}>
          <Icon name="plus" size={18} />
          Add user
        </button>
      </PageHead>
      <Loaded of={users} rows={4}>
        {(list) => (
          <ul class="cards">
            {list.map(({ id, name, role, created_at, effective_limits: limits }) => (
              <li key={id} class="card">
                <div class="card-head">
                  <h2>
                    <a href={`#/users/${id}`}>{name}</a>
                  </h2>
                  <span class="tag">{role}</span>
                  {isOwn(id) && <span class="tag">you</span>}
                </div>
                <dl class="facts">
                  <dt>Servers</dt>
                  <dd>
                    {instances.value.filter(({ user_id }) => user_id === id).length}
                    {limits.max_instances !== null && <span class="muted"> of {limits.max_instances}</span>}
                  </dd>
                  <dt>Running at most</dt>
                  <dd>{limits.max_running ?? 'any number'}</dd>
                  <dt>Credentials at most</dt>
                  <dd>{limits.max_credentials === null ? 'any number' : count(limits.max_credentials, 'set')}</dd>
                  <dt>Made</dt>
                  <dd>
                    <Ago at={created_at} />
                  </dd>
                </dl>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {adding && <AddDialog onClose={() => setAdding(false)} onDone={again} />}
    </>
  );
}

function AddDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('user');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [places, setPlaces] = useState<ReadonlyMap<string, string>>(new Map());
  const key = useMemo(freshKey, [name, role]);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const made = await create<User>('/v1/users', { name: name.trim(), role }, key);
      told(`${made.name} is added. Make a token for them on their page.`);
      onDone();
      onClose();
    } catch (thrown) {
      if (thrown instanceof Refused) setPlaces(thrown.places);
      setError(wordsOf(thrown));
      setBusy(false);
    }
  };
  return (
    <Dialog title="Add a user" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <TextField
          label="Name"
          value={name}
          onInput={setName}
          required
          maxLength={100}
          autoFocus
          error={places.get('/name')}
        />
        <SelectField label="Role" value={role} options={ROLES} onChange={setRole} error={places.get('/role')} />
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
            {busy ? 'Adding…' : 'Add'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
