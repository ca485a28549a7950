// A field with its label, what it is for, and what is wrong with it.

import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { Icon } from './icons.tsx';

export function Field({
  label,
  hint,
  error,
  optional = false,
  children,
}: {
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
  optional?: boolean;
  children: (attributes: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: true }) => ComponentChildren;
}) {
  const id = useId();
  const described = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`]
    .filter(Boolean)
    .join(' ');
  return (
    <div class={error === undefined ? 'field' : 'field field-wrong'}>
      <label for={id}>
        {label}
        {optional && <span class="optional"> optional</span>}
      </label>
      {children({
        id,
        ...(described === '' ? {} : { 'aria-describedby': described }),
        ...(error === undefined ? {} : { 'aria-invalid': true }),
      })}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p class="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

export function TextField({
  label,
  value,
  onInput,
  hint,
  error,
  optional,
  type = 'text',
  required = false,
  ...rest
}: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  error?: string | undefined;
  optional?: boolean;
  type?: 'text' | 'number' | 'datetime-local';
  required?: boolean;
  min?: number | string;
  max?: number | string;
  maxLength?: number;
  placeholder?: string;
  autoFocus?: boolean;
}) {
  return (
    <Field label={label} hint={hint} error={error} optional={optional ?? false}>
      {(attributes) => (
        <input
          {...attributes}
          {...rest}
          {...kind(type)}
          value={value}
          required={required}
          autoComplete="off"
          spellcheck={false}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A text of many lines that a program reads. */
export function TextArea({
  label,
  value,
  onInput,
  hint,
  placeholder = '',
}: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  placeholder?: string;
}) {
  return (
    <Field label={label} hint={hint}>
      {(attributes) => (
        <textarea
          {...attributes}
          rows={14}
          value={value}
          placeholder={placeholder}
          spellcheck={false}
          autoComplete="off"
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A secret: covered unless asked for, and of several lines where keys are. */
export function SecretField({
  label,
  value,
  onInput,
  hint,
  error,
  optional,
  required = false,
  lines = false,
  autoFocus = false,
  kept = 'off',
}: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  error?: string | undefined;
  optional?: boolean;
  required?: boolean;
  lines?: boolean;
  autoFocus?: boolean;
  kept?: 'off' | 'current-password';
}) {
  const [open, setOpen] = useState(false);
  return (
    <Field label={label} hint={hint} error={error} optional={optional ?? false}>
      {(attributes) => (
        <div class="secret">
          {lines ? (
            <textarea
              {...attributes}
              class={open ? '' : 'covered'}
              rows={4}
              value={value}
              required={required}
              autoFocus={autoFocus}
              autoComplete="off"
              spellcheck={false}
              onInput={(event) => onInput(event.currentTarget.value)}
            />
          ) : (
            <input
              {...attributes}
              {...kind(open ? 'text' : 'password')}
              value={value}
              required={required}
              autoFocus={autoFocus}
              autoComplete={kept === 'off' ? 'new-password' : kept}
              spellcheck={false}
              autoCapitalize="none"
              onInput={(event) => onInput(event.currentTarget.value)}
            />
          )}
          <button
            type="button"
            class="plain"
            aria-pressed={open}
            aria-label={`Show ${label}`}
            title={open ? 'Cover it' : 'Show it'}
            onClick={() => setOpen(!open)}
          >
            <Icon name="eye" />
          </button>
        </div>
      )}
    </Field>
  );
}

export function SelectField<T extends string>({
  label,
  value,
  options,
  onChange,
  hint,
  error,
  required = false,
}: {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
  hint?: ComponentChildren;
  error?: string | undefined;
  required?: boolean;
}) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <select
          {...attributes}
          value={value}
          required={required}
          onChange={(event) => onChange(event.currentTarget.value as T)}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function CheckField({
  label,
  checked,
  onChange,
  hint,
}: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  hint?: ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field field-check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        {...(hint === undefined ? {} : { 'aria-describedby': `${id}-hint` })}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** What is wrong, beside what it is about. */
export function Faults({ errors }: { errors: readonly string[] }) {
  if (errors.length === 0) return null;
  return (
    <div class="notice notice-bad faults" role="alert">
      <ul>
        {errors.map((error) => (
          <li key={error}>{error}</li>
        ))}
      </ul>
    </div>
  );
}

/** Preact's types want the kind of an input to be known when this is compiled. */
function kind(type: string): { type: 'text' } {
  return { type: type as 'text' };
}
