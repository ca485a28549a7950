// A new server: its type, whose credentials it has, for how long, and what its type lets one set.

import { useMemo, useState } from 'preact/hooks';
import { all, create, freshKey, Refused, wordsOf } from '../api/client.ts';
import type { CreatedInstance, McpType } from '../api/types.ts';
import { credentials, put, refreshCredentials } from '../live/fleet.ts';
import { keepToken } from '../instance/fresh-token.ts';
import { CredentialDialog } from '../pages/credential-form.tsx';
import { go, query } from '../router.ts';
import { isOwn } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { CheckField, SelectField, TextField } from '../ui/field.tsx';
import { told } from '../ui/feedback.tsx';
import { Icon } from '../ui/icons.tsx';
import { bodyOf, LeaseField, type Lease } from '../ui/lease-field.tsx';
import { Loaded, useLoad } from '../ui/load.tsx';
import { Panel } from '../ui/panel.tsx';
import { ConfigFields, configOf, Malformed, startOf, type Settings } from './config-fields.tsx';
import { TypeChoice } from './type-choice.tsx';

export function CreatePage() {
  const types = useLoad('types', (signal) => all<McpType>('/v1/types', signal));
  return (
    <>
      <p class="crumbs">
        <a href="#/">
          <Icon name="back" size={16} />
          Servers
        </a>
      </p>
      <PageHead title="New server" note="It starts at once, and is yours until its lease ends." />
      <Loaded of={types} rows={6}>
        {(list) => <Form types={list} />}
      </Loaded>
    </>
  );
}

interface More {
  debug: boolean;
  idleMinutes: string;
  memory: string;
  cpu: string;
  policy: '' | 'permanent' | 'transient' | 'temporary';
}

function Form({ types }: { types: readonly McpType[] }) {
  const asked = query.value.get('type');
  const [type, setType] = useState<McpType | null>(types.find(({ name }) => name === asked) ?? null);
  const [name, setName] = useState('');
  const [credential, setCredential] = useState('');
  const [lease, setLease] = useState<Lease>({ minutes: '60', until: '' });
  const [config, setConfig] = useState<Settings>(type === null ? {} : startOf(type));
  const [more, setMore] = useState<More>({ debug: false, idleMinutes: '', memory: '', cpu: '', policy: '' });
  const [adding, setAdding] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [places, setPlaces] = useState<ReadonlyMap<string, string>>(new Map());
  // One wish, one key: pressing again after a lost answer makes no second server.
  const key = useMemo(freshKey, [type, name, credential, lease, config, more]);

  const fields = type?.credential_fields;
  const asks = fields !== undefined && fields.required.length + fields.optional.length > 0;
  const sets = credentials.value.filter(({ mcp_type, user_id }) => mcp_type === type?.name && isOwn(user_id));
  const chosen = sets.some(({ id }) => id === credential)
    ? credential
    : fields !== undefined && fields.required.length > 0
      ? (sets[0]?.id ?? '')
      : '';

  const choose = (next: McpType) => {
    setType(next);
    setConfig(startOf(next));
    setError(null);
    setPlaces(new Map());
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (type === null) return setError('Choose a type first.');
    setError(null);
    setPlaces(new Map());
    let body: object;
    try {
      body = bodyFor(type, name, chosen, lease, config, more);
    } catch (wrong) {
      if (!(wrong instanceof Malformed)) throw wrong;
      setPlaces(new Map([[`/config/${wrong.field}`, wrong.message]]));
      return setError('One of the settings cannot be read.');
    }
    setBusy(true);
    try {
      const made = await create<CreatedInstance>('/v1/instances', body, key);
      const { access_token, ...instance } = made;
      put(instance);
      keepToken(instance.id, access_token);
      told('It is being started. Its access token is shown this once.');
      go(`/instances/${instance.id}`);
    } catch (thrown) {
      if (thrown instanceof Refused) setPlaces(thrown.places);
      setError(wordsOf(thrown));
      setBusy(false);
    }
  };
  const change = (part: Partial<More>) => setMore({ ...more, ...part });
  return (
    <form class="create" onSubmit={(event) => void submit(event)}>
      <TypeChoice types={types} chosen={type} onChoose={choose} />
      {type !== null && (
        <>
          {asks && (
            <Panel
              title="Credentials"
              tools={
                <button type="button" onClick={() => setAdding(true)}>
                  <Icon name="plus" size={16} />
                  Add credentials
                </button>
              }
            >
              {sets.length === 0 ? (
                <p class={fields.required.length > 0 ? 'notice notice-warn' : 'muted'}>
                  You have none for {type.display_name} yet
                  {fields.required.length > 0 ? ', and it needs some.' : '; it works without, too.'}
                </p>
              ) : (
                <SelectField
                  label="Credential set"
                  value={chosen}
                  onChange={setCredential}
                  error={places.get('/credential_id')}
                  options={[
                    ...(fields.required.length === 0 ? [{ value: '', label: 'None' }] : []),
                    ...sets.map(({ id, name: of, hint }) => ({
                      value: id,
                      label: hint === null ? of : `${of} (ends in ${hint})`,
                    })),
                  ]}
                />
              )}
            </Panel>
          )}
          <Panel title="Name and lease">
            <TextField
              label="Name"
              value={name}
              onInput={setName}
              optional
              maxLength={100}
              placeholder={`my ${type.name}`}
              error={places.get('/name')}
              hint="What you call it. Commands take it in place of the id."
            />
            <LeaseField
              label="Lease ends"
              lease={lease}
              onChange={setLease}
              error={places.get('/expiration_minutes') ?? places.get('/expires_at')}
            />
          </Panel>
          <ConfigFields type={type} settings={config} onChange={setConfig} places={places} />
          <details class="panel panel-details">
            <summary>Limits, sleep and restarts</summary>
            <div class="pair">
              <TextField
                label="Memory limit, MiB"
                type="number"
                min={1}
                value={more.memory}
                optional
                onInput={(memory) => change({ memory })}
                error={places.get('/limits/max_memory_mb')}
                hint={
                  type.resource_limits.max_memory_mb === null
                    ? 'The type sets none.'
                    : `The type allows ${type.resource_limits.max_memory_mb}.`
                }
              />
              <TextField
                label="CPU limit, % of a core"
                type="number"
                min={1}
                value={more.cpu}
                optional
                onInput={(cpu) => change({ cpu })}
                error={places.get('/limits/max_cpu_percent')}
                hint={
                  type.resource_limits.max_cpu_percent === null
                    ? 'The type sets none.'
                    : `The type allows ${type.resource_limits.max_cpu_percent}.`
                }
              />
            </div>
            <TextField
              label="Sleep after minutes without a call"
              type="number"
              min={1}
              max={43200}
              value={more.idleMinutes}
              optional
              onInput={(idleMinutes) => change({ idleMinutes })}
              error={places.get('/idle_timeout_seconds')}
              hint="The next call wakes it."
            />
            <SelectField
              label="When it ends by itself"
              value={more.policy}
              onChange={(policy) => change({ policy })}
              options={[
                { value: '', label: 'Start it again, whatever the reason' },
                { value: 'transient', label: 'Start it again after a fault only' },
                { value: 'temporary', label: 'Leave it ended' },
              ]}
            />
            <CheckField
              label="Debug output"
              checked={more.debug}
              onChange={(debug) => change({ debug })}
              hint="Its logs then say much more."
            />
          </details>
          {error !== null && (
            <p class="notice notice-bad" role="alert">
              {error}
            </p>
          )}
          <div class="form-actions">
            <a class="button" href="#/">
              Cancel
            </a>
            <button
              type="submit"
              class="primary"
              disabled={busy || (asks && fields.required.length > 0 && chosen === '')}
            >
              {busy ? 'Starting…' : 'Start the server'}
            </button>
          </div>
        </>
      )}
      {adding && type !== null && (
        <CredentialDialog
          type={type}
          replaced={null}
          onClose={() => setAdding(false)}
          onDone={(made) => {
            void refreshCredentials().then(() => setCredential(made.id));
          }}
        />
      )}
    </form>
  );
}

function bodyFor(
  type: McpType,
  name: string,
  credential: string,
  lease: Lease,
  settings: Settings,
  more: More,
): object {
  const config = configOf(type, settings);
  const { memory, cpu, idleMinutes, policy, debug } = more;
  return {
    mcp_type: type.name,
    ...(name.trim() === '' ? {} : { name: name.trim() }),
    ...(credential === '' ? {} : { credential_id: credential }),
    ...bodyOf(lease),
    ...(Object.keys(config).length === 0 ? {} : { config }),
    ...(debug ? { debug } : {}),
    ...(idleMinutes === '' ? {} : { idle_timeout_seconds: Math.round(Number(idleMinutes) * 60) }),
    ...(policy === '' ? {} : { restart: { policy } }),
    ...(memory === '' && cpu === ''
      ? {}
      : {
          limits: {
            ...(memory === '' ? {} : { max_memory_mb: Number(memory) }),
            ...(cpu === '' ? {} : { max_cpu_percent: Number(cpu) }),
          },
        }),
  };
}
