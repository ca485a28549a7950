import * as z from 'zod';

/** A personal access token (`figd_…`), or a plan access token. */
export const Credentials = z.object({
  api_key: z
    .string('is missing: a personal access token of Figma')
    .trim()
    .regex(/^[\x21-\x7e]+$/, 'is empty, or holds white space or what no token holds'),
});

export type Credentials = z.infer<typeof Credentials>;
