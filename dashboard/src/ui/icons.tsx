// The few pictures there are, all drawn with one pen.

const PATHS = {
  servers: 'M4 5h16v5H4zM4 14h16v5H4zM8 7.5h.01M8 16.5h.01',
  alerts: 'M12 4 3 19h18zM12 10v4M12 16.6v.01',
  credentials: 'M8 15a4 4 0 1 1 3.5-6H21v3h-2v2.5h-3V12h-4.5A4 4 0 0 1 8 15ZM8 11h.01',
  types: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13v7M13 16.5h7',
  actors: 'M12 4v5M12 9H6v5M12 9h6v5M12 9v5M10 3h4v3h-4zM4 14h4v4H4zM10 14h4v4h-4zM16 14h4v4h-4z',
  users: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM3 20a6 6 0 0 1 12 0M16 5a3 3 0 0 1 0 6M18 20a6 6 0 0 0-2.5-4.9',
  account: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM5 20a7 7 0 0 1 14 0',
  audit: 'M6 4h12v17H6zM9 2.5h6v3H9zM9 10h6M9 13.5h6M9 17h4',
  more: 'M4 7h16M4 12h16M4 17h16',
  bring: 'M12 4v11M7 10.5l5 5 5-5M5 20h14',
  plus: 'M12 5v14M5 12h14',
  back: 'M15 5l-7 7 7 7',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  close: 'm6 6 12 12M18 6 6 18',
  light:
    'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4',
  dark: 'M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5Z',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  out: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
  search: 'M11 17a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM15.5 15.5 20 20',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z',
  up: 'm6 14 6-6 6 6',
  down: 'm6 10 6 6 6-6',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.8"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="logo-ground" />
      <path d="M16 11.5v4M16 15.5H9v5M16 15.5h7v5M16 15.5v5" class="logo-line" />
      <circle cx="16" cy="9" r="3" class="logo-dot" />
      <circle cx="9" cy="22.5" r="2.6" class="logo-dot" />
      <circle cx="16" cy="22.5" r="2.6" class="logo-dot" />
      <circle cx="23" cy="22.5" r="2.6" class="logo-live" />
    </svg>
  );
}
