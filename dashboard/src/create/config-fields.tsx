// The settings that a type declares, each as a field of its kind. What stays as the type has it is not sent.

import type { McpType } from '../api/types.ts';
import { CheckField, TextField } from '../ui/field.tsx';
import { spoken } from '../ui/format.ts';
import { Panel } from '../ui/panel.tsx';

/** Each setting as it stands in its field. */
export type Settings = Record<string, string | boolean>;

/** What stands in a field is no value of its kind. */
export class Malformed extends Error {
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}

type Kind = 'text' | 'number' | 'switch' | 'json';

function kindOf(value: unknown): Kind {
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'switch';
  return typeof value === 'object' && value !== null ? 'json' : 'text';
}

function open(type: McpType): [string, unknown][] {
  return Object.entries(type.config_template).filter(([key]) => !type.config_locked.includes(key));
}

/** The fields as the type fills them. */
export function startOf(type: McpType): Settings {
  return Object.fromEntries(open(type).map(([key, value]) => [key, shown(value)]));
}

function shown(value: unknown): string | boolean {
  if (typeof value === 'boolean') return value;
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The configuration to send: what differs from the type. */
export function configOf(type: McpType, settings: Settings): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const [key, value] of open(type)) {
    const given = settings[key] ?? '';
    if (given === shown(value)) continue;
    config[key] = parsed(key, kindOf(value), given);
  }
  return config;
}

function parsed(key: string, kind: Kind, given: string | boolean): unknown {
  if (typeof given === 'boolean') return given;
  switch (kind) {
    case 'number': {
      const value = Number(given);
      if (given.trim() === '' || !Number.isFinite(value)) throw new Malformed(key, 'This has to be a number.');
      return value;
    }
    case 'json':
      try {
        return JSON.parse(given) as unknown;
      } catch {
        throw new Malformed(key, 'This has to be JSON, such as ["a", "b"].');
      }
    case 'switch':
    case 'text':
      return given;
  }
}

export function ConfigFields({
  type,
  settings,
  onChange,
  places,
}: {
  type: McpType;
  settings: Settings;
  onChange: (settings: Settings) => void;
  places: ReadonlyMap<string, string>;
}) {
  const fields = open(type);
  if (fields.length === 0) return null;
  return (
    <Panel title="Settings">
      {fields.map(([key, value]) => {
        const given = settings[key] ?? '';
        const set = (next: string | boolean) => onChange({ ...settings, [key]: next });
        const kind = kindOf(value);
        if (typeof given === 'boolean')
          return <CheckField key={key} label={spoken(key)} checked={given} onChange={set} />;
        return (
          <TextField
            key={key}
            label={spoken(key)}
            value={given}
            onInput={set}
            optional={value === '' || value === null}
            error={places.get(`/config/${key}`)}
            {...(kind === 'json' ? { hint: 'JSON.' } : {})}
          />
        );
      })}
    </Panel>
  );
}
