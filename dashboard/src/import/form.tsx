// What is to be imported: a description, pasted or from a file, or the name of one in the daemon's registry.

import { useId } from 'preact/hooks';
import { Faults, Field, TextArea, TextField } from '../ui/field.tsx';
import { Panel } from '../ui/panel.tsx';

export interface Asked {
  from: 'description' | 'registry';
  text: string;
  /** Of the server in the registry. */
  server: string;
  version: string;
  /** What the type is to be called; by the server's name where it is empty. */
  name: string;
}

export const EMPTY: Asked = { from: 'description', text: '', server: '', version: '', name: '' };

/** What was given cannot even be sent. */
export class Unreadable extends Error {}

/** The daemon reads no more than this of a description. */
const MOST = 256 * 1024;

/** The request for what was given. */
export function requestOf({ from, text, server, version, name }: Asked): object {
  const called = name.trim() === '' ? {} : { type_name: name.trim() };
  if (from === 'registry') {
    return { name: server.trim(), ...(version.trim() === '' ? {} : { version: version.trim() }), ...called };
  }
  if (text.trim() === '') throw new Unreadable('Paste a server.json, or choose a file.');
  try {
    return { server: JSON.parse(text) as unknown, ...called };
  } catch (wrong) {
    throw new Unreadable(`This is no JSON: ${(wrong as Error).message}.`);
  }
}

export function ImportForm({
  asked,
  onChange,
  busy,
  errors,
  onLook,
}: {
  asked: Asked;
  onChange: (asked: Asked) => void;
  busy: boolean;
  errors: readonly string[];
  onLook: () => void;
}) {
  const heading = useId();
  const change = (part: Partial<Asked>) => onChange({ ...asked, ...part });
  const { from, text, server, version, name } = asked;
  return (
    <Panel title="The description">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onLook();
        }}
      >
        <div class="chips" role="group" aria-labelledby={heading}>
          <span id={heading} class="visually-hidden">
            Where it comes from
          </span>
          <button type="button" aria-pressed={from === 'description'} onClick={() => change({ from: 'description' })}>
            A server.json
          </button>
          <button type="button" aria-pressed={from === 'registry'} onClick={() => change({ from: 'registry' })}>
            Its name in the registry
          </button>
        </div>
        {from === 'description' ? (
          <Description text={text} onText={(next) => change({ text: next })} />
        ) : (
          <div class="pair">
            <TextField
              label="Server"
              value={server}
              onInput={(next) => change({ server: next })}
              required
              placeholder="io.github.owner/server"
              hint="In the registry that this daemon is set up with."
            />
            <TextField
              label="Version"
              value={version}
              onInput={(next) => change({ version: next })}
              optional
              hint="The newest where it is empty."
            />
          </div>
        )}
        <TextField
          label="Name of the type"
          value={name}
          onInput={(next) => change({ name: next })}
          optional
          maxLength={64}
          hint="By the server's own name where it is empty."
        />
        <Faults errors={errors} />
        <div class="form-actions">
          <a class="button" href="#/types">
            Cancel
          </a>
          <button type="submit" class="primary" disabled={busy}>
            {busy ? 'Reading…' : 'Show what would run'}
          </button>
        </div>
      </form>
    </Panel>
  );
}

function Description({ text, onText }: { text: string; onText: (text: string) => void }) {
  const choose = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    // What stands there is not lost to a file that is none of these.
    input.setCustomValidity('');
    if (file === undefined) return;
    if (file.size > MOST) {
      input.setCustomValidity(`${file.name} is too long for a server.json.`);
      input.reportValidity();
      return;
    }
    onText(await file.text());
  };
  return (
    <>
      <Field label="File" optional>
        {(attributes) => (
          <input
            {...attributes}
            type="file"
            accept=".json,application/json"
            onChange={(event) => void choose(event.currentTarget)}
          />
        )}
      </Field>
      <TextArea
        label="server.json"
        value={text}
        onInput={onText}
        hint="Pasted, or from the file above."
        placeholder={'{\n  "name": "io.github.owner/server",\n  "packages": [ … ]\n}'}
      />
    </>
  );
}
