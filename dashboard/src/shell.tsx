// What is around every page: where one can go, who is signed in, and whether what is shown is live.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { alerts } from './live/alerts.ts';
import { now } from './live/clock.ts';
import { link } from './live/fleet.ts';
import { address, segments } from './router.ts';
import { isAdmin, me, seesAll, signOut } from './session.ts';
import { Dialog } from './ui/dialog.tsx';
import { duration } from './ui/format.ts';
import { Icon, Logo, type IconName } from './ui/icons.tsx';
import { ThemeButton } from './ui/theme.tsx';

interface Place {
  to: string;
  label: string;
  icon: IconName;
  /** The first parts of the addresses that belong to it. */
  owns: readonly (string | undefined)[];
  /** On a phone there is no room for all: this one is behind More. */
  extra?: true;
}

function places(): Place[] {
  return [
    { to: '/', label: 'Servers', icon: 'servers', owns: [undefined, 'instances', 'new'] },
    { to: '/alerts', label: 'Alerts', icon: 'alerts', owns: ['alerts'] },
    { to: '/credentials', label: 'Credentials', icon: 'credentials', owns: ['credentials'] },
    { to: '/types', label: 'Types', icon: 'types', owns: ['types'] },
    ...(seesAll.value ? [ACTORS] : []),
    ...(isAdmin.value ? [USERS, AUDIT] : []),
  ];
}

const ACTORS: Place = { to: '/actors', label: 'Actors', icon: 'actors', owns: ['actors'], extra: true };
const USERS: Place = { to: '/users', label: 'Users', icon: 'users', owns: ['users'], extra: true };
const AUDIT: Place = { to: '/audit', label: 'Audit', icon: 'audit', owns: ['audit'], extra: true };

export function Shell({ children }: { children: ComponentChildren }) {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const path = address.value.split('?')[0];
  useEffect(() => {
    // Whoever went to another page begins at its top; on the first one the browser knows better.
    if (first.current) first.current = false;
    else {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [path]);
  return (
    <div class="shell">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href="#/">
          <Logo />
          <span>MiniMCP</span>
        </a>
        <LinkState />
        <div class="top-tools">
          <ThemeButton />
          <a class="who" href="#/account" aria-current={segments.value[0] === 'account' ? 'page' : undefined}>
            <Icon name="account" />
            <span class="visually-hidden">Your account: </span>
            <span class="who-name">{me.value!.name}</span> <span class="role">{me.value!.role}</span>
          </a>
          <button type="button" class="plain" onClick={signOut} aria-label="Sign out" title="Sign out">
            <Icon name="out" />
          </button>
        </div>
      </header>
      <Rail />
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Rail() {
  const [open, setOpen] = useState(false);
  const here = segments.value[0];
  const all = places();
  const extra = all.filter((place) => place.extra);
  // Whoever followed a link of it is done with it.
  useEffect(() => setOpen(false), [address.value]);
  return (
    <nav class="rail" aria-label="Pages">
      <ul>
        {all.map((place) => (
          <li key={place.to} class={place.extra ? 'rail-extra' : undefined}>
            <PlaceLink place={place} />
          </li>
        ))}
        <li class="rail-more">
          <button
            type="button"
            aria-haspopup="dialog"
            class={extra.some(({ owns }) => owns.includes(here)) ? 'here' : undefined}
            onClick={() => setOpen(true)}
          >
            <Icon name="more" />
            <span>More</span>
          </button>
        </li>
      </ul>
      <p class="rail-foot">
        <a href="/docs">API reference</a>
      </p>
      {open && (
        <Dialog title="More pages" onClose={() => setOpen(false)}>
          <ul class="more-pages">
            {extra.map((place) => (
              <li key={place.to}>
                <PlaceLink place={place} />
              </li>
            ))}
            <li>
              <a href="/docs">
                <Icon name="types" />
                <span>API reference</span>
              </a>
            </li>
          </ul>
        </Dialog>
      )}
    </nav>
  );
}

function PlaceLink({ place: { to, label, icon, owns } }: { place: Place }) {
  return (
    <a href={`#${to}`} aria-current={owns.includes(segments.value[0]) ? 'page' : undefined}>
      <Icon name={icon} />
      <span>{label}</span>
      {to === '/alerts' && <AlertCount />}
    </a>
  );
}

function AlertCount() {
  const count = alerts.value.length;
  if (count === 0) return null;
  const worst = alerts.value.some(({ tone }) => tone === 'bad') ? 'bad' : 'warn';
  return (
    <span class={`count count-${worst}`}>
      {count > 99 ? '99+' : count}
      <span class="visually-hidden"> to look at</span>
    </span>
  );
}

function LinkState() {
  const state = link.value;
  const left = state.kind === 'away' ? Math.max(0, state.retryAt - now.value) : 0;
  return (
    <p class={`link-state link-${state.kind}`}>
      <span class="link-dot" aria-hidden="true" />
      <span role="status">{{ live: 'Live', connecting: 'Connecting…', away: 'Offline' }[state.kind]}</span>
      {state.kind === 'away' && <span class="link-retry"> next try in {duration(left)}</span>}
    </p>
  );
}

/** The head of a page: its name, which is also that of the window, and what can be done on it. */
export function PageHead({
  title,
  note,
  children,
}: {
  title: string;
  note?: ComponentChildren;
  children?: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${title} · MiniMCP`;
  }, [title]);
  return (
    <header class="page-head">
      <div>
        <h1>{title}</h1>
        {note !== undefined && <p class="page-note">{note}</p>}
      </div>
      {children !== undefined && <div class="page-actions">{children}</div>}
    </header>
  );
}
