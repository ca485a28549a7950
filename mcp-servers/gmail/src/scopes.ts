import { Failure, type Call } from '@minimcp/runtime';

/** The scopes any of which lets a request through, the narrowest first. `https://mail.google.com/` always does. */
export const PURPOSES = {
  seeProfile: ['gmail.readonly', 'gmail.compose', 'gmail.modify'],
  read: ['gmail.readonly', 'gmail.modify'],
  send: ['gmail.send', 'gmail.compose', 'gmail.modify'],
  listLabels: ['gmail.labels', 'gmail.readonly', 'gmail.modify'],
  modifyLabels: ['gmail.modify'],
  readDrafts: ['gmail.readonly', 'gmail.compose', 'gmail.modify'],
  writeDrafts: ['gmail.compose', 'gmail.modify'],
} as const;

/** What a request is for. */
export type Purpose = keyof typeof PURPOSES;

const PREFIX = 'https://www.googleapis.com/auth/';
const EVERYTHING = 'https://mail.google.com/';

/**
 * Holds a request to `scopes` of CONFIG, by which an instance may do less than its credentials allow.
 * @throws Failure
 */
export function permit({ config }: Pick<Call<unknown>, 'config'>, purpose: Purpose): void {
  const { scopes } = config;
  if (scopes === undefined) return;
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) {
    throw new Failure('invalid', 'scopes in CONFIG is not a list of scopes, such as ["gmail.readonly"]');
  }
  const granted = scopes.map((scope: string) => scope.replace(PREFIX, ''));
  if (granted.includes(EVERYTHING) || PURPOSES[purpose].some((scope) => granted.includes(scope))) return;
  throw new Failure('forbidden', `The settings of this instance do not allow this: scopes in CONFIG has none of ${scopesFor(purpose)}`);
}

/** The scopes that a purpose needs one of, for a message. */
export function scopesFor(purpose: Purpose): string {
  return PURPOSES[purpose].join(', ');
}
