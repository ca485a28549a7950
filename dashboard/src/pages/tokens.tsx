import { useMemo, useState } from 'preact/hooks';
import { all, create, freshKey, remove, wordsOf } from '../api/client.ts';
import type { ApiToken, CreatedToken } from '../api/types.ts';
import { Copyable } from '../ui/copy.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { TextField } from '../ui/field.tsx';
import { told } from '../ui/feedback.tsx';
import { Icon } from '../ui/icons.tsx';
import { Loaded, useLoad } from '../ui/load.tsx';
import { Panel } from '../ui/panel.tsx';
import { now } from '../live/clock.ts';
import { Ago } from '../ui/time.tsx';

/** The API tokens of a user. The text of one is shown when it is made, and never again. */
export function Tokens({ user }: { user: string }) {
  const [open, setOpen] = useState<'make' | ApiToken | null>(null);
  const tokens = useLoad(`tokens ${user}`, (signal) => all<ApiToken>(`/v1/users/${user}/tokens`, signal));
  const close = () => setOpen(null);
  return (
    <Panel
      title="API tokens"
      tools={
        <button type="button" onClick={() => setOpen('make')}>
          <Icon name="plus" size={16} />
          New API token
        </button>
      }
    >
      <Loaded of={tokens} rows={3}>
        {(list) =>
          list.length === 0 ? (
            <p class="muted">None yet.</p>
          ) : (
            <ul class="rows">
              {list.map((token) => (
                <li key={token.id}>
                  <div>
                    <p>
                      <strong>{token.name}</strong>{' '}
                      <span class="muted">
                        ends in <code>{token.hint}</code>
                      </span>
                    </p>
                    <p class="muted">
                      Made <Ago at={token.created_at} />
                      {token.last_used_at === null ? (
                        ', never used'
                      ) : (
                        <>
                          , used <Ago at={token.last_used_at} />
                        </>
                      )}
                      {token.expires_at !== null && (
                        <>
                          , {Date.parse(token.expires_at) > now.value ? 'expires' : 'expired'}{' '}
                          <Ago at={token.expires_at} />
                        </>
                      )}
                    </p>
                  </div>
                  {token.revoked_at === null ? (
                    <button type="button" class="danger-quiet" onClick={() => setOpen(token)}>
                      Revoke<span class="visually-hidden"> {token.name}</span>
                    </button>
                  ) : (
                    <span class="tag">revoked</span>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {open === 'make' && <MakeDialog user={user} onClose={close} onDone={tokens.reload} />}
      {open !== null && open !== 'make' && (
        <Confirm
          title={`Revoke ${open.name}?`}
          action="Revoke"
          onClose={close}
          onConfirm={async () => {
            await remove(`/v1/tokens/${open.id}`);
            told(`The token ${open.name} is revoked.`);
            tokens.reload();
          }}
        >
          <p>Whoever uses it is refused from now on. If it is the one you signed in with, you are signed out.</p>
        </Confirm>
      )}
    </Panel>
  );
}

function MakeDialog({ user, onClose, onDone }: { user: string; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState('');
  const [expires, setExpires] = useState('');
  const [made, setMade] = useState<CreatedToken | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const key = useMemo(freshKey, [name, expires]);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      setMade(
        await create<CreatedToken>(
          `/v1/users/${user}/tokens`,
          { name: name.trim(), ...(expires === '' ? {} : { expires_at: new Date(expires).toISOString() }) },
          key,
        ),
      );
      onDone();
    } catch (thrown) {
      setError(wordsOf(thrown));
    }
    setBusy(false);
  };
  if (made !== null) {
    return (
      <Dialog title={`The token ${made.name}`} onClose={onClose}>
        <p>Copy it now. It is shown this once.</p>
        <Copyable text={made.token} label="API token" />
        <div class="dialog-actions">
          <button type="button" class="primary" onClick={onClose}>
            I have it
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="New API token" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <TextField
          label="Name"
          value={name}
          onInput={setName}
          required
          maxLength={100}
          autoFocus
          placeholder="laptop"
        />
        <TextField label="Expires at" type="datetime-local" value={expires} onInput={setExpires} optional />
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
            {busy ? 'Making…' : 'Make it'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
