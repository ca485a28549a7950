// Figures and times in words that fit into a table.

/** `1h 05m`, `4m 09s`, `12s`, `3d 4h`: two units, so that the width hardly changes. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const pad = (value: number) => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h ${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** `3 minutes ago`, `in 2 hours`. */
export function relative(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1_000);
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
  ];
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 5 ? 'just now' : words.format(seconds, 'second');
}

const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

export function moment(at: string): string {
  return full.format(new Date(at));
}

export function clockTime(at: string | number): string {
  return clock.format(new Date(at));
}

/** `48.2 MiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let rest = value;
  while (rest >= 1_024 && unit < units.length - 1) {
    rest /= 1_024;
    unit += 1;
  }
  return `${rest >= 100 || unit === 0 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`;
}

export function percent(value: number): string {
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} %`;
}

export function milliseconds(value: number): string {
  if (value >= 1_000) return `${(value / 1_000).toFixed(1)} s`;
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} ms`;
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${value.toLocaleString('en')} ${value === 1 ? one : many}`;
}

/** The end of an id, which is what differs: ids of the same moment begin alike. */
export function shortId(id: string): string {
  return id.slice(-8);
}

/** `personal_access_token` as people read it. */
export function spoken(name: string): string {
  const text = name
    .replace(/[_-]+/g, ' ')
    .trim()
    .replace(/\b(api|id|url|mcp|cpu|pr)\b/gi, (word) => word.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** An address if it is one that a link may lead to; anything else a server says is text. */
export function safeLink(text: string): string | null {
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

/** The value of a `datetime-local` field for a time, in the zone of who looks. */
export function localInput(at: Date): string {
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
