import * as z from 'zod';

const field = z.string().trim().regex(/^[\x21-\x7e]+$/, 'is empty, or holds white space or what no credential holds');

/** How keys of Google's console begin. They name a project and open no mailbox. */
const CONSOLE_KEY = /^AIza/;

/**
 * A refresh token with the OAuth client it was issued to, from which the server gets access tokens for as long as the
 * user allows it; or an access token in `api_key`, which Google lets die after an hour. The refresh token wins.
 */
export const Credentials = z
  .object({
    api_key: field.optional(),
    client_id: field.optional(),
    client_secret: field.optional(),
    refresh_token: field.optional(),
  })
  .superRefine(({ api_key, client_id, client_secret, refresh_token }, context) => {
    const missing = (name: string, why: string) => context.addIssue({ code: 'custom', path: [name], message: `is missing: ${why}` });
    if (refresh_token !== undefined) {
      const why = 'a refresh token works only with the OAuth client it was issued to';
      if (client_id === undefined) missing('client_id', why);
      if (client_secret === undefined) missing('client_secret', why);
    } else if (api_key === undefined || CONSOLE_KEY.test(api_key)) {
      const why = api_key === undefined ? 'nothing here opens a mailbox' : 'an API key of the console (AIza…) opens no mailbox';
      missing('refresh_token', `${why}. Give the refresh token of the account, or an OAuth access token as api_key`);
    }
  });

export type Credentials = z.infer<typeof Credentials>;
