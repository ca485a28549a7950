import * as z from 'zod';

const token = (prefix: string, kind: string) =>
  z
    .string()
    .trim()
    // Tokens that rotate carry a mark in front.
    .regex(new RegExp(`^(xoxe\\.)?${prefix}-[A-Za-z0-9-]+$`), `is not a ${kind} token, which begins with ${prefix}-`);

/**
 * What Slack gives an app. The bot speaks for everything but searching, for which Slack wants a user. The app-level
 * token and the signing secret are for apps that Slack calls; nothing here is called, so they are checked and not used.
 */
export const Credentials = z.object({
  bot_token: token('xoxb', 'bot'),
  user_token: token('xoxp', 'user').optional(),
  app_token: token('xapp', 'app-level').optional(),
  signing_secret: z
    .string()
    .trim()
    .regex(/^[0-9a-f]{32}$/, 'is not a signing secret, which is 32 hexadecimal digits')
    .optional(),
});

export type Credentials = z.infer<typeof Credentials>;
