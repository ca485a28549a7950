// How long a lease is: one of the usual lengths from now, or a moment.

import { SelectField, TextField } from './field.tsx';
import { localInput } from './format.ts';

export interface Lease {
  /** Minutes from now; empty if `until` counts. */
  minutes: string;
  /** A moment in the zone of who chose it. */
  until: string;
}

const LENGTHS = [
  { value: '15', label: '15 minutes from now' },
  { value: '60', label: '1 hour from now' },
  { value: '480', label: '8 hours from now' },
  { value: '1440', label: '1 day from now' },
  { value: '10080', label: '7 days from now' },
  { value: '', label: 'Until a moment that you choose' },
];

export function LeaseField({
  lease,
  onChange,
  label,
  error,
}: {
  lease: Lease;
  onChange: (lease: Lease) => void;
  label: string;
  error?: string | undefined;
}) {
  const choose = (minutes: string) => {
    onChange({ minutes, until: minutes === '' ? localInput(new Date(Date.now() + 2 * 3_600_000)) : '' });
  };
  return (
    <>
      <SelectField
        label={label}
        value={lease.minutes}
        options={LENGTHS}
        onChange={choose}
        error={lease.minutes === '' ? undefined : error}
      />
      {lease.minutes === '' && (
        <TextField
          label="Ends at"
          type="datetime-local"
          value={lease.until}
          required
          error={error}
          onInput={(until) => onChange({ minutes: '', until })}
        />
      )}
    </>
  );
}

/** The lease as the API takes it. */
export function bodyOf({ minutes, until }: Lease): { expiration_minutes: number } | { expires_at: string } | object {
  if (minutes !== '') return { expiration_minutes: Number(minutes) };
  const at = new Date(until);
  return Number.isNaN(at.getTime()) ? {} : { expires_at: at.toISOString() };
}
