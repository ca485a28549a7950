// All there is to approve, nothing shortened: the command word by word, what it is given, and what deserves a second look.

import type { ComponentChildren } from 'preact';
import { sentence } from '../api/client.ts';
import type { ConfigField, ImportedType, TypeDefinition } from '../api/types.ts';
import { Faults } from '../ui/field.tsx';
import { spoken } from '../ui/format.ts';
import { Panel } from '../ui/panel.tsx';

export function Review({
  imported,
  busy,
  errors,
  onApprove,
  onBack,
}: {
  imported: ImportedType;
  busy: boolean;
  errors: readonly string[];
  onApprove: () => void;
  onBack: () => void;
}) {
  const { definition, command, environment, dangers, warnings } = imported;
  const variables = Object.entries(environment);
  return (
    <>
      <Panel title="What would run">
        <p>Every server of this type runs this command on the daemon's machine:</p>
        <pre class="command" tabIndex={0} aria-label="Command">
          {command.map(quoted).join(' ')}
        </pre>
        {variables.length > 0 && (
          <>
            <h3 class="label">With these variables</h3>
            <dl class="facts variables">
              {variables.map(([name, value]) => (
                <Fact key={name} name={name} code>
                  {value}
                </Fact>
              ))}
            </dl>
          </>
        )}
        {dangers.length > 0 && (
          <div class="notice notice-bad second-look">
            <h3>This deserves a second look</h3>
            <ul>
              {dangers.map(({ kind, found, at }) => (
                <li key={`${kind} ${found} ${at}`}>
                  {spoken(kind)}: <code>{found}</code> in {at}
                </li>
              ))}
            </ul>
          </div>
        )}
        {warnings.length > 0 && (
          <ul class="notice notice-warn">
            {warnings.map((warning) => (
              <li key={warning}>{sentence(warning)}</li>
            ))}
          </ul>
        )}
        {dangers.length === 0 && (
          <p class="muted">Nothing in it stands out. That proves nothing: the program itself may do anything.</p>
        )}
      </Panel>
      <Type definition={definition} />
      <Faults errors={errors} />
      <div class="form-actions">
        <button type="button" onClick={onBack}>
          Back
        </button>
        <button type="button" class="primary" disabled={busy} onClick={onApprove}>
          {busy ? 'Storing…' : 'Approve and store'}
        </button>
      </div>
    </>
  );
}

function Type({ definition }: { definition: TypeDefinition }) {
  const { name, display_name, description, lane, source, credential_fields, config_fields, config_template } =
    definition;
  const { required, optional } = credential_fields;
  const settings = Object.entries(config_template);
  return (
    <Panel title="The type">
      <dl class="facts">
        <Fact name="Name" code>
          {name}
        </Fact>
        <Fact name="Shown as">{display_name}</Fact>
        {definition.package !== null && (
          <Fact name="Package">
            {definition.package.registry}{' '}
            <code class="wrap">
              {definition.package.name}@{definition.package.version}
            </code>
          </Fact>
        )}
        {source !== null && (
          <Fact name="From">
            {source.name} {source.version}
            {source.registry !== null && <span class="muted">, {source.registry}</span>}
          </Fact>
        )}
        <Fact name="About">{description === '' ? '–' : description}</Fact>
        <Fact name="Speaks">{lane === 'http' ? 'HTTP' : 'standard streams'}</Fact>
        <Fact name="Credentials">
          {required.length + optional.length === 0
            ? 'none'
            : [...required, ...optional.map((field) => `${field} (optional)`)].join(', ')}
        </Fact>
      </dl>
      {settings.length > 0 && (
        <>
          <h3 class="label">Settings that an instance may have</h3>
          <ul class="settings">
            {settings.map(([key, value]) => (
              <li key={key}>
                <code class="wrap">{key}</code> <span class="muted">{about(config_fields[key], value)}</span>
                {config_fields[key]?.description && <p>{config_fields[key].description}</p>}
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

function about(field: ConfigField | undefined, value: unknown): string {
  const parts = [
    field?.kind ?? 'string',
    field?.required && 'required',
    value !== null && value !== '' && `${JSON.stringify(value)} unless said otherwise`,
    field !== undefined && field.choices.length > 0 && `one of ${field.choices.join(', ')}`,
  ];
  return parts.filter(Boolean).join(', ');
}

function Fact({ name, code = false, children }: { name: string; code?: boolean; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{code ? <code class="wrap">{children}</code> : children}</dd>
    </>
  );
}

/** A word as a shell would have it, so that nobody mistakes where it ends. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9@%+=:,./_{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
