// Light or dark: as the system has it, unless somebody chose.

import { effect, signal } from '@preact/signals';
import { Icon } from './icons.tsx';

type Theme = 'system' | 'light' | 'dark';
const KEY = 'minimcp.theme';
const ORDER: Theme[] = ['system', 'light', 'dark'];

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === 'light' || value === 'dark' ? value : 'system';
}

export const theme = signal<Theme>(stored());
const system = matchMedia('(prefers-color-scheme: dark)');
export const isDark = signal(false);

effect(() => {
  const chosen = theme.value;
  if (chosen === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
  isDark.value = chosen === 'dark' || (chosen === 'system' && system.matches);
});
system.addEventListener('change', () => {
  if (theme.value === 'system') isDark.value = system.matches;
});

export function ThemeButton() {
  const next = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!;
  const choose = () => {
    theme.value = next;
    if (next === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  };
  return (
    <button
      type="button"
      class="plain"
      onClick={choose}
      title={`Colours: ${theme.value}. Press for ${next}.`}
      aria-label={`Colours: ${theme.value}. Change to ${next}.`}
    >
      <Icon name={theme.value} />
    </button>
  );
}
