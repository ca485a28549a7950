import { useState } from 'preact/hooks';
import { all, remove } from '../api/client.ts';
import type { Credential, McpType } from '../api/types.ts';
import { instances, refreshCredentials } from '../live/fleet.ts';
import { personOf } from '../live/people.ts';
import { isOwn, mayChange, seesAll } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { told } from '../ui/feedback.tsx';
import { count, spoken } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, Loaded, useLoad } from '../ui/load.tsx';
import { Ago } from '../ui/time.tsx';
import { CredentialDialog } from './credential-form.tsx';

type Open =
  | { kind: 'choose' }
  | { kind: 'form'; type: McpType; replaced: Credential | null }
  | { kind: 'delete'; credential: Credential }
  | null;

export function CredentialsPage() {
  const [open, setOpen] = useState<Open>(null);
  const found = useLoad('credentials', async (signal) => ({
    sets: await all<Credential>('/v1/credentials', signal),
    types: await all<McpType>('/v1/types', signal),
  }));
  const again = () => {
    found.reload();
    void refreshCredentials();
  };
  const close = () => setOpen(null);
  const fitting = (found.data?.types ?? []).filter(
    ({ credential_fields: { required, optional } }) => required.length + optional.length > 0,
  );
  return (
    <>
      <PageHead title="Credentials" note="What your servers sign in with. Values go in and are never shown again.">
        {mayChange.value && fitting.length > 0 && (
          <button type="button" class="primary" onClick={() => setOpen({ kind: 'choose' })}>
            <Icon name="plus" size={18} />
            Add credentials
          </button>
        )}
      </PageHead>
      <Loaded of={found} rows={4}>
        {({ sets, types }) =>
          sets.length === 0 ? (
            <Empty title="No credentials yet">
              <p>
                A server of a type such as GitHub or Slack signs in with credentials of yours. They are encrypted as
                they arrive.
              </p>
            </Empty>
          ) : (
            <ul class="cards">
              {sets.map((set) => (
                <CredentialCard
                  key={set.id}
                  set={set}
                  type={types.find(({ name }) => name === set.mcp_type)}
                  onReplace={(type) => setOpen({ kind: 'form', type, replaced: set })}
                  onDelete={() => setOpen({ kind: 'delete', credential: set })}
                />
              ))}
            </ul>
          )
        }
      </Loaded>
      {open?.kind === 'choose' && (
        <Dialog title="Credentials for which type?" onClose={close}>
          <ul class="choices">
            {fitting.map((type) => (
              <li key={type.name}>
                <button type="button" onClick={() => setOpen({ kind: 'form', type, replaced: null })}>
                  <strong>{type.display_name}</strong>
                  <span class="muted">{type.credential_fields.required.map(spoken).join(', ')}</span>
                </button>
              </li>
            ))}
          </ul>
        </Dialog>
      )}
      {open?.kind === 'form' && (
        <CredentialDialog type={open.type} replaced={open.replaced} onClose={close} onDone={again} />
      )}
      {open?.kind === 'delete' && <DeleteDialog credential={open.credential} onClose={close} onDone={again} />}
    </>
  );
}

function CredentialCard({
  set,
  type,
  onReplace,
  onDelete,
}: {
  set: Credential;
  type: McpType | undefined;
  onReplace: (type: McpType) => void;
  onDelete: () => void;
}) {
  const uses = instances.value.filter(({ credential_id }) => credential_id === set.id).length;
  return (
    <li class="card">
      <div class="card-head">
        <h2>{set.name}</h2>
        <span class="tag">{type?.display_name ?? set.mcp_type}</span>
      </div>
      {set.unreadable !== null && <p class="notice notice-bad">{set.unreadable}</p>}
      <dl class="facts">
        <dt>Holds</dt>
        <dd>
          {set.field_names.map(spoken).join(', ')}
          {set.hint !== null && (
            <span class="muted">
              , ends in <code>{set.hint}</code>
            </span>
          )}
        </dd>
        <dt>Used by</dt>
        <dd>{uses === 0 ? 'no server' : count(uses, 'server')}</dd>
        <dt>Changed</dt>
        <dd>
          <Ago at={set.updated_at} />
        </dd>
        {set.expires_at !== null && (
          <>
            <dt>Expires</dt>
            <dd>
              <Ago at={set.expires_at} />
            </dd>
          </>
        )}
        {seesAll.value && (
          <>
            <dt>Owner</dt>
            <dd>{personOf(set.user_id)}</dd>
          </>
        )}
      </dl>
      {mayChange.value && isOwn(set.user_id) && (
        <div class="card-actions">
          {type !== undefined && (
            <button type="button" onClick={() => onReplace(type)}>
              Replace<span class="visually-hidden"> {set.name}</span>
            </button>
          )}
          <button type="button" class="danger-quiet" onClick={onDelete}>
            Delete<span class="visually-hidden"> {set.name}</span>
          </button>
        </div>
      )}
    </li>
  );
}

function DeleteDialog({
  credential,
  onClose,
  onDone,
}: {
  credential: Credential;
  onClose: () => void;
  onDone: () => void;
}) {
  const erase = async () => {
    await remove(`/v1/credentials/${credential.id}`);
    told(`The credentials ${credential.name} are deleted.`);
    onDone();
  };
  return (
    <Confirm title={`Delete ${credential.name}?`} action="Delete" onConfirm={erase} onClose={onClose}>
      <p>Its values are erased and cannot be had back. While a server uses them they cannot be deleted.</p>
    </Confirm>
  );
}
