// New credentials, or new values for a set. Values go in and never come out again.

import { useMemo, useState } from 'preact/hooks';
import { create, freshKey, put, Refused, wordsOf } from '../api/client.ts';
import type { Credential, FieldType, McpType, OnExpiry } from '../api/types.ts';
import { Dialog } from '../ui/dialog.tsx';
import { CheckField, SecretField, SelectField, TextField } from '../ui/field.tsx';
import { told } from '../ui/feedback.tsx';
import { count, localInput, spoken } from '../ui/format.ts';

const ON_EXPIRY: { value: OnExpiry; label: string }[] = [
  { value: 'warn', label: 'Tell me, and let everything go on' },
  { value: 'block_new', label: 'Start no server with them any more' },
  { value: 'stop', label: 'Stop the servers that use them, too' },
];

export function CredentialDialog({
  type,
  replaced,
  onClose,
  onDone,
}: {
  type: McpType;
  /** The set that gets new values, or null for a new one. */
  replaced: Credential | null;
  onClose: () => void;
  onDone: (credential: Credential) => void;
}) {
  const [name, setName] = useState(replaced?.name ?? '');
  const [values, setValues] = useState<Record<string, string>>({});
  const [expires, setExpires] = useState(replaced?.expires_at ? localInput(new Date(replaced.expires_at)) : '');
  const [onExpiry, setOnExpiry] = useState<OnExpiry>(replaced?.on_expiry ?? 'warn');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [places, setPlaces] = useState<ReadonlyMap<string, string>>(new Map());
  const key = useMemo(freshKey, [name, values, expires, onExpiry]);
  const { required, optional, field_types } = type.credential_fields;

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    setPlaces(new Map());
    const fields = Object.fromEntries(
      [...required, ...optional]
        .filter((field) => required.includes(field) || (values[field] ?? '') !== '')
        .map((field) => [field, typed(values[field] ?? '', field_types[field] ?? 'string')]),
    );
    const rest = {
      name: name.trim(),
      fields,
      on_expiry: onExpiry,
      ...(expires === '' ? {} : { expires_at: new Date(expires).toISOString() }),
    };
    try {
      if (replaced === null) {
        const made = await create<Credential>('/v1/credentials', { mcp_type: type.name, ...rest }, key);
        told(`The credentials ${made.name} are stored.`);
        onDone(made);
      } else {
        const made = await put<Credential & { replacing: number }>(`/v1/credentials/${replaced.id}`, rest);
        told(
          made.replacing === 0
            ? `The credentials ${made.name} are replaced.`
            : `The credentials ${made.name} are replaced. ${count(made.replacing, 'server')} that used them ${made.replacing === 1 ? 'gets' : 'get'} a new process.`,
        );
        onDone(made);
      }
      onClose();
    } catch (thrown) {
      if (thrown instanceof Refused) setPlaces(thrown.places);
      setError(wordsOf(thrown));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={replaced === null ? `Credentials for ${type.display_name}` : `Replace ${replaced.name}`}
      onClose={onClose}
    >
      <form onSubmit={(event) => void submit(event)} autoComplete="off">
        <p class="muted">
          {replaced === null
            ? 'They are encrypted as they arrive and are never shown again, to anybody.'
            : 'All values are replaced: fill in every one that is needed. Servers that use them get a new process with the new ones.'}
        </p>
        <TextField
          label="Name"
          value={name}
          onInput={setName}
          required
          maxLength={100}
          placeholder="work"
          autoFocus
          error={places.get('/name')}
          hint="Unique among your sets of this type."
        />
        {[...required, ...optional].map((field) => (
          <ValueField
            key={field}
            field={field}
            kind={field_types[field] ?? 'string'}
            value={values[field] ?? ''}
            required={required.includes(field)}
            error={places.get(`/fields/${field}`)}
            onInput={(value) => setValues({ ...values, [field]: value })}
          />
        ))}
        {required.length + optional.length === 0 && <p class="notice notice-warn">This type takes no credentials.</p>}
        <details open={expires !== ''}>
          <summary>Do they expire?</summary>
          <TextField
            label="They expire at"
            type="datetime-local"
            value={expires}
            onInput={setExpires}
            optional
            error={places.get('/expires_at')}
            hint="You are told 30, 7 and 1 days before."
          />
          <SelectField label="And then" value={onExpiry} options={ON_EXPIRY} onChange={setOnExpiry} />
        </details>
        {type.required_scopes.length > 0 && <p class="hint">They should have: {type.required_scopes.join(', ')}.</p>}
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
            {busy ? 'Storing…' : replaced === null ? 'Store' : 'Replace'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function ValueField({
  field,
  kind,
  value,
  required,
  error,
  onInput,
}: {
  field: string;
  kind: FieldType;
  value: string;
  required: boolean;
  error: string | undefined;
  onInput: (value: string) => void;
}) {
  const label = spoken(field);
  if (kind === 'boolean')
    return <CheckField label={label} checked={value === 'true'} onChange={(checked) => onInput(String(checked))} />;
  return (
    <SecretField
      label={label}
      value={value}
      onInput={onInput}
      required={required}
      optional={!required}
      error={error}
      lines={/private_key|certificate|pem$|json$/.test(field)}
      {...(kind === 'number' ? { hint: 'A number.' } : {})}
    />
  );
}

function typed(value: string, kind: FieldType): unknown {
  if (kind === 'boolean') return value === 'true';
  return kind === 'number' && value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
}
