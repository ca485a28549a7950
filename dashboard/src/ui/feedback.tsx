// What happened, told once: on the screen for a while, and to screen readers.

import { signal } from '@preact/signals';
import { Icon } from './icons.tsx';

interface Toast {
  id: number;
  text: string;
  tone: 'good' | 'bad';
}

const SHOWN_MS = 6_000;
const toasts = signal<readonly Toast[]>([]);
const spoken = signal('');
let next = 0;

/** Tells of something that was done. */
export function told(text: string): void {
  show(text, 'good');
}

/** Tells of something that could not be done. It stays until it is put away. */
export function failed(text: string): void {
  show(text, 'bad');
}

/** Tells those who do not see the screen of something that changed on it. */
export function announce(text: string): void {
  spoken.value = text;
}

function show(text: string, tone: Toast['tone']): void {
  const id = next++;
  toasts.value = [...toasts.value.slice(-3), { id, text, tone }];
  if (tone === 'good') setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Feedback() {
  return (
    <>
      <div class="visually-hidden" role="status" aria-live="polite">
        {spoken.value}
      </div>
      <div class="toasts" role="log" aria-live="polite" aria-label="Messages">
        {toasts.value.map(({ id, text, tone }) => (
          <div key={id} class={`toast toast-${tone}`}>
            <Icon name={tone === 'good' ? 'check' : 'alerts'} />
            <p>{text}</p>
            <button type="button" class="plain" aria-label="Dismiss this message" onClick={() => dismiss(id)}>
              <Icon name="close" size={16} />
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
