// The settings that a type declares, each as a field of its kind. What stays as the type has it is not sent.

import type { McpType } from '../api/types.ts';
import { CheckField, SelectField, TextField } from '../ui/field.tsx';
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

/** What a key holds: as its declaration says, or else as the type fills it. */
function kindOf(type: McpType, key: string): Kind {
  const value = type.config_template[key];
  const declared = type.config_fields?.[key]?.kind;
  if (value === null && declared === 'number') return 'number';
  if (value === null && declared === 'boolean') return 'switch';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'switch';
  return typeof value === 'object' && value !== null ? 'json' : 'text';
}

function open(type: McpType): [string, unknown][] {
  return Object.entries(type.config_template).filter(([key]) => !type.config_locked.includes(key));
}

/** The fields as the type fills them. */
export function startOf(type: McpType): Settings {
  return Object.fromEntries(open(type).map(([key, value]) => [key, startingAt(type, key, value)]));
}

/** A switch is off where the type says nothing. */
function startingAt(type: McpType, key: string, value: unknown): string | boolean {
  return value === null && kindOf(type, key) === 'switch' ? false : shown(value);
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
    if (given === startingAt(type, key, value)) continue;
    config[key] = parsed(key, kindOf(type, key), given);
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
        const kind = kindOf(type, key);
        const { description = '', required = false, choices = [] } = type.config_fields?.[key] ?? {};
        const hint = [description, kind === 'json' && 'JSON.'].filter(Boolean).join(' ');
        const about = {
          label: spoken(key),
          error: places.get(`/config/${key}`),
          required,
          ...(hint === '' ? {} : { hint }),
        };
        if (typeof given === 'boolean') return <CheckField key={key} {...about} checked={given} onChange={set} />;
        if (choices.length > 0 && kind === 'text') {
          const nothing = required && given !== '' ? [] : [''];
          const options = nothing.concat(given === '' || choices.includes(given) ? [] : given, choices);
          const unset = required ? 'Choose one' : 'As it is by itself';
          const all = options.map((option) => ({ value: option, label: option === '' ? unset : option }));
          return <SelectField key={key} {...about} value={given} options={all} onChange={set} />;
        }
        return (
          <TextField
            key={key}
            {...about}
            value={given}
            onInput={set}
            optional={!required && (value === '' || value === null)}
          />
        );
      })}
    </Panel>
  );
}
