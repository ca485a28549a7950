// What administrators do with types: register one from its definition, and remove one that nothing uses.

import { useState } from 'preact/hooks';
import { post, Refused, remove, wordsOf } from '../api/client.ts';
import type { McpType } from '../api/types.ts';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { Faults, TextArea } from '../ui/field.tsx';
import { told } from '../ui/feedback.tsx';

const BEGINNING = `{
  "name": "my-server",
  "display_name": "My server",
  "description": "",
  "command": "node",
  "args": ["/opt/my-server/index.js"],
  "credential_fields": { "required": [], "optional": [] },
  "resource_limits": { "max_memory_mb": 512 },
  "health_check": { "kind": "mcp" }
}`;

export function AddTypeDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [text, setText] = useState(BEGINNING);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<string[]>([]);
  const submit = async (event: Event) => {
    event.preventDefault();
    let definition: unknown;
    try {
      definition = JSON.parse(text);
    } catch (wrong) {
      return setErrors([`This is no JSON: ${(wrong as Error).message}`]);
    }
    setBusy(true);
    setErrors([]);
    try {
      const made = await post<McpType>('/v1/types', definition);
      told(`The type ${made.name} is registered.`);
      onDone();
      onClose();
    } catch (thrown) {
      const places = thrown instanceof Refused ? [...thrown.places] : [];
      setErrors(places.length > 0 ? places.map(([place, words]) => `${place}: ${words}`) : [wordsOf(thrown)]);
      setBusy(false);
    }
  };
  return (
    <Dialog title="Add a type" onClose={onClose} wide>
      <form onSubmit={(event) => void submit(event)}>
        <p class="muted">
          Servers of the type run this program on the daemon's machine. <a href="/docs">The API reference</a> has every
          field of a TypeDefinition.
        </p>
        <TextArea label="Definition" value={text} onInput={setText} hint="JSON." />
        <Faults errors={errors} />
        <div class="dialog-actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {busy ? 'Registering…' : 'Register'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function DeleteTypeDialog({
  type,
  onClose,
  onDone,
}: {
  type: McpType;
  onClose: () => void;
  onDone: () => void;
}) {
  const erase = async () => {
    await remove(`/v1/types/${encodeURIComponent(type.name)}`);
    told(`The type ${type.name} is removed.`);
    onDone();
  };
  return (
    <Confirm title={`Remove ${type.display_name}?`} action="Remove" onConfirm={erase} onClose={onClose}>
      <p>No new server of this type can be made then. While servers or credentials use it, it cannot be removed.</p>
    </Confirm>
  );
}
